"""From how many processes on FILL pays, and when a check fails."""

import contextlib
import dataclasses
import io
import unittest
from typing import Any

import findings
from deaths import Recovery
from measure import Outcome
from results import About, Results
from settings import Settings, parse

GOOD = Outcome(
    way="fill",
    processes=1,
    requests=1000,
    calls=40,
    needed=40,
    calls_per_expiry=1.0,
    calls_per_s=10.0,
    crashes=0,
    invalidations=10,
    open_calls_max=5,
    p50_ms=0.3,
    p99_ms=100.0,
    max_ms=200.0,
    unanswered=0,
    stale=0,
    announced_stale=0,
    cpu_us_per_request=30.0,
    round_trips_per_request=1.1,
    connections=10,
    lateness_p99_ms=1.0,
    errors={},
)
ABOUT = About("", "", "", 0.0, "", "", {}, "")


def results(*outcomes: Outcome) -> Results:
    numbers = tuple(sorted({outcome.processes for outcome in outcomes}))
    return Results(ABOUT, Settings(processes=numbers), list(outcomes), [])


def sweep(way: str, field: str, values: dict[int, Any]) -> list[Outcome]:
    rows: list[dict[str, Any]] = [{"way": way, "processes": number, field: value} for number, value in values.items()]
    return [dataclasses.replace(GOOD, **row) for row in rows]


class VerdictTest(unittest.TestCase):
    def verdict(self, field: str, values: dict[int, float]) -> findings.Verdict:
        fill = [dataclasses.replace(GOOD, processes=number) for number in values]
        return findings.verdicts(results(*fill, *sweep("local", field, values)))[0]

    def test_fill_pays_from_where_the_gain_stays(self) -> None:
        verdict = self.verdict("calls_per_expiry", {1: 1.0, 2: 1.3, 4: 1.1, 8: 1.2, 16: 3.0})
        self.assertEqual((verdict.calls_from, verdict.p99_from, verdict.stale), (8, None, 0))
        self.assertEqual(verdict.as_good_at, [1, 4])

    def test_gain_that_ends_is_none(self) -> None:
        self.assertIsNone(self.verdict("calls_per_expiry", {1: 3.0, 2: 3.0, 4: 1.0}).calls_from)

    def test_longer_percentile_counts_from_a_factor_and_a_time(self) -> None:
        self.assertEqual(self.verdict("p99_ms", {1: 119.0, 2: 124.0, 4: 125.0}).p99_from, 4)

    def test_measurement_in_which_the_benchmark_was_late_says_nothing_of_latencies(self) -> None:
        fill = [GOOD, dataclasses.replace(GOOD, processes=2, p99_ms=900.0, lateness_p99_ms=200.0)]
        verdict = findings.verdicts(results(*fill, *sweep("local", "p99_ms", {1: 300.0, 2: 300.0})))[0]
        self.assertEqual((verdict.p99_from, verdict.as_good_at), (1, []))

    def test_stale_reads_count_wherever_they_happened(self) -> None:
        verdict = self.verdict("stale", {1: 3, 2: 0, 4: 2})
        self.assertEqual((verdict.stale, verdict.requests), (5, 3000))
        self.assertIn("no stale reads instead of 5 in 3,000", findings.sentence(verdict))

    def test_longer_wait_after_a_death_is_named(self) -> None:
        deaths = [Recovery(way, 5, first_ms, first_ms, first_ms, 1.0) for way, first_ms in (("fill", 200), ("local", 1500))]
        found = dataclasses.replace(results(GOOD, dataclasses.replace(GOOD, way="local")), recoveries=deaths)
        text = findings.sentence(findings.verdicts(found)[0])
        self.assertIn("the next value 200 ms after a leader's death instead of 1,500", text)

    def test_sentence_names_numbers(self) -> None:
        text = findings.sentence(self.verdict("calls_per_expiry", {1: 1.0, 2: 1.0, 4: 2.0}))
        self.assertIn("fewer origin calls from 4 processes on", text)
        self.assertIn("as good with 1 and 2 processes", text)


class CheckTest(unittest.TestCase):
    def failures(self, **figures: Any) -> list[str]:
        plain = dataclasses.replace(GOOD, way="plain", calls_per_expiry=5.0)
        return findings.failures(results(plain, dataclasses.replace(GOOD, **figures)), 1.1)

    def test_good_figures_pass(self) -> None:
        self.assertEqual(self.failures(), [])

    def test_each_broken_promise_fails(self) -> None:
        broken: list[dict[str, Any]] = [{"calls_per_expiry": 1.2}, {"stale": 1}, {"unanswered": 1}, {"needed": 3}]
        for figures in broken:
            self.assertEqual(len(self.failures(**figures)), 1, figures)


class CommandLineTest(unittest.TestCase):
    def test_options_override_the_quick_form(self) -> None:
        asked = parse(["--quick", "--processes", "4,2", "--ttl-s", "5"], ["plain", "fill"], ".")
        self.assertEqual((asked.settings.processes, asked.settings.ttl_s), ((2, 4), 5))
        self.assertEqual(asked.settings.ways, ("plain", "fill"))

    def test_senseless_options_end_with_a_message(self) -> None:
        senseless = (
            ["--ttl-s", "2"],
            ["--callers", "6000"],
            ["--ways", "magic"],
            ["--rate", "0"],
            ["--check", "--ways", "fill"],
        )
        for line in senseless:
            with self.subTest(line=line), contextlib.redirect_stderr(io.StringIO()) as told, self.assertRaises(SystemExit):
                parse(line, ["plain", "fill"], ".")
            self.assertIn("error:", told.getvalue())


if __name__ == "__main__":
    unittest.main()
