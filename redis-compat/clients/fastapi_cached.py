"""fastapi-cache2 in an application: `fastapi_cached.py HOST PORT`. Its clear of a namespace is a script without KEYS.

Its own list of what it needs asks for a redis-py below 5; it works with the one that the other clients have here.
"""

import asyncio
import importlib.metadata
import sys

import redis.asyncio
from fastapi import FastAPI
from fastapi_cache import FastAPICache
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])

app = FastAPI()
made = []


@app.get("/page/{number}")
@cache(namespace="pages", expire=100)
async def page(number: int):
    made.append(number)
    return {"number": number, "made": len(made)}


@app.get("/brief")
@cache(namespace="brief", expire=1)
async def brief():
    made.append("brief")
    return len(made)


async def ask(path, **headers):
    """Calls the application as a server would; returns the status, the headers and the body."""
    sent, asked = [], [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        return asked.pop() if asked else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "server": ("shop", 80)}
    scope |= {"path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": named}
    await app(scope, receive, send)
    answered = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:])


async def check_second_answer_is_cached(client):
    first, second, other = await ask("/page/1"), await ask("/page/1"), await ask("/page/2")
    equal((first[0], first[1]["x-fastapi-cache"], second[1]["x-fastapi-cache"]), (200, "MISS", "HIT"), "the answers")
    equal((first[2] == second[2], first[2] == other[2], made), (True, False, [1, 2]), "the pages")
    equal(second[1]["cache-control"] in ("max-age=100", "max-age=99"), True, "cache-control")


async def check_what_has_not_changed_is_not_sent(client):
    _, headers, _ = await ask("/page/1")
    status, _, body = await ask("/page/1", if_none_match=headers["etag"])
    equal((status, body, made), (304, b"", [1]), "the answer")


async def check_callers_may_refuse_the_cache(client):
    await ask("/page/1")
    equal([(await ask("/page/1", cache_control=how))[0] for how in ("no-store", "no-cache")], [200, 200], "answers")
    equal(made, [1, 1, 1], "made")


async def check_expiry(client):
    await ask("/brief")
    for _ in deadline():
        if (await ask("/brief"))[1]["x-fastapi-cache"] == "MISS":
            break
        await asyncio.sleep(0.01)
    equal(made, ["brief", "brief"], "made")


async def check_clear_of_a_namespace(client):
    for number in range(20):
        await ask(f"/page/{number}")
    await ask("/brief")
    await client.set("kept", 1)
    equal(await client.dbsize(), 22, "keys")
    await FastAPICache.clear(namespace="pages")
    equal((await client.get("kept"), await client.keys("cached:pages*")), (b"1", []), "keys after clear")
    equal((await ask("/page/1"))[1]["x-fastapi-cache"], "MISS", "the answer after clear")


async def run(check):
    client = redis.asyncio.Redis(host=HOST, port=PORT, db=11)
    await client.flushall()
    made.clear()
    FastAPICache.reset()
    FastAPICache.init(RedisBackend(client), prefix="cached")
    try:
        await check(client)
    finally:
        await client.aclose()


def main():
    report = Report(f"fastapi-cache2 {importlib.metadata.version('fastapi-cache2')}")
    for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
        report.run(name.removeprefix("check_"), lambda: asyncio.run(run(check)))
    return report.close()


sys.exit(main())
