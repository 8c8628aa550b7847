"""What FILL costs a server: memory of open flights and parked callers, CPU of answering a crowd. See README.md."""

import argparse
import json
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "compare"))

import build  # noqa: E402  (of benches/compare, as the modules below)
import crowd  # noqa: E402
import memory  # noqa: E402
import page  # noqa: E402
from machine import Machine, commit  # noqa: E402
from plan import ROOT, say  # noqa: E402

PAGE = ROOT / "docs" / "fill-cost.md"
SECTIONS = {"flights": memory.flights, "parked": memory.parked, "crowd": crowd.measure}


class Plan:
    """What is asked for: sizes, the program, the machine."""

    def __init__(self, options):
        self.machine = Machine()
        self.binary = str(options.binary or ROOT / "target" / "release" / "onefill")
        self.builds_server = options.binary is None
        self.flights = 10_000 if options.quick else 100_000
        self.callers = 1_000 if options.quick else 10_000
        self.rounds = 1 if options.quick else options.rounds
        self.value_bytes = 64 * 1024


def main():
    parser = argparse.ArgumentParser(prog="python3 benches/fill_cost", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="default: all")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size; writes no page")
    parser.add_argument("--rounds", type=int, default=3, help="of the crowd")
    parser.add_argument("--binary", type=pathlib.Path, help="measure this program instead of building one")
    options = parser.parse_args()
    plan = Plan(options)
    if plan.builds_server:
        build.build(plan)
    result = {"machine": plan.machine.name, "system": plan.machine.system, "commit": commit(ROOT)}
    result["callers"], result["value_bytes"] = plan.callers, plan.value_bytes
    for name in options.sections or SECTIONS:
        say(f"{name} …")
        result[name] = SECTIONS[name](plan)
    print(json.dumps(result, indent=1) if options.sections else page.text(result))
    if not options.sections and not options.quick:
        PAGE.write_text(page.text(result), encoding="utf-8")


main()
