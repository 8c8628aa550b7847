"""What the tests share: a server of their own on a free port, waits with an end, callers in threads."""

import asyncio
import concurrent.futures
import os
import re
import subprocess
import tempfile
import threading
import time
import unittest
from unittest import mock

import redis
import redis.asyncio

from onefill import AsyncFill, Fill
from onefill._flights import Flights

BINARY = os.environ["ONEFILL_BIN"]
LIMIT_S = 30


class Server:
    """A running server. `restart` keeps the port."""

    def __init__(self):
        self.port = 0
        self.start()

    def start(self):
        self.log = tempfile.TemporaryFile("w+")
        command = [BINARY, "--port", str(self.port), "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        until(self._has_started)
        self.client = redis.Redis(port=self.port, protocol=2)
        until(self.client.ping)

    def stop(self):
        self.client.close()
        self.process.kill()
        self.process.wait()
        self.log.close()

    def restart(self):
        self.stop()
        self.start()

    def waiters(self, key):
        """How many are parked for a key."""
        return waiters(self.client, key)

    def figure(self, name):
        """A figure of INFO fill."""
        return int(self.client.info("fill")[name])

    def _has_started(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server has ended:\n{self._text()}")
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)\s", self._text())
        self.port = int(found[1]) if found else self.port
        return bool(found)

    def _text(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode()


def waiters(client, key):
    """How many are parked for a key; the client speaks RESP2."""
    info = client.execute_command("FILL.INFO", key)
    return dict(zip(info[::2], info[1::2]))[b"waiters"] if info else 0


def until(condition):
    """Waits until it holds. A server that does not answer yet is asked again."""
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            if condition():
                return
        except redis.ConnectionError:
            pass
        if time.monotonic() > end:
            raise AssertionError(f"still not so after {LIMIT_S} s: {condition}")
        time.sleep(0.002)


class Threads:
    """Callers over redis.Redis, each in a thread."""

    def __init__(self, port, **options):
        self._callers = concurrent.futures.ThreadPoolExecutor(80)
        client = redis.Redis(port=port, **options.pop("client", {}))
        self.fills = Fill(client, **{"serializer": "bytes", **options})

    def get(self, key, compute, **options):
        return self.start(key, compute, **options).result(LIMIT_S)

    def get_many(self, keys, compute, **options):
        return self.start_many(keys, compute, **options).result(LIMIT_S)

    def start(self, key, compute, **options):
        return self._callers.submit(self.fills.get, key, compute, **options)

    def start_many(self, keys, compute, **options):
        return self._callers.submit(self.fills.get_many, keys, compute, **options)

    def do(self, name, *args):
        return getattr(self.fills, name)(*args)

    def close(self):
        self._callers.shutdown()
        self.fills.close()


class Tasks:
    """Callers over redis.asyncio.Redis, each a task of one loop; what they compute runs in threads."""

    def __init__(self, port, **options):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        client = redis.asyncio.Redis(port=port, **options.pop("client", {}))
        self.fills = AsyncFill(client, **{"serializer": "bytes", **options})

    def get(self, key, compute, **options):
        return self.start(key, compute, **options).result(LIMIT_S)

    def get_many(self, keys, compute, **options):
        return self.start_many(keys, compute, **options).result(LIMIT_S)

    def start(self, key, compute, **options):
        return self._start(self.fills.get(key, self._computed(compute), **options))

    def start_many(self, keys, compute, **options):
        return self._start(self.fills.get_many(keys, self._computed(compute), **options))

    def do(self, name, *args):
        return self._start(getattr(self.fills, name)(*args)).result(LIMIT_S)

    def close(self):
        self.do("close")
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _computed(self, compute):
        async def computed(*keys):
            return await self.loop.run_in_executor(None, compute, *keys)

        return computed

    def _start(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop)


class Gate:
    """A computation that says when it has begun, and ends when it is let."""

    def __init__(self, value=b"made"):
        self.begun = threading.Semaphore(0)
        self.let = threading.Event()
        self.calls = 0
        self.value = value

    def __call__(self, keys=None):
        self.calls += 1
        self.begun.release()
        assert self.let.wait(LIMIT_S)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value if keys is None else dict.fromkeys(keys, self.value)

    def wait_until_begun(self):
        assert self.begun.acquire(timeout=LIMIT_S)


class WithServer(unittest.TestCase):
    """A test with a server that all tests of its class share."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(lambda: cls.server.stop())

    def setUp(self):
        self.server.client.flushall()

    def counted_joins(self):
        """A list that grows by a key for each caller that joins another of its process, until the test ends."""
        joins, enter = [], Flights.enter

        def counted(flights, keys, options):
            entered = enter(flights, keys, options)
            joins.extend(entered[1])
            return entered

        counting = mock.patch.object(Flights, "enter", counted)
        counting.start()
        self.addCleanup(counting.stop)
        return joins

    def gate(self, value=b"made"):
        """A computation that also ends when the test does."""
        gate = Gate(value)
        self.addCleanup(gate.let.set)
        return gate


class TwoCallers(WithServer):
    """Scenes; `kind` makes callers that share nothing with those of another one but the server."""

    def setUp(self):
        super().setUp()
        self.joins = self.counted_joins()
        self.one, self.other = self.callers(), self.callers()

    def callers(self, port=None, **options):
        callers = self.kind(port or self.server.port, **options)
        self.addCleanup(callers.close)
        return callers

    def lead_and_wait(self, gate, **options):
        """One computes, the other waits for it."""
        leading = self.one.start("page", gate, **options)
        gate.wait_until_begun()
        waiting = self.other.start("page", gate, **options)
        until(lambda: self.server.waiters("page") == 1)
        return leading, waiting

    def joined(self, count):
        """Waits until so many callers have joined others of their process."""
        until(lambda: len(self.joins) == count)
