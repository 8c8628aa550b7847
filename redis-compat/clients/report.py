"""What the Python client scripts share: running checks one by one and printing one line for each.

A line is `ok <name>` or `FAIL <name>: <why>`; the last line is `report <client> <passed> <failed>`, which
redis-compat/clients.rs reads.
"""

import time


class Report:
    """Counts the checks of one client."""

    def __init__(self, client):
        self.client = client
        self.passed = 0
        self.failed = 0

    def ok(self, name):
        self.passed += 1
        print(f"ok {name}", flush=True)

    def fail(self, name, error):
        self.failed += 1
        why = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"FAIL {name}: {why}", flush=True)

    def run(self, name, check):
        """Runs one check; it may fail in any way, and the others still run."""
        try:
            check()
            self.ok(name)
        except Exception as error:
            self.fail(name, error)

    def close(self):
        """Prints the last line and returns the exit code."""
        print(f"report {self.client} {self.passed} {self.failed}", flush=True)
        return 1 if self.failed else 0


def equal(actual, expected, what=""):
    """Fails with both values when they differ."""
    if actual != expected:
        raise AssertionError(f"{what}: {shown(actual)} instead of {shown(expected)}")


def shown(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


def waiters_in(info):
    """The number of waiters in FILL.INFO's reply, which is a map in RESP3 and a flat list in RESP2."""
    if isinstance(info, (list, tuple)):
        info = dict(zip(info[::2], info[1::2]))
    return int((info or {}).get(b"waiters", 0))


def deadline(seconds=10.0):
    """An iterator that ends in an error when the time is over: `for _ in deadline(): if done: break`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
    raise AssertionError(f"still not so after {seconds} s")
