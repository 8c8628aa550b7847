"""dogpile.cache with distributed_lock: one of many computes, the others wait: `dogpile_region.py HOST PORT`."""

import importlib.metadata
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import redis
from crowd import add_inside, held_once, in_processes, raises
from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])


def connected():
    return redis.Redis(host=HOST, port=PORT, db=5)


def region(**more):
    arguments = {
        "host": HOST,
        "port": PORT,
        "db": 5,
        "redis_expiration_time": 200,
        "distributed_lock": True,
        "thread_local_lock": False,
        "lock_timeout": 100,
        "lock_sleep": 0.001,
    }
    return make_region().configure("dogpile.cache.redis", expiration_time=100, arguments={**arguments, **more})


def check_values(client):
    cache = region()
    equal((cache.get("k"), cache.get_or_create("k", lambda: "grün"), cache.get("k")), (NO_VALUE, "grün", "grün"), "get")
    cache.set_multi({"a": 1, "b": 2})
    equal((cache.get_multi(["a", "none", "b"]), client.ttl("a") in (199, 200)), ([1, NO_VALUE, 2], True), "get_multi")
    equal(cache.get_or_create_multi(["a", "c"], lambda *keys: [f"made {key}" for key in keys]), [1, "made c"], "create")
    cache.delete("k")
    equal((cache.get("k"), client.keys("_lock*")), (NO_VALUE, []), "after delete; locks left behind")


def check_lock(client):
    first, second = region().backend.get_mutex("k"), region().backend.get_mutex("k")
    equal((first.acquire(False), second.acquire(False), second.locked()), (True, False, True), "acquire")
    equal(99_000 < client.pttl("_lockk") <= 100_000, True, "the time-out")
    raises(redis.exceptions.LockError, second.release)
    first.release()
    equal((second.acquire(), second.locked()), (True, True), "acquire after release")
    client.set("_lockk", "another's")
    raises(redis.exceptions.LockNotOwnedError, second.release)


def check_lock_expires(client):
    equal(region(lock_timeout=0.02).backend.get_mutex("k").acquire(), True, "acquire")
    equal(region(lock_blocking_timeout=10).backend.get_mutex("k").acquire(), True, "acquire what expires")


def check_one_of_many_threads_computes(client):
    cache, made = region(), []

    def make():
        made.append(1)
        time.sleep(0.05)
        return len(made)

    with ThreadPoolExecutor(16) as threads:
        values = list(threads.map(lambda _: cache.get_or_create("k", make), range(16)))
    equal((values, len(made)), ([1] * 16, 1), "values")


def check_one_of_many_processes_computes(client):
    def compute(_):
        client, cache = connected(), region()
        for number in range(20):
            cache.get_or_create(f"k{number}", lambda: client.incr("made"))

    in_processes(4, compute)
    values = region().get_multi([f"k{number}" for number in range(20)])
    equal((client.get("made"), sorted(values)), (b"20", list(range(1, 21))), "values")


def check_old_value_while_another_computes(client):
    cache = region()
    cache.set("k", "old")
    mutex = cache.backend.get_mutex("k")
    mutex.acquire()
    for _ in deadline():
        # The value's age is in the value, so that it is old at once; who finds the lock taken does not wait for it.
        if time.time() - cache.get_value_metadata("k").cached_time > 0.01:
            break
    equal(cache.get_or_create("k", lambda: "new", expiration_time=0.01), "old", "while the lock is held")
    mutex.release()
    equal(cache.get_or_create("k", lambda: "new", expiration_time=0.01), "new", "when it is free")


def check_lock_is_held_once(client):
    def add(_):
        mutex = region().backend.get_mutex("k").mutex
        add_inside(connected(), lambda: mutex, 20)

    in_processes(4, add)
    held_once(client, 80)


def main():
    report = Report(f"dogpile.cache {importlib.metadata.version('dogpile.cache')}")
    client = connected()
    for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
        client.flushall()
        report.run(name.removeprefix("check_"), lambda: check(client))
    return report.close()


sys.exit(main())
