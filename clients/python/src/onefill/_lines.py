"""What threads fill over: a connection, the steps that need nothing else, and the renewal of leases beside them.

Knows nothing of keys that are shared within a process, nor of what is computed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, ContextManager, Iterator, List, Union, cast

import redis

from ._options import Options
from ._pools import get_connection
from ._steps import TROUBLE, Compute, Early, Outcome, Pause, Send, Steps, Words, any_lives, renewal


class Line:
    """A connection that is taken from the pool with the first command and given back with `close`."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._connection: Any = None

    def call(self, *commands: Words) -> List[Any]:
        """The replies, error replies among them."""
        try:
            if self._connection is None:
                self._connection = get_connection(self._pool)
            self._connection.send_packed_command(self._connection.pack_commands(commands))
            return [self._reply() for _ in commands]
        except BaseException:
            # Its reply may still come, and would be taken for that of the next command.
            if self._connection is not None:
                self._connection.disconnect()
            raise

    def _reply(self) -> Any:
        try:
            return self._connection.read_response()
        except redis.ResponseError as error:
            return error

    def moved(self) -> Line:
        """Another line with this one's connection, which this one has no more."""
        other = Line(self._pool)
        other._connection, self._connection = self._connection, None
        return other

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)


class Held:
    """A key that its caller is to compute, whose lease is renewed until it says what it made."""

    def __init__(self, steps: Steps, line: Line, step: Compute, renewed: ContextManager[None]) -> None:
        self._steps = steps
        self._line = line
        self._step = step
        self._renewing = contextlib.ExitStack()
        self._renewing.enter_context(renewed)

    def end(self, answer: Any) -> Union[Outcome, Exception]:
        """Says what was made, as a function would return it; or why nothing was, as an error. Once."""
        self._renewing.close()
        (name,) = self._step.keys
        with contextlib.closing(self._line):
            try:
                advanced(self._steps, self._line, answer if isinstance(answer, BaseException) else {name: answer})
            except StopIteration as end:
                return cast(Union[Outcome, Exception], end.value[name])
        raise AssertionError("a fill ends with what was made")


def advanced(steps: Steps, line: Line, answer: Any) -> Union[Compute, Early]:
    """Answers a step, an error by throwing it, and does what can be done without the caller's function.

    Raises StopIteration with what was found when nothing is left to do.
    """
    while True:
        step = steps.throw(answer) if isinstance(answer, BaseException) else steps.send(answer)
        if not isinstance(step, (Send, Pause)):
            return step
        answer = None
        try:
            if isinstance(step, Send):
                answer = line.call(*step.commands)
            else:
                time.sleep(step.seconds)
        except BaseException as error:
            answer = error


@contextlib.contextmanager
def renewed(step: Compute, line: Line, options: Options) -> Iterator[None]:
    """Renews leases while the block runs, over the line that they were given on, which the block must not use.

    A thread of its own: 0.1 ms, beside a computation worth caching.
    """
    if not step.leases or not options.renew:
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_renew, args=(step, line, options, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        # A renewal that is under way gets its reply before the line sends something else.
        thread.join()


def _renew(step: Compute, line: Line, options: Options, done: threading.Event) -> None:
    commands, pauses = renewal(step, options)
    for pause in pauses:
        if done.wait(pause):
            return
        try:
            if not any_lives(line.call(*commands)):
                return
        except TROUBLE:
            # It may pass, and the next renewal come in time.
            continue
