"""python-redis-lock as far as strings go: `python_redis_lock.py HOST PORT`.

Its release and reset, and a wait for a lock, pass a signal through a list: LPUSH and BLPOP. They are left out here
until this server has lists; what says that a lock is not one's own, and so must not be released, comes before that.
"""

import importlib.metadata
import sys
import time

import redis
import redis_lock
from crowd import raises
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])


def check_one_of_two_takes_it(client):
    first, second = redis_lock.Lock(client, "job", expire=100), redis_lock.Lock(client, "job", expire=100)
    equal((first.acquire(blocking=False), second.acquire(blocking=False)), (True, False), "acquire")
    equal((first.locked(), first.get_owner_id()), (True, first.id), "the owner")
    equal(99_000 < client.pttl("lock:job") <= 100_000, True, "the time-out")
    raises(redis_lock.AlreadyAcquired, first.acquire)


def check_release_by_another_is_refused(client):
    first, second = redis_lock.Lock(client, "job", expire=100), redis_lock.Lock(client, "job", expire=100)
    raises(redis_lock.NotAcquired, first.release)
    first.acquire()
    raises(redis_lock.NotAcquired, second.release)
    equal(first.get_owner_id(), first.id, "the owner")


def check_extend(client):
    lock, endless = redis_lock.Lock(client, "job", expire=100), redis_lock.Lock(client, "endless")
    raises(redis_lock.NotAcquired, lock.extend)
    lock.acquire()
    lock.extend(200)
    equal(199_000 < client.pttl("lock:job") <= 200_000, True, "extend")
    endless.acquire()
    raises(redis_lock.NotExpirable, endless.extend, 100)
    equal(client.pttl("lock:endless"), -1, "what has no end")


def check_expired_lock_is_free(client):
    first, second = redis_lock.Lock(client, "job", expire=1), redis_lock.Lock(client, "job", expire=100)
    first.acquire()
    for _ in deadline():
        if second.acquire(blocking=False):
            break
        time.sleep(0.01)
    raises(redis_lock.NotAcquired, first.extend)
    equal(second.get_owner_id(), second.id, "the owner")


def check_renewal_keeps_it(client):
    lock = redis_lock.Lock(client, "job", expire=100, auto_renewal=True)
    lock._lock_renewal_interval = 0.02
    lock.acquire()
    client.pexpire("lock:job", 50_000)
    for _ in deadline():
        if client.pttl("lock:job") > 90_000:
            break
        time.sleep(0.005)
    lock._stop_lock_renewer()
    equal(lock.get_owner_id(), lock.id, "the owner")


def main():
    report = Report(f"python-redis-lock {importlib.metadata.version('python-redis-lock')}")
    client = redis.Redis(host=HOST, port=PORT)
    for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
        client.flushall()
        report.run(name.removeprefix("check_"), lambda: check(client))
    return report.close()


sys.exit(main())
