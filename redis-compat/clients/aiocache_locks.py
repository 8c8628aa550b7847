"""aiocache: RedLock, which keeps a stampede out, and OptimisticLock, a compare-and-set: `aiocache_locks.py HOST PORT`."""

import asyncio
import importlib.metadata
import sys

from aiocache import RedisCache
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from aiocache.serializers import StringSerializer
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])


async def check_values(cache):
    equal((await cache.set("k", "v", ttl=100), await cache.get("k"), await cache.get("none")), (True, "v", None), "get")
    equal(await cache.multi_set([("a", "1"), ("b", "2")], ttl=100), True, "multi_set")
    equal(await cache.multi_get(["a", "none", "b"]), ["1", None, "2"], "multi_get")
    equal((await cache.increment("n", 5), await cache.exists("n"), await cache.delete("n")), (5, True, 1), "increment")


async def check_stampede_is_computed_once(cache):
    made = []

    async def page():
        async with RedLock(cache, "page", lease=10):
            found = await cache.get("page")
            if found is None:
                made.append(1)
                await asyncio.sleep(0.02)
                found = "the page"
                await cache.set("page", found)
            return found

    equal((await asyncio.gather(*(page() for _ in range(50))), len(made)), (["the page"] * 50, 1), "pages")
    equal(await cache.raw("exists", "app:page-lock"), 0, "the lock afterwards")


async def check_release_frees_ones_own_alone(cache):
    async with RedLock(cache, "job", lease=100) as _:
        key = "app:job-lock"
        equal(99 <= await cache.raw("ttl", key) <= 100, True, "the lease")
        equal((await cache._redlock_release(key, "another's"), await cache.raw("exists", key)), (0, 1), "another's release")
    equal(await cache.raw("exists", key), 0, "after release")


async def check_expired_lease_is_free(cache):
    first, second = RedLock(cache, "job", lease=0.02), RedLock(cache, "job", lease=100)
    await first._acquire()
    for _ in deadline():
        if not await cache.raw("exists", "app:job-lock"):
            break
        await asyncio.sleep(0.002)
    await second._acquire()
    await first._release()
    equal(await cache.raw("exists", "app:job-lock"), 1, "the second's lock after the first's release")
    await second._release()
    equal(await cache.raw("exists", "app:job-lock"), 0, "after the second's release")


async def check_compare_and_set(cache):
    await cache.set("k", "old")
    async with OptimisticLock(cache, "k") as lock:
        equal((await lock.cas("new", ttl=100), await cache.get("k")), (True, "new"), "cas")
        equal(await cache.raw("ttl", "app:k") in (99, 100), True, "the time to live")
    async with OptimisticLock(cache, "k") as lock:
        await cache.set("k", "another's")
        try:
            await lock.cas("mine")
        except OptimisticLockError:
            equal(await cache.get("k"), "another's", "what was not overwritten")
        else:
            raise AssertionError("a changed value was overwritten")


async def check_no_addition_is_lost(cache):
    async def add():
        for _ in deadline():
            async with OptimisticLock(cache, "sum") as lock:
                try:
                    return await lock.cas(str(int(lock._token) + 1))
                except OptimisticLockError:
                    pass

    await cache.set("sum", "0")
    await asyncio.gather(*(add() for _ in range(40)))
    equal(await cache.get("sum"), "40", "the sum")


async def run(check):
    cache = RedisCache(endpoint=HOST, port=PORT, db=7, namespace="app", serializer=StringSerializer())
    await cache.raw("flushall")
    try:
        await asyncio.wait_for(check(cache), 30)
    finally:
        await cache.close()


def main():
    report = Report(f"aiocache {importlib.metadata.version('aiocache')}")
    for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
        report.run(name.removeprefix("check_"), lambda: asyncio.run(run(check)))
    return report.close()


sys.exit(main())
