"""The steps of a fill without a server: replies in, commands out, time as a number."""

import random
import unittest

import onefill
import redis
from onefill._breaker import Breaker
from onefill._filling import Filling
from onefill._steps import Compute, Early, Lease, Outcome, Pause, Send, Sharing

LEAD = [b"LEAD", None, b"t", 3000]


class Script:
    """Plays a fill: each step is compared and answered (an error is thrown), and moves the clock."""

    def __init__(self, *keys, shared=None, **options):
        self.now = 0.0
        self.breaker = shared or Breaker(lambda: self.now)
        options = onefill.Options(**{"serializer": "bytes", **options})
        self.steps = Filling(options, "n", 2.5, self.breaker, lambda: self.now).steps(keys or ["k"])
        self.step = next(self.steps)

    @property
    def words(self):
        """The one command that is to be sent."""
        (words,) = self.step.commands
        return words

    def answer(self, kind, answer, took=0.0):
        """Answers the step, which must be of this kind, and returns it: a command's reply, a computed value."""
        step = self.step
        assert isinstance(step, kind), step
        self.now += step.seconds if isinstance(step, Pause) else took
        if isinstance(answer, BaseException) and not (kind is Send and isinstance(answer, redis.ResponseError)):
            self.step = self.steps.throw(answer)
        elif kind is Send:
            self.step = self.steps.send(answer if len(step.commands) > 1 else [answer])
        elif kind is Compute:
            self.step = self.steps.send(answer if isinstance(answer, dict) else dict.fromkeys(step.keys, answer))
        else:
            self.step = self.steps.send(answer)
        return step

    def end(self, kind, answer):
        """Answers the last step and returns what was found: of one key, or of many by key."""
        try:
            self.answer(kind, answer)
        except StopIteration as end:
            return end.value if len(end.value) > 1 else end.value["k"]
        raise AssertionError(f"not the last step: {self.step} follows")

    def fails(self, kind, answer, error):
        """Answers the last step; the fill ends with this error, its key's or the whole one's."""
        try:
            found = self.end(kind, answer)
        except error as raised:
            return raised
        assert isinstance(found, error), found
        return found


class Steps(unittest.TestCase):
    def test_hit_is_one_command(self):
        script = Script()
        words = script.words
        self.assertEqual(script.end(Send, [b"HIT", b"v", None, 5]), Outcome(b"v"))
        self.assertEqual(words, ("FILL.GET", "k", "WAIT", 200, "AS", "n"))

    def test_options_become_words(self):
        script = Script(wait=60, lease=2, stale=0, beta=0.5, ttl=1.5, idle=1, grace=0.25, jitter=10)
        (asked,) = script.answer(Send, LEAD).commands
        # No longer than half of the reply time-out that the driver has.
        self.assertEqual(asked[2:], ("WAIT", 2500, "LEASE", 2000, "STALE", 0, "BETA", 0.5, "AS", "n"))
        self.assertEqual(script.answer(Compute, b"v"), Compute(("k",), {"k": Lease(b"t", None)}, 3))
        put = ("FILL.PUT", "k", b"t", b"v", "PX", 1500, "IDLE", 1000, "GRACE", 250, "JITTER", 10)
        self.assertEqual(script.words, put)
        self.assertEqual(script.end(Send, b"OK"), Outcome(b"v"))
        self.assertIn("NOWAIT", Script(wait=0).words)

    def test_wait_sleeps_what_it_is_told_before_it_asks_again(self):
        script = Script()
        script.answer(Send, [b"WAIT", None, None, 150])
        self.assertEqual(script.answer(Pause, None), Pause(0.15))
        # 0: its own time was over, and it is parked again at once.
        script.answer(Send, [b"WAIT", None, None, 0])
        script.answer(Send, [b"SELF", None, None, 4000])
        self.assertAlmostEqual(script.answer(Pause, None).seconds, 0.01)
        self.assertEqual(script.end(Send, [b"NONE", None, None, 5]), Outcome(None))

    def test_asking_ends_with_the_timeout(self):
        script = Script(timeout=1)
        script.answer(Send, [b"WAIT", None, None, 0], took=0.9)
        script.fails(Send, [b"WAIT", None, None, 200], onefill.FillTimeout)

    def test_trouble_is_asked_again_a_bounded_number_of_times(self):
        script, pauses = Script(retries=3, on_error="raise"), []
        for _ in range(3):
            script.answer(Send, redis.ConnectionError("gone"))
            pauses.append(script.answer(Pause, None).seconds)
        with self.assertRaises(onefill.FillUnavailable) as caught:
            script.answer(Send, redis.TimeoutError("late"))
        self.assertIsInstance(caught.exception.__cause__, redis.TimeoutError)
        for pause, most in zip(pauses, (0.05, 0.1, 0.2)):
            self.assertTrue(most / 2 <= pause <= most)

    def test_trouble_computes_where_that_was_asked_for(self):
        script = Script(retries=0, on_error="compute")
        script.answer(Send, redis.ConnectionError("gone"))
        self.assertEqual(script.end(Compute, b"v"), Outcome(b"v"))

    def test_error_reply_is_raised(self):
        for choice in ("raise", "compute"):
            with self.assertRaises(redis.ResponseError):
                Script(on_error=choice).answer(Send, redis.ResponseError("WRONGTYPE"))

    def test_failure_is_told_with_its_message_cut(self):
        script = Script()
        script.answer(Send, LEAD)
        script.answer(Compute, KeyError("x" * 1000))
        words = script.words
        self.assertEqual((words[:3], len(words[3]), words[4:]), (("FILL.FAIL", "k", b"t"), 500, ("RETRY", 1000)))
        script.fails(Send, b"OK", KeyError)

    def test_value_that_cannot_be_encoded_is_a_failure(self):
        script = Script(serializer="json")
        script.answer(Send, LEAD)
        script.answer(Compute, object())
        self.assertEqual(script.words[0], "FILL.FAIL")
        script.fails(Send, b"OK", TypeError)

    def test_computation_that_is_cut_off_is_the_next_callers_turn(self):
        script = Script()
        script.answer(Send, LEAD)
        script.answer(Compute, KeyboardInterrupt())
        self.assertEqual(script.words, ("FILL.FAIL", "k", b"t", "cut off"))
        script.fails(Send, b"OK", KeyboardInterrupt)

    def test_absence_may_be_told_to_those_only_who_wait_already(self):
        script = Script(negative_ttl=0)
        script.answer(Send, LEAD)
        script.answer(Compute, None)
        self.assertEqual(script.words, ("FILL.NONE", "k", b"t", "PX", 1))

    def test_late_value_is_void_for_others(self):
        script = Script()
        script.answer(Send, [b"REFRESH", b"old", b"t", 3000])
        script.answer(Compute, b"v")
        self.assertEqual(script.end(Send, b"VOID"), Outcome(b"v", Sharing.VOID))

    def test_ttl_out_of_its_bounds_is_a_failure(self):
        script = Script(ttl=lambda value: -1)
        script.answer(Send, LEAD)
        script.answer(Compute, b"v")
        self.assertEqual(script.words[0], "FILL.FAIL")
        script.fails(Send, b"OK", ValueError)


class ManyKeys(unittest.TestCase):
    def test_hits_are_one_command(self):
        script = Script("a", "b")
        self.assertEqual(script.words, ("FILL.MGET", 2, "a", "b", "WAIT", 200, "AS", "n"))
        found = script.end(Send, [[b"HIT", b"1", None, 5], [b"NONE", None, None, 5]])
        self.assertEqual(found, {"a": Outcome(b"1"), "b": Outcome(None)})

    def test_what_it_leads_is_answered_before_it_asks_for_the_rest(self):
        script = Script("a", "b", "c", "d")
        leads = [[b"LEAD", None, b"ta", 900], [b"LEAD", None, b"tb", 600]]
        script.answer(Send, [*leads, [b"WAIT", None, None, 0], [b"PASS", None, None, 5]])
        leases = {"a": Lease(b"ta", None), "b": Lease(b"tb", None)}
        values = {"a": b"1", "b": b"2", "d": b"4"}
        self.assertEqual(script.answer(Compute, values), Compute(("a", "b", "d"), leases, 0.6))
        self.assertEqual(script.words, ("FILL.MPUT", 2, "a", b"ta", b"1", "b", b"tb", b"2", "PX", 60000))
        script.answer(Send, [b"OK", b"VOID"])
        self.assertEqual(script.words[:2], ("FILL.GET", "c"))
        found = script.end(Send, [b"HIT", b"3", None, 5])
        outcomes = [Outcome(b"1"), Outcome(b"2", Sharing.VOID), Outcome(b"3"), Outcome(b"4", Sharing.PRIVATE)]
        self.assertEqual([found[key] for key in "abcd"], outcomes)

    def test_each_key_is_asked_for_again_when_its_time_has_come(self):
        script = Script("a", "b")
        script.answer(Send, [[b"WAIT", None, None, 50], [b"WAIT", None, None, 150]])
        script.answer(Pause, None)
        self.assertEqual(script.words[:2], ("FILL.GET", "a"))
        script.answer(Send, [b"HIT", b"1", None, 5])
        self.assertAlmostEqual(script.answer(Pause, None).seconds, 0.1)
        self.assertEqual(script.words[:2], ("FILL.GET", "b"))

    def test_each_kind_of_value_has_its_command_and_a_bad_one_fails_alone(self):
        script = Script(*"abcd", ttl=lambda value: len(value))
        script.answer(Send, [[b"LEAD", None, key.encode(), 900] for key in "abcd"])
        script.answer(Compute, {"a": b"1", "b": onefill.Uncacheable(b"2"), "c": object()})
        commands = [
            ("FILL.PASS", "b", b"b", "PX", 5000),
            ("FILL.FAIL", "c", b"c"),
            ("FILL.NONE", "d", b"d", "PX", 5000),
            ("FILL.PUT", "a", b"a", b"1", "PX", 1000),
        ]
        self.assertEqual([words[: len(each)] for words, each in zip(script.step.commands, commands)], commands)
        found = script.end(Send, [b"OK"] * 4)
        self.assertEqual((found["a"], found["b"]), (Outcome(b"1"), Outcome(b"2", Sharing.PRIVATE)))
        self.assertIsInstance(found["c"], TypeError)

    def test_failure_is_told_of_all(self):
        script = Script("a", "b")
        script.answer(Send, [[b"LEAD", None, b"ta", 900], [b"REFRESH", b"old", b"tb", 900]])
        script.answer(Compute, KeyError("down"))
        told = [words[:3] for words in script.step.commands]
        self.assertEqual(told, [("FILL.FAIL", "a", b"ta"), ("FILL.FAIL", "b", b"tb")])
        found = script.end(Send, [b"OK", b"OK"])
        self.assertEqual((str(found["a"]), found["b"]), ("'down'", Outcome(b"old")))

    def test_refused_values_are_given_up(self):
        full = redis.ResponseError("OOM")
        for choice, expected in (("raise", full), ("compute", Outcome(b"v"))):
            script = Script("a", "b", on_error=choice)
            script.answer(Send, [[b"LEAD", None, b"ta", 900], [b"LEAD", None, b"tb", 900]])
            script.answer(Compute, b"v")
            script.answer(Send, full)
            self.assertEqual([words[0] for words in script.step.commands], ["FILL.FAIL"] * 2)
            self.assertEqual(script.end(Send, [b"OK", b"OK"]), {"a": expected, "b": expected})

    def test_error_of_one_key_leaves_the_others_theirs(self):
        wrong = redis.ResponseError("WRONGTYPE")
        found = Script("a", "b").end(Send, [wrong, [b"HIT", b"2", None, 5]])
        self.assertEqual(found, {"a": wrong, "b": Outcome(b"2")})

    def test_background_needs_an_old_value_of_all(self):
        refresh = [b"REFRESH", b"old", b"t", 900]
        script = Script("a", "b", background=True)
        script.answer(Send, [[b"HIT", b"1", None, 5], refresh])
        self.assertEqual(script.answer(Early, None).found, {"a": Outcome(b"1"), "b": Outcome(b"old")})
        script = Script("a", "b", background=True)
        script.answer(Send, [[b"WAIT", None, None, 0], refresh])
        self.assertIsInstance(script.step, Compute)


class TheBreaker(unittest.TestCase):
    def script(self, shared, **options):
        return Script(shared=shared, retries=0, breaker_pause=10, on_error="raise", **options)

    def test_server_that_does_not_answer_is_left_alone_then_tried_by_one(self):
        now = [0.0]
        breaker = Breaker(lambda: now[0])
        for _ in range(2):
            self.script(breaker, breaker=2).fails(Send, redis.TimeoutError("late"), onefill.FillUnavailable)
        with self.assertRaisesRegex(onefill.FillUnavailable, "left alone"):
            self.script(breaker, breaker=2)
        # Another caller may have other thoughts.
        self.assertIsInstance(self.script(breaker, breaker=0).step, Send)
        now[0] = 10
        one = self.script(breaker, breaker=2)
        self.assertRaises(onefill.FillUnavailable, self.script, breaker, breaker=2)
        one.end(Send, [b"HIT", b"v", None, 5])
        self.assertIsInstance(self.script(breaker, breaker=2).step, Send)

    def test_error_reply_is_an_answer(self):
        breaker = Breaker(lambda: 0.0)
        for error in (redis.ConnectionError("gone"), redis.ResponseError("WRONGTYPE"), redis.ConnectionError("gone")):
            self.script(breaker, breaker=2).fails(Send, error, Exception)
        self.assertIsInstance(self.script(breaker, breaker=2).step, Send)

    def test_request_is_not_sent_again_once_it_trips(self):
        script = Script(retries=9, breaker=2)
        script.answer(Send, redis.ConnectionError("gone"))
        script.answer(Pause, None)
        script.answer(Send, redis.ConnectionError("gone"))
        self.assertEqual(script.end(Compute, b"v"), Outcome(b"v"))

    def test_value_is_computed_and_not_sent_while_it_is_left_alone(self):
        reported = []
        script = Script(report=reported.append, breaker=1)
        script.answer(Send, LEAD)
        script.breaker.failed(onefill.Options(breaker=1))
        self.assertEqual(script.end(Compute, b"v"), Outcome(b"v"))
        self.assertEqual(len(reported), 1)


class AnyCourse(unittest.TestCase):
    """Fills that take any course: what every one of them owes to the server and to its caller."""

    def play(self, random):
        keys = [f"k{number}" for number in range(random.randint(1, 4))]
        choices = {"on_error": ["raise", "compute"], "on_timeout": ["raise", "compute"], "failure_ttl": [0, 1]}
        options = {name: random.choice(values) for name, values in choices.items()}
        script = Script(*keys, retries=random.randint(0, 2), timeout=random.choice([0, 1]), **options)
        owed, answered = {}, {}
        while True:
            answer = getattr(self, type(script.step).__name__.lower())(random, script.step, owed, answered)
            try:
                script.now += random.choice([0, 0, 0.3])
                if isinstance(answer, Exception):
                    script.step = script.steps.throw(answer)
                else:
                    script.step = script.steps.send(answer)
            except StopIteration as end:
                self.assertEqual(set(end.value), set(keys))
                break
            except (onefill.FillError, ValueError, redis.ResponseError):
                break
        self.assertEqual({key: answered.get(key, 0) > 0 for key in owed}, dict.fromkeys(owed, True))
        self.assertTrue(all(count == 1 or owed[key] == "sent again" for key, count in answered.items()), answered)

    def pause(self, random, step, owed, answered):
        self.assertGreater(step.seconds, 0)

    def compute(self, random, step, owed, answered):
        # Only for what it leads, or what nobody is to be waited for.
        self.assertTrue(set(step.leases) <= set(step.keys))
        if random.random() < 0.2:
            return ValueError("down")
        return {key: random.choice([b"v", None, onefill.Uncacheable(b"v"), object()]) for key in step.keys}

    def send(self, random, step, owed, answered):
        if step.commands[0][0] in ("FILL.GET", "FILL.MGET"):
            (words,) = step.commands
            # It waits for nothing while it owes anything.
            self.assertEqual(set(owed), set(answered))
            if random.random() < 0.1:
                return redis.ConnectionError("gone")
            asked = words[1:2] if words[0] == "FILL.GET" else words[2 : 2 + words[1]]
            replies = [self.reply(random, key, owed) for key in asked]
            return replies if len(asked) == 1 else [replies]
        return self.told(random, step, owed, answered)

    def reply(self, random, key, owed):
        kind = random.choice([b"HIT", b"NONE", b"FAIL", b"PASS", b"WAIT", b"SELF", b"LEAD", b"REFRESH"])
        if kind in (b"LEAD", b"REFRESH"):
            self.assertNotIn(key, owed)
            owed[key] = "once"
            return [kind, b"old" if kind == b"REFRESH" else None, key.encode(), 900]
        return [kind, b"v" if kind in (b"HIT", b"FAIL") else None, None, random.choice([0, 100])]

    def told(self, random, step, owed, answered):
        lost, replies = random.random() < 0.1, []
        for words in step.commands:
            many = words[0] == "FILL.MPUT"
            keys = words[2 : 2 + 3 * words[1] : 3] if many else words[1:2]
            refused = words[0] != "FILL.FAIL" and random.random() < 0.1
            for key in keys:
                self.assertIn(key, owed)
                answered[key] = answered.get(key, 0) + 1
                if lost or refused:
                    owed[key] = "sent again"
            said = redis.ResponseError("OOM") if refused else random.choice([b"OK", b"VOID", b"DUP"])
            replies.append([said] * len(keys) if many and not refused else said)
        return redis.TimeoutError("late") if lost else replies

    def test_each_lease_is_answered_once_and_each_key_found(self):
        for seed in range(2000):
            with self.subTest(seed=seed):
                self.play(random.Random(seed))
