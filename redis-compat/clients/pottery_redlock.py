"""pottery's Redlock over three databases, which count as three servers, and NextID: `pottery_redlock.py HOST PORT`.

It goes on as soon as two of three have answered, and the third's answer may be late: what must be exact has one database,
and no two checks share a key. Its containers stand on hashes, lists and sets and are left out until this server has them.
"""

import asyncio
import importlib.metadata
import sys
from concurrent.futures import ThreadPoolExecutor

import redis
import redis.asyncio
from crowd import add_inside, held_once, in_processes, raises
from pottery import AIORedlock, NextID, Redlock, synchronize
from pottery.exceptions import ExtendUnlockedLock, ReleaseUnlockedLock, TooManyExtensions
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])
# How long a refused caller sleeps at most: 200 ms is polite, and long for a test.
Redlock._RETRY_DELAY = 0.005


def databases():
    return [redis.Redis(host=HOST, port=PORT, db=db) for db in (8, 9, 10)]


def lock(key, masters, **more):
    return Redlock(key=key, masters=set(masters), **{"auto_release_time": 100, **more})


def check_one_of_two_takes_it(masters):
    first, second = lock("taken", masters), lock("taken", masters)
    equal((first.acquire(blocking=False), second.acquire(blocking=False)), (True, False), "acquire")
    equal((95 < first.locked() < 100, second.locked()), (True, 0), "locked")
    raises(ReleaseUnlockedLock, second.release)
    first.release()
    equal((first.locked(), second.acquire(blocking=False)), (0, True), "acquire after release")


def check_minority_counts_for_nothing(masters):
    masters[0].set("redlock:minority", "another's")
    mine = lock("minority", masters)
    equal((mine.acquire(blocking=False), 95 < mine.locked() < 100), (True, True), "two of three")
    mine.release()
    masters[1].set("redlock:minority", "another's")
    equal(mine.acquire(blocking=False), False, "one of three")
    equal([master.get("redlock:minority") for master in masters], [b"another's", b"another's", None], "what is left")


def check_extend(masters):
    mine = lock("extended", masters, auto_release_time=50, num_extensions=2)
    raises(ExtendUnlockedLock, mine.extend)
    mine.acquire()
    for master in masters:
        master.pexpire("redlock:extended", 10_000)
    mine.extend()
    equal([49_000 < master.pttl("redlock:extended") <= 50_000 for master in masters].count(True) >= 2, True, "extend")
    mine.extend()
    raises(TooManyExtensions, mine.extend)


def check_expired_lock_is_free(masters):
    first, second = lock("expired", masters, auto_release_time=0.05), lock("expired", masters)
    equal((first.acquire(), second.acquire(timeout=10)), (True, True), "acquire")
    raises(ReleaseUnlockedLock, first.release)
    equal(95 < second.locked() < 100, True, "locked")


def check_waiting_ends(masters):
    lock("waited", masters).acquire()
    equal(lock("waited", masters).acquire(timeout=0.05), False, "acquire")


def check_synchronized_function_runs_alone(masters):
    running = []

    @synchronize(key="function", masters={masters[0]}, auto_release_time=100)
    def work(number):
        running.append(number)
        equal(running, [number], "running")
        running.remove(number)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(12)))


def check_lock_is_held_once(masters):
    def add(_):
        client = databases()[0]
        add_inside(client, lambda: lock("held", [client]), 10)

    in_processes(4, add)
    held_once(masters[0], 40)


def check_asyncio_lock(_):
    async def work():
        masters = [redis.asyncio.Redis(host=HOST, port=PORT, db=db) for db in (8, 9, 10)]
        first, second = (AIORedlock(key="aio", masters=set(masters), auto_release_time=100) for _ in range(2))
        equal((await first.acquire(blocking=False), await second.acquire(blocking=False)), (True, False), "acquire")
        await first.extend()
        equal((95 < await first.locked() < 100, await second.locked()), (True, 0), "locked")
        await first.release()
        equal(await second.acquire(blocking=False), True, "acquire after release")
        for master in masters:
            await master.aclose()

    asyncio.run(work())


def check_next_id(masters):
    ids = [NextID(key="orders", masters=set(masters)) for _ in range(2)]
    equal([next(ids[number % 2]) for number in range(10)], list(range(1, 11)), "the numbers")
    alone = NextID(key="invoices", masters={masters[0]})
    equal((next(alone), next(alone), alone.reset(), next(alone)), (1, 2, None, 1), "after reset")


def main():
    report = Report(f"pottery {importlib.metadata.version('pottery')}")
    masters = databases()
    for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
        masters[0].flushall()
        report.run(name.removeprefix("check_"), lambda: check(masters))
    return report.close()


sys.exit(main())
