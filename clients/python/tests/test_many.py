"""Many keys by one call: FILL.MGET and FILL.MPUT, over threads and over tasks alike."""

import onefill
from support import LIMIT_S, Tasks, Threads, TwoCallers, until


class Scenes(TwoCallers):
    """The scenes, without a way to play them."""

    def test_many_are_filled_by_few_requests(self):
        self.one.get("b", lambda: b"there")
        asked, before = [], self.server.figure("fill_gets")

        def compute(keys):
            asked.append(sorted(keys))
            return {"a": b"1", "c": None}

        wanted = {"a": b"1", "b": b"there", "c": None, "d": None}
        self.assertEqual(self.one.get_many(["a", "b", "c", "d", "a"], compute, negative_ttl=100), wanted)
        self.assertEqual(self.other.get_many(iter("abcd"), compute), wanted)
        self.assertEqual((asked, self.one.get_many([], compute)), ([["a", "c", "d"]], {}))
        self.assertEqual((self.server.figure("fill_gets") - before, self.server.client.get("a")), (8, b"1"))

    def test_many_and_one_wait_for_each_other(self):
        one, many = self.gate(b"one"), self.gate(b"many")
        leading = self.one.start("a", one)
        one.wait_until_begun()
        # One of this process, one of another: both lead b or c and wait for a.
        both = [callers.start_many(["a", key], many) for callers, key in ((self.one, "b"), (self.other, "c"))]
        many.wait_until_begun()
        many.wait_until_begun()
        late = self.other.start("b", one)
        until(lambda: self.server.waiters("b") == 1)
        many.let.set()
        self.assertEqual(late.result(), b"many")
        one.let.set()
        values = [each.result() for each in both]
        self.assertEqual(values, [{"a": b"one", "b": b"many"}, {"a": b"one", "c": b"many"}])
        self.assertEqual((leading.result(), one.calls, many.calls), (b"one", 1, 2))

    def test_many_that_fail_are_shared_and_remembered(self):
        gate = self.gate(KeyError("down"))
        leading = self.one.start_many(["a", "b"], gate, failure_ttl=100)
        gate.wait_until_begun()
        waiting = self.other.start_many(["b", "a"], gate)
        until(lambda: self.server.waiters("b") == 1)
        gate.let.set()
        self.assertRaises(KeyError, leading.result)
        self.assertRaisesRegex(onefill.FillFailed, "down", waiting.result)
        self.assertRaises(onefill.FillFailed, self.other.get, "a", gate)
        self.assertEqual(gate.calls, 1)

    def test_many_that_are_slow_have_all_their_leases_renewed(self):
        gate = self.gate()
        # Over the one connection that it has.
        leading = self.callers(client={"max_connections": 1}).start_many(["a", "b"], gate, lease=0.3)
        gate.wait_until_begun()
        waiting = [self.other.start(key, gate, wait=0.02, timeout=LIMIT_S) for key in "ab"]
        expired = self.server.figure("fill_wait_expired")
        # 0.5 s: longer than the leases.
        until(lambda: self.server.figure("fill_wait_expired") > expired + 50)
        gate.let.set()
        self.assertEqual(leading.result(), {"a": b"made", "b": b"made"})
        self.assertEqual([each.result() for each in waiting], [b"made", b"made"])
        self.assertEqual(gate.calls, 1)


class ScenesOfThreads(Scenes):
    kind = Threads


class ScenesOfTasks(Scenes):
    kind = Tasks


# Only with a way to play them.
del Scenes
