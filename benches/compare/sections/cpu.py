"""CPU per operation."""

import load
from markdown import table
from plan import say
from servers import Memcached, Onefill, Redis, sides

NAME = "cpu"
TITLE = "CPU per operation"
QUESTION = """What does a request cost the server? 1,000,000 keys of 16 bytes, drawn at random, values of 64 bytes, 50
connections, one thread that runs commands, on a core of its own. Every key is there before it is read; DEL deletes
each key once; as many counters are there beside the keys for INCR, the last row. memcached is asked in its meta commands (`mg`, `ms`, `md`, `ma`), for MGET by `get` with
several keys, for MSET by quiet stores; FILL.GET is held against redis's GET and memcached's `mg` with `N`."""

TTL_S = 100_000
# Name, what the generator is told, and what redis is told instead where it differs. Reads first, while no key has a
# TTL; then DEL, as it fills again before each run; INCR last, whose counters are there beside the keys.
ROWS = [
    ("GET", {"command": "get"}, {}),
    ("FILL.GET", {"command": "fill.get"}, {"command": "get"}),
    ("EXISTS", {"command": "exists"}, {}),
    ("MGET 10", {"command": "mget", "many": 10}, {}),
    ("MGET 100", {"command": "mget", "many": 100}, {}),
    ("SET", {"command": "set"}, {}),
    ("MSET 10", {"command": "mset", "many": 10}, {}),
    ("SET EX", {"command": "set", "ttl_s": TTL_S}, {}),
    ("EXPIRE", {"command": "expire", "ttl_s": TTL_S}, {}),
    ("DEL", {"command": "del", "order": "scattered"}, {}),
    ("INCR", {"command": "incr", "prefix": "c"}, {}),
]
KEYS = 1_000_000
# Requests by pipeline: each run takes one to three seconds.
REQUESTS = {1: 200_000, 16: 1_000_000, 64: 2_000_000}
FEWER = {1: 1, 10: 5, 100: 20}


def chosen(plan):
    """Rows and pipelines of this run."""
    rows = [row for row in ROWS if not plan.commands or row[0] in plan.commands]
    return rows, plan.pipelines or list(REQUESTS)


def seconds(plan):
    rows, pipelines = chosen(plan)
    runs = len(rows) * len(pipelines) * len(sides(Onefill, Redis, Memcached)) * plan.rounds
    return 10 + runs * (0.5 if plan.quick else 2.2)


def measure(plan):
    server_cores, load_cores, _ = plan.machine.split(1)
    servers = [kind(plan, server_cores) for kind in sides(Onefill, Redis, Memcached)]
    try:
        for server in servers:
            prepare(plan, server, load_cores)
        rows, pipelines = chosen(plan)
        return [point(plan, servers, load_cores, row, depth) for row in rows for depth in pipelines]
    finally:
        for server in servers:
            server.__exit__()


def prepare(plan, server, cores):
    load.fill(plan, server, cores, plan.scaled(KEYS))


def begin_counting(plan, server, cores):
    keys = plan.scaled(KEYS)
    counters = {"requests": keys, "keys": keys, "order": "sequential", "prefix": "c", "pipeline": 64}
    load.run(plan, server, cores, "incr", **counters)


def point(plan, servers, cores, row, pipeline):
    """One command at one depth: microseconds per request of every round, by server."""
    name, told, told_redis = row
    keys = plan.scaled(KEYS)
    requests = plan.scaled(REQUESTS.get(pipeline, REQUESTS[16])) // FEWER[told.get("many", 1)]
    if told["command"] == "del":
        requests = min(requests, keys)
    us = {server.name: [] for server in servers}
    if told["command"] == "incr":
        for server in servers:
            begin_counting(plan, server, cores)
    for number in range(plan.rounds):
        # Who goes first changes, so that nobody always has the machine's better moment.
        for server in servers if number % 2 == 0 else servers[::-1]:
            options = {**told, **(told_redis if server.name == Redis.name else {})}
            if told["command"] == "del":
                load.fill(plan, server, cores, keys)
            done = load.run(plan, server, cores, keys=keys, requests=requests, pipeline=pipeline, **options)
            us[server.name].append(round(done.cpu_us, 4))
    shown = [f"{side:>14} {load.median(figures):6.3f} µs" for side, figures in us.items()]
    say(f"{name:9} -P {pipeline:<3}" + "".join(shown))
    return {"command": name, "pipeline": pipeline, "us": us}


def text(result):
    pipelines = sorted({point["pipeline"] for point in result})
    names = list(dict.fromkeys(point["command"] for point in result))
    rivals = [side for side in result[0]["us"] if side != Redis.name]
    at = {(point["command"], point["pipeline"]): point["us"] for point in result}
    ratios, figures = [], []
    for name in names:
        ratio, figure = [name], [name]
        for side in [*rivals, Redis.name]:
            for depth in pipelines:
                us = at[name, depth]
                own, redis = load.median(us[side]), load.median(us[Redis.name])
                figure.append(f"{own:.2f}")
                if side != Redis.name:
                    ratio.append(f"{own / redis:.2f}")
        ratios.append(ratio)
        figures.append(figure)
    depths = [f"-P {depth}" for depth in pipelines]
    head = ["ratio to redis-server", *[f"{side} {depth}" for side in rivals for depth in depths]]
    below = ["µs per request", *[f"{side} {depth}" for side in [*rivals, Redis.name] for depth in depths]]
    return table(head, ratios) + "\n" + table(below, figures)
