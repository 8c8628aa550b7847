"""Tasks of asyncio get the old price at once, while one of them fetches the new one behind their backs.

Prints:
    before: 1
    while it is fetched: 1, 1, 1
    afterwards: 2
"""

import asyncio
import itertools
import os

import onefill
import redis.asyncio


async def main():
    prices, may_fetch = itertools.count(1), asyncio.Event()
    cache = redis.asyncio.Redis(port=int(os.environ.get("REDIS_PORT", 6379)))
    fill = onefill.AsyncFill(cache, prefix="shop:", ttl=60, grace=30, background=True)

    async def fetch():
        await may_fetch.wait()
        return next(prices)

    async def price():
        return await fill.get("price", fetch)

    await fill.invalidate("price")
    may_fetch.set()
    print(f"before: {await price()}")
    may_fetch.clear()
    await fill.stale("price")
    print(f"while it is fetched: {await price()}, {await price()}, {await price()}")
    may_fetch.set()
    while await price() == 1:
        await asyncio.sleep(0.001)
    print(f"afterwards: {await price()}")
    await fill.close()
    await cache.aclose()


asyncio.run(main())
