"""The scenes, in the order of the page."""

from . import at_once, held, memory, moved, stream

SCENES = [held, at_once, stream, moved, memory]
