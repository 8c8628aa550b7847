"""What people do with redis, through redis-py: cache-aside alone, behind two kinds of lock, behind a local flight."""

import asyncio
import time
import uuid
from typing import Any

import redis.asyncio
from redis.asyncio.connection import Connection, ConnectionPool
from redis.exceptions import LockError

from settings import Settings
from ways.base import Caller, Reading, Tally, Way

RELEASE = """
if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end
"""


def connect(port: int, settings: Settings, tally: Tally) -> redis.asyncio.Redis:
    """A client with a pool that counts round trips: what is sent at once counts as one, handshakes don't count."""

    class Counting(Connection):
        greeting = False

        async def on_connect_check_health(self, check_health: bool = True) -> None:
            tally.connections += 1
            self.greeting = True
            await super().on_connect_check_health(check_health)
            self.greeting = False

        async def send_packed_command(self, *args: Any, **options: Any) -> None:
            tally.round_trips += not self.greeting
            await super().send_packed_command(*args, **options)

    pool = ConnectionPool(
        connection_class=Counting,
        max_connections=settings.callers,
        host="127.0.0.1",
        port=port,
        decode_responses=True,
        socket_timeout=None,
        socket_connect_timeout=None,
    )
    return redis.asyncio.Redis(connection_pool=pool)


class OnRedis(Way):
    """What the ways on redis have in common."""

    server = "redis"

    def __init__(self, port: int, settings: Settings, tally: Tally) -> None:
        self._settings = settings
        self._redis = connect(port, settings, tally)

    async def invalidate(self, key: str) -> None:
        await self._redis.delete(key)

    async def _look(self, key: str) -> str | None:
        value: Any = await self._redis.get(key)
        return None if value is None else str(value)

    async def _fill(self, key: str, caller: Caller) -> Reading:
        value = await caller.compute(key)
        await self._redis.set(key, value, ex=self._settings.ttl_s)
        return Reading(value)


class Plain(OnRedis):
    name = "plain"
    title = "cache-aside"
    how = "GET; on a miss compute and SET EX. Invalidation: DEL. The pattern in every caching guide."

    async def read(self, key: str, caller: Caller) -> Reading:
        value = await self._look(key)
        return await self._fill(key, caller) if value is None else Reading(value)


class SetNx(OnRedis):
    name = "setnx"
    title = "SET NX PX lock, polling"
    how = (
        "On a miss SET lock NX PX; the winner looks again, computes, stores and releases with the compare-and-delete "
        "script of Redis's page on distributed locks; the others look again after a pause. Invalidation: DEL."
    )

    def __init__(self, port: int, settings: Settings, tally: Tally) -> None:
        super().__init__(port, settings, tally)
        self._release = self._redis.register_script(RELEASE)

    async def read(self, key: str, caller: Caller) -> Reading:
        lock = f"lock:{key}"
        give_up = time.monotonic() + self._settings.patience_s
        while time.monotonic() < give_up:
            value = await self._look(key)
            if value is not None:
                return Reading(value)
            token = uuid.uuid4().hex
            if await self._redis.set(lock, token, nx=True, px=self._settings.lease_s * 1000):
                reading = await self._look_again(key, caller)
                await self._release(keys=[lock], args=[token])
                return reading
            await asyncio.sleep(self._settings.poll_ms / 1000)
        return Reading(await caller.compute(key))

    async def _look_again(self, key: str, caller: Caller) -> Reading:
        """The last owner of the lock may have stored between this caller's look and its own lock."""
        value = await self._look(key)
        return await self._fill(key, caller) if value is None else Reading(value)


class RedisPyLock(OnRedis):
    name = "redis-py-lock"
    title = "redis-py's Lock"
    how = (
        "On a miss `async with redis.lock(…, timeout=lease, blocking_timeout=patience)`, within it look again, compute "
        "and SET EX. The lock's own pause between two attempts, 100 ms, is left as it is. Invalidation: DEL."
    )

    async def read(self, key: str, caller: Caller) -> Reading:
        value = await self._look(key)
        if value is not None:
            return Reading(value)
        lock = self._redis.lock(
            f"lock:{key}",
            timeout=self._settings.lease_s,
            blocking_timeout=self._settings.patience_s,
            raise_on_release_error=False,
        )
        try:
            async with lock:
                value = await self._look(key)
                return await self._fill(key, caller) if value is None else Reading(value)
        except LockError:
            return Reading(await caller.compute(key))


class LeaderLost(Exception):
    """The task that computed for the others is gone."""


class LocalFlight(OnRedis):
    name = "local"
    title = "single flight per process"
    how = (
        "On a miss the tasks of one process share one flight (as Go's singleflight does), whose leader computes and "
        "does SET EX. Processes know nothing of each other. Invalidation: DEL. A leader that dies alone fails its "
        "flight at once, which flatters this way: in truth its whole process dies."
    )

    def __init__(self, port: int, settings: Settings, tally: Tally) -> None:
        super().__init__(port, settings, tally)
        self._flights: dict[str, asyncio.Future[Reading]] = {}

    async def read(self, key: str, caller: Caller) -> Reading:
        while True:
            value = await self._look(key)
            if value is not None:
                return Reading(value)
            flight = self._flights.get(key)
            if flight is None:
                return await self._lead(key, caller)
            try:
                return await asyncio.shield(flight)
            except LeaderLost:
                continue

    async def _lead(self, key: str, caller: Caller) -> Reading:
        flight: asyncio.Future[Reading] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        caller.holds = lambda: self._fail(key)
        reading = await self._fill(key, caller)
        caller.holds = None
        del self._flights[key]
        flight.set_result(reading)
        return reading

    def _fail(self, key: str) -> None:
        flight = self._flights.pop(key)
        flight.set_exception(LeaderLost())
        flight.exception()  # There may be no waiter who fetches it.
