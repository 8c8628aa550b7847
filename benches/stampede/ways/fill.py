"""FILL.GET and FILL.PUT through redis-py, as docs/clients.md tells."""

import asyncio
import time
from typing import Any

import redis.asyncio

from settings import Settings
from ways.base import Caller, Reading, Tally, Way
from ways.on_redis import connect


def drop(client: redis.asyncio.Redis) -> None:
    """Closes a client's connection without a word, as the end of its process would."""
    if client.connection is not None and client.connection._writer is not None:
        client.connection._writer.transport.abort()


async def send(client: redis.asyncio.Redis, *words: str | int) -> Any:
    """`execute_command`, for which redis-py has no types."""
    return await client.execute_command(*words)  # type: ignore[no-untyped-call]


class Fill(Way):
    name = "fill"
    title = "FILL.GET"
    server = "onefill"
    how = (
        "The recipe of docs/clients.md: FILL.GET; with a token compute and FILL.PUT PX, else use the value or ask again. "
        "A caller has a connection of its own while it asks or leads (`single_connection_client=True`), so that a "
        "leader's is lent to nobody. All options at their defaults. Invalidation: DEL."
    )

    def __init__(self, port: int, settings: Settings, tally: Tally) -> None:
        self._settings = settings
        self._redis = connect(port, settings, tally)
        self._idle: list[redis.asyncio.Redis] = []

    async def read(self, key: str, caller: Caller) -> Reading:
        give_up = time.monotonic() + self._settings.patience_s
        own = self._take()
        while time.monotonic() < give_up:
            status, value, token, ms = await send(own, "FILL.GET", key)
            if token is not None:
                return Reading(await self._lead(own, key, token, caller))
            if status == "HIT":
                self._idle.append(own)
                return Reading(value)
            if status not in ("WAIT", "SELF"):
                raise RuntimeError(f"{status} where nobody failed and nothing is stale")
            await asyncio.sleep(min(ms, 20) / 1000)
        self._idle.append(own)
        return Reading(await caller.compute(key))

    async def invalidate(self, key: str) -> None:
        await self._redis.delete(key)

    def _take(self) -> redis.asyncio.Redis:
        """A client with a connection of its own, to be put back into `_idle`; a caller that dies keeps it."""
        return self._idle.pop() if self._idle else self._redis.client()

    async def _lead(self, own: redis.asyncio.Redis, key: str, token: str, caller: Caller) -> str:
        caller.holds = lambda: drop(own)
        value = await caller.compute(key)
        caller.holds = None
        await send(own, "FILL.PUT", key, token, value, *self._put_options())
        self._idle.append(own)
        return value

    def _put_options(self) -> tuple[str | int, ...]:
        return ("PX", self._settings.ttl_s * 1000)


class FillStale(Fill):
    name = "fill-stale"
    title = "FILL.GET, GRACE"
    how = (
        "As above with FILL.PUT PX GRACE. Invalidation: FILL.STALE key GRACE. A caller that gets REFRESH returns the "
        "value that came with it and computes in the background; STALE is used. Both announce that a value may be old."
    )
    serves_stale = True

    def __init__(self, port: int, settings: Settings, tally: Tally) -> None:
        super().__init__(port, settings, tally)
        self._background: set[asyncio.Task[str]] = set()

    async def read(self, key: str, caller: Caller) -> Reading:
        give_up = time.monotonic() + self._settings.patience_s
        own = self._take()
        while time.monotonic() < give_up:
            status, value, token, ms = await send(own, "FILL.GET", key)
            if token is not None and value is not None:
                self._refresh(own, key, token, caller.apart())
                return Reading(value, announced_stale=True)
            if token is not None:
                return Reading(await self._lead(own, key, token, caller))
            if value is not None:
                self._idle.append(own)
                return Reading(value, announced_stale=status == "STALE")
            await asyncio.sleep(min(ms, 20) / 1000)
        self._idle.append(own)
        return Reading(await caller.compute(key))

    async def invalidate(self, key: str) -> None:
        await send(self._redis, "FILL.STALE", key, "GRACE", self._settings.grace_s * 1000)

    def _refresh(self, own: redis.asyncio.Redis, key: str, token: str, caller: Caller) -> None:
        task = asyncio.create_task(self._lead(own, key, token, caller))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _put_options(self) -> tuple[str | int, ...]:
        return ("PX", self._settings.ttl_s * 1000, "GRACE", self._settings.grace_s * 1000)
