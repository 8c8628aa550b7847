"""Large values."""

import threading
import time

import load
from markdown import table
from plan import say
from servers import Onefill, Redis, request, sides

NAME = "large"
TITLE = "Large values"
QUESTION = """What does a large value cost per byte, and what does a reader hold who asks for one and doesn't read?
Server CPU per byte stored and read, four connections, each value as one request. Slow readers: connections that send
GET of one value and read nothing; how far the resident size rises within two seconds."""

KIB, MIB = 1 << 10, 1 << 20
SIZES = [16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB]
LARGEST = 512 * MIB
# Bytes moved per figure.
BYTES = 2 << 30
BYTES_PER_SECOND = 1 << 30
SLOW_S = 2
READERS = [1, 8]


def sizes(plan):
    return SIZES + ([LARGEST] if plan.large else [])


def seconds(plan):
    moved = sum(max(plan.scaled(BYTES), 4 * size) for size in sizes(plan)) * 2
    return 2 * plan.rounds * moved / BYTES_PER_SECOND + 2 * (len(READERS) * SLOW_S + 3)


def measure(plan):
    kinds = sides(Onefill, Redis)
    points = [point(plan, kinds, size) for size in sizes(plan)]
    readers = {kind.name: slow_readers(plan, kind) for kind in kinds}
    return {"points": points, "slow_readers": readers}


def point(plan, kinds, size):
    """Nanoseconds of CPU per KiB for both commands and sides, every round."""
    server_cores, load_cores, _ = plan.machine.split(1)
    figures = {command: {kind.name: [] for kind in kinds} for command in ("set", "get")}
    requests = max(4, plan.scaled(BYTES) // size)
    options = {"keys": 4, "connections": min(4, requests), "value_bytes": size, "order": "sequential"}
    for _ in range(plan.rounds):
        for kind in kinds:
            with kind(plan, server_cores) as server:
                # Every key once before the figures: memory taken for the first time costs page faults.
                load.run(plan, server, load_cores, "set", **{**options, "requests": 4})
                for command, rounds in figures.items():
                    done = load.run(plan, server, load_cores, command, requests=requests, **options)
                    rounds[kind.name].append(round(done.cpu_ns / (requests * size) * KIB, 3))
    shown = [
        f"{command} {side} {load.median(rounds):.1f}"
        for command, by_side in figures.items() for side, rounds in by_side.items()
    ]
    say(f"{spell(size):>8}  ns/KiB: {', '.join(shown)}")
    return {"value_bytes": size, "ns_per_kib": figures}


def slow_readers(plan, kind):
    """Growth of the resident size, bytes, for each number of readers."""
    server_cores, load_cores, _ = plan.machine.split(1)
    size = (10 if plan.quick else 100) * MIB
    with kind(plan, server_cores) as server:
        one = {"requests": 1, "keys": 1, "order": "sequential", "connections": 1, "value_bytes": size}
        load.run(plan, server, load_cores, "set", **one)
        grown = []
        for count in READERS:
            before = server.resident()
            connections = [server.connect() for _ in range(count)]
            for connection in connections:
                connection.sendall(request("GET", "k%015d" % 0))
            grown.append(highest(server, SLOW_S) - before)
            for connection in connections:
                connection.close()
        said = ", ".join(f"{count}: +{spell(growth)}" for count, growth in zip(READERS, grown))
        say(f"{kind.name}: slow readers of {spell(size)}: {said}")
        return {"value_bytes": size, "readers": READERS, "growth": grown}


def highest(server, within_s):
    """The largest resident size seen within some seconds."""
    most, pause, deadline = 0, threading.Event(), time.monotonic() + within_s
    while time.monotonic() < deadline:
        most = max(most, server.resident())
        pause.wait(0.01)
    return most


def spell(size):
    size = max(size, 0)
    return f"{size / MIB:.0f} MiB" if size >= MIB else f"{size / KIB:.0f} KiB"


def text(result):
    rows = []
    for point in result["points"]:
        row = [spell(point["value_bytes"])]
        for by_side in point["ns_per_kib"].values():
            own, redis = load.median(by_side[Onefill.name]), load.median(by_side[Redis.name])
            row += [f"{redis:.1f}", f"{own:.1f}", f"{own / redis:.2f}"]
        rows.append(row)
    head = ["CPU, ns per KiB"]
    for command in ("SET", "GET"):
        head += [f"{command} redis-server", f"{command} Onefill", "ratio"]
    slow = [
        [f"{side}, {spell(figures['value_bytes'])}", *[f"+{spell(growth)}" for growth in figures["growth"]]]
        for side, figures in result["slow_readers"].items()
    ]
    readers = next(iter(result["slow_readers"].values()))["readers"]
    below = ["resident size", *[f"{count} slow reader{'s' if count > 1 else ''}" for count in readers]]
    return table(head, rows) + "\n" + table(below, slow)
