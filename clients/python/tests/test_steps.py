"""The steps of a fill without a server: replies in, commands out, time as a number."""

import unittest

import onefill
import redis
from onefill._steps import Compute, Outcome, Pause, Send, Sharing, filling

LEAD = [b"LEAD", None, b"t", 3000]


class Script:
    """Plays a fill: each step is compared and answered (an error is thrown), and moves the clock."""

    def __init__(self, **options):
        self.now = 0.0
        self.steps = filling("k", onefill.Options(**options), "n", 2.5, lambda: self.now)
        self.step = next(self.steps)

    def answer(self, kind, answer, took=0.0):
        """Answers the step, which must be of this kind, and returns it."""
        step = self.step
        assert isinstance(step, kind), step
        self.now += step.seconds if isinstance(step, Pause) else took
        self.step = self.steps.throw(answer) if isinstance(answer, BaseException) else self.steps.send(answer)
        return step

    def end(self, kind, answer):
        """Answers the last step and returns the outcome."""
        try:
            self.answer(kind, answer)
        except StopIteration as end:
            return end.value
        raise AssertionError(f"not the last step: {self.step} follows")


class Steps(unittest.TestCase):
    def test_hit_is_one_command(self):
        script = Script()
        words = script.step.words
        self.assertEqual(script.end(Send, [b"HIT", b"v", None, 5]), Outcome(b"v"))
        self.assertEqual(words, ("FILL.GET", "k", "WAIT", 200, "AS", "n"))

    def test_options_become_words(self):
        script = Script(wait=60, lease=2, stale=0, beta=0.5, ttl=1.5, idle=1, grace=0.25, jitter=10)
        asked = script.answer(Send, LEAD).words
        # No longer than half of the reply time-out that the driver has.
        self.assertEqual(asked[2:], ("WAIT", 2500, "LEASE", 2000, "STALE", 0, "BETA", 0.5, "AS", "n"))
        self.assertEqual(script.answer(Compute, b"v"), Compute(b"t", 3))
        put = ("FILL.PUT", "k", b"t", b"v", "PX", 1500, "IDLE", 1000, "GRACE", 250, "JITTER", 10)
        self.assertEqual(script.step, Send(put))
        self.assertEqual(script.end(Send, b"OK"), Outcome(b"v"))
        self.assertIn("NOWAIT", Script(wait=0).step.words)

    def test_wait_sleeps_what_it_is_told_before_it_asks_again(self):
        script = Script()
        script.answer(Send, [b"WAIT", None, None, 150])
        self.assertEqual(script.answer(Pause, None), Pause(0.15))
        # 0: its own time was over, and it is parked again at once.
        script.answer(Send, [b"WAIT", None, None, 0])
        script.answer(Send, [b"SELF", None, None, 4000])
        self.assertEqual(script.answer(Pause, None), Pause(0.01))
        self.assertEqual(script.end(Send, [b"NONE", None, None, 5]), Outcome(None))

    def test_asking_ends_with_the_timeout(self):
        script = Script(timeout=1)
        script.answer(Send, [b"WAIT", None, None, 0], took=0.9)
        with self.assertRaises(onefill.FillTimeout):
            script.answer(Send, [b"WAIT", None, None, 200])

    def test_trouble_is_asked_again_a_bounded_number_of_times(self):
        script, pauses = Script(retries=3), []
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
        words = script.step.words
        self.assertEqual((words[:3], len(words[3]), words[4:]), (("FILL.FAIL", "k", b"t"), 500, ("RETRY", 1000)))
        with self.assertRaises(KeyError):
            script.answer(Send, b"OK")

    def test_value_that_cannot_be_encoded_is_a_failure(self):
        script = Script(codec="json")
        script.answer(Send, LEAD)
        script.answer(Compute, object())
        self.assertEqual(script.step.words[0], "FILL.FAIL")
        with self.assertRaises(TypeError):
            script.answer(Send, b"OK")

    def test_computation_that_is_cut_off_is_the_next_callers_turn(self):
        script = Script()
        script.answer(Send, LEAD)
        script.answer(Compute, KeyboardInterrupt())
        self.assertEqual(script.step.words, ("FILL.FAIL", "k", b"t", "cut off"))
        with self.assertRaises(KeyboardInterrupt):
            script.answer(Send, b"OK")

    def test_late_value_is_void_for_others(self):
        script = Script()
        script.answer(Send, [b"REFRESH", b"old", b"t", 3000])
        script.answer(Compute, b"v")
        self.assertEqual(script.end(Send, b"VOID"), Outcome(b"v", Sharing.VOID))

    def test_ttl_out_of_its_bounds_is_a_failure(self):
        script = Script(ttl=lambda value: -1)
        script.answer(Send, LEAD)
        script.answer(Compute, b"v")
        self.assertEqual(script.step.words[0], "FILL.FAIL")
        with self.assertRaises(ValueError):
            script.answer(Send, b"OK")
