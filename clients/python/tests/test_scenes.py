"""What happens between callers, over threads and over tasks alike: two fills each, so that they are two processes."""

import asyncio
import signal
import socket
import subprocess
import sys
import time

import onefill
import redis
from support import LIMIT_S, Tasks, Threads, TwoCallers, until

LEADER = """
import sys, time, redis, onefill
def compute():
    print("computing", flush=True)
    time.sleep(600)
onefill.Fill(redis.Redis(port=int(sys.argv[1]))).get("page", compute, lease=600)
"""


class Scenes(TwoCallers):
    """The scenes, without a way to play them."""

    def test_one_computes_and_the_others_get_its_value(self):
        gate = self.gate(b"Ada")
        both = self.lead_and_wait(gate)
        gate.let.set()
        self.assertEqual([each.result() for each in both], [b"Ada", b"Ada"])
        self.assertEqual((self.other.get("page", gate), gate.calls), (b"Ada", 1))
        self.assertEqual(self.server.client.get("page"), b"Ada")

    def test_absence_is_shared(self):
        gate = self.gate(None)
        both = self.lead_and_wait(gate, negative_ttl=100)
        gate.let.set()
        self.assertEqual([each.result() for each in both], [None, None])
        self.assertEqual((self.other.get("page", gate), gate.calls), (None, 1))

    def test_failure_is_shared_and_remembered(self):
        gate = self.gate(KeyError("down"))
        leading, waiting = self.lead_and_wait(gate, failure_ttl=100)
        gate.let.set()
        self.assertRaises(KeyError, leading.result)
        with self.assertRaisesRegex(onefill.FillFailed, "down") as caught:
            waiting.result()
        self.assertTrue(90 < caught.exception.retry_after <= 100)
        self.assertRaises(onefill.FillFailed, self.other.get, "page", gate)
        self.assertEqual(gate.calls, 1)

    def test_failure_without_failure_ttl_is_the_next_callers_turn(self):
        first, second = self.gate(KeyError("down")), self.gate(b"up")
        leading = self.one.start("page", first, failure_ttl=0)
        first.wait_until_begun()
        waiting = self.other.start("page", second)
        until(lambda: self.server.waiters("page") == 1)
        first.let.set()
        second.let.set()
        self.assertRaises(KeyError, leading.result)
        self.assertEqual(waiting.result(), b"up")

    def test_slow_computation_is_waited_for_and_its_lease_renewed(self):
        gate = self.gate()
        both = self.lead_and_wait(gate, wait=0.02, lease=1)
        expired = self.server.figure("fill_wait_expired")
        # 1.6 s: longer than the lease, which is renewed every third of a second.
        until(lambda: self.server.figure("fill_wait_expired") > expired + 80)
        gate.let.set()
        self.assertEqual([each.result() for each in both], [b"made", b"made"])
        self.assertEqual(gate.calls, 1)

    def test_lease_that_is_not_renewed_ends(self):
        first, second = self.gate(b"late"), self.gate(b"in time")
        leading = self.one.start("page", first, lease=0.05, renew=0)
        first.wait_until_begun()
        waiting = self.other.start("page", second)
        second.wait_until_begun()
        second.let.set()
        self.assertEqual(waiting.result(), b"in time")
        first.let.set()
        # It is void, and still what its own caller asked for.
        self.assertEqual(leading.result(), b"late")
        self.assertEqual(self.server.client.get("page"), b"in time")

    def test_killed_leader_is_succeeded(self):
        leader = subprocess.Popen([sys.executable, "-c", LEADER, str(self.server.port)], stdout=subprocess.PIPE)
        self.addCleanup(leader.stdout.close)
        self.addCleanup(leader.wait)
        self.addCleanup(leader.kill)
        self.assertEqual(leader.stdout.readline(), b"computing\n")
        waiting = self.other.start("page", lambda: b"second")
        until(lambda: self.server.waiters("page") == 1)
        leader.send_signal(signal.SIGKILL)
        self.assertEqual(waiting.result(), b"second")

    def test_uncacheable_is_computed_by_each(self):
        self.assertEqual(self.one.get("page", lambda: onefill.Uncacheable(b"mine", ttl=100)), b"mine")
        self.assertEqual(self.other.get("page", lambda: b"yours"), b"yours")
        self.assertIsNone(self.server.client.get("page"))

    def test_old_value_is_served_while_one_refreshes(self):
        self.one.get("page", lambda: b"old", grace=100)
        self.assertTrue(self.one.do("stale", "page"))
        gate = self.gate(b"new")
        leading = self.one.start("page", gate, grace=100)
        gate.wait_until_begun()
        self.assertEqual(self.other.get("page", gate), b"old")
        gate.let.set()
        self.assertEqual((leading.result(), self.other.get("page", gate)), (b"new", b"new"))

    def test_refresh_in_the_background_gives_the_old_value_at_once(self):
        self.one.get("page", lambda: b"old", grace=100)
        self.one.do("stale", "page")
        gate = self.gate(b"new")
        self.assertEqual(self.one.get("page", gate, grace=100, background=True), b"old")
        gate.wait_until_begun()
        self.assertEqual(self.other.get("page", gate, background=True), b"old")
        gate.let.set()
        until(lambda: self.other.get("page", gate) == b"new")
        self.assertEqual(gate.calls, 1)

    def test_failed_refresh_gives_the_old_value_and_is_reported(self):
        self.one.get("page", lambda: b"old", grace=100)
        self.one.do("stale", "page")
        reported, gate = [], self.gate(KeyError("down"))
        gate.let.set()
        self.assertEqual(self.one.get("page", gate, failure_ttl=0.001, report=reported.append), b"old")
        self.assertEqual(reported, [gate.value])
        # In the background too, where nobody else would hear of it.
        until(lambda: self.one.get("page", gate, background=True, report=reported.append) and len(reported) == 2)

    def test_deletion_while_it_is_computed_is_heeded(self):
        first, second = self.gate(b"old"), self.gate(b"new")
        leading = self.one.start("page", first)
        first.wait_until_begun()
        self.assertFalse(self.other.do("invalidate", "page"))
        # Also within the process: who comes after the deletion does not join who asked before.
        after = self.one.start("page", second)
        self.one.do("invalidate", "page")
        later = self.one.start("page", second)
        second.let.set()
        first.let.set()
        self.assertEqual([leading.result(), later.result()], [b"old", b"new"])
        after.result()
        self.assertEqual(self.other.get("page", second), b"new")

    def test_others_that_never_finish_are_given_up(self):
        gate = self.gate()
        leading = self.one.start("page", gate)
        gate.wait_until_begun()
        quick = {"wait": 0.02, "timeout": 0.1}
        self.assertRaises(onefill.FillTimeout, self.other.get, "page", gate, **quick)
        reported = []
        value = self.other.get("page", lambda: b"own", on_timeout="compute", report=reported.append, **quick)
        self.assertEqual((value, [type(error) for error in reported]), (b"own", [onefill.FillTimeout]))
        gate.let.set()
        self.assertEqual((leading.result(), gate.calls), (b"made", 1))

    def test_server_that_is_down(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            callers = self.callers(closed.getsockname()[1])
            self.assertRaises(onefill.FillUnavailable, callers.get, "page", lambda: b"own", on_error="raise")
            reported = []
            value = callers.get("page", lambda: b"own", report=reported.append)
        self.assertEqual((value, [type(error) for error in reported]), (b"own", [onefill.FillUnavailable]))

    def test_server_that_hangs(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            callers = self.callers(silent.getsockname()[1], client={"socket_timeout": 0.05}, retries=1)
            began = time.monotonic()
            self.assertRaises(onefill.FillUnavailable, callers.get, "page", lambda: b"own", on_error="raise")
            self.assertEqual(callers.get("page", lambda: b"own", on_error="compute"), b"own")
        # Two callers ask twice each. Without a bound it would not end.
        self.assertLess(time.monotonic() - began, 5)

    def test_restart_while_one_computes_and_one_waits(self):
        gate = self.gate()
        leading, waiting = self.lead_and_wait(gate, wait=5, retries=20, breaker=0)
        self.server.restart()
        # The waiter is elected by the new server; the first leader's value is void there.
        gate.wait_until_begun()
        gate.let.set()
        self.assertEqual([leading.result(), waiting.result(), gate.calls], [b"made", b"made", 2])
        self.assertEqual(self.server.client.get("page"), b"made")

    def test_server_that_goes_while_one_computes(self):
        gate, reported = self.gate(), []
        leading = self.one.start("page", gate, retries=0, report=reported.append)
        gate.wait_until_begun()
        self.server.stop()
        gate.let.set()
        self.assertEqual((leading.result(), len(reported)), (b"made", 1))
        self.server.start()

    def test_value_that_was_refused_holds_nobody_up(self):
        big = b"x" * (4 << 20)
        self.server.client.set("full", big)
        self.server.client.config_set("maxmemory-policy", "noeviction")
        self.server.client.config_set("maxmemory", "1mb")
        self.addCleanup(self.server.client.config_set, "maxmemory", "0")
        reported = []
        value = self.one.get("page", lambda: big, report=reported.append)
        self.assertEqual((value == big, len(reported)), (True, 1))
        self.assertEqual(self.server.figure("fill_flights"), 0)
        self.assertRaises(redis.ResponseError, self.one.get, "other", lambda: big, on_error="raise")

    def test_options_reach_the_server(self):
        self.one.get("page", lambda: b"v", ttl=lambda value: 50 + len(value), jitter=0)
        self.assertTrue(50_000 < self.server.client.pttl("page") <= 51_000)
        self.one.get("idle", lambda: b"v", idle=40)
        self.assertTrue(30 < self.server.client.execute_command("OBJECT", "IDLETTL", "idle") <= 40_000)
        self.one.get("for ever", lambda: b"v", ttl=None)
        self.assertEqual(self.server.client.pttl("for ever"), -1)
        self.assertEqual(self.one.get("page", self.gate(), stale=1, beta=0, lease=1), b"v")

    def test_prefix_and_keys_of_bytes(self):
        shop = self.callers(prefix="shop:", ttl=100)
        shop.get("a", lambda: b"1")
        shop.get(b"b", lambda: b"2")
        self.assertEqual(self.server.client.mget("shop:a", "shop:b"), [b"1", b"2"])
        self.assertTrue(90 < self.server.client.ttl("shop:a") <= 100)

    def test_client_that_decodes_and_speaks_resp3(self):
        callers = self.callers(client={"decode_responses": True, "protocol": 3})
        self.assertEqual(callers.get("page", lambda: "grün"), "grün".encode())
        self.assertEqual(callers.get("page", self.gate(), serializer="str"), "grün")


class ScenesOfThreads(Scenes):
    kind = Threads

    def test_function_is_filled_by_its_arguments(self):
        calls = []

        class Shop:
            @self.one.fills.cached(key="user:{user_id}:{lang}", serializer="str")
            def user(self, user_id, lang="en"):
                """Says who."""
                calls.append(user_id)
                return f"{user_id} {lang} {len(calls)}"

        shop = Shop()
        self.assertEqual([shop.user(7), shop.user(user_id=7), shop.user(8)], ["7 en 1", "7 en 1", "8 en 2"])
        self.assertEqual((Shop.user.key(shop, 7), Shop.user.invalidate(shop, 7)), ("user:7:en", True))
        self.assertEqual((shop.user(7), Shop.user.__doc__), ("7 en 3", "Says who."))


class ScenesOfTasks(Scenes):
    kind = Tasks

    def test_function_is_filled_by_its_arguments(self):
        async def filled():
            calls = []

            @self.one.fills.cached(serializer="json")
            async def user(user_id):
                calls.append(user_id)
                return {"calls": len(calls)}

            found = [await user(7), await user(7), await user.invalidate(7), await user(7)]
            self.assertEqual(found, [{"calls": 1}, {"calls": 1}, True, {"calls": 2}])
            return user.key(7)

        key = asyncio.run_coroutine_threadsafe(filled(), self.one.loop).result(LIMIT_S)
        self.assertEqual(self.server.client.get(key), b'{"calls":2}')


del Scenes
