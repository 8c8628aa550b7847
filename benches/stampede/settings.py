"""The command line: what a run is made of, and how long it will take."""

import argparse
import dataclasses
import math

MOST_CALLERS = 5_000
SERVERS_START_S = 1.2
"""Starting and ending the origin, the server and the callers of one run, as seen on a small machine."""
SETTLE_PER_PROCESS_S = 0.03
"""What a process needs beyond `settle_s` until its first requests and connections are behind it."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """One run's conditions. Times are in the unit that the name ends with."""

    processes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    ways: tuple[str, ...] = ()
    callers: int = 4_992
    rate: float = 600.0
    keys: int = 40
    zipf: float = 1.0
    value_bytes: int = 100
    settle_s: float = 4.0
    seconds: float = 9.0
    ttl_s: int = 3
    grace_s: int = 2
    lease_s: int = 2
    patience_s: float = 5.0
    poll_ms: int = 50
    latency_ms: float = 150.0
    capacity: int = 48
    invalidations: float = 4.0
    crash_pct: float = 1.0
    deaths: int = 5
    seed: int = 1

    @property
    def pause_s(self) -> float:
        """Mean pause of a caller between two requests, so that all together make `rate` requests in a second."""
        return self.callers / self.rate

    def settled_s(self, processes: int) -> float:
        """Time from the callers' start to the measurement."""
        return self.settle_s + SETTLE_PER_PROCESS_S * processes

    def expected_s(self, ways: int, mortal_ways: int) -> float:
        """Expected time of everything: the sweep, then the deaths of leaders."""
        runs_s = sum(SERVERS_START_S + self.settled_s(number) + self.seconds for number in self.processes)
        deaths_s = mortal_ways * (SERVERS_START_S + 2.0) if self.deaths else 0.0
        return ways * runs_s + deaths_s


QUICK = Settings(processes=(1, 16), callers=1_600, rate=500.0, settle_s=1.0, seconds=3.2, deaths=3)
"""For a look: about a minute and a half."""

CHECK = dataclasses.replace(QUICK, processes=(8,), seconds=8.0, crash_pct=0.0, deaths=0)
"""For a test: nobody crashes, so every call beyond one per expiry is the way's own."""

HELP = {
    "processes": "comma-separated numbers of caller processes",
    "ways": "comma-separated ways; all unless given",
    "callers": f"callers in all, spread over the processes; at most {MOST_CALLERS}",
    "rate": "requests per second that all callers together make while answers come at once",
    "keys": "different keys",
    "zipf": "skew of the keys' popularity; 0 asks for all alike",
    "value_bytes": "size of a value",
    "settle_s": f"time before the measurement, for connections and first values; {SETTLE_PER_PROCESS_S} more per process",
    "seconds": "length of each measurement",
    "ttl_s": "how long a value lives; whole seconds of at least 3, for memcached counts in seconds",
    "grace_s": "how long an invalidated value may be served by the ways that serve stale ones",
    "lease_s": "how long a lock, a lease or memcached's stub lasts when its owner dies",
    "patience_s": "after this long without a value a caller computes for itself",
    "poll_ms": "pause between two looks, where a way makes its callers poll",
    "latency_ms": "time that an idle origin needs for a value; twice that when all its seats are taken",
    "capacity": "values the origin computes at a time; further calls queue",
    "invalidations": "changes at the origin per second, each followed by an invalidation",
    "crash_pct": "percentage of the origin's calls whose caller dies before it can store the value",
    "deaths": "leaders killed in the measurement of what a death does; 0 leaves it out",
    "seed": "seed of keys, pauses and crashes",
}


@dataclasses.dataclass(frozen=True)
class Asked:
    """A parsed command line."""

    settings: Settings
    check: bool
    onefill: str
    json: str
    docs: str
    replot: str


def parse(argv: list[str], known_ways: list[str], root: str) -> Asked:
    """The command line's wishes. Ends the program with a usage message where they make no sense."""
    parser = _parser(known_ways, root)
    given = vars(parser.parse_args(argv))
    base = CHECK if given["check"] else QUICK if given["quick"] else Settings()
    chosen = {name: value for name, value in given.items() if name in HELP and value is not None}
    settings = dataclasses.replace(base, **chosen)
    if not settings.ways:
        settings = dataclasses.replace(settings, ways=("plain", "fill") if given["check"] else tuple(known_ways))
    problem = _problem(settings, known_ways)
    if given["check"] and not {"plain", "fill"} <= set(settings.ways):
        problem = "--check holds fill against plain and needs both"
    if problem:
        parser.error(problem)
    return Asked(settings, given["check"], given["onefill"], given["json"], given["docs"], given["replot"])


def _parser(known_ways: list[str], root: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benches/stampede/run",
        description="Stampedes, and what ways of caching make of them: writes docs/stampede.md and docs/stampede.svg.",
        epilog=f"Ways: {', '.join(known_ways)}.",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=110),
    )
    parser.add_argument("--quick", action="store_true", help="fewer processes, shorter: about a minute and a half")
    parser.add_argument("--check", action="store_true", help="exit code 1 unless FILL keeps its promises; writes no page")
    for field in dataclasses.fields(Settings):
        default = field.default
        kind = type(default) if not isinstance(default, tuple) else _numbers if field.name == "processes" else _names
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        text = f"{HELP[field.name]} [{shown}]" if shown != "" else HELP[field.name]
        parser.add_argument(f"--{field.name.replace('_', '-')}", dest=field.name, type=kind, help=text, metavar="N")
    parser.add_argument("--onefill", default=f"{root}/target/release/onefill", help="Onefill's binary [%(default)s]")
    parser.add_argument("--json", default=f"{root}/target/stampede/results.json", help="where results go [%(default)s]")
    parser.add_argument("--docs", default=f"{root}/docs", help="where stampede.md and stampede.svg go [%(default)s]")
    parser.add_argument("--replot", default="", metavar="JSON", help="measure nothing: write the page from these results")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted({int(part) for part in text.split(",")}))


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _problem(settings: Settings, known_ways: list[str]) -> str:
    """What makes these settings unusable, or nothing."""
    unknown = [way for way in settings.ways if way not in known_ways]
    if unknown:
        return f"no such way: {', '.join(unknown)}"
    for name in ("processes", "callers", "rate", "keys", "seconds", "capacity", "latency_ms", "lease_s", "poll_ms"):
        value = getattr(settings, name)
        least = min(value, default=0) if isinstance(value, tuple) else value
        if not least > 0 or not math.isfinite(least):
            return f"--{name.replace('_', '-')} must be more than 0"
    if settings.ttl_s < 3:
        return "--ttl-s must be at least 3: memcached lets a value of N seconds end up to one second early"
    if settings.callers > MOST_CALLERS or settings.callers < max(settings.processes):
        return f"--callers must be at most {MOST_CALLERS} and at least the largest number of processes"
    return ""
