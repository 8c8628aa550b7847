"""What a TTL costs in memory."""

import wire
from markdown import table
from servers import Onefill, Redis, sides

NAME = "memory"
TITLE = "What a TTL costs"
QUESTION = """Growth of `used_memory` per key while 1,000,000 keys of 16 bytes with values of 8 bytes are loaded: without a
TTL, with one for all, with TTLs spread evenly over an hour and over a month, and with limited idle time."""

KEYS = 1_000_000
CASES = [
    ("no TTL", None, lambda at: 0),
    ("one TTL", b"EX", lambda at: 100_000),
    ("over an hour", b"EX", lambda at: 60 + at * 2_654_435_761 % 3_600),
    ("over a month", b"EX", lambda at: 60 + at * 2_654_435_761 % 2_592_000),
    ("IDLE", b"IDLE", lambda at: 100_000_000),
]


def measure(plan):
    return {kind.name: look(plan, kind) for kind in sides(Onefill, Redis)}


def look(plan, kind):
    server_cores, _, _ = plan.machine.split(1)
    keys, result = plan.scaled(KEYS), {}
    for name, option, number in CASES:
        if option == b"IDLE" and kind is Redis:
            continue
        with kind(plan, server_cores) as server:
            used = server.used_memory()
            wire.load(server, 0, keys, option, number)
            result[name] = (server.used_memory() - used) / keys
    print(f"{kind.name:12} {result}", flush=True)
    return result


def text(result):
    rows = []
    for side, figures in result.items():
        none = figures["no TTL"]
        more = {name: f"{bytes_:.1f} (+{bytes_ - none:.1f})" for name, bytes_ in figures.items()}
        more["no TTL"] = f"{none:.1f}"
        rows.append([side, *[more.get(name, "–") for name, *_ in CASES]])
    return table(["bytes per key", *[name for name, *_ in CASES]], rows)
