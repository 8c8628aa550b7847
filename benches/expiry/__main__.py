"""What becomes of keys whose time is up: how long they are held, what reclaiming them costs others, what a TTL costs
in memory. Onefill beside redis-server and, where it has the same, memcached. Writes docs/expiry.md.

    python3 benches/expiry [--quick] [--only SCENE …] [--binary PATH]
"""

import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The servers, the machine's name and the tables are those of the comparison beside.
sys.path.append(str(ROOT / "benches/compare"))

import page  # noqa: E402
import scenes  # noqa: E402
from machine import Machine, commit  # noqa: E402


class Plan:
    """What is to be done, and with what."""

    def __init__(self, given):
        self.quick, self.only = given.quick, given.only
        self.binary = given.binary or str(ROOT / "target/release/onefill")
        self.machine = Machine()
        self.commit = "another binary" if given.binary else commit(ROOT)
        # A quick run, a part or another binary is no page of this checkout.
        apart = given.quick or given.only or given.binary
        self.page = ROOT / "target/benches/expiry.md" if apart else ROOT / "docs/expiry.md"

    def scaled(self, number):
        """A number of keys: a tenth of it in a quick run."""
        return number // 10 if self.quick else number


def main():
    names = [scene.NAME for scene in scenes.SCENES]
    parser = argparse.ArgumentParser(prog="benches/expiry", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the keys, shorter looks")
    parser.add_argument("--only", nargs="+", choices=names, help="these scenes alone")
    parser.add_argument("--binary", help="measure this server instead of building one")
    plan = Plan(parser.parse_args())
    if not plan.commit.startswith("another"):
        line = ["cargo", "build", "--release", "--locked", "--quiet", "--bin", "onefill"]
        subprocess.run(line, cwd=ROOT, check=True)
    results = [(scene, scene.measure(plan)) for scene in scenes.SCENES if scene.NAME in (plan.only or names)]
    plan.page.parent.mkdir(parents=True, exist_ok=True)
    plan.page.write_text(page.text(plan, results))
    print(f"wrote {plan.page}")


main()
