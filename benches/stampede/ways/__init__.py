"""The ways that are compared. A new way is a class in one of these modules and a row here."""

from ways.base import Caller, Reading, Tally, Way
from ways.fill import Fill, FillStale
from ways.memcached import Memcached, MemcachedStale
from ways.on_redis import LocalFlight, Plain, RedisPyLock, SetNx

WAYS: dict[str, type[Way]] = {
    way.name: way for way in (Plain, SetNx, RedisPyLock, LocalFlight, Memcached, Fill, MemcachedStale, FillStale)
}

__all__ = ["WAYS", "Caller", "Reading", "Tally", "Way"]
