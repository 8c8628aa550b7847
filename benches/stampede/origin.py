"""The slow origin: a process of its own that all callers share, so that every way's calls are counted by one book.

It knows the truth: a version per key, which the writer raises. It doesn't know of caches, except how long a value
lives: that is what makes a call necessary or superfluous.
"""

import asyncio
import contextlib
import dataclasses
import json
import multiprocessing
import random
import socket
import time

import uvloop

from settings import Settings
from wire import Pool

LIFE_SHARE = 0.25
"""A call that comes within this share of the TTL after a value was handed out asks for a value that it could have
had. Later ones may be an early refresh or memcached's second that ends early: the next life of the value."""


@dataclasses.dataclass
class Counts:
    """What the origin was asked. `needed` is what an ideal cache would have asked."""

    calls: int = 0
    needed: int = 0
    crashes: int = 0
    bumps: int = 0
    open_max: int = 0


@dataclasses.dataclass
class KeyState:
    version: int = 1
    open: int = 0
    wanted_version: int = 0
    """The version for which a needed call was counted and no value handed out yet; 0 if there is none."""
    given_version: int = 0
    given_at: float = 0.0


class Books:
    """Tells needed calls from superfluous ones. Time is an argument."""

    def __init__(self, ttl_s: float) -> None:
        self._life_s = ttl_s * LIFE_SHARE
        self._keys: dict[str, KeyState] = {}
        self._open = 0
        self.counts = Counts()

    def version(self, key: str) -> int:
        return self._key(key).version

    def bump(self, key: str) -> int:
        """The truth changes."""
        state = self._key(key)
        state.version += 1
        self.counts.bumps += 1
        return state.version

    def begin(self, key: str, now: float) -> None:
        """A call arrives."""
        state = self._key(key)
        given = state.given_version == state.version and now - state.given_at < self._life_s
        if not given and state.wanted_version != state.version:
            state.wanted_version = state.version
            self.counts.needed += 1
        self.counts.calls += 1
        state.open += 1
        self._open += 1
        self.counts.open_max = max(self.counts.open_max, self._open)

    def end(self, key: str, version: int, crashed: bool, now: float) -> None:
        """A call's value of `version` leaves; `crashed`: it is lost on the way to the cache."""
        state = self._key(key)
        state.open -= 1
        self._open -= 1
        self.counts.crashes += crashed
        if version != state.version:
            return
        if not crashed:
            state.wanted_version, state.given_version, state.given_at = 0, version, now
        elif state.open == 0:
            state.wanted_version = 0

    def _key(self, key: str) -> KeyState:
        return self._keys.setdefault(key, KeyState())


class Service:
    """Answers `GET key` with `version crash`, `BUMP key` with the new version, `RESET`, `COUNTS` with JSON."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._books = Books(settings.ttl_s)
        self._seats = asyncio.Semaphore(settings.capacity)
        self._busy = 0
        self._random = random.Random(settings.seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Callers end without a word.
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                verb, *rest = line.decode().split()
                writer.write((await self._answer(verb, rest) + "\n").encode())
        writer.close()

    async def _answer(self, verb: str, rest: list[str]) -> str:
        if verb == "GET":
            return await self._get(rest[0])
        if verb == "BUMP":
            return str(self._books.bump(rest[0]))
        if verb == "RESET":
            self._books.counts = Counts()
            return "OK"
        return json.dumps(dataclasses.asdict(self._books.counts))

    async def _get(self, key: str) -> str:
        self._books.begin(key, time.monotonic())
        async with self._seats:
            # As a database does: the version is that of the query's begin, not of its end.
            version = self._books.version(key)
            self._busy += 1
            load = self._busy / self._settings.capacity
            await asyncio.sleep(self._settings.latency_ms / 1000 * (1 + load))
            self._busy -= 1
        crashed = self._random.random() * 100 < self._settings.crash_pct
        self._books.end(key, version, crashed, time.monotonic())
        return f"{version} {int(crashed)}"


async def _serve_forever(listener: socket.socket, settings: Settings) -> None:
    server = await asyncio.start_server(Service(settings).serve, sock=listener)
    await server.serve_forever()


def _main(listener: socket.socket, settings: Settings) -> None:
    uvloop.run(_serve_forever(listener, settings))


class Origin:
    """The origin's process, as its starter sees it. Use as a context manager: it ends with the block."""

    def __init__(self, settings: Settings) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port: int = listener.getsockname()[1]
        self._process = multiprocessing.Process(target=_main, args=(listener, settings), daemon=True)
        self._process.start()
        listener.close()

    def __enter__(self) -> "Origin":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def reset(self) -> None:
        """Counts from now on. What is known of the keys stays."""
        self._ask("RESET")

    def counts(self) -> Counts:
        return Counts(**json.loads(self._ask("COUNTS")))

    def _ask(self, request: str) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request.encode() + b"\n")
            return connection.makefile().readline()


class OriginClient:
    """What callers and the writer know of the origin."""

    def __init__(self, port: int) -> None:
        self._pool = Pool(port)

    async def get(self, key: str) -> tuple[int, bool]:
        """The version of the value, and whether its caller dies now."""
        async with self._pool.take() as line:
            line.send(f"GET {key}\n".encode())
            version, crashed = (await line.line()).split()
            return int(version), crashed == "1"

    async def bump(self, key: str) -> int:
        async with self._pool.take() as line:
            line.send(f"BUMP {key}\n".encode())
            return int(await line.line())
