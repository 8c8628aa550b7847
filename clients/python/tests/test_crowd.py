"""64 processes and one key: each time that it expires, the origin is asked once."""

import multiprocessing

import onefill
import redis
from support import LIMIT_S, WithServer, until, waiters

PROCESSES = 64
ROUNDS = 3


def caller(port, begin, end, parked, options):
    """One process: asks once each round."""
    client = redis.Redis(port=port, protocol=2)
    fill = onefill.Fill(client, ttl=100, grace=100, **options)

    def compute():
        # Whoever comes while it computes is parked; whoever comes later finds the value.
        until(lambda: waiters(client, "page") >= parked)
        return client.incr("calls")

    for round_ in range(ROUNDS):
        begin.wait(LIMIT_S)
        client.sadd(f"values {round_}", fill.get("page", compute))
        end.wait(LIMIT_S)


class Crowd(WithServer):
    def play(self, make_old, parked=0, **options):
        """Plays the rounds, with `make_old` after each, and returns the values of each round.

        A computation lasts until so many are `parked` for it.
        """
        fork = multiprocessing.get_context("fork")
        begin, end = fork.Barrier(PROCESSES + 1), fork.Barrier(PROCESSES + 1)
        arguments = (self.server.port, begin, end, parked, options)
        processes = [fork.Process(target=caller, args=arguments) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
            self.addCleanup(process.kill)
        for _ in range(ROUNDS):
            begin.wait(LIMIT_S)
            end.wait(LIMIT_S)
            make_old()
        for process in processes:
            process.join(LIMIT_S)
        self.assertEqual([process.exitcode for process in processes], [0] * PROCESSES)
        self.assertEqual(int(self.server.client.get("calls")), ROUNDS)
        return [{int(value) for value in self.server.client.smembers(f"values {n}")} for n in range(ROUNDS)]

    def test_origin_is_asked_once_for_each_expiry(self):
        def expire():
            self.server.client.pexpire("page", 1)
            until(lambda: not self.server.client.exists("page"))

        self.assertEqual(self.play(expire, PROCESSES // 2, stale=0), [{1}, {2}, {3}])

    def test_origin_is_asked_once_where_the_others_get_the_old_value(self):
        first, *later = self.play(lambda: self.server.client.execute_command("FILL.STALE", "page"))
        self.assertEqual(first, {1})
        for round_, values in enumerate(later, start=2):
            self.assertIn(round_, values)
            self.assertLessEqual(values, {round_ - 1, round_})
