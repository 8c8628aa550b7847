"""Fills over `redis.Redis`: threads of a process that want the same key wait for one of them, which asks the server."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import threading
import time
import uuid
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple, TypeVar, Union, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ._fills import AnyKey, Fills, Key, by_name, value_of
from ._filling import Filling
from ._flights import Ask, Flights, Join, coalesced
from ._lines import Held, Line, advanced, renewed
from ._options import FillOptions, Options
from ._pools import wait_most_s
from ._steps import Compute, Early, Found, Outcome, Sharing, Steps, report, report_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Unpack

Value = TypeVar("Value")
# The caller's function for some keys, by their names in the server.
Computation = Callable[[Tuple[bytes, ...]], Dict[bytes, Any]]


class Fill(Fills):
    """Fills over a `redis.Redis` client, with connections of their own. Threads and forked processes may share it."""

    def __init__(self, client: redis.Redis, prefix: str = "", **defaults: Unpack[FillOptions]) -> None:
        super().__init__(client, prefix, **defaults)
        pool: Any = redis.BlockingConnectionPool
        self._pool = pool(retry=Retry(NoBackoff(), 0), **self._settings)
        self._flights_of = (os.getpid(), Flights(concurrent.futures.Future))

    def get(
        self, key: Key, compute: Callable[[], Optional[Value]], **options: Unpack[FillOptions]
    ) -> Optional[Value]:
        """The value of a key, computed by one caller of all processes where nobody has it.

        `compute` returns the value, `None` for what does not exist, or `Uncacheable(value)`. Raises what it raised
        (in the caller that computed), or a `FillError`. One round trip where the value is there.
        """
        return self._get(self._name(key), compute, self._options.changed(**options))  # type: ignore[no-any-return]

    def get_many(
        self,
        keys: Iterable[AnyKey],
        compute: Callable[[List[AnyKey]], Mapping[AnyKey, Optional[Value]]],
        **options: Unpack[FillOptions],
    ) -> Dict[AnyKey, Optional[Value]]:
        """The values of many keys, by key. `compute` is called with those that this caller is to compute.

        What it leaves out, or returns as `None`, does not exist. An error is raised after the others' values are
        stored. One round trip for 1,000 keys where all values are there.
        """
        chosen = self._options.changed(**options)
        values: Dict[AnyKey, Optional[Value]] = {}
        for names in self._portions(keys):

            def computed(wanted: Tuple[bytes, ...], names: Dict[bytes, AnyKey] = names) -> Dict[bytes, Any]:
                made = compute(by_name(names, wanted))
                return {name: made.get(names[name]) for name in wanted}

            found = self._found(names, computed, chosen)
            values.update({key: value_of(found[name], chosen) for name, key in names.items()})
        return values

    def invalidate(self, key: Key) -> bool:
        """Deletes a key; whoever computes it now has its value refused. Whether it was there."""
        return self._forget("DEL", self._name(key))

    def stale(self, key: Key) -> bool:
        """Makes a value old at once: one caller refreshes it, the others get the old one for as long as its `grace`."""
        return self._forget("FILL.STALE", self._name(key))

    def close(self) -> None:
        """Closes the connections. They are opened again when they are needed."""
        self._pool.disconnect()

    def _filled(self, function: Any, key_of: Callable[..., Any], options: Options) -> Callable[..., Any]:
        def filled(*args: Any, **kwargs: Any) -> Any:
            return self._get(self._name(key_of(*args, **kwargs)), lambda: function(*args, **kwargs), options)

        return filled

    def _get(self, name: bytes, compute: Callable[[], Any], options: Options) -> Any:
        return value_of(self._found((name,), lambda _: {name: compute()}, options)[name], options)

    def _found(self, names: Iterable[bytes], compute: Computation, options: Options) -> Found:
        steps = coalesced(self._flights(), names, options, time.monotonic)
        try:
            step = next(steps)
            while True:
                step = steps.send(self._ask(step, compute) if isinstance(step, Ask) else _result(step))
        except StopIteration as end:
            return cast(Found, end.value)

    def _flights(self) -> Flights:
        pid, flights = self._flights_of
        if pid != os.getpid():
            # Forked: those who asked, and whoever held a lock, are threads of the other process.
            flights = Flights(concurrent.futures.Future)
            self._flights_of = (os.getpid(), flights)
        return flights

    def _ask(self, ask: Ask, compute: Computation) -> Found:
        with self._flights().landing(ask.flights) as found:
            steps = self._steps(ask.keys, ask.options)
            with contextlib.closing(Line(self._pool)) as line:
                found.update(self._drive(steps, line, compute, ask.options))
        return found

    def _lead(self, name: bytes, options: Options) -> Union[Outcome, Held]:
        """What became of a key, or where it is this caller's to compute what it must `end`.

        For callers whose computation is no function: they get what is there, and say later what they made.
        """
        steps, line = self._steps((name,), options), Line(self._pool)
        try:
            step = advanced(steps, line, None)
            if isinstance(step, Compute) and step.leases:
                own = line.moved()
                return Held(steps, own, step, renewed(step, own, options))
            return Outcome(None, Sharing.PRIVATE)
        except StopIteration as end:
            found = end.value[name]
        finally:
            line.close()
        if isinstance(found, Exception):
            raise found
        return cast(Outcome, found)

    def _steps(self, names: Iterable[bytes], options: Options) -> Steps:
        nonce = uuid.uuid4().hex
        return Filling(options, nonce, wait_most_s(self._pool), self._breaker, time.monotonic).steps(names)

    def _drive(self, steps: Steps, line: Line, compute: Computation, options: Options) -> Found:
        try:
            step = advanced(steps, line, None)
            while not isinstance(step, Early):
                answer: Any
                try:
                    with renewed(step, line, options):
                        answer = compute(step.keys)
                except BaseException as error:
                    answer = error
                step = advanced(steps, line, answer)
        except StopIteration as end:
            return cast(Found, end.value)
        threading.Thread(target=self._finish, args=(steps, line.moved(), compute, options), daemon=True).start()
        return step.found

    def _finish(self, steps: Steps, line: Line, compute: Computation, options: Options) -> None:
        """Does the rest of the steps for a caller that has its value already."""
        with contextlib.closing(line):
            try:
                found = self._drive(steps, line, compute, options)
            except Exception as error:
                report(options, error)
            else:
                report_all(options, found)

    def _forget(self, command: str, name: bytes) -> bool:
        try:
            return bool(self._call(command, name))
        finally:
            self._flights().forget(name)

    def _call(self, *words: Any) -> Any:
        with contextlib.closing(Line(self._pool)) as line:
            (reply,) = line.call(words)
        if isinstance(reply, Exception):
            raise reply
        return reply


def _result(join: Join) -> Any:
    try:
        return join.future.result(join.seconds)
    except concurrent.futures.TimeoutError:
        return None
