"""redis-py's Lock, whose release, extend and reacquire are Lua scripts: `redis_py_lock.py HOST PORT`.

FILL is what this server offers instead of a lock around a miss; for everything else a lock is a lock.
"""

import sys
import time

import redis
from crowd import add_inside, held_once, in_processes, raises
from report import Report, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])


def check_one_of_two_takes_it(client):
    first, second = client.lock("job", timeout=100), client.lock("job", timeout=100)
    equal((first.acquire(blocking=False), second.acquire(blocking=False)), (True, False), "acquire")
    equal((first.locked(), first.owned(), second.owned()), (True, True, False), "owned")
    equal(99_000 < client.pttl("job") <= 100_000, True, "the time-out")


def check_a_token_of_ones_own(client):
    lock = client.lock("job", timeout=100)
    equal((lock.acquire(token="worker-7"), client.get("job")), (True, b"worker-7"), "acquire")


def check_waiting_ends(client):
    client.lock("job", timeout=100).acquire()
    begin = time.monotonic()
    equal(client.lock("job", timeout=100, blocking_timeout=0.2, sleep=0.02).acquire(), False, "acquire")
    equal(0.1 < time.monotonic() - begin < 5, True, "the wait")


def check_time_out_frees_it(client):
    client.lock("job", timeout=0.05).acquire()
    equal(client.lock("job", timeout=100, blocking_timeout=10, sleep=0.01).acquire(), True, "acquire")


def check_release_frees_ones_own_alone(client):
    first, second = client.lock("job", timeout=100), client.lock("job", timeout=100)
    first.acquire()
    first.release()
    equal(second.acquire(blocking=False), True, "acquire after release")
    first.local.token = b"not the owner's"
    raises(redis.exceptions.LockNotOwnedError, first.release)
    equal(second.owned(), True, "owned")


def check_extend_and_reacquire(client):
    lock = client.lock("job", timeout=100)
    lock.acquire()
    lock.extend(50)
    equal(149_000 < client.pttl("job") <= 150_000, True, "extend")
    lock.extend(20, replace_ttl=True)
    equal(19_000 < client.pttl("job") <= 20_000, True, "extend with replace_ttl")
    lock.reacquire()
    equal(99_000 < client.pttl("job") <= 100_000, True, "reacquire")


def check_registered_scripts_survive_a_flush(client):
    add = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    equal((add(keys=["n"], args=[2]), add(keys=["n"], args=[3])), (2, 5), "calls")
    client.script_flush()
    equal(add(keys=["n"], args=[1]), 6, "a call after SCRIPT FLUSH")
    pipe = client.pipeline()
    add(keys=["n"], args=[1], client=pipe)
    pipe.get("n")
    equal(pipe.execute(), [7, b"7"], "in a pipeline")


def _count_under_the_lock(_):
    client = redis.Redis(host=HOST, port=PORT)
    add_inside(client, lambda: client.lock("job", timeout=100, sleep=0.001), 20)


def check_no_two_of_many_processes_hold_it(client):
    in_processes(16, _count_under_the_lock)
    held_once(client, 320)


def main():
    report = Report(f"redis-py-lock {redis.__version__}")
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    for protocol in (2, 3):
        client = redis.Redis(host=HOST, port=PORT, protocol=protocol)
        for name, check in checks:
            client.flushall()
            report.run(f"RESP{protocol} {name.removeprefix('check_')}", lambda: check(client))
    return report.close()


sys.exit(main())
