"""Fills over `redis.asyncio.Redis`: tasks of a process that want the same key wait for one of them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from typing import (
    Any,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
    TypeVar,
    cast,
)

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ._fills import AnyKey, Fills, Key, by_name, value_of
from ._filling import Filling
from ._flights import Ask, Flights, Join, coalesced
from ._options import FillOptions, Options
from ._pools import get_connection, wait_most_s
from ._steps import (
    TROUBLE,
    Compute,
    Early,
    Found,
    Pause,
    Send,
    Steps,
    Words,
    any_lives,
    renewal,
    report,
    report_all,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Unpack

Value = TypeVar("Value")
Result = TypeVar("Result")

# The caller's function for some keys, by their names in the server.
Computation = Callable[[Tuple[bytes, ...]], Awaitable[Dict[bytes, Any]]]


class AsyncFill(Fills):
    """Fills over a `redis.asyncio.Redis` client, with connections of their own. Each event loop has its own ones."""

    def __init__(self, client: redis.asyncio.Redis, prefix: str = "", **defaults: Unpack[FillOptions]) -> None:
        super().__init__(client, prefix, **defaults)
        self._loops: Dict[asyncio.AbstractEventLoop, _Loop] = {}
        self._adding = threading.Lock()

    async def get(
        self, key: Key, compute: Callable[[], Awaitable[Optional[Value]]], **options: Unpack[FillOptions]
    ) -> Optional[Value]:
        """The value of a key, computed by one caller of all processes where nobody has it.

        `compute` is an async function as in `Fill.get`. A caller that is cancelled leaves its computation running:
        others may wait for it, and what it brings is stored.
        """
        chosen = self._options.changed(**options)
        return await self._get(self._name(key), compute, chosen)  # type: ignore[no-any-return]

    async def get_many(
        self,
        keys: Iterable[AnyKey],
        compute: Callable[[List[AnyKey]], Awaitable[Mapping[AnyKey, Optional[Value]]]],
        **options: Unpack[FillOptions],
    ) -> Dict[AnyKey, Optional[Value]]:
        """The values of many keys, by key: as `Fill.get_many`, with an async `compute`."""
        chosen = self._options.changed(**options)
        values: Dict[AnyKey, Optional[Value]] = {}
        for names in self._portions(keys):

            async def computed(wanted: Tuple[bytes, ...], names: Dict[bytes, AnyKey] = names) -> Dict[bytes, Any]:
                made = await compute(by_name(names, wanted))
                return {name: made.get(names[name]) for name in wanted}

            found = await self._found(names, computed, chosen)
            values.update({key: value_of(found[name], chosen) for name, key in names.items()})
        return values

    async def invalidate(self, key: Key) -> bool:
        """Deletes a key; whoever computes it now has its value refused. Whether it was there."""
        return await self._forget("DEL", self._name(key))

    async def stale(self, key: Key) -> bool:
        """Makes a value old at once: one caller refreshes it, the others get the old one for as long as its `grace`."""
        return await self._forget("FILL.STALE", self._name(key))

    async def close(self) -> None:
        """Closes this event loop's connections. They are opened again when they are needed."""
        await self._here().pool.disconnect()

    def _filled(self, function: Any, key_of: Callable[..., Any], options: Options) -> Callable[..., Any]:
        async def filled(*args: Any, **kwargs: Any) -> Any:
            return await self._get(self._name(key_of(*args, **kwargs)), lambda: function(*args, **kwargs), options)

        return filled

    async def _get(self, name: bytes, compute: Callable[[], Awaitable[Any]], options: Options) -> Any:
        async def computed(_: Tuple[bytes, ...]) -> Dict[bytes, Any]:
            return {name: await compute()}

        return value_of((await self._found((name,), computed, options))[name], options)

    async def _found(self, names: Iterable[bytes], compute: Computation, options: Options) -> Found:
        steps = coalesced(self._here().flights, names, options, time.monotonic)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Ask):
                    # A task of its own: who is cancelled leaves it to the others.
                    answer = await asyncio.shield(self._start(self._ask(step, compute)))
                else:
                    answer = await _result(step)
                step = steps.send(answer)
        except StopIteration as end:
            return cast(Found, end.value)

    async def _ask(self, ask: Ask, compute: Computation) -> Found:
        here = self._here()
        with here.flights.landing(ask.flights) as found:
            nonce, most_s = uuid.uuid4().hex, wait_most_s(here.pool)
            steps = Filling(ask.options, nonce, most_s, self._breaker, time.monotonic).steps(ask.keys)
            async with _closing(_Line(here.pool)) as line:
                found.update(await self._drive(steps, line, compute, ask.options))
        return found

    async def _drive(self, steps: Steps, line: _Line, compute: Computation, options: Options) -> Found:
        answer: Any
        try:
            step = next(steps)
            while True:
                try:
                    if isinstance(step, Send):
                        answer = await line.call(*step.commands)
                    elif isinstance(step, Pause):
                        answer = None
                        await asyncio.sleep(step.seconds)
                    elif isinstance(step, Early):
                        self._start(self._finish(steps, line.moved(), compute, options))
                        return step.found
                    else:
                        async with _renewed(step, line, options):
                            answer = await compute(step.keys)
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            return cast(Found, end.value)

    async def _finish(self, steps: Steps, line: _Line, compute: Computation, options: Options) -> None:
        """Does the rest of the steps for callers that have their value already."""
        async with _closing(line):
            try:
                found = await self._drive(steps, line, compute, options)
            except Exception as error:
                report(options, error)
            else:
                report_all(options, found)

    def _start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Starts a task and holds it until it ends: the event loop itself would let it be collected."""
        task = asyncio.get_running_loop().create_task(work)
        tasks = self._here().tasks
        tasks.add(task)

        def end(task: asyncio.Task[Result]) -> None:
            tasks.discard(task)
            # Seen here, so that nobody is warned of the error of a task whose callers were all cancelled.
            if not task.cancelled():
                task.exception()

        task.add_done_callback(end)
        return task

    async def _forget(self, command: str, name: bytes) -> bool:
        try:
            async with _closing(_Line(self._here().pool)) as line:
                (reply,) = await line.call((command, name))
            if isinstance(reply, Exception):
                raise reply
            return bool(reply)
        finally:
            for loop in list(self._loops.values()):
                loop.flights.forget(name)

    def _here(self) -> _Loop:
        running = asyncio.get_running_loop()
        found = self._loops.get(running)
        if found is None:
            # Loops of other threads may get here at once.
            with self._adding:
                # What belonged to loops that have ended can serve nobody.
                kept = {loop: its for loop, its in self._loops.items() if not loop.is_closed()}
                found = kept[running] = _Loop(self._settings)
                self._loops = kept
        return found


class _Loop:
    """What belongs to one event loop: connections, tasks, and the keys that are asked for."""

    def __init__(self, settings: Dict[str, Any]) -> None:
        self.pool: Any = redis.asyncio.BlockingConnectionPool(retry=Retry(NoBackoff(), 0), **settings)
        self.tasks: Set[asyncio.Task[Any]] = set()
        self.flights = Flights(asyncio.get_running_loop().create_future)


@contextlib.asynccontextmanager
async def _renewed(step: Compute, line: _Line, options: Options) -> AsyncIterator[None]:
    """Renews leases while the block runs, over the line that they were given on, which the block must not use."""
    if not step.leases or not options.renew:
        yield
        return
    done = asyncio.Event()
    task = asyncio.get_running_loop().create_task(_renew(step, line, options, done))
    try:
        yield
    finally:
        done.set()
        # A renewal that is under way gets its reply before the line sends something else.
        await task


async def _renew(step: Compute, line: _Line, options: Options, done: asyncio.Event) -> None:
    commands, pauses = renewal(step, options)
    for pause in pauses:
        try:
            await asyncio.wait_for(done.wait(), pause)
            return
        except asyncio.TimeoutError:
            pass
        try:
            if not any_lives(await line.call(*commands)):
                return
        except TROUBLE:
            # It may pass, and the next renewal come in time.
            continue


async def _result(join: Join) -> Any:
    try:
        return await asyncio.wait_for(asyncio.shield(join.future), join.seconds)
    except asyncio.TimeoutError:
        return None


class _Line:
    """A connection that is taken from the pool with the first command and given back with `close`."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._connection: Any = None

    async def call(self, *commands: Words) -> List[Any]:
        """The replies, error replies among them."""
        try:
            if self._connection is None:
                self._connection = await get_connection(self._pool)
            await self._connection.send_packed_command(self._connection.pack_commands(commands))
            return [await self._reply() for _ in commands]
        except BaseException:
            # Its reply may still come, and would be taken for that of the next command. Without waiting for the
            # socket: this may be a task that is cancelled.
            if self._connection is not None:
                await self._connection.disconnect(nowait=True)
            raise

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response()
        except redis.ResponseError as error:
            return error

    def moved(self) -> _Line:
        """Another line with this one's connection, which this one has no more."""
        other = _Line(self._pool)
        other._connection, self._connection = self._connection, None
        return other

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._pool.release(connection)


@contextlib.asynccontextmanager
async def _closing(line: _Line) -> AsyncIterator[_Line]:
    """`contextlib.aclosing`, which Python 3.9 lacks."""
    try:
        yield line
    finally:
        await line.close()
