"""limits, the library below Flask-Limiter: fixed windows and the counter of sliding ones: `limits_strategies.py HOST PORT`.

Its moving window keeps a list of times (LINDEX, LPUSH, LTRIM) and is left out until this server has lists.
"""

import importlib.metadata
import sys
import time

import redis
from crowd import in_processes
from limits import RateLimitItemPerHour
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])
URI = f"redis://{HOST}:{PORT}/3"
HOURLY = RateLimitItemPerHour(10)


def storage():
    return RedisStorage(URI, socket_timeout=10)


def check_fixed_window_counts(client):
    limiter = FixedWindowRateLimiter(storage())
    equal([limiter.hit(HOURLY, "ada") for _ in range(12)], [True] * 10 + [False] * 2, "hits")
    equal([limiter.test(HOURLY, who) for who in ("ada", "bob")], [False, True], "test")
    equal(limiter.hit(HOURLY, "bob"), True, "another's hit")
    stats = limiter.get_window_stats(HOURLY, "bob")
    equal((stats.remaining, 3590 < stats.reset_time - time.time() <= 3600), (9, True), "stats")
    limiter.clear(HOURLY, "ada")
    equal((limiter.hit(HOURLY, "ada", cost=7), limiter.hit(HOURLY, "ada", cost=4)), (True, False), "hits with a cost")


def check_fixed_window_ends(client):
    limiter = FixedWindowRateLimiter(storage())
    equal([limiter.hit(HOURLY, "ada") for _ in range(11)], [True] * 10 + [False], "hits")
    client.pexpire(f"LIMITS:{HOURLY.key_for('ada')}", 20)
    for _ in deadline():
        if limiter.hit(HOURLY, "ada"):
            break
        time.sleep(0.005)
    equal(limiter.get_window_stats(HOURLY, "ada").remaining, 9, "what the next window has left")


def check_sliding_window_counts(client):
    limiter = SlidingWindowCounterRateLimiter(storage())
    equal([limiter.hit(HOURLY, "ada") for _ in range(12)], [True] * 10 + [False] * 2, "hits")
    equal([limiter.test(HOURLY, who) for who in ("ada", "bob")], [False, True], "test")
    equal([limiter.get_window_stats(HOURLY, who).remaining for who in ("ada", "bob")], [0, 10], "left")
    equal((limiter.hit(HOURLY, "bob", cost=11), limiter.hit(HOURLY, "bob", cost=10)), (False, True), "hits with a cost")
    limiter.clear(HOURLY, "ada")
    equal((limiter.hit(HOURLY, "ada"), limiter.get_window_stats(HOURLY, "ada").remaining), (True, 9), "after clear")


def check_sliding_window_slides(client):
    limiter, stored = SlidingWindowCounterRateLimiter(storage()), storage()
    equal([limiter.hit(HOURLY, "ada") for _ in range(11)], [True] * 10 + [False], "hits")
    # 1,700 of the 3,600 s in which its hits still count are left: as many as 10 × 1,700 / 3,600, rounded down.
    client.pexpire(f"LIMITS:{{{HOURLY.key_for('ada')}}}", 1_700_000)
    equal([limiter.hit(HOURLY, "ada") for _ in range(7)], [True] * 6 + [False], "hits in the next window")
    previous, expires_in, current, _ = stored.get_sliding_window(HOURLY.key_for("ada"), 3600)
    equal((previous, 1690 < expires_in <= 1700, current), (10, True, 6), "the windows")


def check_reset_removes_all(client):
    limiter, stored = FixedWindowRateLimiter(storage()), storage()
    for number in range(20):
        limiter.hit(HOURLY, f"user {number}")
    client.set("other", 1)
    equal((stored.check(), stored.reset(), client.keys()), (True, 20, [b"other"]), "reset")


def _hit(limiter_class, client):
    limiter, item = limiter_class(storage()), RateLimitItemPerHour(100)
    for _ in range(60):
        client.incr("allowed" if limiter.hit(item, "all") else "refused")


def check_many_processes_get_no_more_than_the_limit(client):
    for limiter_class in (FixedWindowRateLimiter, SlidingWindowCounterRateLimiter):
        client.delete("allowed", "refused")
        in_processes(4, lambda _: _hit(limiter_class, redis.from_url(URI)))
        equal(client.mget("allowed", "refused"), [b"100", b"140"], limiter_class.__name__)


def main():
    report = Report(f"limits {importlib.metadata.version('limits')}")
    client = redis.from_url(URI)
    for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
        client.flushall()
        report.run(name.removeprefix("check_"), lambda: check(client))
    return report.close()


sys.exit(main())
