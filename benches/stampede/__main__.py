"""Stampedes, measured: see README.md beside this file, and `benches/stampede/run --help`."""

import os
import pathlib
import resource
import shlex
import shutil
import sys
import time
import unittest

import findings
import page
import results as found
from deaths import Recovery, measure_deaths
from measure import Outcome, measure
from settings import Asked, parse
from ways import WAYS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MOST_CALLS_PER_EXPIRY = 1.1


def main(argv: list[str]) -> int:
    asked = parse(argv, list(WAYS), os.path.relpath(ROOT))
    if asked.replot:
        _write_page(found.load(pathlib.Path(asked.replot)), pathlib.Path(asked.docs))
        return 0
    _need(asked)
    if asked.check and not _own_tests_pass():
        return 1
    _raise_file_limit()
    results = _run(asked, shlex.join(["benches/stampede/run", *argv]))
    if asked.check:
        return _check(results)
    found.save(results, pathlib.Path(asked.json))
    print(f"\n{page.summary(results, max(results.settings.processes))}\n")
    _write_page(results, pathlib.Path(asked.docs))
    return 0


def _run(asked: Asked, command: str) -> found.Results:
    """Everything there is to measure, with a line for each measurement."""
    settings = asked.settings
    about = found.about(command, asked.onefill, str(ROOT))
    # The death of a leader is that of a missing key's: the same for a way with and without stale values.
    mortal = [way for way in settings.ways if not WAYS[way].serves_stale]
    expected = settings.expected_s(len(settings.ways), len(mortal))
    print(f"This takes about {expected / 60:.1f} minutes, somewhat more where a way's callers wait long.", flush=True)
    began = time.monotonic()
    outcomes: list[Outcome] = []
    for processes in settings.processes:
        for way in settings.ways:
            outcomes.append(measure(way, processes, settings, asked.onefill))
            print(f"{time.monotonic() - began:5.0f} s  {_line(outcomes[-1])}", flush=True)
    recoveries: list[Recovery] = []
    for way in mortal if settings.deaths else []:
        recoveries.append(measure_deaths(way, settings, asked.onefill))
        last = recoveries[-1]
        told = f"first value {last.first_ms:.0f} ms after a leader's death, last {last.last_ms:.0f} ms"
        print(f"{time.monotonic() - began:5.0f} s  {way:15} {told}", flush=True)
    return found.Results(about, settings, outcomes, recoveries)


def _line(outcome: Outcome) -> str:
    text = f"{outcome.way:15} {outcome.processes:2} processes: {outcome.calls_per_expiry:5.2f} calls per expiry, "
    text += f"p99 {outcome.p99_ms:6.0f} ms, {outcome.stale:4} stale, late by {outcome.lateness_p99_ms:.0f} ms"
    text += f", {outcome.unanswered} unanswered" if outcome.unanswered else ""
    return text + (f", errors: {outcome.errors}" if outcome.errors else "")


def _own_tests_pass() -> bool:
    """What needs no server: the origin's books, the verdicts, the command line."""
    tests = unittest.defaultTestLoader.discover(str(pathlib.Path(__file__).parent), "test_*.py")
    return unittest.TextTestRunner().run(tests).wasSuccessful()


def _check(results: found.Results) -> int:
    failures = findings.failures(results, MOST_CALLS_PER_EXPIRY)
    for failure in failures:
        print(f"check failed: {failure}")
    if not failures:
        print("check passed: one origin call per expiry, no read older than its invalidation")
    return 1 if failures else 0


def _write_page(results: found.Results, docs: pathlib.Path) -> None:
    import plot  # Slow to import, and not needed for a check.

    (docs / "stampede.md").write_text(page.text(results))
    plot.draw(results, docs / "stampede.svg")
    print(f"wrote {docs / 'stampede.md'} and {docs / 'stampede.svg'}")


def _need(asked: Asked) -> None:
    """Ends the program with what is missing."""
    for tool in ("redis-server", "memcached"):
        if any(WAYS[way].server == tool.removesuffix("-server") for way in asked.settings.ways) and not shutil.which(tool):
            sys.exit(f"{tool} is missing: apt-get install {tool}")
    if not os.access(asked.onefill, os.X_OK):
        sys.exit(f"{asked.onefill} is missing: cargo build --release")


def _raise_file_limit() -> None:
    """Each caller may need two sockets, both ends of which are on this machine."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
