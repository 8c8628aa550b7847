"""What the scripts about locks and limiters share: many processes at once, and work that two holders would spoil."""

import multiprocessing

from report import equal


def in_processes(count, work):
    """Runs `work(number)` in so many forked processes at once; fails when it failed in any of them."""
    processes = [multiprocessing.Process(target=work, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    equal(sum(process.exitcode != 0 for process in processes), 0, "processes that failed")


def add_inside(client, hold, rounds):
    """Adds 1 to "count" so many times, not atomically, each time `with hold()`; whoever is not alone there notes it."""
    for _ in range(rounds):
        with hold():
            if client.incr("inside") != 1:
                client.incr("held twice")
            client.set("count", int(client.get("count") or 0) + 1)
            client.decr("inside")


def held_once(client, added):
    """Fails when two held the lock at once, or when one of `added` additions of `add_inside` was lost."""
    equal((client.get("held twice"), int(client.get("count"))), (None, added), "held twice, count")


def raises(kind, call, *args, **kwargs):
    """Fails unless the call raises an error of this kind; returns the error."""
    try:
        answer = call(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"{answer!r} instead of {kind.__name__}")
