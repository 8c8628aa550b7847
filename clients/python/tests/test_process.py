"""Callers of one process that want the same key: threads and tasks alike."""

import asyncio
import concurrent.futures
import os
import socket

import onefill
from support import Tasks, Threads, TwoCallers, until


class Scenes(TwoCallers):
    """The scenes, without a way to play them."""

    def test_callers_of_a_process_ask_once(self):
        gate = self.gate(b'{"n": 1}')
        before = self.server.figure("fill_gets")
        leading = self.one.start("page", gate)
        gate.wait_until_begun()
        joined = [self.one.start("page", gate, serializer="json") for _ in range(20)]
        self.joined(20)
        gate.let.set()
        values = [each.result() for each in joined]
        self.assertEqual((values, leading.result(), gate.calls), ([{"n": 1}] * 20, b'{"n": 1}', 1))
        # Each has its own, to change as it likes.
        self.assertIsNot(values[0], values[1])
        self.assertEqual(self.server.figure("fill_gets") - before, 1)

    def test_callers_ask_once_over_a_single_connection(self):
        one = self.callers(client={"max_connections": 1})
        gate, before = self.gate(), self.server.figure("fill_gets")
        callers = [one.start("page", gate) for _ in range(20)]
        self.joined(19)
        gate.let.set()
        self.assertEqual({each.result() for each in callers}, {b"made"})
        self.assertEqual((gate.calls, self.server.figure("fill_gets") - before), (1, 1))

    def test_who_joined_a_void_fill_asks_again(self):
        first, second = self.gate(b"old"), self.gate(b"new")
        leading = self.one.start("page", first)
        first.wait_until_begun()
        self.server.client.delete("page")
        joined = self.one.start("page", second)
        self.joined(1)
        second.let.set()
        first.let.set()
        self.assertEqual((leading.result(), joined.result()), (b"old", b"new"))

    def test_who_joined_an_uncacheable_one_computes_for_itself(self):
        gate = self.gate(onefill.Uncacheable(b"mine"))
        leading = self.one.start("page", gate)
        gate.wait_until_begun()
        joined = [self.one.start("page", lambda: b"yours") for _ in range(3)]
        self.joined(3)
        gate.let.set()
        self.assertEqual((leading.result(), [each.result() for each in joined]), (b"mine", [b"yours"] * 3))

    def test_failure_reaches_who_joined_as_it_reaches_others(self):
        gate = self.gate(KeyError("down"))
        leading = self.one.start("page", gate)
        gate.wait_until_begun()
        joined = self.one.start("page", gate, failure_ttl=7)
        self.joined(1)
        gate.let.set()
        self.assertRaises(KeyError, leading.result)
        with self.assertRaisesRegex(onefill.FillFailed, "down") as caught:
            joined.result()
        self.assertEqual((caught.exception.retry_after, caught.exception.__cause__), (7, gate.value))

    def test_failure_without_failure_ttl_is_the_turn_of_who_joined(self):
        gate = self.gate(KeyError("mine"))
        leading = self.one.start("page", gate, failure_ttl=0)
        gate.wait_until_begun()
        joined = [self.one.start("page", lambda: b"yours", failure_ttl=0) for _ in range(3)]
        self.joined(3)
        gate.let.set()
        self.assertEqual([each.result() for each in joined], [b"yours"] * 3)
        self.assertRaises(KeyError, leading.result)

    def test_who_joined_gives_up_in_time(self):
        gate = self.gate()
        quick = {"wait": 0.02, "timeout": 0.1}
        leading = self.one.start("page", gate, **quick)
        gate.wait_until_begun()
        self.assertRaises(onefill.FillTimeout, self.one.get, "page", gate, **quick)
        # Unlike in the others' way of giving up: who asks by itself.
        self.assertRaises(onefill.FillTimeout, self.one.get, "page", gate, wait=0.02, timeout=0.15)
        gate.let.set()
        self.assertEqual(leading.result(), b"made")

    def test_who_joined_computes_where_that_was_asked_for(self):
        gate, options = self.gate(), {"wait": 0.02, "timeout": 0.1, "on_timeout": "compute"}
        leading = self.one.start("page", gate, **options)
        gate.wait_until_begun()
        self.assertEqual(self.one.get("page", lambda: b"own", **options), b"own")
        gate.let.set()
        self.assertEqual(leading.result(), b"made")

    def test_server_that_is_down_is_asked_once_by_a_process_then_left_alone(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            callers = self.callers(closed.getsockname()[1], retries=0, breaker=2, breaker_pause=100)
            gate = self.gate()
            leading = callers.start("page", gate)
            gate.wait_until_begun()
            joined = [callers.start("page", gate) for _ in range(5)]
            self.joined(5)
            gate.let.set()
            self.assertEqual([each.result() for each in [leading, *joined]], [b"made"] * 6)
            self.assertEqual(gate.calls, 1)
            self.assertRaises(onefill.FillUnavailable, callers.get, "page", gate, on_error="raise")
            with self.assertRaisesRegex(onefill.FillUnavailable, "left alone"):
                callers.get("page", gate, on_error="raise")


class ScenesOfThreads(Scenes):
    kind = Threads

    def test_forked_process_waits_for_no_thread_of_its_parent(self):
        gate = self.gate()
        leading = self.one.start("page", gate)
        gate.wait_until_begun()
        child = os.fork()
        if not child:
            try:
                self.one.fills.get("page", lambda: b"own", wait=0.02, timeout=0.1)
            except onefill.FillTimeout as error:
                # By the server's word: a thread of this process there is none.
                os._exit("process" in str(error))
            os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        gate.let.set()
        self.assertEqual(leading.result(), b"made")

    def test_interrupted_leader_is_the_turn_of_who_joined(self):
        gate = self.gate(KeyboardInterrupt())
        leading = self.one.start("page", gate)
        gate.wait_until_begun()
        joined = self.one.start("page", lambda: b"yours")
        self.joined(1)
        gate.let.set()
        self.assertEqual(joined.result(), b"yours")
        self.assertRaises(KeyboardInterrupt, leading.result)


class ScenesOfTasks(Scenes):
    kind = Tasks

    def test_loops_of_several_threads_share_one_object(self):
        async def filled():
            async def compute():
                return b"made"

            found = await self.one.fills.get("page", compute)
            await self.one.fills.close()
            return found

        gate = self.gate()
        leading = self.one.start("page", gate)
        gate.wait_until_begun()
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            others = [threads.submit(asyncio.run, filled()) for _ in range(4)]
            until(lambda: self.server.waiters("page") == 4)
            gate.let.set()
            self.assertEqual({each.result() for each in [*others, leading]}, {b"made"})
        self.assertEqual(gate.calls, 1)

    def test_cancelled_caller_leaves_its_computation_to_the_others(self):
        gate = self.gate()
        leading, waiting = self.lead_and_wait(gate)
        self.assertTrue(leading.cancel())
        gate.let.set()
        self.assertEqual((waiting.result(), gate.calls), (b"made", 1))


# Only with a way to play them.
del Scenes
