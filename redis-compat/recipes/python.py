"""Plays a caller of the recipe in docs/clients/python.md; redis-compat/recipes.rs says what the lines mean."""

import queue
import sys
import threading

from recipe import cached

answers = {}


def caller(number, key):
    def compute():
        print(f"computing {number}", flush=True)
        kind, text = answers[number].get()
        if kind == "fail":
            raise RuntimeError(text)
        return text if kind == "value" else None

    try:
        value = cached(key, compute)
        print(f"got {number} none" if value is None else f"got {number} value {value}", flush=True)
    except RuntimeError as error:
        print(f"got {number} error {error}", flush=True)


for line in sys.stdin:
    what, number, rest = line.rstrip("\n").split(" ", 2)
    if what == "get":
        answers[number] = queue.Queue()
        threading.Thread(target=caller, args=(number, rest), daemon=True).start()
    else:
        answers[number].put((what, rest))
