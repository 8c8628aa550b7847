"""redis-py (synchronous) doing a day's work: `redis_py_sync.py HOST PORT`."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import redis
from redis.backoff import NoBackoff
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection
from redis.retry import Retry
from redis.utils import HIREDIS_AVAILABLE
from report import Report, deadline, equal, waiters_in

HOST, PORT = sys.argv[1], int(sys.argv[2])


# The library tries a refused connection again, with growing pauses; a check of the refusal need not wait.
ONCE = {"retry": Retry(NoBackoff(), 0)}


# The library keeps a cache with servers that call themselves 7.4 or later; the protocol of it is older.
CacheProxyConnection.MIN_ALLOWED_VERSION = "7.2.0"


def connect(protocol, **options):
    return redis.Redis(host=HOST, port=PORT, protocol=protocol, **options)


def check_strings(client, _):
    equal(client.ping(), True, "PING")
    equal(client.set("k", "v"), True, "SET")
    equal(client.get("k"), b"v", "GET")
    equal(client.get("none"), None, "GET of nothing")
    equal(client.set("k", "w", nx=True), None, "SET NX")
    equal(client.set("k", "w", xx=True, get=True), b"v", "SET XX GET")
    equal(client.mset({"a": 1, "b": 2}), True, "MSET")
    equal(client.mget("a", "none", "b"), [b"1", None, b"2"], "MGET")
    equal((client.incr("n"), client.incrby("n", 5), client.decr("n")), (1, 6, 5), "INCR")
    equal(client.incrbyfloat("f", 0.1) + client.incrbyfloat("g", 0.2) > 0.29, True, "INCRBYFLOAT")
    equal((client.append("k", "x"), client.strlen("k"), client.getrange("k", 0, 0)), (2, 2, b"w"), "APPEND")
    equal((client.setbit("bits", 7, 1), client.bitcount("bits")), (0, 1), "SETBIT")
    equal(client.getdel("k"), b"wx", "GETDEL")
    equal((client.exists("a", "b", "none"), client.delete("a", "b"), client.unlink("n")), (2, 2, 1), "DEL")
    equal(client.type("f"), b"string", "TYPE")
    equal(client.lcs("f", "g") is not None, True, "LCS")


def check_decoded_responses(_, protocol):
    client = connect(protocol, decode_responses=True)
    client.set("text", "grün")
    equal(client.get("text"), "grün", "GET")
    equal(client.config_get("appendonly"), {"appendonly": "no"}, "CONFIG GET")
    equal(client.keys("text"), ["text"], "KEYS")


def check_transaction_pipeline(client, _):
    with client.pipeline() as pipe:
        replies = pipe.set("k", "1").incr("k").get("k").get("none").execute()
    equal(replies, [True, 2, b"2", None], "EXEC")
    with client.pipeline() as pipe:
        pipe.set("s", "text").incr("s").get("s")
        replies = pipe.execute(raise_on_error=False)
    equal((replies[0], replies[2]), (True, b"text"), "replies around an error")
    equal(isinstance(replies[1], redis.ResponseError), True, "the error among the replies")


def check_watch_retry_loop(client, _):
    rounds, threads = 25, 4

    def count_up():
        def change(pipe):
            value = int(pipe.get("counter") or 0)
            pipe.multi()
            pipe.set("counter", value + 1)

        for _ in range(rounds):
            client.transaction(change, "counter")

    workers = [threading.Thread(target=count_up) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    equal(client.get("counter"), str(rounds * threads).encode(), "counter after contended transactions")


def check_watch_error(client, _):
    with client.pipeline() as pipe:
        pipe.watch("k")
        client.set("k", "theirs")
        pipe.multi()
        pipe.set("k", "mine")
        try:
            pipe.execute()
        except redis.WatchError:
            equal(client.get("k"), b"theirs", "GET")
            return
    raise AssertionError("no WatchError")


def check_expiry(client, _):
    client.set("k", "v", ex=100)
    equal(99 <= client.ttl("k") <= 100, True, "TTL")
    equal((client.persist("k"), client.ttl("k")), (True, -1), "PERSIST")
    equal((client.expireat("k", 33177117420), client.expiretime("k")), (True, 33177117420), "EXPIREAT")
    equal((client.getex("k", px=20), client.ttl("none")), (b"v", -2), "GETEX")
    for _ in deadline():
        if client.get("k") is None:
            break
        time.sleep(0.002)
    equal(client.exists("k"), 0, "EXISTS")


def check_scan_iter(client, _):
    client.mset({f"key:{n}": n for n in range(1000)})
    equal(len(set(client.scan_iter())), 1000, "scan_iter")
    equal(len(set(client.scan_iter(match="key:99?", count=7))), 10, "scan_iter with match")
    equal((client.dbsize(), len(client.keys("key:1*"))), (1000, 111), "DBSIZE and KEYS")
    equal(client.randomkey().startswith(b"key:"), True, "RANDOMKEY")


def check_select(client, protocol):
    client.set("k", "zero")
    other = connect(protocol, db=5)
    other.set("k", "five")
    equal((client.get("k"), other.get("k")), (b"zero", b"five"), "two databases")
    equal(client.swapdb(0, 5), True, "SWAPDB")
    equal((client.get("k"), other.get("k")), (b"five", b"zero"), "after SWAPDB")


def check_client_name_and_info(_, protocol):
    client = connect(protocol, client_name="worker-7")
    equal(client.client_getname() in ("worker-7", b"worker-7"), True, "CLIENT GETNAME")
    equal(client.client_setname("worker-8"), True, "CLIENT SETNAME")
    info = client.client_info()
    equal((info["name"], info["lib-name"].split("(")[0]), ("worker-8", "redis-py"), "CLIENT INFO")
    ids = [int(entry["id"]) for entry in client.client_list()]
    equal(client.client_id() in ids, True, "CLIENT LIST")


def check_server_information(client, _):
    info = client.info()
    equal(info["redis_version"].startswith("7."), True, "redis_version")
    equal(info["loading"], 0, "loading")
    equal(len(client.config_get("save")), 1, "CONFIG GET")
    equal(client.config_get("no-such-parameter"), {}, "CONFIG GET of what is unknown")
    equal(client.command_count() > 50, True, "COMMAND COUNT")
    equal("get" in client.command(), True, "COMMAND")
    keys = [key if isinstance(key, str) else key.decode() for key in client.command_getkeys("MSET", "a", "1", "b", "2")]
    equal(keys, ["a", "b"], "COMMAND GETKEYS")
    equal(abs(client.time()[0] - time.time()) < 60, True, "TIME")


def check_large_value(client, _):
    value = bytes(range(256)) * (20 * 1024 * 1024 // 256)
    client.set("large", value)
    equal(client.strlen("large"), len(value), "STRLEN")
    equal(client.get("large") == value, True, "20 MiB come back whole")
    equal(client.getrange("large", 256, 511), bytes(range(256)), "GETRANGE")


def check_binary_keys(client, _):
    key = bytes(range(256)) + b"\r\n$-1\r\n"
    client.set(key, b"\x00\xff\r\n")
    equal(client.get(key), b"\x00\xff\r\n", "GET")
    equal(list(client.scan_iter()), [key], "SCAN")
    equal(client.rename(key, b"\x00"), True, "RENAME")


def check_errors_are_mapped(client, protocol):
    client.set("s", "text")
    expected = [
        (lambda: client.incr("s"), redis.ResponseError, "value is not an integer or out of range"),
        (lambda: client.execute_command("NONSENSE"), redis.ResponseError, "unknown command"),
        (lambda: client.execute_command("GET"), redis.ResponseError, "wrong number of arguments"),
        (lambda: client.set("k", "v", ex=0), redis.ResponseError, "invalid expire time"),
        (lambda: connect(protocol, password="x", username="nobody", **ONCE).ping(), redis.AuthenticationError, ""),
        (lambda: connect(protocol, db=99, **ONCE).ping(), redis.ResponseError, "DB index is out of range"),
    ]
    for call, kind, text in expected:
        try:
            call()
        except kind as error:
            equal(text in str(error), True, str(error))
        else:
            raise AssertionError(f"no {kind.__name__} with {text!r}")


def check_password(client, protocol):
    client.config_set("requirepass", "secret")
    try:
        equal(connect(protocol, password="secret").ping(), True, "PING with the password")
        try:
            connect(protocol, **ONCE).ping()
        except redis.AuthenticationError:
            return
        raise AssertionError("PING without the password was answered")
    finally:
        client.config_set("requirepass", "")


def check_deep_pipeline(client, _):
    with client.pipeline(transaction=False) as pipe:
        for n in range(500):
            pipe.set(f"key:{n}", n)
            pipe.get(f"key:{n}")
        replies = pipe.execute()
    equal([int(reply) for reply in replies[1::2]], list(range(500)), "replies in order")


def check_many_threads(client, _):
    def work(n):
        for _ in range(50):
            client.incr("shared")
        client.set(f"own:{n}", n)
        return int(client.get(f"own:{n}"))

    with ThreadPoolExecutor(16) as pool:
        equal(list(pool.map(work, range(16))), list(range(16)), "own keys")
    equal(client.get("shared"), b"800", "shared counter")


def check_reconnect_after_kill(client, protocol):
    victim = connect(protocol)
    victim_id = victim.client_id()
    equal(client.client_kill_filter(_id=victim_id), 1, "CLIENT KILL")
    equal(victim.ping(), True, "PING on a new connection")
    equal(victim.client_id() != victim_id, True, "a new id")


def check_fill_leader_puts_and_others_hit(client, _):
    status, value, token, lease = client.execute_command("FILL.GET", "page", "WAIT", 200)
    equal((status, value), (b"LEAD", None), "a miss")
    equal(isinstance(token, bytes) and lease > 0, True, "token and lease")
    equal(client.execute_command("FILL.PUT", "page", token, "made", "EX", 100), b"OK", "FILL.PUT")
    equal(client.execute_command("FILL.PUT", "page", token, "made", "EX", 100), b"DUP", "FILL.PUT again")
    status, value, token, ms = client.execute_command("FILL.GET", "page")
    equal((status, value, token), (b"HIT", b"made", None), "the next caller")
    equal(0 < ms <= 100_000, True, "the TTL left")
    equal(client.get("page"), b"made", "GET")


def check_fill_waiters_are_parked_until_the_put(client, protocol):
    # A leader of its own: the pool would lend its connection to a waiter, who would be told SELF.
    leader = connect(protocol)
    token = leader.execute_command("FILL.GET", "slow")[2]
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(client.execute_command, "FILL.GET", "slow", "WAIT", 4000) for _ in range(8)]
        for _ in deadline():
            if waiters_in(client.execute_command("FILL.INFO", "slow")) == 8:
                break
            time.sleep(0.002)
        equal([call.done() for call in calls], [False] * 8, "parked")
        equal(leader.execute_command("FILL.PUT", "slow", token, "made"), b"OK", "FILL.PUT")
        equal([call.result()[:3] for call in calls], [[b"HIT", b"made", None]] * 8, "what the waiters got")


def check_fill_failure_and_deletion(client, _):
    token = client.execute_command("FILL.GET", "bad")[2]
    equal(client.execute_command("FILL.FAIL", "bad", token, "origin down", "RETRY", 5000), b"OK", "FILL.FAIL")
    equal(client.execute_command("FILL.GET", "bad")[:3], [b"FAIL", b"origin down", None], "the shared failure")
    token = client.execute_command("FILL.GET", "gone")[2]
    client.delete("gone")
    equal(client.execute_command("FILL.PUT", "gone", token, "old"), b"VOID", "FILL.PUT after DEL")
    equal(client.exists("gone"), 0, "nothing stored")


def check_publish_subscribe(client, _):
    with client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("news")
        listener.psubscribe("ne*")
        # Both confirmations are swallowed; from then on messages come.
        for _ in deadline():
            if client.pubsub_numsub("news") == [(b"news", 1)] and client.pubsub_numpat() == 1:
                break
        equal(client.publish("news", "hello"), 2, "PUBLISH")
        got = [next_message(listener) for _ in range(2)]
        equal([(m["type"], m["channel"], m["data"]) for m in got],
              [("message", b"news", b"hello"), ("pmessage", b"news", b"hello")], "the messages")
        listener.unsubscribe()
        listener.punsubscribe()
    for _ in deadline():
        if client.pubsub_channels() == [] and client.pubsub_numpat() == 0:
            break


def check_keyspace_events(client, _):
    client.config_set("notify-keyspace-events", "KEA")
    try:
        with client.pubsub(ignore_subscribe_messages=True) as listener:
            listener.psubscribe("__keyevent@0__:*")
            for _ in deadline():
                if client.pubsub_numpat() == 1:
                    break
            client.set("k", "v", ex=100)
            client.delete("k")
            got = [next_message(listener) for _ in range(3)]
            equal([m["channel"].rsplit(b":", 1)[1] for m in got], [b"set", b"expire", b"del"], "the events")
    finally:
        client.config_set("notify-keyspace-events", "")


def next_message(listener):
    for _ in deadline():
        message = listener.get_message(timeout=1)
        if message:
            return message


def check_client_side_cache(client, protocol):
    if protocol != 3:
        return
    with connect(3, cache_config=CacheConfig()) as cached:
        client.set("k", "one")
        equal((cached.get("k"), cached.get("k")), (b"one", b"one"), "GET")
        equal(cached.get_cache().size, 1, "the cache")
        client.set("k", "two")
        for _ in deadline():
            if cached.get("k") == b"two":
                break


def check_client_side_cache_under_concurrent_writes(client, protocol):
    """Readers and a writer race for each key once in a round; what a cache says afterwards must become true."""
    if protocol != 3:
        return
    keys = [f"k{n}" for n in range(16)]
    # One for each thread: a cache shared by threads reads from connections that other threads are reading from.
    caches = [connect(3, cache_config=CacheConfig()) for _ in range(3)]
    with ThreadPoolExecutor(len(caches) + 1) as pool:
        for n in range(40):
            reads = [pool.submit(lambda c=c: [c.get(key) for key in keys]) for c in caches]
            writes = pool.submit(lambda: [client.set(key, n) for key in keys])
            [work.result(10) for work in [*reads, writes]]
            for cached in caches:
                for key in keys:
                    for _ in deadline(5):
                        if cached.get(key) == str(n).encode():
                            break
    for cached in caches:
        equal(cached.get_cache().size, len(keys), "the cache")
        cached.close()


def main():
    parser = "+hiredis" if HIREDIS_AVAILABLE else ""
    report = Report(f"redis-py-sync{parser} {redis.__version__}")
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    for protocol in (2, 3):
        client = connect(protocol)
        for name, check in checks:
            client.flushall()
            title = f"RESP{protocol} {name.removeprefix('check_')}"
            try:
                check(client, protocol)
                report.ok(title)
            except Exception as error:  # a check may fail in any way; the others still run
                report.fail(title, error)
    return report.close()


sys.exit(main())
