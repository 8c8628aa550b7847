"""Runs the load generator against a server and reads what it says."""

import json
import resource
import statistics
import subprocess
import sys


class Load:
    """What one run of the generator came to."""

    def __init__(self, said, cpu_ns, loader_cpu_s):
        self.requests, self.seconds, self.misses = said["requests"], said["seconds"], said["misses"]
        self.touched_bytes, self.latency_us = said["touched_bytes"], said["latency_us"]
        self.cpu_us = cpu_ns / 1000 / max(1, self.requests)
        self.cpu_ns = cpu_ns
        self.per_second = self.requests / self.seconds
        # Near 1 per thread: the generator had no time left, so the throughput is its own.
        self.loader_busy = loader_cpu_s / self.seconds


def run(plan, server, cores, command, **options):
    """Runs `command` with the generator's options (their names with _ for -). Ends the program on errors, and on
    reads that miss: a miss costs something else than a hit."""
    # A thread that is moved from core to core loses time: it gets one, unless there are several of both.
    pinned = cores if options.get("threads", 1) > 1 else cores[:1]
    line = ["taskset", "-c", ",".join(map(str, pinned)), plan.loader]
    line += ["--port", str(server.port), "--protocol", server.protocol, "--command", command]
    for name, value in options.items():
        line += [f"--{name.replace('_', '-')}", str(value)]
    before, loader_before = server.cpu_ns(), children_cpu_s()
    done = subprocess.run(line, capture_output=True, text=True)
    cpu_ns, loader_cpu_s = server.cpu_ns() - before, children_cpu_s() - loader_before
    if done.returncode != 0:
        sys.exit(f"{server.name}: {done.stderr.strip()}")
    said = json.loads(done.stdout)
    if said["errors"]:
        sys.exit(f"{server.name} answered {command}: {said['first_error']}")
    if said["misses"]:
        sys.exit(f"{server.name}: {said['misses']} of {said['requests']} {command} missed")
    return Load(said, cpu_ns, loader_cpu_s)


def fill(plan, server, cores, keys, **options):
    """Stores the keys 0 to `keys`, each once, in a pipeline."""
    chosen = {"requests": keys, "keys": keys, "order": "sequential", "connections": 10, "pipeline": 64, **options}
    return run(plan, server, cores, "set", **chosen)


def children_cpu_s():
    """CPU time of the programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median(figures):
    return statistics.median(figures)
