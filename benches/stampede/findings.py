"""What the figures say: from how many processes on FILL pays, where a simpler way is as good, what FILL costs."""

import dataclasses

from measure import Outcome
from results import Results
from ways import WAYS

FEWER_CALLS = 1.2
"""FILL pays in origin calls where another way makes this many times as many."""
SHORTER = 1.25
SHORTER_MS = 20.0
"""FILL pays in time where another way's is longer by this factor and this much."""
LATE_MS = 20.0
"""Where the benchmark's own event loops were this late (99th percentile), latencies are partly its own."""
COSTS = 1.2
"""What FILL costs is named where another way needs this much less."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One way beside FILL: the least number of processes from which on FILL was better, `None`: at no number."""

    way: str
    beside: str
    calls_from: int | None
    p99_from: int | None
    stale: int
    """Stale reads of the other way at all numbers of processes; 0 if FILL had some, too."""
    requests: int
    death_ms: tuple[float, float] | None
    """From a leader's death to the next value, the other way's and FILL's, where FILL's is shorter."""
    as_good_at: list[int]
    """Where it made no more calls and its 99th percentile was no longer."""


def rival(way: str) -> str:
    """The FILL that a way is held against: who serves stale values is held against FILL with stale values."""
    return "fill-stale" if WAYS[way].serves_stale else "fill"


def verdicts(results: Results) -> list[Verdict]:
    present = results.ways()
    return [_verdict(results, way) for way in present if rival(way) in present and rival(way) != way]


def _verdict(results: Results, way: str) -> Verdict:
    numbers = results.settings.processes
    pairs = [(results.outcome(way, number), results.outcome(rival(way), number)) for number in numbers]
    calls = {theirs.processes: _more_calls(theirs, ours) for theirs, ours in pairs}
    p99 = {theirs.processes: _longer_p99(theirs, ours) for theirs, ours in pairs if not is_late(theirs, ours)}
    return Verdict(
        way,
        rival(way),
        _from(calls),
        _from(p99),
        0 if any(ours.stale for _, ours in pairs) else sum(theirs.stale for theirs, _ in pairs),
        sum(theirs.requests for theirs, _ in pairs),
        _deaths(results, way),
        [number for number in p99 if not calls[number] and not p99[number]],
    )


def _deaths(results: Results, way: str) -> tuple[float, float] | None:
    first_ms = {found.way: found.first_ms for found in results.recoveries}
    if way not in first_ms or rival(way) not in first_ms:
        return None
    theirs, ours = first_ms[way], first_ms[rival(way)]
    return (theirs, ours) if _is_longer(theirs, ours) else None


def is_late(*outcomes: Outcome) -> bool:
    """Whether the benchmark itself was so late that latencies tell nothing."""
    return any(outcome.lateness_p99_ms > LATE_MS for outcome in outcomes)


def _more_calls(theirs: Outcome, ours: Outcome) -> bool:
    return theirs.calls_per_expiry >= FEWER_CALLS * ours.calls_per_expiry


def _longer_p99(theirs: Outcome, ours: Outcome) -> bool:
    return _is_longer(theirs.p99_ms, ours.p99_ms)


def _is_longer(theirs_ms: float, ours_ms: float) -> bool:
    return theirs_ms >= SHORTER * ours_ms and theirs_ms - ours_ms >= SHORTER_MS


def _from(holds: dict[int, bool]) -> int | None:
    """The number from which on something holds to the end of the sweep."""
    found = None
    for number in sorted(holds, reverse=True):
        if not holds[number]:
            break
        found = number
    return found


def sentence(verdict: Verdict) -> str:
    """A verdict in words."""
    gains = [(verdict.calls_from, "fewer origin calls"), (verdict.p99_from, "a shorter 99th percentile")]
    ours, theirs = WAYS[verdict.beside].title, WAYS[verdict.way].title
    parts = [f"{gain} from {_processes(number)} on" for number, gain in gains if number is not None]
    if verdict.stale:
        parts.append(f"no stale reads instead of {verdict.stale:,} in {verdict.requests:,}")
    if verdict.death_ms:
        parts.append("the next value {1:,.0f} ms after a leader's death instead of {0:,.0f}".format(*verdict.death_ms))
    text = f"Instead of **{theirs}**, {ours} gives {'; '.join(parts) or 'none of these'}."
    if verdict.as_good_at:
        but = ", but for its stale reads" if verdict.stale else ""
        text += f" {theirs} was as good with {_listed(verdict.as_good_at)}{but}."
    return text


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + (" and " if len(numbers) > 1 else "") + _processes(numbers[-1])


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


def costs(results: Results) -> list[str]:
    """What the others need less of than FILL, at the largest number of processes."""
    most = max(results.settings.processes)
    lines = []
    for way in results.ways():
        if rival(way) == way or rival(way) not in results.ways():
            continue
        theirs, ours = results.outcome(way, most), results.outcome(rival(way), most)
        rows = [
            ("connections", theirs.connections, ours.connections, "{:.0f}"),
            ("µs of server CPU per request", theirs.cpu_us_per_request, ours.cpu_us_per_request, "{:.0f}"),
            ("round trips per request", theirs.round_trips_per_request, ours.round_trips_per_request, "{:.2f}"),
        ]
        if not is_late(theirs, ours):
            rows.append(("ms median", theirs.p50_ms, ours.p50_ms, "{:.2f}"))
            rows.append(("ms 99th percentile", theirs.p99_ms, ours.p99_ms, "{:.0f}"))
        less = [
            f"{shape.format(their)} {what} instead of {shape.format(our)}"
            for what, their, our, shape in rows
            if our >= COSTS * their and our > 0
        ]
        if less:
            lines.append(f"**{WAYS[way].title}** needs {', '.join(less)}.")
    return lines


def late(results: Results) -> list[Outcome]:
    """Measurements in which the benchmark itself was late."""
    return [outcome for outcome in results.outcomes if is_late(outcome)]


def failures(results: Results, most_calls: float) -> list[str]:
    """What FILL promises and did not keep. For `--check`; nothing may have crashed in the run."""
    found = []
    for processes in results.settings.processes:
        fill, plain = results.outcome("fill", processes), results.outcome("plain", processes)
        if fill.needed < 20 or fill.invalidations < 5:
            found.append(f"{fill.needed} expiries and {fill.invalidations} invalidations are too few to tell anything")
        if fill.calls_per_expiry > most_calls:
            found.append(f"FILL made {fill.calls_per_expiry:.2f} origin calls per expiry, more than {most_calls}")
        if plain.calls_per_expiry < 2 * most_calls:
            found.append(f"no stampede: plain cache-aside made only {plain.calls_per_expiry:.2f} calls per expiry")
        if fill.stale or fill.announced_stale:
            found.append(f"FILL answered {fill.stale + fill.announced_stale} reads with a value older than its invalidation")
        if fill.unanswered or fill.errors:
            found.append(f"FILL left {fill.unanswered} requests unanswered; errors: {fill.errors}")
    return found
