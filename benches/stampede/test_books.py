"""Which calls the origin takes for needed."""

import unittest

from origin import Books

TTL_S = 4.0


class BooksTest(unittest.TestCase):
    def setUp(self) -> None:
        self.books = Books(TTL_S)

    def call(self, begin: float, end: float, crashed: bool = False) -> None:
        self.books.begin("key", begin)
        self.books.end("key", self.books.version("key"), crashed, end)

    def counted(self) -> tuple[int, int]:
        return self.books.counts.calls, self.books.counts.needed

    def test_calls_of_a_crowd_are_one_expiry(self) -> None:
        for _ in range(5):
            self.books.begin("key", 10.0)
        for _ in range(5):
            self.books.end("key", 1, False, 10.2)
        self.assertEqual(self.counted(), (5, 1))

    def test_call_after_a_value_was_handed_out_is_superfluous_until_its_next_life(self) -> None:
        self.call(10.0, 10.2)
        self.call(11.1, 11.15)
        self.assertEqual(self.counted(), (2, 1))
        self.call(12.2, 12.3)
        self.assertEqual(self.counted(), (3, 2))

    def test_new_version_needs_a_call_even_while_one_is_open(self) -> None:
        self.books.begin("key", 10.0)
        self.books.bump("key")
        self.books.begin("key", 10.1)
        self.books.end("key", 1, False, 10.2)
        self.books.begin("key", 10.25)
        self.assertEqual(self.counted(), (3, 2))

    def test_value_lost_with_its_caller_leaves_the_next_call_needed(self) -> None:
        self.call(10.0, 10.2, crashed=True)
        self.call(10.3, 10.5)
        self.assertEqual(self.counted(), (2, 2))
        self.assertEqual(self.books.counts.crashes, 1)

    def test_lost_value_is_not_missed_while_another_call_is_open(self) -> None:
        self.books.begin("key", 10.0)
        self.call(10.0, 10.2, crashed=True)
        self.books.begin("key", 10.25)
        self.assertEqual(self.counted(), (3, 1))


if __name__ == "__main__":
    unittest.main()
