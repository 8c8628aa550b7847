"""How long dead keys are held."""

import time

import probe
import wire
from markdown import table
from servers import Memcached, Onefill, Redis, sides

NAME = "held"
TITLE = "Dead keys that are still held"
QUESTION = """1,000,000 keys with a TTL of a day, and 250,000 with one of 4 s that nobody asks for again: how many of these are
still in memory, so long after the last of them ended? In brackets `used_memory` beyond what the others took
before, MB (memcached: the bytes of its items)."""

STAY, GO, TTL_S, DAY_S = 1_000_000, 250_000, 4, 86_400


def looks_s(plan):
    return [1, 5] if plan.quick else [1, 5, 41]


def measure(plan):
    return {kind.name: look(plan, kind) for kind in sides(Onefill, Redis, Memcached)}


def look(plan, kind):
    server_cores, _, _ = plan.machine.split(1)
    stay, go = plan.scaled(STAY), plan.scaled(GO)
    option = b"EX" if kind is Memcached else b"PX"
    unit = 1 if kind is Memcached else 1000
    with kind(plan, server_cores) as server, probe.Counters(server) as counters:
        wire.load(server, 0, stay, option, lambda at: DAY_S * unit)
        used = server.used_memory()
        wire.load(server, stay, go, option, lambda at: TTL_S * unit)
        # memcached's clock ticks in seconds.
        ended = time.monotonic() + TTL_S + (1 if kind is Memcached else 0)
        result = []
        for second in looks_s(plan):
            # Being left alone is what is measured: nothing is being waited for.
            time.sleep(max(0.0, ended + second - time.monotonic()))
            held = counters.items() - stay
            result.append({"after_s": second, "held": held, "used": server.used_memory() - used})
        print(f"{kind.name:12} " + ", ".join(f"{at['held']:,} held after {at['after_s']} s" for at in result), flush=True)
        return {"go": go, "looks": result}


def text(result):
    seconds = [look["after_s"] for look in next(iter(result.values()))["looks"]]
    rows = []
    for side, figures in result.items():
        cells = []
        for look in figures["looks"]:
            share = look["held"] / figures["go"]
            cells.append(f"{look['held']:,} = {share:.1%} ({look['used'] / 1e6:.1f})")
        rows.append([side, *cells])
    return table(["held after", *[f"{second} s" for second in seconds]], rows)
