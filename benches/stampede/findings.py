"""What the figures say: from how many processes on FILL pays, where a simpler way is as good, what FILL costs."""

import dataclasses

from measure import Outcome
from results import Results
from ways import WAYS

FEWER_CALLS = 1.2
"""FILL pays in origin calls where another way makes this many times as many."""
SHORTER_P99 = 1.25
SHORTER_P99_MS = 20.0
"""FILL pays in latency where another way's 99th percentile is longer by this factor and this time."""
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
    stale_from: int | None
    as_good_at: list[int]


def rival(way: str) -> str:
    """The FILL that a way is held against: who serves stale values is held against FILL with stale values."""
    return "fill-stale" if WAYS[way].serves_stale else "fill"


def verdicts(results: Results) -> list[Verdict]:
    present = results.ways()
    return [_verdict(results, way) for way in present if rival(way) in present and rival(way) != way]


def _verdict(results: Results, way: str) -> Verdict:
    pairs = [
        (processes, results.outcome(way, processes), results.outcome(rival(way), processes))
        for processes in results.settings.processes
    ]
    tests = (_more_calls, _longer_p99, _more_stale)
    calls, p99, stale = ([test(theirs, ours) for _, theirs, ours in pairs] for test in tests)
    numbers = [processes for processes, _, _ in pairs]
    return Verdict(
        way,
        rival(way),
        _from(numbers, calls),
        _from(numbers, p99),
        _from(numbers, stale),
        [number for number, *bad in zip(numbers, calls, p99, stale, strict=True) if not any(bad)],
    )


def _more_calls(theirs: Outcome, ours: Outcome) -> bool:
    return theirs.calls_per_expiry >= FEWER_CALLS * ours.calls_per_expiry


def _longer_p99(theirs: Outcome, ours: Outcome) -> bool:
    return theirs.p99_ms >= SHORTER_P99 * ours.p99_ms and theirs.p99_ms - ours.p99_ms >= SHORTER_P99_MS


def _more_stale(theirs: Outcome, ours: Outcome) -> bool:
    return theirs.stale > 0 and ours.stale == 0


def _from(numbers: list[int], holds: list[bool]) -> int | None:
    """The number from which on something holds to the end of the sweep."""
    first = len(holds)
    while first > 0 and holds[first - 1]:
        first -= 1
    return numbers[first] if first < len(numbers) else None


def sentence(verdict: Verdict) -> str:
    """A verdict in words."""
    gains = [
        (verdict.calls_from, "fewer origin calls"),
        (verdict.p99_from, "a shorter 99th percentile"),
        (verdict.stale_from, "no stale reads"),
    ]
    ours, theirs = WAYS[verdict.beside].title, WAYS[verdict.way].title
    parts = [f"{gain} from {_processes(number)} on" for number, gain in gains if number is not None]
    gives = "; ".join(parts) or "none of the three up to the end of the sweep"
    text = f"Instead of **{theirs}**, {ours} gives {gives}."
    if verdict.as_good_at:
        text += f" {theirs} was as good in all three with {_listed(verdict.as_good_at)}."
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
        rows = (
            ("connections", theirs.connections, ours.connections, "{:.0f}"),
            ("µs of server CPU per request", theirs.cpu_us_per_request, ours.cpu_us_per_request, "{:.0f}"),
            ("round trips per request", theirs.round_trips_per_request, ours.round_trips_per_request, "{:.2f}"),
            ("ms median", theirs.p50_ms, ours.p50_ms, "{:.2f}"),
            ("ms 99th percentile", theirs.p99_ms, ours.p99_ms, "{:.0f}"),
        )
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
    return [outcome for outcome in results.outcomes if outcome.lateness_p99_ms > LATE_MS]


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
