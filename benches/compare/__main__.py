#!/usr/bin/env python3
"""Onefill beside redis-server and memcached, both sides in one run: docs/benchmarks.md is made by this command.

    python3 benches/compare                    every section (an hour and more; says how long first)
    python3 benches/compare cpu memory         these sections; the page keeps the others' last figures
    python3 benches/compare --quick            a few minutes, to see that all works; leaves page and results alone
    python3 benches/compare --large            also 5,000,000 keys and values of 512 MiB
    python3 benches/compare --page             no measuring: the page again, from benches/results
    python3 benches/compare --check            fails if the page is not what benches/results make of it

Needs Rust, and of Debian redis-server and (where it is there) memcached; two cores or more, and nothing else running
on them. Figures to trust are ratios from one run: the sides take turns, figures are medians of the rounds, and CPU
is the scheduler's account of all of a server's threads.
"""

import argparse
import subprocess
import sys
import time

import page
import sections
from build import build
from machine import Machine
from plan import Plan, say


def main():
    plan = read_arguments()
    if plan.checks_page:
        page.check(plan)
    elif plan.page_only:
        page.write(plan)
    else:
        measure(plan)


def measure(plan):
    """Runs the chosen sections. One that fails does not keep the others from running: nobody may be watching."""
    build(plan)
    chosen = [section for section in sections.ALL if section.NAME in plan.sections]
    total = sum(section.seconds(plan) for section in chosen)
    say(f"{', '.join(section.NAME for section in chosen)}: about {total / 60:.0f} minutes on {plan.machine.name}")
    if plan.machine.is_busy():
        say(f"others are using this machine (load {plan.machine.load_before:.1f}): "
            "trust ratios of CPU, no latency or throughput")
    failed = []
    for section in chosen:
        began = time.monotonic()
        say(f"== {section.TITLE} (about {section.seconds(plan) / 60:.1f} minutes)")
        try:
            result = section.measure(plan)
        except (SystemExit, OSError, subprocess.SubprocessError) as error:
            say(f"FAILED: {error}")
            failed.append(section.NAME)
            continue
        page.keep(plan, section, result, time.monotonic() - began)
        print("\n" + section.text(result), flush=True)
    page.write(plan)
    if failed:
        sys.exit(f"failed, and not on the page: {', '.join(failed)}")


def read_arguments():
    names = [section.NAME for section in sections.ALL]
    options = argparse.ArgumentParser(
        prog="python3 benches/compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(names)}")
    options.add_argument("--quick", action="store_true", help="fewer keys and requests, one round, nothing kept")
    options.add_argument("--large", action="store_true", help="also what takes most time and memory")
    options.add_argument("--page", action="store_true", dest="page_only", help="write the page from what is kept")
    options.add_argument("--check", action="store_true", dest="checks_page", help="is the page up to date?")
    options.add_argument("--rounds", type=int, default=0, help="how often each figure is taken (3; with --quick 1)")
    options.add_argument("--binary", help="a server to measure instead of this checkout's; nothing kept")
    options.add_argument("--commands", default="", help="cpu: only these, such as GET,SET; nothing kept")
    options.add_argument("--pipelines", default="", help="cpu: only these depths, such as 1,16; nothing kept")
    given = options.parse_args()
    for name in given.sections:
        if name not in names:
            options.error(f"no section {name}; there are {', '.join(names)}")
    given.sections = given.sections or (["cpu"] if given.commands or given.pipelines else names)
    machine = Machine()
    if len(machine.cores) < 2 and not (given.page_only or given.checks_page):
        sys.exit("two cores are needed: one for the server, one for the load")
    return Plan(given, machine)


main()
