"""A cache miss is filled once, across processes: FILL of Onefill, over redis-py.

    import redis, onefill

    fill = onefill.Fill(redis.Redis(), prefix="shop:", ttl=60)
    user = fill.get("user:7", lambda: load(7))

One caller of all processes computes; the others wait and get its value. `fill.cached` decorates a function with the
same. `AsyncFill` is for a `redis.asyncio` client, and awaited. The options: docs/packages.md.
"""

from ._errors import FillError, FillFailed, FillTimeout, FillUnavailable
from ._options import FillOptions, Options
from ._serializers import Serializer
from ._steps import Uncacheable
from ._tasks import AsyncFill
from ._threads import Fill

__all__ = [
    "AsyncFill",
    "Fill",
    "FillError",
    "FillFailed",
    "FillOptions",
    "FillTimeout",
    "FillUnavailable",
    "Options",
    "Serializer",
    "Uncacheable",
]
