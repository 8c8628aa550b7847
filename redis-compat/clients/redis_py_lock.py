"""redis-py's Lock as far as it needs no scripts: `redis_py_lock.py HOST PORT`.

Taking, waiting for and looking at a lock are plain commands; release, extend and reacquire are Lua scripts, which this
server does not run, so that a lock ends by its time-out. FILL is what this server offers instead of a lock around a miss.
"""

import sys
import time

import redis
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


def check_release_says_what_is_missing(client):
    lock = client.lock("job", timeout=100)
    lock.acquire()
    try:
        lock.release()
    except redis.ResponseError as error:
        equal(str(error).startswith("unknown command 'EVAL"), True, str(error))
    else:
        raise AssertionError("release needs scripts, and answered: check it like the others now")


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
