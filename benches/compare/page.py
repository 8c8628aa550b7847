"""The results: one JSON file per section, and the page made from all of them."""

import datetime
import json
import sys

import sections
from machine import commit
from plan import ROOT, say
from servers import Memcached, Onefill, Redis, sides

HEAD = """# Benchmarks

Onefill beside redis-server and memcached: both sides in one run, taking turns, figures are medians. **CPU per
operation** is the scheduler's account of all of a server's threads (`/proc/PID/task/*/schedstat`) divided by the
operations; the server has its cores, the load generator others. Ratios carry over to other machines, absolute figures
don't. Ratios are to redis-server, and below 1 in favour of the one they stand under.

This page is written by `python3 benches/compare`, from benches/results; each section says when and where it was
measured. benches/README.md says how, and how to re-run one section.
"""


def keep(plan, section, result, seconds):
    """Stores a section's result beside the others."""
    kinds = sides(Onefill, Redis, Memcached)
    kept = {
        "section": section.NAME,
        "date": datetime.date.today().isoformat(),
        "machine": plan.machine.name,
        "system": plan.machine.system,
        "versions": [kind.version(plan) for kind in kinds],
        "commit": commit(ROOT) if plan.builds_server else plan.binary,
        "command": plan.command,
        "rounds": plan.rounds,
        "load_before": round(plan.machine.load_before, 1) if plan.machine.is_busy() else 0,
        "minutes": round(seconds / 60, 1),
        "result": result,
    }
    plan.results.mkdir(parents=True, exist_ok=True)
    path(plan, section).write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def path(plan, section):
    return plan.results / f"{section.NAME}.json"


def render(plan):
    """The page as every section's last result makes it."""
    parts = [HEAD]
    for section in sections.ALL:
        if path(plan, section).exists():
            kept = json.loads(path(plan, section).read_text())
            parts.append(f"## {section.TITLE}\n\n{section.QUESTION}\n\n{section.text(kept['result'])}\n{foot(kept)}")
    return "\n".join(parts)


def write(plan):
    plan.page.write_text(render(plan))
    say(f"written: {plan.page}")


def check(plan):
    """Ends the program with an error if the page is another than its results make. No results, no page: fine."""
    results = any(plan.results.glob("*.json"))
    if results != plan.page.exists() or results and plan.page.read_text() != render(plan):
        sys.exit(f"{plan.page} is not what {plan.results} makes of it: python3 benches/compare --page")


def foot(kept):
    where = f"{kept['machine']}; {kept['system']}; {', '.join(kept['versions'])}; commit {kept['commit']}"
    how = f"`{kept['command']}`, {kept['rounds']} round{'s' if kept['rounds'] > 1 else ''}, {kept['minutes']} minutes"
    busy = f"; **others were using the machine (load {kept['load_before']})**" if kept["load_before"] else ""
    return f"<sub>{kept['date']}; {where}; {how}{busy}.</sub>\n"
