"""Django's Redis cache with a `get_or_set` that is filled once, across processes.

    CACHES = {"default": {
        "BACKEND": "onefill.django.FillCache",
        "LOCATION": "redis://127.0.0.1:6379",
        "OPTIONS": {"fill": {"grace": 30}},
    }}

All else is Django's own backend, and values are stored as it stores them. `OPTIONS["fill"]` holds options of
`onefill.Fill`, but for `ttl` and `serializer`, which are Django's.
"""

from __future__ import annotations

from typing import Any, Dict

from asgiref.sync import sync_to_async
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from django.utils.functional import cached_property

from ._threads import Fill


# One for each backend of the settings. Django has an object of its own for each thread, and those that want the same
# value are to ask once.
_FILLS: Dict[str, Fill] = {}


class FillCache(RedisCache):
    """The backend: name it in `CACHES`."""

    def __init__(self, server: Any, params: Dict[str, Any]) -> None:
        options = dict(params.get("OPTIONS", {}))
        self._fill_options = options.pop("fill", {})
        super().__init__(server, {**params, "OPTIONS": options})

    def get_or_set(self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> Any:
        """As Django's, but `default` is called by one caller of all processes; the others wait for what it returns."""
        ttl = self.get_backend_timeout(timeout)
        if ttl == 0:
            # Django's way to say that it must not be stored.
            return super().get_or_set(key, default, timeout, version)
        serializer = self._cache._serializer

        def compute() -> bytes:
            value = serializer.dumps(default() if callable(default) else default)
            # An integer is left one, so that incr() works. None is a value to Django, and stored.
            return value if isinstance(value, bytes) else str(value).encode()

        return serializer.loads(self._fill.get(self.make_and_validate_key(key, version=version), compute, ttl=ttl))

    async def aget_or_set(self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> Any:
        """See get_or_set()."""
        return await sync_to_async(self.get_or_set)(key, default, timeout, version)

    @cached_property
    def _fill(self) -> Fill:
        name = repr((self._servers, self._options, self._fill_options))
        found = _FILLS.get(name)
        if found is None:
            made = Fill(self._cache.get_client(write=True), **{**self._fill_options, "serializer": "bytes"})
            # Two threads may get here at once; both then use the one that was first.
            found = _FILLS.setdefault(name, made)
        return found
