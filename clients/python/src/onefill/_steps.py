"""A fill, step by step: what to send, when to sleep, when to compute. Written once for threads and for asyncio.

Owns the rules of docs/fill.md for one caller. Knows no socket, no thread and no event loop: `filling` is a generator
that yields a step and is sent its outcome, or is thrown its error. Whoever drives it performs the steps (_threads.py,
_tasks.py).
"""

from __future__ import annotations

import enum
import itertools
import random
from typing import Any, Callable, Generator, Iterator, NamedTuple, Optional, Tuple, Union

from redis import exceptions

from ._errors import FillError, FillFailed, FillTimeout, FillUnavailable
from ._options import Options, check, ttl_bounds

# The server is down, or too slow. An error reply is none of these: it says that the request was wrong.
TROUBLE = (exceptions.ConnectionError, exceptions.TimeoutError, OSError)

# SELF: this very connection leads the key already, so look again soon and not at the lease's end.
_SELF_PAUSE_S = 0.01
# Before a request is sent again after trouble; doubled each time, and a random half of it taken off.
_RESEND_PAUSE_S = 0.05
# A failure's message travels to all who wait.
_MESSAGE_CHARACTERS_MAX = 500


class Uncacheable:
    """What a computation returns for a value that must not be shared.

    Its caller gets the value; everybody else computes for itself for `ttl` seconds, and nobody waits for anybody.
    """

    def __init__(self, value: Any, ttl: float = 5) -> None:
        check("ttl", ttl, ttl_bounds())
        self.value = value
        self.ttl = ttl


class Send(NamedTuple):
    """Send a command, return its reply. The reply time-out is the driver's."""

    words: Tuple[Any, ...]


class Pause(NamedTuple):
    seconds: float


class Compute(NamedTuple):
    """Call the caller's function and return what it returns. With a token, renew the lease meanwhile."""

    token: Optional[bytes] = None
    lease_s: float = 0


class Early(NamedTuple):
    """The caller may have this value now, if the rest of the steps is done behind its back."""

    encoded: bytes


Step = Union[Send, Pause, Compute, Early]


class Sharing(enum.Enum):
    """What others of this process, who joined while the fill was under way, may make of its outcome."""

    SHARED = "it is theirs too"
    VOID = "the key was written or deleted meanwhile: ask again"
    PRIVATE = "it must not be shared: compute for yourself"


class Outcome(NamedTuple):
    """The value as bytes, `None` for what does not exist."""

    encoded: Optional[bytes]
    sharing: Sharing = Sharing.SHARED


Steps = Generator[Step, Any, Outcome]


def milliseconds(seconds: float) -> int:
    """A positive time as whole milliseconds, 1 at least."""
    return max(1, round(seconds * 1000))


def filling(key: Any, options: Options, nonce: str, wait_most_s: float, clock: Callable[[], float]) -> Steps:
    """The steps of one fill.

    `wait_most_s` is the longest that the driver's connection may be parked: half of its reply time-out.
    Ends with the outcome; raises what the computation raised, or a `FillError`.
    """
    until = clock() + options.timeout
    ask = ("FILL.GET", key, *_asking(options, wait_most_s), "AS", nonce)
    trouble: FillError
    while True:
        try:
            status, value, token, ms = yield from _sent(ask, options.retries, until, clock)
        except TROUBLE as error:
            trouble = FillUnavailable(f"no answer to FILL.GET: {error}")
            trouble.__cause__ = error
            break
        status = _text(status)
        if token is not None:
            return (yield from _led(key, token, ms / 1000, value, options, clock))
        if status in ("HIT", "STALE", "NONE"):
            return Outcome(value)
        if status == "FAIL":
            raise FillFailed(_text(value), ms / 1000)
        if status == "PASS":
            return Outcome(_plain((yield Compute()), options), Sharing.PRIVATE)
        pause = ms / 1000 if status == "WAIT" else _SELF_PAUSE_S
        if clock() + pause >= until:
            trouble = FillTimeout(f"others did not finish within {options.timeout} s")
            break
        if pause:
            yield Pause(pause)
    if options.on_error == "raise":
        raise trouble
    report(options, trouble)
    return Outcome(_plain((yield Compute()), options))


def _asking(options: Options, wait_most_s: float) -> Generator[Any, None, None]:
    wait = min(options.wait, wait_most_s)
    yield from ("WAIT", milliseconds(wait)) if wait else ("NOWAIT",)
    if options.lease is not None:
        yield from ("LEASE", milliseconds(options.lease))
    if options.stale is not None:
        yield from ("STALE", round(options.stale * 1000))
    if options.beta is not None:
        yield from ("BETA", options.beta)


def _led(
    key: Any, token: bytes, lease_s: float, old: Optional[bytes], options: Options, clock: Callable[[], float]
) -> Steps:
    """Computes, then says what came of it: exactly one of PUT, NONE, PASS, FAIL."""

    def tell(name: str, *words: Any) -> Generator[Step, Any, Any]:
        try:
            words = (name, key, token, *words)
            return _text((yield from _sent(words, options.retries, clock() + options.timeout, clock)))
        except TROUBLE as error:
            # Who computed has its value, or its error. The others are let go when the lease ends.
            report(options, error)
            return None

    def give_up(message: str, *retry: Any) -> Generator[Step, Any, None]:
        try:
            yield from tell("FILL.FAIL", message[:_MESSAGE_CHARACTERS_MAX], *retry)
        except exceptions.ResponseError as error:
            report(options, error)

    if old is not None and options.background:
        yield Early(old)
    try:
        outcome, words = _answer((yield Compute(token, lease_s)), options)
    except Exception as error:
        retry = ("RETRY", milliseconds(options.failure_ttl)) if options.failure_ttl else ()
        yield from give_up(str(error) or type(error).__name__, *retry)
        if old is None:
            raise
        # A refresh that failed: the value that was to be replaced may still be used.
        report(options, error)
        return Outcome(old)
    except BaseException:
        # Cut off, which says nothing about the origin: the next caller's turn at once.
        yield from give_up("cut off")
        raise
    try:
        said = yield from tell(*words)
    except exceptions.ResponseError as error:
        # Such as a full cache. Nobody should wait for a value that was not stored.
        yield from give_up(str(error))
        if options.on_error == "raise":
            raise
        report(options, error)
        return outcome
    return outcome._replace(sharing=Sharing.VOID) if said == "VOID" and outcome.sharing is Sharing.SHARED else outcome


def _answer(value: Any, options: Options) -> Tuple[Outcome, Tuple[Any, ...]]:
    """What a computed value means for this process, and the command (without key and token) that tells all others."""
    if isinstance(value, Uncacheable):
        return Outcome(_plain(value, options), Sharing.PRIVATE), ("FILL.PASS", *_expiry(value.ttl))
    encoded = _plain(value, options)
    if encoded is None:
        return Outcome(None), ("FILL.NONE", *_expiry(options.negative_ttl))
    ttl = options.ttl
    if callable(ttl):
        ttl = ttl(value)
        check("the TTL that ttl returned", ttl, ttl_bounds(), none=True)
    return Outcome(encoded), ("FILL.PUT", encoded, *_expiry(ttl), *_keeping(options))


def _keeping(options: Options) -> Generator[Any, None, None]:
    if options.idle is not None:
        yield from ("IDLE", milliseconds(options.idle))
    if options.grace is not None:
        yield from ("GRACE", round(options.grace * 1000))
    if options.jitter is not None:
        yield from ("JITTER", options.jitter)


def _expiry(ttl: Optional[float]) -> Tuple[Any, ...]:
    return () if ttl is None else ("PX", milliseconds(ttl))


def _plain(value: Any, options: Options) -> Optional[bytes]:
    """The value as bytes, whether or not it may be shared."""
    value = value.value if isinstance(value, Uncacheable) else value
    return None if value is None else options.codec.encode(value)


def _sent(
    words: Tuple[Any, ...], retries: int, until: float, clock: Callable[[], float]
) -> Generator[Step, Any, Any]:
    """Sends a command, and after trouble again: FILL's may arrive twice (a nonce, a token that answers DUP)."""
    pause = _RESEND_PAUSE_S
    for left in range(retries, -1, -1):
        try:
            return (yield Send(words))
        except TROUBLE:
            if not left or clock() + pause >= until:
                raise
        yield Pause(pause * random.uniform(0.5, 1))
        pause *= 2


def _text(reply: Any) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)


def report(options: Options, error: BaseException) -> None:
    if options.report is not None:
        options.report(error)


def renewal(key: Any, step: Compute, options: Options) -> Tuple[Tuple[Any, ...], Iterator[float]]:
    """What keeps a lease alive: the command, and the pauses in seconds before each time that it is sent.

    They end after `options.renew` seconds: a computation that hangs loses its lease.
    """
    lease = () if options.lease is None else ("LEASE", milliseconds(options.lease))
    pause = step.lease_s / 3
    return ("FILL.RENEW", key, step.token, *lease), itertools.repeat(pause, int(options.renew / max(pause, 0.001)))
