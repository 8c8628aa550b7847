"""Eight processes want the same report at once. It is made once.

Prints:
    8 processes got 'the report', which was made 1 time(s)
"""

import multiprocessing
import os
import time

import onefill
import redis

cache = redis.Redis(port=int(os.environ.get("REDIS_PORT", 6379)))
fill = onefill.Fill(cache)


@fill.cached(ttl=60)
def report(day):
    cache.incr("reports made")
    time.sleep(0.2)  # the slow thing that a cache is for
    return "the report"


if __name__ == "__main__":
    cache.delete("reports made")
    report.invalidate("monday")
    with multiprocessing.Pool(8) as processes:
        got = processes.map(report, ["monday"] * 8, chunksize=1)
    made = int(cache.get("reports made"))
    print(f"{len(got)} processes got {' and '.join(map(repr, set(got)))}, which was made {made} time(s)")
