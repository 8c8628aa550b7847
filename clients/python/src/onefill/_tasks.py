"""Fills over `redis.asyncio.Redis`: tasks of a process that want the same key wait for one of them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from typing import Any, AsyncIterator, Awaitable, Callable, Coroutine, Dict, NamedTuple, Optional, Set, TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ._errors import FillError
from ._fills import Fills, Key
from ._options import FillOptions, Options
from ._pools import get_connection, wait_most_s
from ._steps import TROUBLE, Compute, Early, Outcome, Pause, Send, Sharing, Steps, filling, renewal, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Unpack

Value = TypeVar("Value")
Result = TypeVar("Result")

# How often a caller joins a fill that is then found void, before it asks by itself.
_JOINS_MAX = 3


class AsyncOnefill(Fills):
    """Fills over a `redis.asyncio.Redis` client, with connections of their own. Each event loop has its own ones."""

    def __init__(self, client: redis.asyncio.Redis, prefix: str = "", **defaults: Unpack[FillOptions]) -> None:
        super().__init__(client, prefix, **defaults)
        self._loops: Dict[asyncio.AbstractEventLoop, _Loop] = {}
        self._adding = threading.Lock()

    async def fill(
        self, key: Key, compute: Callable[[], Awaitable[Optional[Value]]], **options: Unpack[FillOptions]
    ) -> Optional[Value]:
        """The value of a key, computed by one caller of all processes where nobody has it.

        `compute` is an async function as in `Onefill.fill`. A caller that is cancelled leaves its computation running:
        others may wait for it, and what it brings is stored. Callers of this process that come while one asks join it.
        """
        return await self._fill(self._name(key), compute, self._options.changed(**options))

    async def delete(self, key: Key) -> bool:
        """Deletes a key; whoever computes it now has its value refused. Whether it was there."""
        return await self._invalidate("DEL", self._name(key))

    async def stale(self, key: Key) -> bool:
        """Makes a value old at once: one caller refreshes it, the others get the old one for as long as its `grace`."""
        return await self._invalidate("FILL.STALE", self._name(key))

    async def close(self) -> None:
        """Closes this event loop's connections. They are opened again when they are needed."""
        await self._here().pool.disconnect()

    def _filled(self, function: Any, key_of: Callable[..., Any], options: Options) -> Callable[..., Any]:
        async def filled(*args: Any, **kwargs: Any) -> Any:
            return await self._fill(self._name(key_of(*args, **kwargs)), lambda: function(*args, **kwargs), options)

        return filled

    async def _fill(self, key: bytes, compute: Callable[[], Awaitable[Any]], options: Options) -> Any:
        for _ in range(_JOINS_MAX):
            joined = self._here().underway.get(key)
            if joined is None:
                outcome = await asyncio.shield(self._begin(key, compute, options))
                return self._decoded(outcome.encoded, options)
            if not options.asks_like(joined.options):
                break
            try:
                outcome = await asyncio.shield(joined.task)
            except FillError:
                raise
            except Exception:
                # Else a failure is its caller's own, and this one's turn comes.
                if options.failure_ttl:
                    raise
                continue
            if outcome.sharing is Sharing.SHARED:
                return self._decoded(outcome.encoded, options)
            if outcome.sharing is Sharing.PRIVATE:
                break
        outcome = await self._run(key, compute, options)
        return self._decoded(outcome.encoded, options)

    def _begin(
        self, key: bytes, compute: Callable[[], Awaitable[Any]], options: Options
    ) -> asyncio.Task[Outcome]:
        underway = self._here().underway
        begun = _Underway(self._start(self._run(key, compute, options)), options)

        def end(task: asyncio.Task[Outcome]) -> None:
            if underway.get(key) is begun:
                del underway[key]
            # Seen here, so that nobody is warned of the error of a task whose callers were all cancelled.
            if not task.cancelled():
                task.exception()

        underway[key] = begun
        begun.task.add_done_callback(end)
        return begun.task

    async def _run(self, key: bytes, compute: Callable[[], Awaitable[Any]], options: Options) -> Outcome:
        pool = self._here().pool
        steps = filling(key, options, uuid.uuid4().hex, wait_most_s(pool), time.monotonic)
        async with _closing(_Line(pool)) as line:
            return await self._drive(steps, line, key, compute, options)

    async def _drive(
        self, steps: Steps, line: _Line, key: bytes, compute: Callable[[], Awaitable[Any]], options: Options
    ) -> Outcome:
        answer: Any
        try:
            step = next(steps)
            while True:
                try:
                    if isinstance(step, Send):
                        answer = await line.call(*step.words)
                    elif isinstance(step, Pause):
                        answer = None
                        await asyncio.sleep(step.seconds)
                    elif isinstance(step, Early):
                        self._start(self._finish(steps, line.moved(), key, compute, options))
                        return Outcome(step.encoded)
                    else:
                        async with self._renewed(key, step, options):
                            answer = await compute()
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            return end.value

    async def _finish(
        self, steps: Steps, line: _Line, key: bytes, compute: Callable[[], Awaitable[Any]], options: Options
    ) -> None:
        """Does the rest of the steps for callers that have their value already."""
        async with _closing(line):
            try:
                await self._drive(steps, line, key, compute, options)
            except Exception as error:
                report(options, error)

    @contextlib.asynccontextmanager
    async def _renewed(self, key: bytes, step: Compute, options: Options) -> AsyncIterator[None]:
        """Renews the lease while the block runs."""
        if step.token is None or not options.renew:
            yield
            return
        task = self._start(self._renew(key, step, options))
        try:
            yield
        finally:
            task.cancel()

    async def _renew(self, key: bytes, step: Compute, options: Options) -> None:
        words, pauses = renewal(key, step, options)
        async with _closing(_Line(self._here().pool)) as line:
            for pause in pauses:
                await asyncio.sleep(pause)
                try:
                    if not await line.call(*words):
                        return
                except TROUBLE:
                    # It may pass, and the next renewal come in time.
                    continue
                except redis.ResponseError:
                    return

    def _start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Starts a task and holds it until it ends: the event loop itself would let it be collected."""
        task = asyncio.get_running_loop().create_task(work)
        tasks = self._here().tasks
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    async def _invalidate(self, command: str, key: bytes) -> bool:
        try:
            async with _closing(_Line(self._here().pool)) as line:
                return bool(await line.call(command, key))
        finally:
            # Who comes from now on must not join a fill that asked before.
            for loop in list(self._loops.values()):
                loop.underway.pop(key, None)

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


class _Underway(NamedTuple):
    """A fill that callers of this process may join."""

    task: asyncio.Task[Outcome]
    options: Options


class _Loop:
    """What belongs to one event loop: connections, tasks, and the fills that are under way."""

    def __init__(self, settings: Dict[str, Any]) -> None:
        self.pool: Any = redis.asyncio.BlockingConnectionPool(retry=Retry(NoBackoff(), 0), **settings)
        self.tasks: Set[asyncio.Task[Any]] = set()
        self.underway: Dict[bytes, _Underway] = {}


class _Line:
    """A connection that is taken from the pool with the first command and given back with `close`."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._connection: Any = None

    async def call(self, *words: Any) -> Any:
        try:
            if self._connection is None:
                self._connection = await get_connection(self._pool)
            await self._connection.send_command(*words)
            return await self._connection.read_response()
        except redis.ResponseError:
            raise
        except BaseException:
            # Its reply may still come, and would be taken for that of the next command. Without waiting for the
            # socket: this may be a task that is cancelled.
            if self._connection is not None:
                await self._connection.disconnect(nowait=True)
            raise

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
