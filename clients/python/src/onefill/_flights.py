"""Callers of one process that want the same key: one asks the server, the others wait for what it finds.

Owns who asks and who waits, and what those who waited make of it. Knows no server and no way of waiting: `coalesced` is
a generator as those of _filling.py, whose steps are `Ask` and `Join`.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Dict, Generator, Iterable, Iterator, List, NamedTuple, Tuple, Union

from redis import exceptions

from ._errors import FillError, FillFailed, FillTimeout
from ._options import Options
from ._steps import Found, Sharing

# How often a caller joins a flight that is then found void, before it asks by itself.
_JOINS_MAX = 3


class _Flight(NamedTuple):
    # Of concurrent.futures or of asyncio. Its result is one of a `Found`'s values, or what cut its caller off.
    future: Any
    options: Options


class Ask(NamedTuple):
    """Ask the server for these keys, and let `flights` land whatever comes of it. Returns what was found."""

    keys: Iterable[Any]
    options: Options
    flights: Dict[Any, _Flight]


class Join(NamedTuple):
    """Wait for a future, for so many seconds. Returns its result, None where it has none by then."""

    future: Any
    seconds: float


class Flights:
    """The keys that callers of a process (threads) or of an event loop (tasks) ask for right now."""

    def __init__(self, future: Callable[[], Any]) -> None:
        self._future = future
        self._underway: Dict[Any, _Flight] = {}
        self._lock = threading.Lock()

    def enter(self, keys: Iterable[Any], options: Options) -> Tuple[Dict[Any, _Flight], Dict[Any, _Flight], List[Any]]:
        """The flights that begin with this caller, those that it may join, and the keys that it asks for alone."""
        begun: Dict[Any, _Flight] = {}
        joined: Dict[Any, _Flight] = {}
        alone: List[Any] = []
        with self._lock:
            for key in keys:
                other = self._underway.get(key)
                if other is None:
                    self._underway[key] = begun[key] = _Flight(self._future(), options)
                elif options.asks_like(other.options):
                    joined[key] = other
                else:
                    alone.append(key)
        return begun, joined, alone

    @contextlib.contextmanager
    def landing(self, flights: Dict[Any, _Flight]) -> Iterator[Found]:
        """Ends flights with what the block puts into the dictionary, or with its error."""
        found: Found = {}
        ended: Any = None
        try:
            yield found
        except BaseException as error:
            ended = error
            raise
        finally:
            with self._lock:
                for key, flight in flights.items():
                    if self._underway.get(key) is flight:
                        del self._underway[key]
            for key, flight in flights.items():
                if not flight.future.done():
                    flight.future.set_result(found[key] if ended is None else ended)

    def forget(self, key: Any) -> None:
        """Who comes from now on does not join who asked before."""
        with self._lock:
            self._underway.pop(key, None)


def coalesced(
    flights: Flights, keys: Iterable[Any], options: Options, clock: Callable[[], float]
) -> Generator[Union[Ask, Join], Any, Found]:
    """The steps of a caller who wants keys: ends with what became of each; raises as `Filling.steps` does."""
    until = clock() + options.timeout
    found: Found = {}
    left = list(keys)
    alone: List[Any] = []
    for _ in range(_JOINS_MAX):
        begun, joined, apart = flights.enter(left, options)
        alone += apart
        left = []
        # First its own, so that no two callers wait for each other.
        if begun:
            found.update((yield Ask(begun, options, begun)))
        for key, flight in joined.items():
            # Since who asks may compute for as long as it likes.
            result = yield Join(flight.future, max(0, until - clock()))
            if result is None:
                result = FillTimeout(f"another caller of this process did not finish within {options.timeout} s")
                if options.on_timeout == "compute":
                    found.update((yield Ask([key], options.changed(timeout=0), {})))
                    continue
            if _is_theirs_too(result, options):
                found[key] = _shared(result, options)
            else:
                (alone if getattr(result, "sharing", None) is Sharing.PRIVATE else left).append(key)
        if not left:
            break
    alone += left
    if alone:
        found.update((yield Ask(alone, options, {})))
    return found


def _is_theirs_too(result: Any, options: Options) -> bool:
    if isinstance(result, (FillError, exceptions.RedisError)):
        return True
    if isinstance(result, Exception):
        # Else a failure is its caller's own, and this one's turn comes.
        return options.failure_ttl > 0
    return getattr(result, "sharing", None) is Sharing.SHARED


def _shared(result: Any, options: Options) -> Any:
    """As the server would have told it: a failure by its message."""
    if isinstance(result, (FillError, exceptions.RedisError)) or not isinstance(result, Exception):
        return result
    failure = FillFailed(str(result) or type(result).__name__, options.failure_ttl)
    failure.__cause__ = result
    return failure
