"""Scaling over workers."""

import load
from markdown import table
from plan import say
from servers import Memcached, Onefill, Redis, sides

NAME = "scaling"
TITLE = "Scaling over workers"
QUESTION = """What do more workers carry? Onefill with `io-threads`, redis-server with `io-threads` and
`io-threads-do-reads`, memcached with `-t`; 16 requests per burst, 200 connections, values of 64 bytes; keys drawn
from 1,000,000, and one hot key. The workers' cores are theirs alone where the machine has enough; where it says
*shared*, the load generator runs on the same cores and the throughput is no measure of the server. *load-bound*: the
generator had no time left, more was not asked for."""

WORKERS = [1, 2, 3, 4, 6, 8, 10, 12]
KEYS = 1_000_000
RUN_S = 3
MANY = 10**12
BUSY = 0.9
CASES = [("GET", "get", KEYS), ("SET", "set", KEYS), ("GET of one key", "get", 1), ("SET of one key", "set", 1)]


def run_s(plan):
    return 0.5 if plan.quick else RUN_S


def workers(plan):
    """As many as leave a core in four to the load; and in any case two."""
    cores = len(plan.machine.cores)
    return [count for count in WORKERS if count <= max(2, cores * 3 // 4)]


def seconds(plan):
    starts = len(workers(plan)) * len(sides(Onefill, Redis, Memcached)) * plan.rounds
    return starts * (3 if not plan.quick else 1) + starts * len(CASES) * run_s(plan)


def measure(plan):
    result = []
    for count in workers(plan):
        server_cores, load_cores, is_shared = plan.machine.split(count)
        points = {}
        for _ in range(plan.rounds):
            for kind in sides(Onefill, Redis, Memcached):
                with kind(plan, server_cores, count) as server:
                    load.fill(plan, server, load_cores, plan.scaled(KEYS))
                    for name, command, keys in CASES:
                        done = drive(plan, server, load_cores, command, min(keys, plan.scaled(KEYS)))
                        points.setdefault((name, kind.name), []).append(done)
        for (name, side), rounds in points.items():
            figures = {
                "per_second": round(load.median([done.per_second for done in rounds])),
                "cpu_us": round(load.median([done.cpu_us for done in rounds]), 4),
                "load_busy": round(load.median([done.loader_busy for done in rounds]) / len(load_cores), 2),
            }
            say(f"{count:2} workers, {name:15} {side:12} {figures['per_second']:>11,}/s {figures['cpu_us']:.3f} µs")
            result.append({"workers": count, "case": name, "server": side, "shared": is_shared, **figures})
    return result


def drive(plan, server, cores, command, keys):
    return load.run(
        plan, server, cores, command, keys=keys, requests=MANY, seconds=run_s(plan), pipeline=16, connections=200,
        threads=len(cores))


def text(result):
    parts = []
    names = list(dict.fromkeys(point["server"] for point in result))
    for case in dict.fromkeys(point["case"] for point in result):
        rows = []
        for count in dict.fromkeys(point["workers"] for point in result):
            row = [f"{count}"]
            for side in names:
                point = next(p for p in result if (p["case"], p["workers"], p["server"]) == (case, count, side))
                row += [f"{point['per_second'] / 1e6:.2f}{mark(point)}", f"{point['cpu_us']:.2f}"]
            rows.append(row)
        head = [f"{case}: workers"]
        for side in names:
            head += [f"{side}, million/s", "µs each"]
        parts.append(table(head, rows))
    return "\n".join(parts)


def mark(point):
    if point["shared"]:
        return " shared"
    return " load-bound" if point["load_busy"] >= BUSY else ""
