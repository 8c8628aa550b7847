"""The Django backend: what Django promises of get_or_set, and that it is filled once."""

import asyncio
import os
import pathlib
import re
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

import redis
from support import WithServer, until

try:
    import django.conf
except ImportError:
    raise unittest.SkipTest("Django is not installed") from None

ROOT = pathlib.Path(__file__).parents[3]


class Backend(WithServer):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        location = f"redis://127.0.0.1:{cls.server.port}"
        backend = {"BACKEND": "onefill.django.FillCache", "LOCATION": location}
        options = {"fill": {"grace": 30, "failure_ttl": 100}}
        caches = {"default": backend, "other": {**backend, "OPTIONS": options, "TIMEOUT": 50}}
        django.conf.settings.configure(USE_TZ=True, CACHES=caches)
        django.setup()

    def setUp(self):
        super().setUp()
        from django.core.cache import caches

        self.cache, self.other = caches["default"], caches["other"]

    def test_values_are_those_of_django(self):
        for value in (7, -1, "text", {"a": [1]}, None, True, b"bytes"):
            self.server.client.flushall()
            self.assertEqual(self.cache.get_or_set("k", value), value)
            self.assertEqual((self.cache.get("k", "absent"), self.cache.get_or_set("k", "other")), (value, value))
        self.cache.set("n", 1)
        self.assertEqual((self.cache.get_or_set("n", lambda: 5), self.cache.incr("n")), (1, 2))

    def test_timeouts_are_those_of_django(self):
        self.cache.get_or_set("default", 1)
        self.other.get_or_set("mine", 1)
        self.cache.get_or_set("long", 1, timeout=1000, version=2)
        self.cache.get_or_set("forever", 1, timeout=None)
        ttls = [self.server.client.ttl(key) for key in (":1:default", ":1:mine", ":2:long", ":1:forever")]
        self.assertTrue(290 < ttls[0] <= 300 and 40 < ttls[1] <= 50 and 990 < ttls[2] <= 1000 and ttls[3] == -1, ttls)
        self.assertEqual((self.cache.get_or_set("not", lambda: 1, timeout=0), self.cache.get("not")), (1, None))

    def test_default_is_called_once_by_threads_and_processes(self):
        from django.core.cache import caches

        gate, joins = self.gate("made"), self.counted_joins()
        with ThreadPoolExecutor(21) as threads:
            # Each thread has its own object of the cache.
            leading = threads.submit(lambda: caches["default"].get_or_set("k", gate))
            gate.wait_until_begun()
            others = [threads.submit(lambda: caches["default"].get_or_set("k", gate)) for _ in range(19)]
            # Another backend shares nothing with this one but the server, as another process would.
            others.append(threads.submit(lambda: caches["other"].get_or_set("k", gate)))
            until(lambda: len(joins) == 19 and self.server.waiters(":1:k") == 1)
            gate.let.set()
            self.assertEqual({each.result() for each in [leading, *others]}, {"made"})
        self.assertEqual(gate.calls, 1)

    def test_server_that_is_down_is_done_without(self):
        self.server.stop()
        try:
            self.assertEqual(self.cache.get_or_set("k", lambda: "made"), "made")
        finally:
            self.server.start()

    def test_async_form(self):
        self.assertEqual(asyncio.run(self.cache.aget_or_set("k", lambda: "made")), "made")
        self.assertEqual(self.cache.get("k"), "made")


class DjangosOwnTests(WithServer):
    def test_all_pass_but_those_of_culling(self):
        if redis.VERSION < (6,):
            raise unittest.SkipTest("once is enough: they test Django's half")
        folder = ROOT / f"target/compat/django-{django.__version__}/tests"
        self.assertTrue(folder.is_dir(), "prepare it with redis-compat/clients/setup.sh")
        path = os.pathsep.join([str(ROOT / "clients/python/src"), str(pathlib.Path(__file__).parent)])
        ran = subprocess.run(
            [sys.executable, "-B", "runtests.py", "cache.tests.RedisCacheTests"]
            + ["--settings=django_settings", "--parallel=1", "-v2"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "REDIS_PORT": str(self.server.port)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertRegex(ran.stderr, r"Ran [1-9]\d+ tests .*\n\nOK", ran.stderr)
        # Neither Django's own backend nor this one deletes keys by their number: the server does, by memory.
        skipped = re.findall(r"^(test_\w+) \(.*skipped", ran.stderr, re.MULTILINE)
        self.assertEqual(skipped, ["test_cull", "test_cull_delete_when_store_empty", "test_zero_cull"])
