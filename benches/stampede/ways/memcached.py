"""memcached's meta commands, as its wiki (MetaCommands) tells: vivify on a miss, recache, stale values, CAS."""

import asyncio
import time
from typing import NamedTuple

from settings import Settings
from ways.base import Caller, Reading, Tally, Way
from wire import Line, Pool

RECACHE_S = 2
"""mg's R. 2 is the least that has an effect before a value's end: memcached counts in whole seconds."""


class Meta(NamedTuple):
    """An answer to `mg`: the value (empty for a stub, `None` for a miss), the CAS number, the flags W, X and Z."""

    value: str | None
    cas: str
    won: bool
    stale: bool


class MetaClient:
    """As much of memcached's meta protocol as the ways below need."""

    def __init__(self, port: int, tally: Tally) -> None:
        self._pool = Pool(port)
        self._tally = tally

    async def get(self, key: str, flags: str) -> Meta:
        async with self._pool.take() as line:
            head = await self._ask(line, f"mg {key} v c {flags}\r\n")
            if head[0] != "VA":
                return Meta(None, "", False, False)
            value = await line.block(int(head[1]))
            cas = next(flag[1:] for flag in head[2:] if flag.startswith("c"))
            return Meta(value, cas, "W" in head, "X" in head)

    async def set(self, key: str, value: str, flags: str) -> str:
        async with self._pool.take() as line:
            return (await self._ask(line, f"ms {key} {len(value)} {flags}\r\n{value}\r\n"))[0]

    async def delete(self, key: str, flags: str) -> str:
        async with self._pool.take() as line:
            return (await self._ask(line, f"md {key} {flags}\r\n"))[0]

    async def _ask(self, line: Line, request: str) -> list[str]:
        """The words of the answer's first line. Raises ValueError when it is an error."""
        line.send(request.encode())
        self._tally.round_trips += 1
        self._tally.connections = self._pool.opened
        head = (await line.line()).split()
        if "ERROR" in head[0]:
            raise ValueError(f"{request.split()[0]}: {' '.join(head)}")
        return head


class Memcached(Way):
    name = "memcached"
    title = "memcached mg N, CAS"
    server = "memcached"
    how = (
        "`mg key v c N`: the first caller of a missing key wins (W) and computes, `ms` with the CAS number of its stub; "
        "the others get an empty stub (Z) and look again after a pause. Invalidation: `md`, so that the CAS of an old "
        "winner no longer fits."
    )

    def __init__(self, port: int, settings: Settings, tally: Tally) -> None:
        self._settings = settings
        self._cache = MetaClient(port, tally)

    async def read(self, key: str, caller: Caller) -> Reading:
        give_up = time.monotonic() + self._settings.patience_s
        while time.monotonic() < give_up:
            meta = await self._cache.get(key, f"N{self._settings.lease_s}")
            if meta.won:
                value = await caller.compute(key)
                await self._cache.set(key, value, f"T{self._settings.ttl_s} C{meta.cas}")
                return Reading(value)
            if meta.value:
                return Reading(meta.value)
            await asyncio.sleep(self._settings.poll_ms / 1000)
        return Reading(await caller.compute(key))

    async def invalidate(self, key: str) -> None:
        await self._cache.delete(key, "")


class MemcachedStale(Memcached):
    name = "memcached-stale"
    title = "memcached mg N R, md I"
    how = (
        f"`mg key v c N R{RECACHE_S}`: as above, and one caller wins in the value's last second, too. Invalidation: "
        "`md I T`, which keeps the value as stale (X). A winner that was given a value returns it and computes in the "
        "background (`ms C I`); the others use what there is."
    )
    serves_stale = True

    def __init__(self, port: int, settings: Settings, tally: Tally) -> None:
        super().__init__(port, settings, tally)
        self._background: set[asyncio.Task[None]] = set()

    async def read(self, key: str, caller: Caller) -> Reading:
        give_up = time.monotonic() + self._settings.patience_s
        while time.monotonic() < give_up:
            meta = await self._cache.get(key, f"N{self._settings.lease_s} R{RECACHE_S}")
            if meta.won and meta.value:
                task = asyncio.create_task(self._recache(key, meta.cas, caller.apart()))
                self._background.add(task)
                task.add_done_callback(self._background.discard)
            elif meta.won:
                value = await caller.compute(key)
                await self._store(key, value, meta.cas)
                return Reading(value)
            if meta.value:
                return Reading(meta.value, meta.stale)
            await asyncio.sleep(self._settings.poll_ms / 1000)
        return Reading(await caller.compute(key))

    async def invalidate(self, key: str) -> None:
        await self._cache.delete(key, f"I T{self._settings.grace_s}")

    async def _recache(self, key: str, cas: str, caller: Caller) -> None:
        await self._store(key, await caller.compute(key), cas)

    async def _store(self, key: str, value: str, cas: str) -> None:
        await self._cache.set(key, value, f"T{self._settings.ttl_s} C{cas} I")
