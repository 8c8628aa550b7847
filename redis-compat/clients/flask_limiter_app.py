"""Flask-Limiter guards an application: `flask_limiter_app.py HOST PORT`. What counts is limits_strategies.py's."""

import importlib.metadata
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import flask
import redis
from flask_limiter import Limiter
from report import Report, deadline, equal

HOST, PORT = sys.argv[1], int(sys.argv[2])
URI = f"redis://{HOST}:{PORT}/4"


def application(strategy):
    app = flask.Flask("shop")
    limiter = Limiter(
        lambda: flask.request.headers["user"],
        app=app,
        default_limits=["5 per hour"],
        storage_uri=URI,
        strategy=strategy,
        headers_enabled=True,
    )

    @app.route("/")
    def index():
        return "index"

    @app.route("/often")
    @limiter.limit("3 per hour")
    def often():
        return "often"

    @app.route("/orders")
    @limiter.limit("30 per hour")
    def orders():
        return "orders"

    @app.route("/health")
    @limiter.exempt
    def health():
        return "healthy"

    return app, limiter


def asked(app, path, user="ada"):
    return app.test_client().get(path, headers={"user": user})


def check_limit_of_each_user(app, limiter):
    answers = [asked(app, "/") for _ in range(7)]
    equal([answer.status_code for answer in answers], [200] * 5 + [429] * 2, "answers")
    equal([answer.headers["X-RateLimit-Remaining"] for answer in answers], ["4", "3", "2", "1", "0", "0", "0"], "left")
    equal((asked(app, "/", "bob").status_code, asked(app, "/health").status_code), (200, 200), "others")


def check_limit_of_a_route_ends(app, limiter):
    equal([asked(app, "/often").status_code for _ in range(4)], [200, 200, 200, 429], "answers")
    for key in redis.from_url(URI).keys("*often*"):
        redis.from_url(URI).pexpire(key, 20)
    for _ in deadline():
        if asked(app, "/often").status_code == 200:
            return
        time.sleep(0.02)


def check_reset(app, limiter):
    equal([asked(app, "/").status_code for _ in range(6)][-1], 429, "answer")
    limiter.reset()
    equal(asked(app, "/").status_code, 200, "answer after reset")


def check_crowd_gets_no_more_than_the_limit(app, limiter):
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: asked(app, "/orders").status_code, range(60)))
    equal((answers.count(200), answers.count(429)), (30, 30), "answers")


def main():
    report = Report(f"flask-limiter {importlib.metadata.version('flask-limiter')}")
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    for strategy in ("fixed-window", "sliding-window-counter"):
        app, limiter = application(strategy)
        for name, check in checks:
            redis.from_url(URI).flushall()
            report.run(f"{strategy} {name.removeprefix('check_')}", lambda: check(app, limiter))
    return report.close()


sys.exit(main())
