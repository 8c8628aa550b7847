"""What the death of a leader does: a process is killed while it computes, and others wait for its value.

Each doomed process leads a key of its own, alone; then a crowd in other processes asks for all these keys, and the
doomed are killed with SIGKILL. What counts is the time from the kill to the crowd's first and last answer for a key.
"""

import asyncio
import dataclasses
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from load import value_of
from origin import Origin, OriginClient
from servers import Server
from settings import Settings
from ways import WAYS, Caller, Tally, Way

CROWD_PROCESSES = 2
CROWD_PER_KEY = 10
"""Callers per key in each of the crowd's processes."""
BEFORE_KILL_S = 0.1
"""How long before the kill the crowd asks: less than the origin needs."""
START_S = 0.5
"""Time for the crowd to connect and read a first value."""
RESET_S = 0.05
RECEIVE_S = 20.0


@dataclasses.dataclass(frozen=True)
class Recovery:
    """What the deaths of one way's leaders did. Milliseconds from the kill; medians over the keys."""

    way: str
    deaths: int
    first_ms: float
    last_ms: float
    first_max_ms: float
    calls_per_key: float


@dataclasses.dataclass(frozen=True)
class Place:
    way: type[Way]
    server_port: int
    origin_port: int
    settings: Settings


def measure_deaths(way_name: str, settings: Settings, onefill: str) -> Recovery:
    """Kills `settings.deaths` leaders of one way, all at once, each of its own key."""
    way = WAYS[way_name]
    # None of the crowd dies, and no value may be lost but those of the doomed.
    settings = dataclasses.replace(settings, crash_pct=0.0)
    with Origin(settings) as origin, Server(way.server, onefill) as server:
        place = Place(way, server.port, origin.port, settings)
        doomed = [_start(_doomed, place, number) for number in range(settings.deaths)]
        for _, computing in doomed:
            _receive(computing, "a leader did not begin to compute")
        kill_at = time.monotonic() + START_S + BEFORE_KILL_S
        crowd = [_start(_crowd, place, kill_at) for _ in range(CROWD_PROCESSES)]
        # The crowd has connected by then, by reading a key of its own, and has asked for none that counts.
        time.sleep(max(0.0, kill_at - BEFORE_KILL_S - RESET_S - time.monotonic()))
        origin.reset()
        time.sleep(max(0.0, kill_at - time.monotonic()))
        for process, _ in doomed:
            process.kill()
        killed_at = time.monotonic()
        answers: list[list[list[float]]] = [_receive(done, "the crowd was not answered") for _, done in crowd]
        calls = origin.counts().calls
        for process, _ in doomed + crowd:
            process.join()
    keys = range(settings.deaths)
    first, last = zip(*(_first_and_last(key, answers, killed_at) for key in keys), strict=True)
    return Recovery(
        way=way_name,
        deaths=settings.deaths,
        first_ms=statistics.median(first),
        last_ms=statistics.median(last),
        first_max_ms=max(first),
        calls_per_key=calls / settings.deaths,
    )


def _first_and_last(key: int, answers: list[list[list[float]]], killed_at: float) -> tuple[float, float]:
    moments = [moment for process in answers for moment in process[key]]
    return (min(moments) - killed_at) * 1000, (max(moments) - killed_at) * 1000


def _key(number: int) -> str:
    return f"death:{number}"


def _start(main: Callable[..., None], place: Place, argument: float) -> tuple[multiprocessing.Process, Connection]:
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=main, args=(place, argument, sending), daemon=True)
    process.start()
    sending.close()
    return process, receiving


def _receive(connection: Connection, problem: str) -> Any:
    """What a process sends; ends the program with `problem` if it doesn't."""
    if not connection.poll(RECEIVE_S):
        sys.exit(problem)
    return connection.recv()


def _doomed(place: Place, number: int, computing: Connection) -> None:
    async def ask(key: str) -> tuple[str, bool]:
        computing.send(key)
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody answers")

    async def lead() -> None:
        way = place.way(place.server_port, place.settings, Tally())
        await way.read(_key(number), Caller(ask, lambda: None))

    uvloop.run(lead())


def _crowd(place: Place, kill_at: float, done: Connection) -> None:
    async def ask_all() -> None:
        way, origin = place.way(place.server_port, place.settings, Tally()), OriginClient(place.origin_port)

        async def ask(key: str) -> tuple[str, bool]:
            version, dies = await origin.get(key)
            return value_of(version, place.settings.value_bytes), dies

        async def answered(key: str) -> float:
            await way.read(key, Caller(ask, lambda: None))
            return time.monotonic()

        # So that connecting is no part of the measurement.
        await asyncio.gather(*(way.read("warm", Caller(ask, lambda: None)) for _ in range(CROWD_PER_KEY)))
        await asyncio.sleep(kill_at - BEFORE_KILL_S - time.monotonic())
        keys = range(place.settings.deaths)
        callers = [asyncio.gather(*(answered(_key(key)) for _ in range(CROWD_PER_KEY))) for key in keys]
        done.send(list(await asyncio.gather(*callers)))
        os._exit(0)

    uvloop.run(ask_all())
