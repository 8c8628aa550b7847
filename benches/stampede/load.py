"""The callers: processes full of tasks that ask for one key after another, and the writer that changes the truth."""

import asyncio
import ctypes
import dataclasses
import gc
import itertools
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from origin import OriginClient
from settings import Settings
from ways import Caller, Reading, Tally, Way

TICK_S = 0.05
"""How often a process looks how late its own event loop is."""

Versions = ctypes.Array[ctypes.c_uint64]
"""Per key the version whose invalidation the cache has acknowledged, shared by all processes."""


@dataclasses.dataclass(frozen=True)
class Times:
    """A run on the monotonic clock, which all processes share."""

    begin: float
    measure: float
    end: float

    def measured(self, moment: float) -> bool:
        return self.measure <= moment < self.end


@dataclasses.dataclass
class Figures:
    """What the callers of one process saw. Requests count that began within the measurement."""

    requests: int = 0
    unanswered: int = 0
    """Requests that had no answer a while after the end; the caller's death is none of them."""
    stale: int = 0
    """Reads that began after an invalidation was acknowledged and got an older value as if it were good."""
    announced_stale: int = 0
    """Old values likewise, but announced as such."""
    errors: dict[str, int] = dataclasses.field(default_factory=dict)
    latencies_ms: list[float] = dataclasses.field(default_factory=list)
    lateness_ms: list[float] = dataclasses.field(default_factory=list)
    """How late this process' own event loop was, each `TICK_S`: the part of latencies that is the benchmark's."""
    round_trips: int = 0
    connections: int = 0


class Crowd:
    """The callers of one process."""

    def __init__(self, way: Way, tally: Tally, origin: OriginClient, settings: Settings, times: Times, seed: int) -> None:
        self._way, self._tally, self._origin, self._settings, self._times = way, tally, origin, settings, times
        self._random = random.Random(seed)
        self._keys = range(settings.keys)
        self._weights = list(itertools.accumulate(popularity(settings)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[int, float] = {}
        self._numbers = itertools.count()
        self.figures = Figures()

    async def run(self, callers: int, versions: Versions) -> Figures:
        """Asks until the measurement ends, then gives open requests the time that patience and origin take."""
        self._versions = versions
        await asyncio.sleep(self._times.begin - time.monotonic())
        for _ in range(callers):
            self._start(self._caller(self._random.expovariate(1 / self._settings.pause_s)))
        ticker = asyncio.create_task(self._tick())
        await asyncio.sleep(self._times.measure - time.monotonic())
        before = self._tally.round_trips
        await asyncio.sleep(self._times.end - time.monotonic())
        self.figures.round_trips = self._tally.round_trips - before
        ticker.cancel()
        give_up = self._times.end + self._settings.patience_s + 2
        while self._open and time.monotonic() < give_up:
            await asyncio.sleep(0.02)
        self.figures.unanswered = sum(map(self._times.measured, self._open.values()))
        self.figures.connections = self._tally.connections
        return self.figures

    def _start(self, caller: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(caller)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _caller(self, first_pause_s: float) -> None:
        number = next(self._numbers)
        caller = Caller(self._ask, lambda: self._replace(number))
        await asyncio.sleep(first_pause_s)
        while time.monotonic() < self._times.end:
            key = self._random.choices(self._keys, cum_weights=self._weights)[0]
            await self._request(number, caller, key)
            await asyncio.sleep(self._random.expovariate(1 / self._settings.pause_s))

    async def _request(self, number: int, caller: Caller, key: int) -> None:
        floor, began = self._versions[key], time.monotonic()
        self._open[number] = began
        try:
            reading = await self._way.read(key_name(key), caller)
        except Exception as error:  # Whatever a client library raises is a figure, not the end of the run.
            self._note_error(error)
        else:
            if self._times.measured(began):
                self._note(reading, floor, began)
        del self._open[number]

    def _replace(self, number: int) -> None:
        """A caller died: its request is nobody's any more, and another caller takes its place."""
        del self._open[number]
        self._start(self._caller(self._random.expovariate(1 / self._settings.pause_s)))

    def _note(self, reading: Reading, floor: int, began: float) -> None:
        self.figures.requests += 1
        self.figures.latencies_ms.append((time.monotonic() - began) * 1000)
        if version_of(reading.value) < floor:
            if reading.announced_stale:
                self.figures.announced_stale += 1
            else:
                self.figures.stale += 1

    def _note_error(self, error: Exception) -> None:
        name = f"{type(error).__name__}: {error}"[:100]
        self.figures.errors[name] = self.figures.errors.get(name, 0) + 1

    async def _ask(self, key: str) -> tuple[str, bool]:
        version, dies = await self._origin.get(key)
        return value_of(version, self._settings.value_bytes), dies

    async def _tick(self) -> None:
        while True:
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            if self._times.measured(due):
                self.figures.lateness_ms.append((time.monotonic() - due) * 1000)


def key_name(key: int) -> str:
    return f"page:{key}"


def value_of(version: int, length: int) -> str:
    return f"{version}:".ljust(length, "x")


def version_of(value: str) -> int:
    return int(value.split(":", 1)[0])


def popularity(settings: Settings) -> list[float]:
    """Each key's weight by Zipf's law."""
    return [1 / (rank + 1) ** settings.zipf for rank in range(settings.keys)]


@dataclasses.dataclass(frozen=True)
class Place:
    """What a process of callers must know."""

    way: type[Way]
    server_port: int
    origin_port: int
    settings: Settings
    times: Times
    versions: Versions


async def _call(place: Place, callers: int, seed: int, results: Connection) -> None:
    tally = Tally()
    way = place.way(place.server_port, place.settings, tally)
    crowd = Crowd(way, tally, OriginClient(place.origin_port), place.settings, place.times, seed)
    results.send(await crowd.run(callers, place.versions))
    # Dead callers must not come to their `finally` now, and thousands of sockets need no ceremony.
    os._exit(0)


async def _write(place: Place, seed: int) -> None:
    """Changes the truth and invalidates, at a steady rate, until the measurement ends."""
    settings, origin = place.settings, OriginClient(place.origin_port)
    way = place.way(place.server_port, settings, Tally())
    dice, weights = random.Random(seed), popularity(settings)
    await asyncio.sleep(place.times.begin - time.monotonic())
    while time.monotonic() < place.times.end:
        await asyncio.sleep(dice.expovariate(settings.invalidations))
        key = dice.choices(range(settings.keys), weights)[0]
        version = await origin.bump(key_name(key))
        await way.invalidate(key_name(key))
        place.versions[key] = version
    os._exit(0)


def _call_main(place: Place, callers: int, seed: int, results: Connection) -> None:
    # The collector need not look through what the starter had in memory.
    gc.freeze()
    uvloop.run(_call(place, callers, seed, results))


def _write_main(place: Place, seed: int) -> None:
    uvloop.run(_write(place, seed))


class Load:
    """The processes of one run, as their starter sees them. Use as a context manager: they end with the block."""

    def __init__(self, place: Place, processes: int) -> None:
        self._place = place
        self._results: list[Connection] = []
        self._processes: list[multiprocessing.Process] = []
        settings = place.settings
        for number in range(processes):
            callers = settings.callers // processes + (number < settings.callers % processes)
            receiving, sending = multiprocessing.Pipe(duplex=False)
            self._start(_call_main, (place, callers, settings.seed * 1000 + number, sending))
            sending.close()
            self._results.append(receiving)
        if settings.invalidations > 0:
            self._start(_write_main, (place, settings.seed))

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def figures(self) -> list[Figures]:
        """What each process saw. Waits for the last of them; ends the program if one fails to tell."""
        give_up = self._place.times.end + self._place.settings.patience_s + 10
        figures = []
        for results in self._results:
            if not results.poll(max(0.0, give_up - time.monotonic())):
                sys.exit("a process of callers did not end in time")
            figures.append(results.recv())
        return figures

    def _start(self, main: Callable[..., None], args: tuple[object, ...]) -> None:
        process = multiprocessing.Process(target=main, args=args, daemon=True)
        process.start()
        self._processes.append(process)
