"""What a run is to do: the command line and what follows from it."""

import pathlib
import shlex
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STARTED = time.monotonic()


class Plan:
    """The choices of one run."""

    def __init__(self, given, machine):
        self.machine = machine
        self.page_only, self.checks_page = given.page_only, given.checks_page
        self.quick, self.large = given.quick, given.large
        self.rounds = given.rounds or (1 if given.quick else 3)
        self.sections = given.sections
        self.commands = [name.upper() for name in given.commands.split(",") if name]
        self.pipelines = [int(depth) for depth in given.pipelines.split(",") if depth]
        self.binary = given.binary or str(ROOT / "target/release/onefill")
        self.builds_server = given.binary is None
        self.loader = str(ROOT / "target/release/examples/load")
        self.command = shlex.join(["python3", "benches/compare", *sys.argv[1:]])
        # A quick run proves that the benchmark works and nothing else, a part is no section, and another binary
        # is not this checkout: kept apart.
        apart = given.quick or self.commands or self.pipelines or given.binary
        self.results = ROOT / ("target/benches" if apart else "benches/results")
        self.page = self.results / "benchmarks.md" if apart else ROOT / "docs/benchmarks.md"

    def scaled(self, number):
        """A number of keys or requests: a tenth of it in a quick run."""
        return number // 10 if self.quick else number


def say(text):
    """A line of progress, with the time since the start."""
    seconds = int(time.monotonic() - STARTED)
    print(f"[{seconds // 60:3}:{seconds % 60:02}] {text}", flush=True)
