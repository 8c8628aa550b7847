"""Memory per key."""

import time

import load
from markdown import table
from plan import say
from servers import Memcached, Onefill, Redis, sides

NAME = "memory"
TITLE = "Memory per key"
QUESTION = """What does a key cost beyond its bytes? Growth of the resident size of a fresh server while N keys
`k%015d` (16 bytes) are loaded in a pipeline, looked at 1.5 s later, divided by N, less key and value. In brackets:
growth of `used_memory` (memcached: of the bytes in its items) as a share of the growth of the resident size."""

REST_S = 1.5
TTL_S = 100_000
CASES = [(8, 0), (64, 0), (512, 0), (8, TTL_S), (64, TTL_S)]
LOADS_PER_SECOND = 500_000


def sizes(plan):
    return [plan.scaled(keys) for keys in ([1_000_000, 5_000_000] if plan.large else [1_000_000])]


def seconds(plan):
    runs = len(CASES) * len(sides(Onefill, Redis, Memcached))
    return sum(runs * (REST_S + 0.5 + keys / LOADS_PER_SECOND) for keys in sizes(plan))


def measure(plan):
    result = []
    for keys in sizes(plan):
        for value_bytes, ttl_s in CASES:
            for kind in sides(Onefill, Redis, Memcached):
                point = {"keys": keys, "value_bytes": value_bytes, "ttl": ttl_s > 0, "server": kind.name}
                point.update(grow(plan, kind, keys, value_bytes, ttl_s))
                case = f"{keys:>9,} keys, {value_bytes:3} B{', TTL' if ttl_s else '     '}"
                say(f"{case}  {kind.name:12} {overhead(point):6.1f} B per key")
                result.append(point)
    return result


def grow(plan, kind, keys, value_bytes, ttl_s):
    server_cores, load_cores, _ = plan.machine.split(1)
    with kind(plan, server_cores) as server:
        resident, used = server.resident(), server.used_memory()
        load.fill(plan, server, load_cores, keys, value_bytes=value_bytes, ttl_s=ttl_s)
        # Not waiting for an event: what a server gives back by itself within this time counts for it.
        time.sleep(REST_S)
        return {"resident_growth": server.resident() - resident, "used_growth": server.used_memory() - used}


def overhead(point):
    return point["resident_growth"] / point["keys"] - 16 - point["value_bytes"]


def text(result):
    cases = list(dict.fromkeys((point["value_bytes"], point["ttl"]) for point in result))
    at = {(point["keys"], point["server"], point["value_bytes"], point["ttl"]): point for point in result}
    rows = []
    for keys in dict.fromkeys(point["keys"] for point in result):
        for side in dict.fromkeys(point["server"] for point in result):
            row = [f"{side}, {keys:,} keys"]
            for case in cases:
                point = at[(keys, side, *case)]
                share = point["used_growth"] / max(1, point["resident_growth"])
                row.append(f"{overhead(point):.0f} ({share:.0%})")
            rows.append(row)
    head = ["bytes per key", *[f"{value_bytes} B{' with TTL' if ttl else ''}" for value_bytes, ttl in cases]]
    return table(head, rows)
