"""The steps of a fill: what its rules (_filling.py) ask of whoever drives it (_threads.py, _tasks.py), and the answers.

A generator yields a step and is sent its outcome, or is thrown its error. Knows no socket, no thread and no event loop.
"""

from __future__ import annotations

import enum
import itertools
from typing import Any, Dict, Generator, Iterator, List, NamedTuple, Optional, Tuple, Union

from redis import exceptions

from ._options import Options, check, ttl_bounds

Words = Tuple[Any, ...]

# The server is down, or too slow. An error reply is none of these: it says that the request was wrong.
TROUBLE = (exceptions.ConnectionError, exceptions.TimeoutError, OSError)


class Uncacheable:
    """What a computation returns for a value that must not be shared.

    Its caller gets the value; everybody else computes for itself for `ttl` seconds, and nobody waits for anybody.
    """

    def __init__(self, value: Any, ttl: float = 5) -> None:
        check("ttl", ttl, ttl_bounds())
        self.value = value
        self.ttl = ttl


class Send(NamedTuple):
    """Send commands in one go, return their replies; an error reply is one of them. The time-out is the driver's."""

    commands: Tuple[Words, ...]


class Pause(NamedTuple):
    seconds: float


class Compute(NamedTuple):
    """Call the caller's function for these keys, return its values by key. Renew the leases meanwhile."""

    keys: Tuple[Any, ...]
    leases: Dict[Any, Lease] = {}
    lease_s: float = 0


class Lease(NamedTuple):
    """A key that this caller is to compute, and the old value that may be used meanwhile."""

    token: bytes
    old: Optional[bytes]


class Sharing(enum.Enum):
    """What others of this process, who joined while the fill was under way, may make of its outcome."""

    SHARED = "it is theirs too"
    VOID = "the key was written or deleted meanwhile: ask again"
    PRIVATE = "it must not be shared: compute for yourself"


class Outcome(NamedTuple):
    """The value as bytes, `None` for what does not exist."""

    encoded: Optional[bytes]
    sharing: Sharing = Sharing.SHARED


# What became of each key: an error is that key's alone.
Found = Dict[Any, Union[Outcome, Exception]]


class Early(NamedTuple):
    """The caller may have this now, if the rest of the steps is done behind its back."""

    found: Found


Step = Union[Send, Pause, Compute, Early]
Steps = Generator[Step, Any, Found]


def milliseconds(seconds: float) -> int:
    """A time as whole milliseconds, 1 at least."""
    return max(1, round(seconds * 1000))


def report(options: Options, error: BaseException) -> None:
    if options.report is not None:
        options.report(error)


def report_all(options: Options, found: Found) -> None:
    """Reports what failed behind the callers' backs."""
    for outcome in found.values():
        if isinstance(outcome, Exception):
            report(options, outcome)


def renewal(step: Compute, options: Options) -> Tuple[Tuple[Words, ...], Iterator[float]]:
    """What keeps leases alive: the commands, and the pauses in seconds before each time that they are sent.

    They end after `options.renew` seconds: a computation that hangs loses its lease.
    """
    lease = () if options.lease is None else ("LEASE", milliseconds(options.lease))
    pause = step.lease_s / 3
    commands = tuple(("FILL.RENEW", key, each.token, *lease) for key, each in step.leases.items())
    return commands, itertools.repeat(pause, int(options.renew / max(pause, 0.001)))


def any_lives(replies: List[Any]) -> bool:
    """Whether it is worth while to renew again, after replies to a renewal: the time that each lease has left."""
    return any(not isinstance(reply, Exception) and int(reply) > 0 for reply in replies)
