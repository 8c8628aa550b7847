"""A cache miss is filled once, across processes: FILL of Onefill, over redis-py.

    import redis, onefill

    cache = redis.Redis()
    user = onefill.fill(cache, "user:7", lambda: load(7), ttl=60, codec="json")

One caller of all processes computes; the others wait in the server and get its value. `cached` decorates a function
with the same. With a `redis.asyncio` client both are awaited. The options: docs/packages.md.
"""

from __future__ import annotations

import weakref
from typing import Any, Callable, Union, overload

import redis
import redis.asyncio

from ._codecs import Codec
from ._errors import FillError, FillFailed, FillTimeout, FillUnavailable
from ._fills import Key
from ._naming import KeyOf
from ._options import FillOptions, Options
from ._steps import Uncacheable
from ._tasks import AsyncOnefill
from ._threads import Onefill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Awaitable, Optional, TypeVar

    from typing_extensions import Unpack

    from ._fills import Cached, Result_co, Words

    Value = TypeVar("Value")

__all__ = [
    "AsyncOnefill",
    "Codec",
    "FillError",
    "FillFailed",
    "FillOptions",
    "FillTimeout",
    "FillUnavailable",
    "Onefill",
    "Options",
    "Uncacheable",
    "cached",
    "fill",
]

# By the client's pool and not by the client: some frameworks make a client for each call.
_of_pools: Any = weakref.WeakKeyDictionary()


@overload
def fill(
    client: redis.Redis, key: Key, compute: Callable[[], Optional[Value]], **options: Unpack[FillOptions]
) -> Optional[Value]: ...


@overload
def fill(
    client: redis.asyncio.Redis,
    key: Key,
    compute: Callable[[], Awaitable[Optional[Value]]],
    **options: Unpack[FillOptions],
) -> Awaitable[Optional[Value]]: ...


def fill(client: Any, key: Key, compute: Callable[[], Any], **options: Any) -> Any:
    """The value of a key, computed by one caller of all processes where nobody has it: `Onefill.fill`.

    With a `redis.asyncio` client, and then with an async `compute`, it returns an awaitable: `AsyncOnefill.fill`.
    """
    return _fills(client).fill(key, compute, **options)


def cached(
    client: Union[redis.Redis, redis.asyncio.Redis], key: KeyOf, **options: Unpack[FillOptions]
) -> Callable[[Callable[Words, Result_co]], Cached[Words, Result_co]]:
    """Decorates a function so that what it returns for a key is computed once for all processes: `Onefill.cached`."""
    return _fills(client).cached(key, **options)


def _fills(client: Any) -> Union[Onefill, AsyncOnefill]:
    pool = client.connection_pool
    fills = _of_pools.get(pool)
    if fills is None:
        kind = AsyncOnefill if isinstance(client, redis.asyncio.Redis) else Onefill
        # Two threads may get here at once; both then use the one that was first.
        fills = _of_pools.setdefault(pool, kind(client))
    return fills
