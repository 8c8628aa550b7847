"""Deadlines that are moved again and again, and taken away."""

import time

import probe
import wire
from markdown import table
from servers import Onefill, Redis, sides

NAME = "moved"
TITLE = "Deadlines that move"
QUESTION = """100,000 keys with a TTL; each is moved a hundred times by PEXPIRE, later and earlier in turn. Then half of
them are given to PERSIST and the others a last second. What does the moving leave in memory (growth of `used_memory` per
key), what does a move cost the server in CPU time, and is the right half gone two seconds later?"""

KEYS, MOVES = 100_000, 100
HOUR_MS = 3_600_000


def measure(plan):
    return {kind.name: look(plan, kind) for kind in sides(Onefill, Redis)}


def moves(keys, ms):
    digits = b"%d" % ms
    for at in range(keys):
        yield b"*3\r\n$7\r\nPEXPIRE\r\n$16\r\nk%015d\r\n$%d\r\n%s\r\n" % (at, len(digits), digits)


def persists(keys):
    for at in range(0, keys, 2):
        yield b"*2\r\n$7\r\nPERSIST\r\n$16\r\nk%015d\r\n" % at


def look(plan, kind):
    server_cores, _, _ = plan.machine.split(1)
    keys = plan.scaled(KEYS)
    with kind(plan, server_cores) as server, probe.Counters(server) as counters, wire.Wire(server) as client:
        wire.load(server, 0, keys, b"PX", lambda at: HOUR_MS)
        used, cpu = server.used_memory(), server.cpu_ns()
        most = used
        for turn in range(MOVES):
            # Swinging ever wider: each second one is earlier than all before.
            later = turn % 2 == 0
            client.send_all(moves(keys, HOUR_MS + (turn if later else -turn) * 30_000), b":1\r\n")
            most = max(most, server.used_memory()) if turn % 10 == 9 else most
        cpu = server.cpu_ns() - cpu
        client.send_all(moves(keys, 1_000), b":1\r\n")
        client.send_all(persists(keys), b":1\r\n")
        time.sleep(3)
        result = {
            "growth": (most - used) / keys,
            "move_us": cpu / 1000 / keys / MOVES,
            "left": counters.items(),
            "keys": keys,
        }
        print(f"{kind.name:12} {result}", flush=True)
        return result


def text(result):
    rows = [
        [side, f"{at['growth']:.1f} B", f"{at['move_us']:.2f} µs", f"{at['left']:,} of {at['keys']:,}"]
        for side, at in result.items()
    ]
    return table(["", "most growth per key", "CPU of a move", "keys left, half being right"], rows)
