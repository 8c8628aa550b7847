"""Flask-Caching's Redis backend, whose `cached` and `memoize` are filled once, across processes.

    CACHE_TYPE = "onefill.flask.FillCache"
    CACHE_REDIS_URL = "redis://127.0.0.1:6379"
    CACHE_FILL = {"grace": 30}      # options of `onefill.Fill`, but for `ttl`, `failure_ttl` and `serializer`

Flask-Caching has no "get or compute": it gets, and when it finds nothing it computes and sets. So a `get` that finds
nothing makes the key this request's to set, and whoever else gets it waits for that; the end of the request (of its
application context) gives up what was not set. Outside of an application context all is Flask-Caching's own.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

import flask
from flask_caching.backends.rediscache import RedisCache

from ._errors import FillError, FillTimeout
from ._lines import Held
from ._serializers import Serializer
from ._steps import Sharing, Uncacheable
from ._threads import Fill

# How long a request that is to set a key waits for another one's: two that want each other's would wait for ever.
_NESTED_TIMEOUT_S = 1.0
# For so long nobody waits for a key that a request has looked for and not set, such as a page that is not to be cached.
_NOT_SET_TTL_S = 1.0
# Keys that a request may be about to set, each over a connection. Where it looks for more the first are given up.
_HELD_MAX = 10
# What Flask-Caching calls the keys that it looks for before it looks for a memoized function's value.
_VERSION_SUFFIX = "_memver"


class _Made(NamedTuple):
    stored: bytes
    ttl_s: Optional[float]


_SERIALIZER = Serializer(lambda made: made.stored, bytes)


class FillCache(RedisCache):
    """The backend: name it in `CACHE_TYPE`."""

    def __init__(self, *args: Any, fill: Optional[Dict[str, Any]] = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # No failure is shared: where a `get` raises Flask-Caching computes, and all would at once.
        own = {"failure_ttl": 0, "serializer": _SERIALIZER, "ttl": lambda made: made.ttl_s}
        self._fill = Fill(self._write_client, **{**(fill or {}), **own})
        nested_s = min(_NESTED_TIMEOUT_S, self._fill._options.timeout)
        self._nested = self._fill._options.changed(timeout=nested_s)

    @classmethod
    def factory(cls, app: Any, config: Any, args: Any, kwargs: Any) -> FillCache:
        """Called by Flask-Caching."""
        cache: FillCache = super().factory(app, config, args, {**kwargs, "fill": config.get("CACHE_FILL")})
        app.teardown_appcontext(cache._give_up)
        return cache

    def get(self, key: str) -> Any:
        """The value, or None: then this request is the one to set it."""
        held = self._held()
        name = self._get_prefix() + key
        if held is None or name in held:
            return super().get(key)
        try:
            found = self._fill._lead(name.encode(), self._nested if held else self._fill._options)
        except FillTimeout:
            return None
        if isinstance(found, Held):
            held[name] = found
            while len(held) > _HELD_MAX:
                held.pop(next(iter(held))).end(Uncacheable(None, _NOT_SET_TTL_S))
            return None
        return self.serializer.loads(found.encoded)

    def get_many(self, *keys: str) -> List[Any]:
        """The values, None for what is not there."""
        values = super().get_many(*keys)
        # A version that each process made for itself would make a key for itself, too.
        return [self._version(key) if value is None else value for key, value in zip(keys, values)]

    def set(self, key: str, value: Any, timeout: Any = None) -> Any:
        """Stores a value; whoever waits for it gets it."""
        name = self._get_prefix() + key
        held = self._held() or {}
        if name not in held:
            return super().set(key, value, timeout)
        seconds = self._normalize_timeout(timeout)
        made = _Made(self.serializer.dumps(value), None if seconds == -1 else seconds)
        outcome = held.pop(name).end(made)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome.sharing is Sharing.SHARED

    def set_many(self, mapping: Dict[str, Any], timeout: Any = None) -> List[Any]:
        """Stores values; returns the keys of those that were stored."""
        held = self._held() or {}
        mine = [key for key in mapping if self._get_prefix() + key in held]
        others = {key: value for key, value in mapping.items() if key not in mine}
        stored = [key for key in mine if self.set(key, mapping[key], timeout)]
        return stored + (super().set_many(others, timeout) if others else [])

    def delete(self, key: str) -> bool:
        """Deletes a value; whether it was there."""
        self._let_go(key)
        return bool(super().delete(key))

    def delete_many(self, *keys: str) -> List[Any]:
        """Deletes values; returns the keys."""
        for key in keys:
            self._let_go(key)
        return list(super().delete_many(*keys))

    def clear(self) -> bool:
        """Deletes all keys with the prefix, or all."""
        self._give_up()
        return bool(super().clear())

    def _version(self, key: str) -> Any:
        return self.get(key) if key.endswith(_VERSION_SUFFIX) else None

    def _held(self) -> Optional[Dict[str, Held]]:
        """The keys that this request is to set, by name; None outside of an application context."""
        if not flask.has_app_context():
            return None
        held: Dict[str, Held] = flask.g.setdefault(f"_onefill_{id(self)}", {})
        return held

    def _let_go(self, key: str) -> None:
        """Else what is set after a deletion would be taken for older than the deletion."""
        held = (self._held() or {}).pop(self._get_prefix() + key, None)
        if held is not None:
            held.end(Uncacheable(None, _NOT_SET_TTL_S))

    def _give_up(self, error: Optional[BaseException] = None) -> None:
        held = self._held() or {}
        while held:
            _, each = held.popitem()
            # After an error it is the next one's turn, which may have better luck.
            each.end(Uncacheable(None, _NOT_SET_TTL_S) if error is None else FillError(str(error)))
