"""cashews: its lock, its caches that are computed early, and its rate limit: `cashews_cache.py HOST PORT`.

Its sliding rate limit is a sorted set and its tags are sets: left out until this server has them.
"""

import asyncio
import importlib.metadata
import sys

import redis
from cashews import Cache, RateLimitError
from crowd import in_processes
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])


async def with_cache(work):
    cache = Cache()
    cache.setup(f"redis://{HOST}:{PORT}/6", suppress=False, client_side=False, socket_timeout=10)
    try:
        await work(cache)
    finally:
        await cache.close()


async def until(condition):
    for _ in deadline():
        if await condition():
            return
        await asyncio.sleep(0.002)


async def check_values(cache):
    await cache.set("k", {"name": "grün"}, expire=100)
    equal((await cache.get("k"), await cache.get("none", default=7)), ({"name": "grün"}, 7), "get")
    await cache.set_many({"page:1": 1, "page:2": "two"}, expire=100)
    equal(await cache.get_many("page:1", "none", "page:2"), (1, None, "two"), "get_many")
    await cache.delete_match("page:*")
    equal((await cache.get_many("page:1", "page:2"), await cache.exists("k")), ((None, None), True), "after delete_match")


async def check_lock_of_one(cache):
    equal([await cache.set_lock("job", who, expire=100) for who in ("ada", "bob")], [True, False], "set_lock")
    equal((bool(await cache.unlock("job", "bob")), await cache.is_locked("job")), (False, True), "another's unlock")
    equal((bool(await cache.unlock("job", "ada")), await cache.is_locked("job")), (True, False), "unlock")


async def check_lock_expires(cache):
    await cache.set_lock("job", "ada", expire=0.02)
    await asyncio.wait_for(_inside(cache), 10)
    equal(bool(await cache.unlock("job", "ada")), False, "unlock of what has expired")


async def _inside(cache):
    async with cache.lock("job", expire=100, check_interval=0.002):
        if await cache.incr("inside") != 1:
            await cache.incr("held twice")
        await cache.set("count", await cache.get("count", default=0) + 1)
        await cache.incr("inside", -1)


def check_lock_is_held_once():
    async def add(cache):
        for _ in range(5):
            await asyncio.gather(*(_inside(cache) for _ in range(4)))

    async def added(cache):
        equal(await cache.get_many("held twice", "count", "inside"), (None, 80, 0), "count")

    in_processes(4, lambda _: asyncio.run(with_cache(add)))
    asyncio.run(with_cache(added))


async def check_locked_function_runs_alone(cache):
    running = []

    @cache.locked(ttl="100s", key="f:{number}", check_interval=0.002)
    async def work(number):
        running.append(number)
        equal(running, [number], "running")
        await asyncio.sleep(0)
        running.remove(number)

    await asyncio.gather(*(work(1) for _ in range(20)))


async def check_early_cache_is_computed_before_it_ends(cache):
    made = []

    @cache.early(ttl="100s", early_ttl=0.02, key="early")
    async def page():
        made.append(1)
        return len(made)

    equal((await page(), await page()), (1, 1), "page")

    async def is_newer():
        return await page() > 1

    await until(is_newer)
    equal(99 <= await cache.get_expire("early:v2:early") <= 100, True, "the time it has to live")


async def check_soft_cache_survives_an_error(cache):
    made = []

    @cache.soft(ttl="100s", soft_ttl=0.02, key="soft")
    async def page():
        made.append(1)
        if len(made) == 2:
            raise ValueError("origin down")
        return f"page {len(made)}"

    equal((await page(), await page()), ("page 1", "page 1"), "page")

    async def is_third():
        return await page() == "page 3"

    await until(is_third)
    equal(len(made), 3, "computed")


async def check_rate_limit(cache):
    @cache.rate_limit(limit=10, period="100s", key="user:{user}")
    async def ask(user):
        return "answer"

    async def answer(user):
        try:
            return await ask(user)
        except RateLimitError:
            return "refused"

    answers = await asyncio.gather(*(answer("ada") for _ in range(40)), answer("bob"))
    equal((answers.count("answer"), answers.count("refused"), answers[-1]), (11, 30, "answer"), "answers")


async def check_rate_limit_ends(cache):
    equal([await cache.incr("n", expire=100) for _ in range(3)], [1, 2, 3], "incr")
    await cache.expire("n", 0.02)

    async def is_first():
        return await cache.incr("n", expire=100) == 1

    await until(is_first)


def check_no_count_is_lost():
    async def count(cache):
        await asyncio.gather(*(cache.incr("n", expire=100) for _ in range(100)))

    async def counted(cache):
        equal((await cache.get("n"), 99 <= await cache.get_expire("n") <= 100), (400, True), "the count")

    in_processes(4, lambda _: asyncio.run(with_cache(count)))
    asyncio.run(with_cache(counted))


def main():
    report = Report(f"cashews {importlib.metadata.version('cashews')}")
    for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
        redis.Redis(host=HOST, port=PORT).flushall()
        # A check that forks does so outside of a loop: a child must not inherit a running one.
        alone = not asyncio.iscoroutinefunction(check)
        report.run(name.removeprefix("check_"), check if alone else lambda: asyncio.run(with_cache(check)))
    return report.close()


sys.exit(main())
