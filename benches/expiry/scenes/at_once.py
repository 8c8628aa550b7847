"""A million keys that end in the same millisecond."""

import time

import probe
import wire
from markdown import table
from servers import Onefill, Redis, sides

NAME = "at-once"
TITLE = "A million keys that end together"
QUESTION = """1,000,000 keys with the same PXAT, nobody asks for them. How long until 99 % and all of them are reclaimed,
and how long does a client that sends one PING after the other wait meanwhile? Before: the same client during the two
seconds before the end, which is what the machine adds. CPU: all that the server spends meanwhile, by the keys it reclaimed."""

KEYS = 1_000_000
LOAD_PER_SECOND = 100_000
BEFORE_S = 2
PATIENCE_S = 60


def measure(plan):
    return {kind.name: look(plan, kind) for kind in sides(Onefill, Redis)}


def look(plan, kind):
    server_cores, _, _ = plan.machine.split(1)
    keys = plan.scaled(KEYS)
    with kind(plan, server_cores) as server, probe.Counters(server) as counters:
        end_ms = wire.now_ms() + 1000 * (keys // LOAD_PER_SECOND + BEFORE_S + 2)
        wire.load(server, 0, keys, b"PXAT", lambda at: end_ms)
        end = end_ms / 1000
        if time.time() > end - BEFORE_S:
            raise SystemExit("the machine is too slow: the keys ended while they were loaded")
        time.sleep(end - BEFORE_S - time.time())
        pinger, cpu = probe.Pinger(server), server.cpu_ns()
        reached = follow(counters, end, keys, PATIENCE_S if not plan.quick else 15)
        until, cpu = time.time(), server.cpu_ns() - cpu
        pinger.stop()
        result = {
            "keys": keys,
            **reached,
            "before": pinger.longest_ms(end - BEFORE_S, end),
            "meanwhile": pinger.longest_ms(end, until),
            "cpu_us": cpu / 1000 / max(1, reached["expired"]),
        }
        print(f"{kind.name:12} {result}", flush=True)
        return result


def follow(counters, end, keys, patience_s):
    """Seconds from the end until 99 % and all are reclaimed, and how many were when patience ended."""
    time.sleep(max(0.0, end - time.time()))
    reached = {"most": None, "all": None, "expired": 0}
    while time.time() < end + patience_s and reached["all"] is None:
        expired, now = counters.expired(), time.time()
        reached["expired"] = expired
        if expired >= keys * 0.99 and reached["most"] is None:
            reached["most"] = now - end
        if expired >= keys:
            reached["all"] = now - end
        time.sleep(0.01)
    return reached


def text(result):
    rows = []
    for side, at in result.items():
        never = f"{at['expired'] / at['keys']:.1%} when given up"
        shown = [never if at[name] is None else f"{at[name]:.2f} s" for name in ("most", "all")]
        pings = [f"{at[name][0]:.2f} / {at[name][1]:.2f}" for name in ("before", "meanwhile")]
        rows.append([side, *shown, *pings, f"{at['cpu_us']:.2f} µs"])
    return table(["", "99 %", "all", "PING before: longest / p99.9, ms", "PING meanwhile", "CPU per expired key"], rows)
