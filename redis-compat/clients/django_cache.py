"""Django's Redis cache backend doing a day's work: `django_cache.py HOST PORT`."""

import sys
import time

import django
from django.conf import settings
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])


def backend(protocol, **options):
    location = f"redis://{HOST}:{PORT}/1?protocol={protocol}"
    return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location, **options}


settings.configure(
    USE_TZ=True,
    CACHES={
        "default": backend(2),
        "resp3": backend(3),
        "prefixed": backend(2, KEY_PREFIX="app", VERSION=2, TIMEOUT=100),
    },
)
django.setup()

from django.core.cache import caches  # noqa: E402: the settings come first


def check_values(cache):
    cache.set("k", {"name": "grün", "list": [1, None]})
    equal((cache.get("k"), cache.get("none"), cache.get("none", 7)), ({"name": "grün", "list": [1, None]}, None, 7), "get")
    equal((cache.add("k", 1), cache.add("new", 1)), (False, True), "add")
    equal(("k" in cache, cache.has_key("none")), (True, False), "has_key")
    equal((cache.delete("k"), cache.delete("k")), (True, False), "delete")


def check_many(cache):
    equal(cache.set_many({"a": 1, "b": "two"}, timeout=100), [], "set_many")
    equal(cache.get_many(["a", "none", "b"]), {"a": 1, "b": "two"}, "get_many")
    cache.delete_many(["a", "b"])
    equal(cache.get_many(["a", "b"]), {}, "after delete_many")


def check_counters(cache):
    cache.set("n", 5)
    equal((cache.incr("n"), cache.decr("n", 3), cache.get("n")), (6, 3, 3), "incr and decr")
    try:
        cache.incr("none")
    except ValueError:
        return
    raise AssertionError("incr of nothing was answered")


def check_expiry(cache):
    cache.set("k", "v", timeout=1)
    equal((cache.touch("k", 100), cache.touch("none", 100)), (True, False), "touch")
    cache.set("now", "v", timeout=0)
    equal(cache.get("now"), None, "with no time to live")
    cache.set("soon", "v", timeout=1)
    for _ in deadline():
        if cache.get("soon") is None:
            break
        time.sleep(0.01)
    equal((cache.get("k"), cache.touch("k", None)), ("v", True), "what was touched")


def check_get_or_set_and_versions(cache):
    equal((cache.get_or_set("k", lambda: 1), cache.get_or_set("k", lambda: 2)), (1, 1), "get_or_set")
    equal((cache.incr_version("k"), cache.get("k"), cache.get("k", version=cache.version + 1)), (cache.version + 1, None, 1), "incr_version")


def check_clear(cache):
    cache.set_many({f"k{n}": n for n in range(100)})
    cache.clear()
    equal(cache.get_many([f"k{n}" for n in range(100)]), {}, "after clear")


def main():
    report = Report(f"django-cache {django.get_version()}")
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    for kind in ("default", "resp3", "prefixed"):
        for name, check in checks:
            caches[kind].clear()
            report.run(f"{kind} {name.removeprefix('check_')}", lambda: check(caches[kind]))
    return report.close()


sys.exit(main())
