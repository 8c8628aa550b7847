"""What a way of caching is to the benchmark, and what it is given."""

import abc
import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import ClassVar, NamedTuple

from settings import Settings


class Reading(NamedTuple):
    """A value, and whether the cache said that it may be old."""

    value: str
    announced_stale: bool = False


@dataclasses.dataclass
class Tally:
    """What a process's client library did."""

    round_trips: int = 0
    connections: int = 0


class Caller:
    """One caller, as a way sees it: who computes, and what its death would take along."""

    def __init__(self, ask: Callable[[str], Awaitable[tuple[str, bool]]], on_death: Callable[[], None]) -> None:
        self._ask, self._on_death = ask, on_death
        self.holds: Callable[[], None] | None = None
        """Called when the caller dies while it computes: what the kernel does with its sockets."""

    async def compute(self, key: str) -> str:
        """The value, from the origin. Never returns to a caller that dies of it: no handler, no `finally` runs."""
        value, dies = await self._ask(key)
        if dies:
            if self.holds is not None:
                self.holds()
            self._on_death()
            await asyncio.get_running_loop().create_future()
        return value

    def apart(self) -> "Caller":
        """Another one for work in the background, whose death this one survives."""
        return Caller(self._ask, lambda: None)


class Way(abc.ABC):
    """A way of caching, in one process: all its callers share the instance."""

    name: ClassVar[str]
    title: ClassVar[str]
    server: ClassVar[str]
    how: ClassVar[str]
    """Whose advice it follows, for the page."""
    serves_stale: ClassVar[bool] = False

    @abc.abstractmethod
    def __init__(self, port: int, settings: Settings, tally: Tally) -> None:
        """A client of the server on `port` that keeps `tally`. Connects when it is used."""

    @abc.abstractmethod
    async def read(self, key: str, caller: Caller) -> Reading:
        """The value of a key, from the cache or computed by the caller."""

    @abc.abstractmethod
    async def invalidate(self, key: str) -> None:
        """Returns when the cache has acknowledged that the origin's value has changed."""
