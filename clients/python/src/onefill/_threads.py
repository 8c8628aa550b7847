"""Fills over `redis.Redis`: each caller, thread or process, holds a connection and is parked in the server."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from typing import Any, Callable, Iterator, Optional, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ._fills import Fills, Key
from ._options import FillOptions, Options
from ._pools import get_connection, wait_most_s
from ._steps import TROUBLE, Compute, Early, Outcome, Pause, Send, Steps, filling, renewal, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Unpack

Value = TypeVar("Value")


class Onefill(Fills):
    """Fills over a `redis.Redis` client, with connections of their own. Threads and forked processes may share it."""

    def __init__(self, client: redis.Redis, prefix: str = "", **defaults: Unpack[FillOptions]) -> None:
        super().__init__(client, prefix, **defaults)
        self._pool = redis.BlockingConnectionPool(retry=Retry(NoBackoff(), 0), **self._settings)

    def fill(
        self, key: Key, compute: Callable[[], Optional[Value]], **options: Unpack[FillOptions]
    ) -> Optional[Value]:
        """The value of a key, computed by one caller of all processes where nobody has it.

        `compute` returns the value, `None` for what does not exist, or `Uncacheable(value)`. Raises what it raised
        (in the caller that computed), or a `FillError`. One round trip where the value is there.
        """
        return self._fill(self._name(key), compute, self._options.changed(**options))

    def delete(self, key: Key) -> bool:
        """Deletes a key; whoever computes it now has its value refused. Whether it was there."""
        return bool(self._call("DEL", self._name(key)))

    def stale(self, key: Key) -> bool:
        """Makes a value old at once: one caller refreshes it, the others get the old one for as long as its `grace`."""
        return bool(self._call("FILL.STALE", self._name(key)))

    def close(self) -> None:
        """Closes the connections. They are opened again when they are needed."""
        self._pool.disconnect()

    def _filled(self, function: Any, key_of: Callable[..., Any], options: Options) -> Callable[..., Any]:
        def filled(*args: Any, **kwargs: Any) -> Any:
            return self._fill(self._name(key_of(*args, **kwargs)), lambda: function(*args, **kwargs), options)

        return filled

    def _fill(self, key: bytes, compute: Callable[[], Any], options: Options) -> Any:
        steps = filling(key, options, uuid.uuid4().hex, wait_most_s(self._pool), time.monotonic)
        with contextlib.closing(_Line(self._pool)) as line:
            outcome = self._drive(steps, line, key, compute, options)
        return self._decoded(outcome.encoded, options)

    def _drive(self, steps: Steps, line: _Line, key: bytes, compute: Callable[[], Any], options: Options) -> Outcome:
        answer: Any
        try:
            step = next(steps)
            while True:
                try:
                    if isinstance(step, Send):
                        answer = line.call(*step.words)
                    elif isinstance(step, Pause):
                        answer = None
                        time.sleep(step.seconds)
                    elif isinstance(step, Early):
                        rest = (steps, line.moved(), key, compute, options)
                        threading.Thread(target=self._finish, args=rest, daemon=True).start()
                        return Outcome(step.encoded)
                    else:
                        with self._renewed(key, step, options):
                            answer = compute()
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            return end.value

    def _finish(
        self, steps: Steps, line: _Line, key: bytes, compute: Callable[[], Any], options: Options
    ) -> None:
        """Does the rest of the steps for a caller that has its value already."""
        with contextlib.closing(line):
            try:
                self._drive(steps, line, key, compute, options)
            except Exception as error:
                report(options, error)

    @contextlib.contextmanager
    def _renewed(self, key: bytes, step: Compute, options: Options) -> Iterator[None]:
        """Renews the lease while the block runs. A thread of its own: 0.1 ms, beside a computation worth caching."""
        if step.token is None or not options.renew:
            yield
            return
        done = threading.Event()
        threading.Thread(target=self._renew, args=(key, step, options, done), daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def _renew(self, key: bytes, step: Compute, options: Options, done: threading.Event) -> None:
        words, pauses = renewal(key, step, options)
        with contextlib.closing(_Line(self._pool)) as line:
            for pause in pauses:
                if done.wait(pause):
                    return
                try:
                    if not line.call(*words):
                        return
                except TROUBLE:
                    # It may pass, and the next renewal come in time.
                    continue
                except redis.ResponseError:
                    return

    def _call(self, *words: Any) -> Any:
        with contextlib.closing(_Line(self._pool)) as line:
            return line.call(*words)


class _Line:
    """A connection that is taken from the pool with the first command and given back with `close`."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._connection: Any = None

    def call(self, *words: Any) -> Any:
        try:
            if self._connection is None:
                self._connection = get_connection(self._pool)
            self._connection.send_command(*words)
            return self._connection.read_response()
        except redis.ResponseError:
            raise
        except BaseException:
            # Its reply may still come, and would be taken for that of the next command.
            if self._connection is not None:
                self._connection.disconnect()
            raise

    def moved(self) -> _Line:
        """Another line with this one's connection, which this one has no more."""
        other = _Line(self._pool)
        other._connection, self._connection = self._connection, None
        return other

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)
