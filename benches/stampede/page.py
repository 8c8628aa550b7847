"""The page: docs/stampede.md, from results alone."""

from collections.abc import Callable

import findings
from deaths import BEFORE_KILL_S, CROWD_PER_KEY, CROWD_PROCESSES
from load import popularity
from measure import Outcome
from origin import LIFE_SHARE
from results import Results
from settings import HELP
from ways import WAYS

HEAD = """# Stampedes: how often is a value computed?

When a value that many ask for expires, how many of them go to the origin, how long do they wait, and does anybody
get a value that is known to be old? This page compares what people do against stampedes, each way as its own
documentation tells, with the same callers, the same keys and the same slow origin. It is written by a command
(at its end), text and figures, so it shows what came out.

How to be spared them in Python and Node.js, with one line: [packages.md](packages.md).

![Origin calls, latencies, stale reads and recoveries, by way and number of processes](stampede.svg)
"""

MEANING = """## What is measured

- **Origin calls per expiry**: calls the origin got, divided by the calls that were needed: one whenever a key is asked
  for whose value has ended, has another version than before, or was lost with a caller that died. A call within
  {share:.0%} of the TTL after a value of the same version was handed out is superfluous; later ones begin the value's next
  life, early refreshes included. 1 is ideal. **Calls/s** is their number in time: refreshing early makes more lives.
- **p50, p99, max**: from a caller's request to its value, waiting and computing included.
- **Stale reads** began after the cache had acknowledged an invalidation and got an older version, as if it were good:
  a caller that had begun to compute before the invalidation stored its old value after it. **Announced** are those
  of the ways that serve stale values on purpose and say so.
- **CPU**: of all the server's threads, as the scheduler accounts for it, divided by the callers' requests. At this
  rate most of it is system calls and timers; the README compares servers under load.
- **Round trips** to the cache per caller's request, as the client library sends them, handshakes apart; **connections**
  in all.
- **A leader dies**: a process is killed with SIGKILL while it computes the value of a missing key, {before:.0f} ms after
  {crowd} callers in {processes} other processes asked for the same key. First, last: the time from the kill until the
  first and the last of them has a value, the origin's time included. Medians over {deaths} leaders.
"""

CAVEATS = """
- memcached counts TTLs in whole seconds, and a value may end up to one second early: with the short TTL of this run
  it computes more often than it would with minutes, above all where it also refreshes early.
- A parked FILL.GET keeps its connection, a polling caller doesn't: FILL's connections are the callers that waited at
  once. Clients that multiplex need one per process (docs/clients.md).
- One run, one machine, loopback: no network between callers and cache, which would make round trips dearer.
- The writer changes popular keys more often than others, by the same law as they are read: the most popular one
  {often:.1f} times a second. The fewer changes, the fewer stale reads; how long one lasts is up to the TTL (`--invalidations`).
- An origin too small for a plain cache's stampedes never catches up, and that makes any ratio: `--capacity` and
  `--latency-ms` decide it.
"""
AGAIN = """
To make this page on your machine (needs Rust, python3, Debian's redis-server and memcached):

    cargo build --release && benches/stampede/run
"""


def text(results: Results) -> str:
    """The whole page."""
    parts = [HEAD, _summary(results), _verdicts(results), _sweeps(results), _deaths(results), _meaning(results)]
    return "\n".join([*parts, _ways(results), _conditions(results), _caveats(results)])


def summary(results: Results, processes: int) -> str:
    """A table of all ways at one number of processes."""
    columns: list[tuple[str, Callable[[Outcome], str]]] = [
        ("calls per expiry", lambda o: f"{o.calls_per_expiry:.2f}"),
        ("calls/s", lambda o: f"{o.calls_per_s:.1f}"),
        ("p50 ms", lambda o: f"{o.p50_ms:.2f}"),
        ("p99 ms", lambda o: _ms(o.p99_ms)),
        ("max ms", lambda o: _ms(o.max_ms)),
        ("stale reads", lambda o: f"{o.stale:,}"),
        ("announced", lambda o: f"{o.announced_stale:,}" if WAYS[o.way].serves_stale else "–"),
        ("CPU µs", lambda o: f"{o.cpu_us_per_request:.0f}"),
        ("round trips", lambda o: f"{o.round_trips_per_request:.2f}"),
        ("connections", lambda o: f"{o.connections:,}"),
    ]
    outcomes = [results.outcome(way, processes) for way in results.ways()]
    rows = [[WAYS[o.way].title, *(show(o) for _, show in columns)] for o in outcomes]
    return _table(["", *(name for name, _ in columns)], rows)


def _summary(results: Results) -> str:
    most = max(results.settings.processes)
    requests = sum(o.requests for o in results.outcomes if o.processes == most) / len(results.ways())
    lines = [
        f"## {results.settings.callers:,} callers in {most} processes",
        "",
        summary(results, most),
        "",
        f"Some {requests:,.0f} requests for each way, of which {results.settings.crash_pct:g} % of the computations ended",
        f"with the caller's death, beside {results.settings.invalidations:g} invalidations in a second.",
    ]
    return "\n".join(lines) + "\n"


def _verdicts(results: Results) -> str:
    found = findings.verdicts(results)
    if not found:
        return ""
    swept = ", ".join(map(str, results.settings.processes))
    factor, ms = findings.SHORTER, findings.SHORTER_MS
    lines = [
        "## From how many processes on does FILL pay?",
        "",
        f"Computed from the figures at {swept} processes. *Fewer origin calls*: the other way makes at least",
        f"{findings.FEWER_CALLS:g} times as many. *A shorter 99th percentile*: the other's is at least {factor:g} times",
        f"as long and {ms:g} ms longer, measurements in which the benchmark was late left out. *From N on*: at N and at all",
        "larger numbers. *As good*: neither. Ways that serve stale values are held against FILL with GRACE.",
        "",
    ]
    lines += [f"- {findings.sentence(verdict)}" for verdict in found]
    costs = findings.costs(results)
    if costs:
        most = max(results.settings.processes)
        lines += [
            "",
            f"What FILL costs: where another way needed less, by a factor of {findings.COSTS:g}, at {most} processes.",
            "",
        ]
        lines += [f"- {line}" for line in costs]
    return "\n".join(lines) + "\n"


def _sweeps(results: Results) -> str:
    lines = ["## By number of processes", "", "The same callers make the same demand, spread over more and more processes."]
    tables: list[tuple[str, Callable[[Outcome], str]]] = [
        ("Origin calls per expiry", lambda o: f"{o.calls_per_expiry:.2f}"),
        ("99th percentile, ms", lambda o: _ms(o.p99_ms)),
        ("Stale reads, unannounced", lambda o: f"{o.stale:,}"),
    ]
    for title, show in tables:
        head = [title, *map(str, results.settings.processes)]
        rows = [
            [WAYS[way].title, *(show(results.outcome(way, number)) for number in results.settings.processes)]
            for way in results.ways()
        ]
        lines += ["", _table(head, rows)]
    return "\n".join(lines) + "\n"


def _deaths(results: Results) -> str:
    if not results.recoveries:
        return ""
    head = ["ms after the kill", "first value", "last value", "origin calls per key"]
    rows = [
        [WAYS[found.way].title, f"{found.first_ms:,.0f}", f"{found.last_ms:,.0f}", f"{found.calls_per_key:.1f}"]
        for found in results.recoveries
    ]
    lease = results.settings.lease_s
    lines = [
        "## A leader dies",
        "",
        _table(head, rows),
        "",
        "Where nobody waits for a leader (cache-aside, other processes' single flights) its death delays nobody. Locks and",
        f"memcached's stubs outlive their owner until they expire, here {lease} s after they were taken. Onefill notices",
        "the closed connection and hands over 50 ms later (`fill-orphan-grace`); where a machine dies and closes no",
        "connection, its lease ends as a lock does.",
    ]
    return "\n".join(lines) + "\n"


def _meaning(results: Results) -> str:
    return MEANING.format(
        share=LIFE_SHARE,
        before=BEFORE_KILL_S * 1000,
        crowd=CROWD_PROCESSES * CROWD_PER_KEY,
        processes=CROWD_PROCESSES,
        deaths=results.settings.deaths,
    )


def _ways(results: Results) -> str:
    lines = ["## The ways", ""]
    lines += [f"- **{WAYS[way].title}** ({WAYS[way].server}). {WAYS[way].how}" for way in results.ways()]
    return "\n".join(lines) + "\n"


def _conditions(results: Results) -> str:
    rows = [
        [f"`--{name.replace('_', '-')}`", _setting(results, name), text] for name, text in HELP.items() if name != "ways"
    ]
    about = results.about
    lines = [
        "## Conditions",
        "",
        f"Made on {about.date} with `{about.command}` at commit {about.commit},",
        f"on {about.machine}; its load was {about.load_before:.1f} before the run.",
        f"{'; '.join(about.servers.values())}.",
        f"Callers: Python {about.python}, {about.libraries}.",
        "",
        _table(["option", "value", "meaning"], rows),
    ]
    return "\n".join(lines) + "\n"


def _setting(results: Results, name: str) -> str:
    value = getattr(results.settings, name)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"


def _caveats(results: Results) -> str:
    lines = ["## What to keep in mind", "", *_lateness(results), _caveats_of_any_run(results)]
    for found in results.outcomes:
        if found.unanswered or found.errors:
            where = f"{WAYS[found.way].title} at {found.processes}"
            lines.append(f"- {where} left {found.unanswered} requests unanswered; errors: {found.errors or 'none'}.")
    return "\n".join([*lines, AGAIN])


def _caveats_of_any_run(results: Results) -> str:
    weights = popularity(results.settings)
    return CAVEATS.strip().format(often=results.settings.invalidations * weights[0] / sum(weights))


def _lateness(results: Results) -> list[str]:
    worst = max(outcome.lateness_p99_ms for outcome in results.outcomes)
    lines = [
        "- Server, origin and callers share the machine. Callers pause, so that they stay below what Python can do.",
        f"  How late their own event loops were is measured, too: {worst:.0f} ms at the 99th percentile in the worst of",
        f"  {len(results.outcomes)} measurements.",
    ]
    late = findings.late(results)
    if late:
        where = ", ".join(f"{WAYS[o.way].title} at {o.processes} ({o.lateness_p99_ms:.0f} ms)" for o in late)
        lines.append(
            f"  Later than {findings.LATE_MS:g} ms, so that latencies there are partly the benchmark's own: {where}."
        )
    return lines


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)
