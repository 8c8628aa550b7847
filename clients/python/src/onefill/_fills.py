"""What fills of threads and of tasks share: names of keys, defaults, the decorator."""

from __future__ import annotations

import functools
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, TypeVar, Union

from ._breaker import Breaker
from ._naming import KeyOf, naming
from ._options import FillOptions, Options
from ._pools import taken_from
from ._steps import Outcome

Key = Union[str, bytes]
AnyKey = TypeVar("AnyKey", bound=Key)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from typing_extensions import ParamSpec, Unpack

    Words = ParamSpec("Words")
    Result_co = TypeVar("Result_co", covariant=True)

    class Cached(Protocol[Words, Result_co]):
        """A decorated function. With asyncio `invalidate` and `stale` are awaited, as the function is."""

        def __call__(self, *args: Words.args, **kwargs: Words.kwargs) -> Result_co: ...
        def __get__(self, instance: Any, owner: Any = None) -> Any: ...
        def key(self, *args: Words.args, **kwargs: Words.kwargs) -> Key: ...
        def invalidate(self, *args: Words.args, **kwargs: Words.kwargs) -> Any: ...
        def stale(self, *args: Words.args, **kwargs: Words.kwargs) -> Any: ...


# Keys of one request. More are asked for one portion after the other, so that no request keeps others waiting.
_KEYS_MAX = 1000


class Fills:
    """Fills with a prefix for their keys and defaults for their options: a region of a cache."""

    def __init__(self, client: Any, prefix: str = "", **defaults: Unpack[FillOptions]) -> None:
        self._settings = taken_from(client.connection_pool)
        self._prefix = prefix.encode()
        self._options = Options(**defaults)
        self._breaker = Breaker(time.monotonic)

    def cached(
        self, key: Optional[KeyOf] = None, **options: Unpack[FillOptions]
    ) -> Callable[[Callable[Words, Result_co]], Cached[Words, Result_co]]:
        """Decorates a function so that what it returns for its arguments is computed once for all processes.

        The key is made of the function's module, name and arguments (docs/packages.md says how). `key` chooses
        another: a template with the arguments, such as `"user:{user_id}"`, or a function of the same arguments.
        What it decorates gains `key(...)`, the key of such a call, `invalidate(...)` and `stale(...)`.
        """
        chosen = self._options.changed(**options)

        def decorate(function: Callable[Words, Result_co]) -> Cached[Words, Result_co]:
            key_of = naming(function, key)
            filled: Any = functools.wraps(function)(self._filled(function, key_of, chosen))
            filled.key = key_of
            filled.invalidate = lambda *args, **kwargs: self.invalidate(key_of(*args, **kwargs))
            filled.stale = lambda *args, **kwargs: self.stale(key_of(*args, **kwargs))
            return filled  # type: ignore[no-any-return]

        return decorate

    def invalidate(self, key: Key) -> Any:
        raise NotImplementedError

    def stale(self, key: Key) -> Any:
        raise NotImplementedError

    def _filled(self, function: Any, key_of: Callable[..., Any], options: Options) -> Callable[..., Any]:
        raise NotImplementedError

    def _name(self, key: Key) -> bytes:
        return self._prefix + (key if isinstance(key, bytes) else key.encode())

    def _portions(self, keys: Iterable[AnyKey]) -> Iterator[Dict[bytes, AnyKey]]:
        """Keys by their names in the server, each once, as many together as one request may ask for."""
        named = list({self._name(key): key for key in keys}.items())
        for begin in range(0, len(named), _KEYS_MAX):
            yield dict(named[begin : begin + _KEYS_MAX])


def by_name(names: Dict[bytes, AnyKey], keys: Tuple[bytes, ...]) -> List[AnyKey]:
    """The caller's own keys for names in the server."""
    return [names[name] for name in keys]


def value_of(found: Union[Outcome, Exception], options: Options) -> Any:
    """The value that was found, as a caller's own, or the error raised."""
    if isinstance(found, Exception):
        raise found
    return None if found.encoded is None else options.serializer.decode(found.encoded)
