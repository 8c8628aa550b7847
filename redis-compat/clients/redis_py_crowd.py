"""64 processes with redis-py's Lock and a limiter's script: `redis_py_crowd.py HOST PORT`, under 20 s on two cores.

What is guarded would be spoiled by a second holder: a number in a file and one in a key are read and written back.
"""

import os
import sys
import tempfile

import redis
from crowd import add_inside, held_once, in_processes
from report import Report, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])
PROCESSES = 64
ROUNDS = 6
HITS = 100
# Several locks and limits, so that their keys lie in several shards and their callers on all workers.
GUARDED = 4
LIMIT = 500

COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return count
"""

# The same with a number for each window, so that callers know which one they were counted in, also when it ends between.
COUNT_IN_WINDOW = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    redis.call('INCR', KEYS[2])
end
return {redis.call('GET', KEYS[2]), count}
"""


def connected():
    return redis.Redis(host=HOST, port=PORT, socket_timeout=30)


def guard(client, number):
    return client.lock(f"lock {number % GUARDED}", timeout=100, sleep=0.01)


def check_file_is_written_by_one_at_a_time(client):
    def add(number):
        mine = connected()
        for round_ in range(ROUNDS):
            path = f"{folder}/{(number + round_) % GUARDED}"
            with guard(mine, number + round_):
                with open(path) as file:
                    count = int(file.read())
                with open(path, "w") as file:
                    file.write(str(count + 1))

    with tempfile.TemporaryDirectory() as folder:
        for name in range(GUARDED):
            with open(f"{folder}/{name}", "w") as file:
                file.write("0")
        in_processes(PROCESSES, add)
        counts = [int(open(f"{folder}/{name}").read()) for name in range(GUARDED)]
    equal(counts, [PROCESSES * ROUNDS // GUARDED] * GUARDED, "counts")
    equal(client.keys("lock *"), [], "locks left behind")


def check_key_is_written_by_one_at_a_time(client):
    def add(_):
        mine = connected()
        add_inside(mine, lambda: guard(mine, 0), ROUNDS // 2)

    in_processes(PROCESSES, add)
    held_once(client, PROCESSES * ROUNDS // 2)


def check_limit_lets_in_exactly_as_many(client):
    def hit(number):
        mine = connected()
        count = mine.register_script(COUNT)
        let_in = sum(count(keys=[f"limit {(number + n) % GUARDED}"], args=[100_000]) <= LIMIT for n in range(HITS))
        mine.incrby("let in", let_in)

    in_processes(PROCESSES, hit)
    keys = [f"limit {name}" for name in range(GUARDED)]
    equal([int(count) for count in client.mget(keys)], [PROCESSES * HITS // GUARDED] * GUARDED, "counts")
    equal([90_000 < client.pttl(key) <= 100_000 for key in keys], [True] * GUARDED, "the windows' ends")
    equal(int(client.get("let in")), LIMIT * GUARDED, "let in")


def check_no_count_is_lost_where_a_window_ends(client):
    def hit(number):
        mine = connected()
        count = mine.register_script(COUNT_IN_WINDOW)
        counted = [count(keys=["brief", "windows"], args=[50]) for _ in range(HITS)]
        with open(f"{folder}/{number}", "w") as file:
            file.writelines(f"{int(window)} {place}\n" for window, place in counted)

    with tempfile.TemporaryDirectory() as folder:
        in_processes(PROCESSES, hit)
        counted = [line.split() for name in os.listdir(folder) for line in open(f"{folder}/{name}")]
    places = {}
    for window, place in counted:
        places.setdefault(int(window), []).append(int(place))
    equal(sum(map(len, places.values())), PROCESSES * HITS, "counted")
    equal(sorted(places), list(range(1, int(client.get("windows")) + 1)), "the windows")
    for window, found in places.items():
        equal(sorted(found), list(range(1, len(found) + 1)), f"the places in window {window}")
    equal(len(places) > 1, True, "a window ended")


def main():
    report = Report(f"redis-py-crowd {redis.__version__}")
    client = connected()
    for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
        client.flushall()
        report.run(name.removeprefix("check_"), lambda: check(client))
    return report.close()


sys.exit(main())
