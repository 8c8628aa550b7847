"""What fills of threads and of tasks share: names of keys, defaults, the decorator."""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional, Union

from ._naming import KeyOf, naming
from ._options import FillOptions, Options
from ._pools import taken_from

Key = Union[str, bytes]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    from typing_extensions import ParamSpec, Unpack

    Words = ParamSpec("Words")
    Result_co = TypeVar("Result_co", covariant=True)

    class Cached(Protocol[Words, Result_co]):
        """A decorated function. With asyncio `delete` is awaited, as the function is."""

        def __call__(self, *args: Words.args, **kwargs: Words.kwargs) -> Result_co: ...
        def __get__(self, instance: Any, owner: Any = None) -> Any: ...
        def key(self, *args: Words.args, **kwargs: Words.kwargs) -> Key: ...
        def delete(self, *args: Words.args, **kwargs: Words.kwargs) -> Any: ...


class Fills:
    """Fills with a prefix for their keys and defaults for their options: a region of a cache."""

    def __init__(self, client: Any, prefix: str = "", **defaults: Unpack[FillOptions]) -> None:
        self._settings = taken_from(client.connection_pool)
        self._prefix = prefix.encode()
        self._options = Options(**defaults)

    def cached(
        self, key: KeyOf, **options: Unpack[FillOptions]
    ) -> Callable[[Callable[Words, Result_co]], Cached[Words, Result_co]]:
        """Decorates a function so that what it returns for a key is computed once for all processes.

        `key` is a template with the function's arguments, such as `"user:{user_id}"`, or a function of the same
        arguments. What it decorates gains `key(...)`, the key of such a call, and `delete(...)`, which deletes it.
        """
        chosen = self._options.changed(**options)

        def decorate(function: Callable[Words, Result_co]) -> Cached[Words, Result_co]:
            key_of = naming(function, key)
            filled: Any = functools.wraps(function)(self._filled(function, key_of, chosen))
            filled.key = key_of
            filled.delete = lambda *args, **kwargs: self.delete(key_of(*args, **kwargs))
            return filled

        return decorate

    def delete(self, key: Key) -> Any:
        raise NotImplementedError

    def _filled(self, function: Any, key_of: Callable[..., Any], options: Options) -> Callable[..., Any]:
        raise NotImplementedError

    def _name(self, key: Key) -> bytes:
        return self._prefix + (key if isinstance(key, bytes) else key.encode())

    @staticmethod
    def _decoded(encoded: Optional[bytes], options: Options) -> Any:
        return None if encoded is None else options.codec.decode(encoded)
