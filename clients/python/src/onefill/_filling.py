"""A fill, step by step: what to send, when to sleep, when to compute. Written once for threads and for asyncio.

Owns the rules of docs/fill.md for one caller, who wants one key or several. Knows no socket, no thread and no event
loop: `Filling.steps` is a generator of the steps in _steps.py.
"""

from __future__ import annotations

import random
from typing import Any, Callable, Dict, Generator, Iterable, List, Mapping, Optional, Tuple, Union

from ._breaker import Breaker, LeftAlone
from ._errors import FillError, FillFailed, FillTimeout, FillUnavailable
from ._options import Options, check, ttl_bounds
from ._steps import (
    TROUBLE,
    Compute,
    Early,
    Found,
    Lease,
    Outcome,
    Pause,
    Send,
    Sharing,
    Step,
    Steps,
    Uncacheable,
    Words,
    milliseconds,
    report,
)

# SELF: this very connection leads the key already, so look again soon and not at the lease's end.
_SELF_PAUSE_S = 0.01
# Before a request is sent again after trouble; doubled each time, and a random half of it taken off.
_RESEND_PAUSE_S = 0.05
# A failure's message travels to all who wait.
_MESSAGE_CHARACTERS_MAX = 500


class Filling:
    """One fill of one or several keys. `steps` plays it.

    `wait_most_s` is the longest that the driver's connection may be parked: half of its reply time-out.
    """

    def __init__(
        self, options: Options, nonce: str, wait_most_s: float, breaker: Breaker, clock: Callable[[], float]
    ) -> None:
        self._options = options
        self._asking = (*_asking(options, wait_most_s), "AS", nonce)
        self._breaker = breaker
        self._clock = clock

    def steps(self, keys: Iterable[Any]) -> Steps:
        """Ends with what became of each key. Raises where that is nobody's: a `FillError`, or an error reply."""
        until = self._clock() + self._options.timeout
        found: Found = {}
        # When each may be asked for, first and again.
        due = dict.fromkeys(keys, self._clock())
        trouble: FillError
        while due:
            earliest = min(due.values())
            if earliest > self._clock():
                yield Pause(earliest - self._clock())
            asked = [key for key, at in due.items() if at <= max(earliest, self._clock())]
            try:
                (replies,) = yield from self._sent((self._ask(asked),), until)
            except TROUBLE as error:
                trouble = FillUnavailable(f"no answer to FILL.GET: {error}")
                trouble.__cause__ = error
                break
            if isinstance(replies, Exception):
                raise replies
            leases, passed, lease_s = self._sort(asked, [replies] if len(asked) == 1 else replies, due, found)
            if leases or passed:
                old: Found = {key: Outcome(lease.old) for key, lease in leases.items() if lease.old is not None}
                if self._options.background and len(old) == len(leases) and not passed and not due:
                    yield Early({**found, **old})
                found.update((yield from self._computed(leases, passed, lease_s)))
            if due and max(self._clock(), min(due.values())) >= until:
                trouble = FillTimeout(f"others did not finish within {self._options.timeout} s")
                break
        if due:
            found.update((yield from self._alone(tuple(due), trouble)))
        return found

    def _ask(self, keys: List[Any]) -> Words:
        if len(keys) == 1:
            return ("FILL.GET", *keys, *self._asking)
        return ("FILL.MGET", len(keys), *keys, *self._asking)

    def _sort(
        self, keys: List[Any], replies: List[Any], due: Dict[Any, float], found: Found
    ) -> Tuple[Dict[Any, Lease], List[Any], float]:
        """Says of each key that it was found, or when to ask for it again; returns those to be computed."""
        leases: Dict[Any, Lease] = {}
        passed: List[Any] = []
        lease_s = 0.0
        for key, reply in zip(keys, replies):
            del due[key]
            if isinstance(reply, Exception):
                found[key] = reply
                continue
            status, value, token, ms = reply
            status = _text(status)
            if token is not None:
                leases[key] = Lease(token, value)
                lease_s = min(lease_s or ms / 1000, ms / 1000)
            elif status in ("HIT", "STALE", "NONE"):
                found[key] = Outcome(value)
            elif status == "FAIL":
                found[key] = FillFailed(_text(value), ms / 1000)
            elif status == "PASS":
                passed.append(key)
            else:
                due[key] = self._clock() + (ms / 1000 if status == "WAIT" else _SELF_PAUSE_S)
        return leases, passed, lease_s

    def _alone(self, keys: Tuple[Any, ...], trouble: FillError) -> Steps:
        """Where the server, or whoever computes, is not to be waited for: raises that, or computes."""
        choice = self._options.on_timeout if isinstance(trouble, FillTimeout) else self._options.on_error
        if choice == "raise":
            raise trouble
        report(self._options, trouble)
        values = yield Compute(keys)
        return {key: self._own(values.get(key), Sharing.SHARED) for key in keys}

    def _computed(self, leases: Dict[Any, Lease], passed: List[Any], lease_s: float) -> Steps:
        """Computes, then says what came of it: exactly one of PUT, NONE, PASS, FAIL for each lease."""
        try:
            values = yield Compute((*leases, *passed), leases, lease_s)
        except Exception as error:
            yield from self._told([self._fail(key, lease, error) for key, lease in leases.items()])
            return {key: self._failed(leases.get(key), error) for key in (*leases, *passed)}
        except GeneratorExit:
            # Nobody drives these steps any more.
            raise
        except BaseException:
            # Cut off, which says nothing about the origin: the next caller's turn at once.
            yield from self._told([("FILL.FAIL", key, lease.token, "cut off") for key, lease in leases.items()])
            raise
        found: Found = {key: self._own(values.get(key), Sharing.PRIVATE) for key in passed}
        answers = self._answers(values, leases, found)
        replies = yield from self._told([command for command, _ in answers])
        refused: List[Words] = []
        for (_, keys), reply in zip(answers, replies):
            for key, said in zip(keys, reply if isinstance(reply, list) else [reply] * len(keys)):
                if isinstance(said, Exception):
                    # Such as a full cache. Nobody should wait for a value that was not stored.
                    refused.append(("FILL.FAIL", key, leases[key].token, _message(said)))
                found[key] = self._heard(found[key], said)
        yield from self._told(refused)
        return found

    def _answers(
        self, values: Mapping[Any, Any], leases: Dict[Any, Lease], found: Found
    ) -> List[Tuple[Words, List[Any]]]:
        """Says of each key what became of it; returns the commands, each with the keys whose values it stores."""
        answers: List[Tuple[Words, List[Any]]] = []
        puts: Dict[Words, List[Any]] = {}
        for key, lease in leases.items():
            try:
                found[key], name, value, words = _answer(values.get(key), self._options)
            except Exception as error:
                found[key] = self._failed(lease, error)
                answers.append((self._fail(key, lease, error), []))
                continue
            if name == "FILL.PUT":
                puts.setdefault(words, []).extend((key, lease.token, *value))
            else:
                answers.append(((name, key, lease.token, *words), [key]))
        for words, triples in puts.items():
            count = len(triples) // 3
            begin: Words = ("FILL.PUT",) if count == 1 else ("FILL.MPUT", count)
            answers.append(((*begin, *triples, *words), triples[::3]))
        return answers

    def _heard(self, outcome: Union[Outcome, Exception], said: Any) -> Union[Outcome, Exception]:
        """What a computed value is worth after the server's reply to it."""
        if isinstance(said, Exception):
            if self._options.on_error == "raise":
                return said
            report(self._options, said)
        elif isinstance(outcome, Outcome) and outcome.sharing is Sharing.SHARED and _text(said) == "VOID":
            return outcome._replace(sharing=Sharing.VOID)
        return outcome

    def _own(self, value: Any, sharing: Sharing) -> Union[Outcome, Exception]:
        """A value that the server is not told of."""
        try:
            return Outcome(_plain(value, self._options), sharing)
        except Exception as error:
            return error

    def _fail(self, key: Any, lease: Lease, error: Exception) -> Words:
        ttl = self._options.failure_ttl
        retry = ("RETRY", milliseconds(ttl)) if ttl else ()
        return ("FILL.FAIL", key, lease.token, _message(error), *retry)

    def _failed(self, lease: Optional[Lease], error: Exception) -> Union[Outcome, Exception]:
        if lease is None or lease.old is None:
            return error
        # A refresh that failed: the value that was to be replaced may still be used.
        report(self._options, error)
        return Outcome(lease.old)

    def _told(self, commands: List[Words]) -> Generator[Step, Any, List[Any]]:
        """Sends what others are to know, and returns the replies; none where the server does not answer."""
        if not commands:
            return []
        try:
            replies = yield from self._sent(tuple(commands), self._clock() + self._options.timeout)
        except TROUBLE as error:
            # Who computed has its value, or its error. The others are let go when the lease ends.
            report(self._options, error)
            return []
        for command, reply in zip(commands, replies):
            if isinstance(reply, Exception) and command[0] == "FILL.FAIL":
                report(self._options, reply)
        return replies

    def _sent(self, commands: Tuple[Words, ...], until: float) -> Generator[Step, Any, List[Any]]:
        """Sends commands, and after trouble again: FILL's may arrive twice (a nonce, a token that answers DUP)."""
        pause = _RESEND_PAUSE_S
        for left in range(self._options.retries, -1, -1):
            if self._breaker.is_open(self._options):
                raise LeftAlone
            try:
                replies: List[Any] = yield Send(commands)
            except TROUBLE:
                if self._breaker.failed(self._options) or not left or self._clock() + pause >= until:
                    raise
            else:
                self._breaker.answered()
                return replies
            yield Pause(pause * random.uniform(0.5, 1))
            pause *= 2
        raise LeftAlone


def _asking(options: Options, wait_most_s: float) -> Generator[Any, None, None]:
    wait = min(options.wait, wait_most_s)
    yield from ("WAIT", milliseconds(wait)) if wait else ("NOWAIT",)
    if options.lease is not None:
        yield from ("LEASE", milliseconds(options.lease))
    if options.stale is not None:
        yield from ("STALE", round(options.stale * 1000))
    if options.beta is not None:
        yield from ("BETA", options.beta)


def _answer(value: Any, options: Options) -> Tuple[Outcome, str, Words, Words]:
    """What a computed value means for this process, and how all others are told: command, value, options."""
    if isinstance(value, Uncacheable):
        return Outcome(_plain(value, options), Sharing.PRIVATE), "FILL.PASS", (), _expiry(value.ttl)
    encoded = _plain(value, options)
    if encoded is None:
        return Outcome(None), "FILL.NONE", (), _expiry(options.negative_ttl)
    ttl = options.ttl
    if callable(ttl):
        ttl = ttl(value)
        check("the TTL that ttl returned", ttl, ttl_bounds(), none=True)
    return Outcome(encoded), "FILL.PUT", (encoded,), (*_expiry(ttl), *_keeping(options))


def _keeping(options: Options) -> Generator[Any, None, None]:
    if options.idle is not None:
        yield from ("IDLE", milliseconds(options.idle))
    if options.grace is not None:
        yield from ("GRACE", round(options.grace * 1000))
    if options.jitter is not None:
        yield from ("JITTER", options.jitter)


def _expiry(ttl: Optional[float]) -> Words:
    return () if ttl is None else ("PX", milliseconds(ttl))


def _plain(value: Any, options: Options) -> Optional[bytes]:
    """The value as bytes, whether or not it may be shared."""
    value = value.value if isinstance(value, Uncacheable) else value
    return None if value is None else options.serializer.encode(value)


def _text(reply: Any) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)


def _message(error: Exception) -> str:
    """What others are told of a failure."""
    return (str(error) or type(error).__name__)[:_MESSAGE_CHARACTERS_MAX]
