"""A million expiries a second."""

import re
import time

import probe
import wire
from markdown import table
from servers import Onefill, Redis, sides

NAME = "stream"
TITLE = "A million expiries a second"
QUESTION = """2,000,000 keys with a TTL of a day, and 4,000,000 whose ends lie evenly in four seconds. How many dead keys are held
at any moment, looked at some fifty times a second (those due by now less `expired_keys`), how long does a PING wait, how
long are the sweeper's slices (median, 99th percentile, longest; what the machine takes away is part of them), and what
CPU time does the server spend altogether, by the keys it reclaimed meanwhile?"""

STAY, GO, SPREAD_S = 2_000_000, 4_000_000, 4
DAY_MS = 86_400_000


def measure(plan):
    return {kind.name: look(plan, kind) for kind in sides(Onefill, Redis)}


def look(plan, kind):
    server_cores, _, _ = plan.machine.split(1)
    stay, go = plan.scaled(STAY), plan.scaled(GO)
    with kind(plan, server_cores) as server, probe.Counters(server) as counters:
        began = time.monotonic()
        wire.load(server, 0, stay, b"PX", lambda at: DAY_MS)
        load_s = (time.monotonic() - began) * go / stay
        begin_ms = wire.now_ms() + int(load_s * 1500) + 3000
        # Neighbours in the order of keys end far apart, as if drawn at random.
        spread_ms = SPREAD_S * 1000
        wire.load(server, stay, go, b"PXAT", lambda at: begin_ms + at * 2_654_435_761 % spread_ms)
        begin = begin_ms / 1000
        if time.time() > begin:
            raise SystemExit("the machine is too slow: the keys ended while they were loaded")
        time.sleep(begin - time.time())
        pinger, cpu = probe.Pinger(server), server.cpu_ns()
        looks = []
        while time.time() < begin + SPREAD_S:
            before = time.time()
            expired = counters.expired()
            # What ended between the question and the answer counts for the server.
            due = go * min(1.0, (before - begin) / SPREAD_S)
            looks.append((max(0.0, due - expired), stay + go - due))
            time.sleep(0.015)
        until, cpu = time.time(), server.cpu_ns() - cpu
        pinger.stop()
        dead = [dead for dead, _ in looks]
        result = {
            "per_second": go // SPREAD_S,
            "mean": sum(dead) / len(dead),
            "most": max(dead),
            "share": max(dead / live for dead, live in looks),
            "mean_share": sum(dead / live for dead, live in looks) / len(looks),
            "ping": pinger.longest_ms(begin, until),
            "cpu_us": cpu / 1000 / max(1, expired),
            "slices_us": slices_us(counters),
        }
        print(f"{kind.name:12} {result}", flush=True)
        return result


def slices_us(counters):
    """Median, 99th percentile and longest of the sweeper's slices, where the server tells them."""
    found = re.search(r"^expire_slice_usec:count=\d+,p50=(\d+),p99=(\d+),max=(\d+)", counters.info("stats"), re.MULTILINE)
    return " / ".join(found.groups()) if found else "–"


def text(result):
    rows = []
    for side, at in result.items():
        rows.append([
            f"{side}, {at['per_second']:,}/s", f"{at['mean']:,.0f} = {at['mean_share']:.2%}",
            f"{at['most']:,.0f} = {at['share']:.2%}", f"{at['ping'][0]:.2f} / {at['ping'][1]:.2f}",
            at["slices_us"], f"{at['cpu_us']:.2f} µs",
        ])
    names = ["dead keys, of the live ones", "mean", "most", "PING: longest / p99.9, ms", "slices, µs", "CPU per expired key"]
    return table(names, rows)
