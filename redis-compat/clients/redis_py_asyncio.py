"""redis-py (asyncio) doing a day's work: `redis_py_asyncio.py HOST PORT`."""

import asyncio
import sys

import redis
import redis.asyncio
from report import Report, deadline, equal, waiters_in

HOST, PORT = sys.argv[1], int(sys.argv[2])


def connect(protocol, **options):
    return redis.asyncio.Redis(host=HOST, port=PORT, protocol=protocol, **options)


async def check_strings(client, _):
    equal(await client.ping(), True, "PING")
    equal(await client.set("k", "v"), True, "SET")
    equal((await client.get("k"), await client.get("none")), (b"v", None), "GET")
    equal(await client.set("k", "w", nx=True), None, "SET NX")
    equal(await client.mset({"a": 1, "b": 2}), True, "MSET")
    equal(await client.mget("a", "none", "b"), [b"1", None, b"2"], "MGET")
    equal((await client.incr("n"), await client.incrby("n", 5)), (1, 6), "INCR")
    equal((await client.append("k", "x"), await client.getdel("k")), (2, b"vx"), "APPEND and GETDEL")


async def check_transaction_pipeline(client, _):
    async with client.pipeline(transaction=True) as pipe:
        equal(await pipe.set("k", "1").incr("k").get("k").get("none").execute(), [True, 2, b"2", None], "EXEC")


async def check_watch_retry_loop(client, _):
    async def count_up():
        for _ in range(20):
            async with client.pipeline() as pipe:
                for _ in deadline():
                    try:
                        await pipe.watch("counter")
                        value = int(await pipe.get("counter") or 0)
                        pipe.multi()
                        pipe.set("counter", value + 1)
                        await pipe.execute()
                        break
                    except redis.WatchError:
                        continue

    await asyncio.gather(*(count_up() for _ in range(4)))
    equal(await client.get("counter"), b"80", "counter after contended transactions")


async def check_expiry(client, _):
    await client.set("k", "v", ex=100)
    equal(99 <= await client.ttl("k") <= 100, True, "TTL")
    equal(await client.pexpire("k", 20), True, "PEXPIRE")
    for _ in deadline():
        if await client.get("k") is None:
            break
        await asyncio.sleep(0.002)
    equal(await client.exists("k"), 0, "EXISTS")


async def check_scan_iter(client, _):
    await client.mset({f"key:{n}": n for n in range(1000)})
    equal(len({key async for key in client.scan_iter(count=50)}), 1000, "scan_iter")
    equal(len({key async for key in client.scan_iter(match="key:99?")}), 10, "scan_iter with match")


async def check_select(client, protocol):
    await client.set("k", "zero")
    other = connect(protocol, db=5)
    await other.set("k", "five")
    equal((await client.get("k"), await other.get("k")), (b"zero", b"five"), "two databases")
    await other.aclose()


async def check_client_name_and_info(_, protocol):
    client = connect(protocol, client_name="worker-7")
    info = await client.client_info()
    equal((info["name"], info["lib-name"].split("(")[0]), ("worker-7", "redis-py"), "CLIENT INFO")
    await client.aclose()


async def check_large_value(client, _):
    value = bytes(range(256)) * (20 * 1024 * 1024 // 256)
    await client.set("large", value)
    equal(await client.get("large") == value, True, "20 MiB come back whole")


async def check_binary_keys(client, _):
    key = bytes(range(256)) + b"\r\n$-1\r\n"
    await client.set(key, b"\x00\xff\r\n")
    equal((await client.get(key), await client.keys("*")), (b"\x00\xff\r\n", [key]), "GET and KEYS")


async def check_errors_are_mapped(client, _):
    await client.set("s", "text")
    for call, text in [
        (client.incr("s"), "value is not an integer or out of range"),
        (client.execute_command("NONSENSE"), "unknown command"),
        (client.set("k", "v", ex=0), "invalid expire time"),
    ]:
        try:
            await call
        except redis.ResponseError as error:
            equal(text in str(error), True, str(error))
        else:
            raise AssertionError(f"no error with {text!r}")


async def check_deep_pipeline(client, _):
    pipe = client.pipeline(transaction=False)
    for n in range(500):
        pipe.set(f"key:{n}", n)
        pipe.get(f"key:{n}")
    equal([int(reply) for reply in (await pipe.execute())[1::2]], list(range(500)), "replies in order")


async def check_many_tasks(client, _):
    async def work(n):
        await client.incr("shared")
        await client.set(f"own:{n}", n)
        return int(await client.get(f"own:{n}"))

    equal(await asyncio.gather(*(work(n) for n in range(80))), list(range(80)), "own keys")
    equal(await client.get("shared"), b"80", "shared counter")


async def check_reconnect_after_kill(client, protocol):
    victim = connect(protocol)
    victim_id = await victim.client_id()
    equal(await client.client_kill_filter(_id=victim_id), 1, "CLIENT KILL")
    equal(await victim.ping(), True, "PING on a new connection")
    await victim.aclose()


async def check_fill_leader_puts_and_others_hit(client, _):
    status, value, token, lease = await client.execute_command("FILL.GET", "page", "WAIT", 200)
    equal((status, value, lease > 0), (b"LEAD", None, True), "a miss")
    equal(await client.execute_command("FILL.PUT", "page", token, "made", "EX", 100), b"OK", "FILL.PUT")
    reply = await client.execute_command("FILL.GET", "page")
    equal(reply[:3], [b"HIT", b"made", None], "the next caller")


async def check_fill_stampede_computes_once(client, _):
    computed = []

    async def compute(own, token):
        computed.append(token)
        # The origin is slow until every other caller is parked.
        for _ in deadline():
            if waiters_in(await own.execute_command("FILL.INFO", "hot")) == 49:
                break
            await asyncio.sleep(0.002)
        equal(await own.execute_command("FILL.PUT", "hot", token, "made"), b"OK", "FILL.PUT")
        return b"made"

    async def caller():
        # A connection for each caller: one that leads must not be lent to another, who would be told SELF.
        async with client.client() as own:
            status, value, token, _ms = await own.execute_command("FILL.GET", "hot", "WAIT", 8000)
            equal(status in (b"LEAD", b"HIT"), True, str(status))
            return value if token is None else await compute(own, token)

    equal(await asyncio.gather(*(caller() for _ in range(50))), [b"made"] * 50, "what the callers got")
    equal(len(computed), 1, "fills")


async def check_fill_none_pass_and_renew(client, _):
    token = (await client.execute_command("FILL.GET", "absent"))[2]
    equal(await client.execute_command("FILL.NONE", "absent", token, "EX", 10), b"OK", "FILL.NONE")
    equal((await client.execute_command("FILL.GET", "absent"))[:3], [b"NONE", None, None], "known not to exist")
    token = (await client.execute_command("FILL.GET", "private"))[2]
    equal(0 < await client.execute_command("FILL.RENEW", "private", token, "LEASE", 1000) <= 1000, True, "FILL.RENEW")
    equal(await client.execute_command("FILL.PASS", "private", token, "PX", 5000), b"OK", "FILL.PASS")
    equal((await client.execute_command("FILL.GET", "private"))[:3], [b"PASS", None, None], "uncacheable")


async def main():
    report = Report(f"redis-py-asyncio {redis.__version__}")
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    for protocol in (2, 3):
        client = connect(protocol)
        for name, check in checks:
            await client.flushall()
            title = f"RESP{protocol} {name.removeprefix('check_')}"
            try:
                await check(client, protocol)
                report.ok(title)
            except Exception as error:  # a check may fail in any way; the others still run
                report.fail(title, error)
        await client.aclose()
    return report.close()


sys.exit(asyncio.run(main()))
