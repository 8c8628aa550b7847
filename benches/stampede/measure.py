"""One measurement: an origin, a server, callers, for one way at one number of processes."""

import dataclasses
import multiprocessing
import statistics
import time

from load import Figures, Load, Place, Times
from origin import Origin
from servers import Server
from settings import Settings
from ways import WAYS

START_S = 0.3
START_PER_PROCESS_S = 0.012
"""Time that processes need until all of them stand ready."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one measurement found. A row of the results."""

    way: str
    processes: int
    requests: int
    calls: int
    needed: int
    calls_per_expiry: float
    calls_per_s: float
    crashes: int
    invalidations: int
    open_calls_max: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    unanswered: int
    stale: int
    announced_stale: int
    cpu_us_per_request: float
    round_trips_per_request: float
    connections: int
    lateness_p99_ms: float
    errors: dict[str, int]


def measure(way_name: str, processes: int, settings: Settings, onefill: str) -> Outcome:
    """Runs one way at one number of processes; takes longer by up to patience where callers wait at its end."""
    way = WAYS[way_name]
    with Origin(settings) as origin, Server(way.server, onefill) as server:
        begin = time.monotonic() + START_S + START_PER_PROCESS_S * processes
        measure_from = begin + settings.settled_s(processes)
        times = Times(begin, measure_from, measure_from + settings.seconds)
        versions = multiprocessing.RawArray("Q", settings.keys)
        with Load(Place(way, server.port, origin.port, settings, times, versions), processes) as load:
            _sleep_until(times.measure)
            origin.reset()
            cpu_s = server.cpu_s()
            _sleep_until(times.end)
            cpu_s = server.cpu_s() - cpu_s
            counts = origin.counts()
            figures = load.figures()
    total = _sum(figures)
    latencies = sorted(total.latencies_ms)
    return Outcome(
        way=way_name,
        processes=processes,
        requests=total.requests,
        calls=counts.calls,
        needed=counts.needed,
        calls_per_expiry=counts.calls / max(1, counts.needed),
        calls_per_s=counts.calls / settings.seconds,
        crashes=counts.crashes,
        invalidations=counts.bumps,
        open_calls_max=counts.open_max,
        p50_ms=statistics.median(latencies or [0.0]),
        p99_ms=percentile(latencies, 99),
        max_ms=latencies[-1] if latencies else 0.0,
        unanswered=total.unanswered,
        stale=total.stale,
        announced_stale=total.announced_stale,
        cpu_us_per_request=cpu_s * 1e6 / max(1, total.requests),
        round_trips_per_request=total.round_trips / max(1, total.requests),
        connections=total.connections,
        lateness_p99_ms=percentile(sorted(total.lateness_ms), 99),
        errors=total.errors,
    )


def percentile(ordered: list[float], percent: float) -> float:
    """The value that `percent` of the ordered ones don't exceed; 0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _sum(all_figures: list[Figures]) -> Figures:
    total = Figures()
    for figures in all_figures:
        for field in dataclasses.fields(Figures):
            if field.name != "errors":
                setattr(total, field.name, getattr(total, field.name) + getattr(figures, field.name))
        for name, count in figures.errors.items():
            total.errors[name] = total.errors.get(name, 0) + count
    return total
