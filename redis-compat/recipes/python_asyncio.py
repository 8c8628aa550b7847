"""Plays a caller of the recipe in docs/clients/python-asyncio.md; redis-compat/recipes.rs says what the lines mean."""

import asyncio
import sys

from recipe import cached


async def caller(number, key, answers):
    async def compute():
        print(f"computing {number}", flush=True)
        kind, text = await answers.get()
        if kind == "fail":
            raise RuntimeError(text)
        return text if kind == "value" else None

    try:
        value = await cached(key, compute)
        print(f"got {number} none" if value is None else f"got {number} value {value}", flush=True)
    except RuntimeError as error:
        print(f"got {number} error {error}", flush=True)


async def main():
    answers, tasks = {}, set()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        what, number, rest = line.rstrip("\n").split(" ", 2)
        if what == "get":
            answers[number] = asyncio.Queue()
            tasks.add(asyncio.create_task(caller(number, rest, answers[number])))
        else:
            answers[number].put_nowait((what, rest))


asyncio.run(main())
