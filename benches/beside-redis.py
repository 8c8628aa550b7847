#!/usr/bin/env python3
"""Onefill beside redis-server: server CPU per operation, both sides in one run.

The question: what does a request cost the server? Each server runs with one thread that executes commands, pinned
to core 0; redis-benchmark runs on core 1 with 50 connections and random keys out of 1,000,000, values of 64 bytes.
CPU is the scheduler's account of all the server's threads (/proc/PID/task/*/schedstat), so a busy machine shifts
both sides alike. Rounds are interleaved, figures are medians; what counts is the ratio.

    cargo build --release && python3 benches/beside-redis.py [--rounds 3] [--tests get,set,...] [--pipelines 1,16,64]
"""

import argparse
import glob
import pathlib
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEYS, KEY, VALUE = 1_000_000, "key:__rand_int__", "x" * 64
COMMANDS = {
    "ping": ["PING"],
    "get": ["GET", KEY],
    "set": ["SET", KEY, VALUE],
    "set_ex": ["SET", KEY, VALUE, "EX", "1000"],
    "incr": ["INCR", "counter:__rand_int__"],
    "exists": ["EXISTS", KEY],
    "mset_10": ["MSET", *[word for _ in range(10) for word in (KEY, VALUE)]],
    "mget_10": ["MGET", *[KEY] * 10],
    "fill_get": ["FILL.GET", KEY],
}
REQUESTS = {1: 200_000, 16: 1_000_000, 64: 2_000_000}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process pinned to core 0."""

    def __init__(self, name, command):
        self.name, self.port = name, free_port()
        line = ["taskset", "-c", "0", *command, "--port", str(self.port), "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    sys.exit(f"{name} did not start")
                time.sleep(0.05)

    def cpu_ns(self):
        tasks = glob.glob(f"/proc/{self.process.pid}/task/*/schedstat")
        return sum(int(pathlib.Path(task).read_text().split()[0]) for task in tasks)

    def fill(self):
        """Stores every key that redis-benchmark may draw, so that reads are hits."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            replies = connection.makefile("rb")
            for first in range(0, KEYS, 1000):
                keys = (b"key:%012d" % number for number in range(first, first + 1000))
                value = VALUE.encode()
                requests = (b"*3\r\n$3\r\nSET\r\n$16\r\n%s\r\n$64\r\n%s\r\n" % (key, value) for key in keys)
                connection.sendall(b"".join(requests))
                if any(replies.readline() != b"+OK\r\n" for _ in range(1000)):
                    sys.exit(f"{self.name} did not take the keys")

    def load(self, words, requests, pipeline):
        """Runs redis-benchmark on core 1; returns the server's CPU per request in microseconds."""
        before = self.cpu_ns()
        line = ["taskset", "-c", "1", "redis-benchmark", "-p", str(self.port), "-c", "50", "-n", str(requests)]
        line += ["-P", str(pipeline), "-r", str(KEYS), "-q", *words]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return (self.cpu_ns() - before) / requests / 1000


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tests", default="get,set,fill_get", help=f"of {','.join(COMMANDS)}")
    options.add_argument("--pipelines", default="1,16,64")
    options.add_argument("--binary", default=str(ROOT / "target/release/onefill"))
    chosen = options.parse_args()
    redis = Server("redis", ["redis-server", "--save", "", "--appendonly", "no"])
    onefill = Server("onefill", [chosen.binary, "--io-threads", "1"])
    try:
        for server in (redis, onefill):
            server.fill()
        print(f"{'test':10} {'-P':>3} {'redis us':>9} {'onefill us':>10} {'ratio':>6}")
        for test in chosen.tests.split(","):
            for pipeline in map(int, chosen.pipelines.split(",")):
                measure(redis, onefill, test, pipeline, chosen.rounds)
    finally:
        for server in (redis, onefill):
            server.process.kill()


def measure(redis, onefill, test, pipeline, rounds):
    """One line of the table. Redis has no FILL.GET: it is held against redis's GET."""
    theirs = COMMANDS["get" if test == "fill_get" else test]
    requests = REQUESTS.get(pipeline, 500_000) // (5 if test.endswith("_10") else 1)
    figures = [(redis.load(theirs, requests, pipeline), onefill.load(COMMANDS[test], requests, pipeline)) for _ in range(rounds)]
    redis_us, onefill_us = (statistics.median(side) for side in zip(*figures))
    print(f"{test:10} {pipeline:3} {redis_us:9.3f} {onefill_us:10.3f} {onefill_us / redis_us:6.2f}", flush=True)


if __name__ == "__main__":
    main()
