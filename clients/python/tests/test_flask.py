"""The Flask-Caching backend: `cached` and `memoize` are filled once, and all else is Flask-Caching's."""

import functools
import unittest
from concurrent.futures import ThreadPoolExecutor

from support import LIMIT_S, WithServer, until

try:
    import flask_caching
    from flask import Flask
except ImportError:
    raise unittest.SkipTest("Flask-Caching is not installed") from None


class Backend(WithServer):
    def setUp(self):
        super().setUp()
        self.threads = ThreadPoolExecutor(20)
        self.addCleanup(self.threads.shutdown)
        # Two applications share nothing but the server, as two processes do.
        self.one, self.other = self.cache(), self.cache()

    def cache(self, **fill):
        app = Flask("shop")
        url = f"redis://127.0.0.1:{self.server.port}"
        app.config.from_mapping(CACHE_TYPE="onefill.flask.FillCache", CACHE_REDIS_URL=url, CACHE_FILL=fill)
        app.config.from_mapping(CACHE_KEY_PREFIX="shop:", CACHE_DEFAULT_TIMEOUT=100)
        return flask_caching.Cache(app)

    def backend(self, cache):
        """What the cache asks, without its application's context."""
        return cache.app.extensions["cache"][cache]

    def start(self, cache, function, path="/prices"):
        """Calls a function in a request, in a thread."""

        def request():
            with cache.app.test_request_context(path):
                return function()

        return self.threads.submit(request)

    def lead_and_wait(self, decorate, gate, other=None):
        """One computes; another process waits for the same key."""
        leading = self.start(self.one, decorate(self.one)(gate))
        gate.wait_until_begun()
        waiting = self.start(self.other, decorate(self.other)(other or gate))
        until(lambda: self.server.figure("fill_waiters") == 1)
        return leading, waiting

    def test_view_is_filled_once(self):
        gate = self.gate("page")
        both = self.lead_and_wait(lambda cache: cache.cached(timeout=50), gate)
        gate.let.set()
        self.assertEqual([each.result(LIMIT_S) for each in both], ["page", "page"])
        self.assertEqual(gate.calls, 1)
        self.assertTrue(40 < self.server.client.ttl("shop:view//prices") <= 50)
        # What is stored is what Flask-Caching stores.
        with self.one.app.app_context():
            self.assertEqual(self.one.get("view//prices"), "page")

    def test_memoized_function_is_filled_once_the_first_time_too(self):
        calls = []

        def double(number):
            calls.append(number)
            until(lambda: self.server.figure("fill_waiters") >= 9)
            return number * 2

        caches = [self.cache() for _ in range(10)]
        functions = [cache.memoize(50)(double) for cache in caches]
        calling = [functools.partial(function, 4) for function in functions]
        started = [self.start(cache, call) for cache, call in zip(caches, calling)]
        self.assertEqual([each.result(LIMIT_S) for each in started], [8] * 10)
        self.assertEqual(calls, [4])

    def test_view_that_fails_is_the_next_ones_turn(self):
        gate, second = self.gate(KeyError("down")), self.gate("up")
        leading, waiting = self.lead_and_wait(lambda cache: cache.cached(), gate, second)
        gate.let.set()
        second.let.set()
        self.assertEqual(waiting.result(LIMIT_S), "up")
        self.assertRaises(KeyError, leading.result, LIMIT_S)

    def test_view_that_is_not_to_be_stored_keeps_nobody_waiting(self):
        gates = [self.gate("private"), self.gate("mine"), self.gate("yours")]
        gates[0].let.set()
        decorate = lambda cache: cache.cached(response_filter=lambda page: False)
        self.assertEqual(self.start(self.one, decorate(self.one)(gates[0])).result(LIMIT_S), "private")
        both = [self.start(self.other, decorate(self.other)(gate)) for gate in gates[1:]]
        for gate in gates[1:]:
            gate.wait_until_begun()
        for gate in gates[1:]:
            gate.let.set()
        self.assertEqual([each.result(LIMIT_S) for each in both], ["mine", "yours"])

    def test_requests_that_want_each_others_keys_do_not_wait_for_ever(self):
        one, other = self.cache(timeout=0.1), self.cache(timeout=0.1)
        with one.app.app_context():
            one.get("a")
            with other.app.app_context():
                other.get("b")
                self.assertIsNone(other.get("a"))
            self.assertIsNone(one.get("b"))

    def test_what_a_request_deletes_and_sets_is_stored(self):
        with self.one.app.app_context():
            self.assertIsNone(self.one.get("k"))
            self.one.delete("k")
            self.one.set("k", 1)
            self.assertEqual(self.one.get("k"), 1)
            self.assertEqual(self.one.get_many("k", "none"), [1, None])
            self.assertIsNone(self.one.get("m"))
            self.assertEqual(sorted(self.one.set_many({"m": 2, "n": 3}, timeout=0)), ["m", "n"])
            self.assertEqual((self.one.get_many("m", "n"), self.server.client.ttl("shop:m")), ([2, 3], -1))
            self.assertIsNone(self.one.get("x"))
            self.one.clear()
            self.assertTrue(self.one.set("x", 4))
            self.assertEqual((self.one.get("x"), self.one.get("k")), (4, None))

    def test_old_value_is_served_while_one_request_makes_a_new_one(self):
        one, other = [self.backend(self.cache(grace=100)) for _ in range(2)]
        with self.one.app.app_context():
            one.get("k")
            one.set("k", "old")
            self.server.client.execute_command("FILL.STALE", "shop:k")
            self.assertEqual((one.get("k"), other.get("k")), (None, "old"))
            one.set("k", "new")
            self.assertEqual(other.get("k"), "new")

    def test_value_that_was_deleted_meanwhile_is_not_stored(self):
        with self.one.app.app_context():
            self.one.get("k")
            self.backend(self.other).delete("k")
            self.assertFalse(self.one.set("k", "late"))
            self.assertFalse(self.one.has("k"))

    def test_without_an_application_context_nobody_waits(self):
        backend = self.backend(self.one)
        self.assertEqual((backend.get("k"), self.server.figure("fill_flights")), (None, 0))
        self.assertTrue(backend.set("k", 1))
        self.assertEqual(backend.get("k"), 1)

    def test_request_that_looks_for_very_many_holds_few(self):
        with self.one.app.app_context():
            for number in range(15):
                self.one.get(f"k{number}")
            self.assertEqual(self.server.figure("fill_flights"), 10)
        self.assertEqual(self.server.figure("fill_flights"), 0)

    def test_server_that_goes_is_done_without(self):
        gate = self.gate("page")
        view = self.one.cached()(gate)
        leading = self.start(self.one, view)
        gate.wait_until_begun()
        self.server.stop()
        gate.let.set()
        self.assertEqual(leading.result(LIMIT_S), "page")
        self.server.start()
