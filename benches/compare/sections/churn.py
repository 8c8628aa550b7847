"""Memory under churn."""

import time

import load
from markdown import table
from plan import say
from servers import Memcached, Onefill, Redis, sides

NAME = "churn"
TITLE = "Memory under churn"
QUESTION = """Does memory come back, and can it be used again for other sizes? 2,000,000 keys with values of 8 to 128
bytes; 80 % of them, chosen at random, are deleted; 500,000 new keys with values of 16 to 1,024 bytes are stored. The
figure is the resident size divided by the bytes of keys and values that are there, at rest, over a minute."""

KEYS, NEW_KEYS = 2_000_000, 500_000
FIRST_BYTES, THEN_BYTES = "8..128", "16..1024"
SHARE = 80
LOOKS_S = [0, 1, 5, 10, 20, 30, 45, 60]


def looks_s(plan):
    return [second for second in LOOKS_S if second <= (5 if plan.quick else 60)]


def seconds(plan):
    return len(sides(Onefill, Redis, Memcached)) * (looks_s(plan)[-1] + plan.scaled(10))


def measure(plan):
    return {kind.name: churn(plan, kind) for kind in sides(Onefill, Redis, Memcached)}


def churn(plan, kind):
    server_cores, load_cores, _ = plan.machine.split(1)
    keys, new_keys = plan.scaled(KEYS), plan.scaled(NEW_KEYS)
    with kind(plan, server_cores) as server:
        live = load.fill(plan, server, load_cores, keys, value_bytes=FIRST_BYTES).touched_bytes
        stages = [stage("filled", server, live)]
        every = {"requests": keys, "keys": keys, "order": f"share:{SHARE}", "pipeline": 64}
        live -= load.run(plan, server, load_cores, "del", value_bytes=FIRST_BYTES, **every).touched_bytes
        stages.append(stage(f"{SHARE} % deleted", server, live))
        live += load.fill(plan, server, load_cores, new_keys, first_key=keys, value_bytes=THEN_BYTES).touched_bytes
        began = time.monotonic()
        for second in looks_s(plan):
            # Rest is what is measured: nothing is being waited for.
            time.sleep(max(0.0, began + second - time.monotonic()))
            stages.append(stage(f"refilled, {second} s", server, live))
        say(f"{kind.name:12} " + ", ".join(f"{at['stage']}: {at['resident'] / at['live']:.2f}" for at in stages))
        return stages


def stage(name, server, live):
    return {"stage": name, "resident": server.resident(), "live": live}


def text(result):
    names = [at["stage"] for at in next(iter(result.values()))]
    rows = [[side, *[f"{at['resident'] / at['live']:.2f}" for at in stages]] for side, stages in result.items()]
    return table(["resident ÷ live bytes", *names], rows)
