"""Latency."""

import concurrent.futures

import load
from markdown import table
from plan import say
from servers import Onefill, Redis, sides

NAME = "latency"
TITLE = "Latency"
QUESTION = """How long does a request wait? Requests leave at fixed times, whether or not earlier ones are answered,
and latency counts from the appointed time, so that a stall is charged to all it held up. Half load: half of what
redis-server carries on this machine, for both; 50 connections, 1,000,000 keys. Growth: SETs of new keys, 16 per
burst, again at half of redis-server's rate. Last: the time to the answer of one large command, and the longest wait
of others meanwhile, who send 5,000 PINGs a second (PINGs alone, with nothing else going on, say what the machine
adds)."""

KEYS = 1_000_000
GROWN_KEYS = 10_000_000
LARGE_BYTES = 512 << 20
PACED_S = 10
PINGS_S = 3
PINGS_PER_SECOND = 5000
MANY = 10**12
GROWTH = {"order": "sequential", "value_bytes": 64, "pipeline": 16}
QUANTILES = ["p50", "p99", "p99.9", "p99.99", "max"]


def paced_s(plan):
    return plan.scaled(PACED_S) if plan.quick else PACED_S


def seconds(plan):
    half_load = 8 + 2 * 2 * plan.rounds * paced_s(plan)
    growth = 2 * plan.scaled(GROWN_KEYS) / 300_000
    commands = 2 * (plan.scaled(GROWN_KEYS) / 500_000 + 4 * (PINGS_S + 1))
    return half_load + growth + commands


def measure(plan):
    kinds = sides(Onefill, Redis)
    return {"half_load": half_load(plan, kinds), **grown(plan, kinds), "del": large_del(plan, kinds)}


def half_load(plan, kinds):
    """Quantiles in microseconds by command and side, one per round."""
    server_cores, load_cores, _ = plan.machine.split(1)
    servers = [kind(plan, server_cores) for kind in kinds]
    keys = plan.scaled(KEYS)
    try:
        for server in servers:
            load.fill(plan, server, load_cores, keys)
        redis = next(server for server in servers if server.name == Redis.name)
        rates = {command: capacity(plan, redis, load_cores, command, keys) / 2 for command in ("get", "set")}
        result = []
        for command, rate in rates.items():
            rounds = {server.name: [] for server in servers}
            for _ in range(plan.rounds):
                for server in servers:
                    done = load.run(
                        plan, server, load_cores, command, keys=keys, requests=MANY, seconds=paced_s(plan), rate=rate)
                    rounds[server.name].append(done.latency_us)
            for side, figures in rounds.items():
                shown = ", ".join(f"{name} {figure:.0f}" for name, figure in middle(figures).items())
                say(f"{command} at {rate:,.0f}/s  {side:12} {shown}")
            result.append({"command": command, "rate": round(rate), "latency_us": rounds})
        return result
    finally:
        for server in servers:
            server.__exit__()


def capacity(plan, server, cores, command, keys):
    """Requests a second, one at a time on each of 50 connections."""
    return load.run(plan, server, cores, command, keys=keys, requests=MANY, seconds=1 if plan.quick else 3).per_second


def middle(rounds):
    """The median of each quantile over the rounds; of the longest waits the longest."""
    def over(name):
        return max if name == "max" else load.median

    return {name: over(name)([figures[name] for figures in rounds]) for name in QUANTILES}


def grown(plan, kinds):
    """Latency while the table grows, then FLUSHALL of all that, as it is and ASYNC."""
    server_cores, load_cores, _ = plan.machine.split(1)
    keys = plan.scaled(GROWN_KEYS)
    with Redis(plan, server_cores) as redis:
        probe = plan.scaled(2_000_000)
        rate = load.run(plan, redis, load_cores, "set", requests=probe, keys=probe, **GROWTH).per_second / 2
    growth, flush = {}, {}
    for kind in kinds:
        with kind(plan, server_cores) as server:
            done = load.run(plan, server, load_cores, "set", requests=keys, keys=keys, rate=rate, **GROWTH)
            growth[kind.name] = done.latency_us
            most = ", ".join(f"{name} {done.latency_us[name]:.0f} µs" for name in ("p99.99", "max"))
            say(f"{keys:,} keys at {rate:,.0f}/s  {kind.name:12} {most}")
            quiet = answered(plan, server, load_cores, "PING")
            plain = answered(plan, server, load_cores, "FLUSHALL")
            load.fill(plan, server, load_cores, keys)
            later = answered(plan, server, load_cores, "FLUSHALL", "ASYNC")
            flush[kind.name] = {"PING": quiet, "FLUSHALL": plain, "FLUSHALL ASYNC": later}
    return {
        "growth": {"keys": keys, "rate": round(rate), "latency_us": growth},
        "flush": {"keys": keys, "ms": flush},
    }


def large_del(plan, kinds):
    server_cores, load_cores, _ = plan.machine.split(1)
    size = plan.scaled(LARGE_BYTES)
    ms = {}
    for kind in kinds:
        with kind(plan, server_cores) as server:
            one = {"requests": 1, "keys": 1, "order": "sequential", "connections": 1, "value_bytes": size}
            load.run(plan, server, load_cores, "set", **one)
            ms[kind.name] = answered(plan, server, load_cores, "DEL", "k%015d" % 0)
    return {"value_bytes": size, "ms": ms}


def answered(plan, server, cores, *words):
    """Milliseconds until the answer to one command, and the longest that a PING took meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(1) as others:
        pings = {"requests": MANY, "seconds": PINGS_S, "rate": PINGS_PER_SECOND, "connections": 10}
        pinging = others.submit(load.run, plan, server, cores, "ping", **pings)
        # The command is to fall among the PINGs, not before the first.
        concurrent.futures.wait([pinging], timeout=PINGS_S / 3)
        took = server.timed(*words) * 1000
        longest = pinging.result().latency_us["max"] / 1000
    say(f"{server.name:12} {' '.join(words)}: answered in {took:.2f} ms, others waited up to {longest:.2f} ms")
    return {"answer": round(took, 3), "others": round(longest, 3)}


def text(result):
    return "\n".join([half_load_text(result["half_load"]), growth_text(result["growth"]), commands_text(result)])


def half_load_text(points):
    rows = []
    for point in points:
        for side, rounds in point["latency_us"].items():
            figures = middle(rounds)
            name = f"{point['command'].upper()} at {point['rate']:,}/s, {side}"
            rows.append([name, *[f"{figures[quantile]:,.0f}" for quantile in QUANTILES]])
    return table(["half load, µs", *QUANTILES], rows)


def growth_text(growth):
    rows = [
        [f"{growth['keys']:,} keys at {growth['rate']:,}/s, {side}", *[f"{figures[name]:,.0f}" for name in QUANTILES]]
        for side, figures in growth["latency_us"].items()
    ]
    return table(["growth, µs", *QUANTILES], rows)


def commands_text(result):
    flush, deletion = result["flush"], result["del"]
    rows = []
    for side, figures in flush["ms"].items():
        for name, ms in figures.items():
            what = "PING alone" if name == "PING" else f"{name} of {flush['keys']:,} keys"
            rows.append([f"{what}, {side}", f"{ms['answer']:.2f}", f"{ms['others']:.2f}"])
    for side, ms in deletion["ms"].items():
        what = f"DEL of {deletion['value_bytes'] >> 20} MiB"
        rows.append([f"{what}, {side}", f"{ms['answer']:.2f}", f"{ms['others']:.2f}"])
    return table(["one command, ms", "answered in", "longest wait of others"], rows)
