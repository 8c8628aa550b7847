"""django-redis: its locks, which are redis-py's, and its counters, which are scripts: `django_redis_cache.py HOST PORT`."""

import sys
import time

import django_redis
import redis
from crowd import add_inside, held_once, in_processes, raises
from django.conf import settings
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])

settings.configure(
    USE_TZ=True,
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"redis://{HOST}:{PORT}/1"}},
)

from django.core.cache import cache  # noqa: E402: the settings come first


def check_one_of_two_takes_the_lock(client):
    first, second = cache.lock("job", timeout=100), cache.lock("job", timeout=100)
    equal((first.acquire(blocking=False), second.acquire(blocking=False)), (True, False), "acquire")
    equal(99_000 < client.pttl(":1:job") <= 100_000, True, "the time-out")
    first.release()
    equal(second.acquire(blocking=False), True, "acquire after release")


def check_lock_of_another_is_left_alone(client):
    lock = cache.lock("job", timeout=100)
    raises(redis.exceptions.LockError, lock.release)
    lock.acquire()
    client.set(":1:job", "another's")
    raises(redis.exceptions.LockNotOwnedError, lock.release)
    equal(client.get(":1:job"), b"another's", "the lock")


def check_lock_is_extended_and_expires(client):
    lock = cache.lock("job", timeout=100)
    lock.acquire()
    lock.extend(50)
    equal(149_000 < client.pttl(":1:job") <= 150_000, True, "extend")
    lock.extend(0.02, replace_ttl=True)
    equal(cache.lock("job", timeout=100, sleep=0.005, blocking_timeout=10).acquire(), True, "acquire")
    raises(redis.exceptions.LockNotOwnedError, lock.extend, 50)


def _add_under_the_lock(_):
    cache.close()
    add_inside(redis.Redis(host=HOST, port=PORT, db=1), lambda: cache.lock("job", timeout=100, sleep=0.001), 20)


def check_lock_is_held_once(client):
    in_processes(4, _add_under_the_lock)
    held_once(client, 80)


def check_counters(client):
    raises(ValueError, cache.incr, "none")
    equal(cache.get("none"), None, "what a refused incr leaves")
    equal((cache.incr("new", 3, ignore_key_check=True), cache.incr("new"), cache.decr("new", 5)), (3, 4, -1), "incr")
    cache.set("n", 5, timeout=100)
    equal((cache.incr("n", 7), 99_000 < cache.pttl("n") <= 100_000), (12, True), "incr of what expires")


def check_counters_beyond_64_bits(client):
    cache.set("n", 2**63 - 1, timeout=100)
    equal((cache.incr("n"), cache.get("n"), cache.ttl("n") in (99, 100)), (2**63, 2**63, True), "incr")
    cache.set("text", "no number")
    raises(TypeError, cache.incr, "text")


def _count(_):
    cache.close()
    for _ in range(100):
        cache.incr("n")


def check_no_count_is_lost(client):
    cache.set("n", 0)
    in_processes(4, _count)
    equal(cache.get("n"), 400, "the count")


def check_expiry_and_patterns(client):
    cache.set("k", "v", timeout=100)
    equal((cache.persist("k"), cache.ttl("k"), cache.ttl("none")), (True, None, 0), "persist")
    equal((cache.pexpire("k", 20), cache.pexpire("none", 20)), (True, False), "pexpire")
    for _ in deadline():
        if not cache.has_key("k"):
            break
        time.sleep(0.002)
    cache.set_many({f"page:{n}": n for n in range(50)})
    cache.set("other", 1)
    equal(sorted(cache.iter_keys("page:1*")), sorted(f"page:{n}" for n in (1, *range(10, 20))), "iter_keys")
    equal((cache.delete_pattern("page:*"), cache.get("other")), (50, 1), "delete_pattern")


def main():
    report = Report(f"django-redis {django_redis.__version__}")
    client = redis.Redis(host=HOST, port=PORT, db=1)
    for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
        client.flushall()
        report.run(name.removeprefix("check_"), lambda: check(client))
    return report.close()


sys.exit(main())
