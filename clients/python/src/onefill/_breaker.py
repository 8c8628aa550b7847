"""A server that does not answer is left alone for a while, so that its callers need not wait for it each time."""

from __future__ import annotations

from typing import Callable

from redis import exceptions

from ._options import Options


class LeftAlone(exceptions.ConnectionError):
    """No request was sent: the last ones had no answer."""

    def __init__(self) -> None:
        super().__init__("the last requests had no answer, and the server is left alone for a while")


class Breaker:
    """Counts requests without an answer, all callers' of a client together; knows no server.

    After `options.breaker` of them in a row nothing is sent for `options.breaker_pause` seconds; then one caller tries,
    and the others follow if it gets an answer. An error reply is an answer. There is no lock, which a forked process
    might find held for ever: of two callers that race both may try.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._left_until = 0.0

    def is_open(self, options: Options) -> bool:
        """Whether the server is left alone. Where not for the first time, whoever hears False is the one who tries."""
        if not self._has_tripped(options):
            return False
        now = self._clock()
        if now < self._left_until:
            return True
        # Until this one has tried the others stay away; should it never come back, somebody tries after a pause.
        self._left_until = now + options.breaker_pause
        return False

    def answered(self) -> None:
        """The server has answered."""
        self._failures = 0

    def failed(self, options: Options) -> bool:
        """It has not. Whether it is to be left alone now."""
        self._failures += 1
        if not self._has_tripped(options):
            return False
        self._left_until = self._clock() + options.breaker_pause
        return True

    def _has_tripped(self, options: Options) -> bool:
        return 0 < options.breaker <= self._failures
