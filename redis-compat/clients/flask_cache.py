"""Flask-Caching's Redis backend doing a day's work: `flask_cache.py HOST PORT`."""

import importlib.metadata
import sys
import time

from flask import Flask
from flask_caching import Cache
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])


def application(prefix):
    config = {
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_HOST": HOST,
        "CACHE_REDIS_PORT": PORT,
        "CACHE_REDIS_DB": 2,
        "CACHE_KEY_PREFIX": prefix,
        "CACHE_DEFAULT_TIMEOUT": 100,
    }
    app = Flask("shop")
    app.config.from_mapping(config)
    return app, Cache(app)


def check_values(cache):
    equal(cache.set("k", {"name": "grün"}), True, "set")
    equal((cache.get("k"), cache.get("none"), cache.has("k"), cache.has("none")), ({"name": "grün"}, None, 1, 0), "get")
    equal((cache.add("k", 1), cache.add("new", 1)), (False, True), "add")
    equal((cache.delete("k"), cache.get("k")), (True, None), "delete")


def check_many(cache):
    cache.set_many({"a": 1, "b": "two"})
    equal((cache.get_many("a", "none", "b"), cache.get_dict("a", "b")), ([1, None, "two"], {"a": 1, "b": "two"}), "get_many")
    cache.delete_many("a", "b")
    equal(cache.get_many("a", "b"), [None, None], "after delete_many")


def check_expiry(cache):
    cache.set("k", "v", timeout=1)
    for _ in deadline():
        if cache.get("k") is None:
            break
        time.sleep(0.01)
    equal(cache.has("k"), 0, "has")


def check_memoize(cache):
    calls = []

    @cache.memoize(100)
    def double(number):
        calls.append(number)
        return number * 2

    equal(([double(4), double(4), double(5)], calls), ([8, 8, 10], [4, 5]), "memoize")
    cache.delete_memoized(double, 4)
    equal(([double(4), double(5)], calls), ([8, 10], [4, 5, 4]), "delete_memoized")


def check_cached_view(cache):
    app, calls = cache.app, []
    with app.test_request_context("/prices"):
        view = cache.cached(timeout=100)(lambda: calls.append(1) or "page")
        equal((view(), view(), calls), ("page", "page", [1]), "cached")


def check_clear_keeps_other_prefixes(cache):
    app, other = application("other:")
    with app.app_context():
        other.set("kept", 1)
    cache.set("gone", 1)
    cache.clear()
    equal(cache.get("gone"), None, "clear")
    with app.app_context():
        equal(other.get("kept"), 1, "what the other prefix holds")


def main():
    report = Report(f"flask-caching {importlib.metadata.version('flask-caching')}")
    app, cache = application("shop:")
    with app.app_context():
        for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
            cache.clear()
            report.run(name.removeprefix("check_"), lambda: check(cache))
    return report.close()


sys.exit(main())
