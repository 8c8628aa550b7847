"""A crowd is answered: the server's CPU time beside that of a loop that only sends the bytes, and what another
connection feels of it meanwhile."""

import os
import pathlib
import statistics
import subprocess
import sys
import time

from clients import Conn, Crowd, Server
from plan import say
from servers import Server as AnyServer, request

WAIT_MS = 60_000
HERE = pathlib.Path(__file__).resolve().parent
# Of a reply: `*4\r\n+HIT\r\n` `$…\r\n` value `\r\n` `$-1\r\n` `:-1\r\n`
BEFORE, AFTER = b"*4\r\n+HIT\r\n", b"\r\n$-1\r\n:-1\r\n"
# Until the probe has its first hundreds of quiet samples, and the server rests.
SETTLE_S = 0.3
CROWD_NICE = 10
# Of server and probe, where that is allowed: what else runs on the machine disturbs them less.
NICE = -15


class Floor(AnyServer):
    """A loop that sends the bytes of the same replies when told to, and does nothing else (floor.py)."""

    name = "floor"

    def line(self, plan, workers):
        length = len(BEFORE) + len(b"$%d\r\n" % plan.value_bytes) + plan.value_bytes + len(AFTER)
        return [sys.executable, str(HERE / "floor.py"), str(self.port), str(length)]


def measure(plan):
    """Medians of the rounds; times in milliseconds."""
    server_cores, load_cores, _ = plan.machine.split(1)
    os.sched_setaffinity(0, load_cores)
    # The crowd gives way to the probe on their common cores.
    os.nice(CROWD_NICE)
    rounds = [one_round(plan, server_cores) for _ in range(plan.rounds)]
    result = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    result["beyond_ms"] = result["publish_ms"] - result["floor_ms"]
    say(", ".join(f"{name} {figure:.1f}" for name, figure in result.items()))
    return result


def one_round(plan, cores):
    value = b"v" * plan.value_bytes
    reply_bytes = len(BEFORE) + len(b"$%d\r\n" % len(value)) + len(value) + len(AFTER)
    result = {}
    with Floor(plan, cores) as floor, Crowd(floor.port, plan.callers) as crowd:
        began = floor.cpu_ns()
        with floor.connect() as go:
            go.sendall(b"GO")
            crowd.receive(reply_bytes * plan.callers)
        result["floor_ms"] = (floor.cpu_ns() - began) / 1e6
    with Server(plan, cores) as server, Conn(server) as leader, Crowd(server.port, plan.callers) as crowd:
        prefer(server.process.pid)
        leader.ask("SET", "other", "x")
        token = leader.lead("k")
        began = server.cpu_ns()
        crowd.send(request("FILL.GET", "k", "WAIT", WAIT_MS))
        leader.until_parked("k", plan.callers)
        result["park_ms"] = (server.cpu_ns() - began) / 1e6
        with Probe(server) as probe:
            time.sleep(SETTLE_S)
            began, began_at = server.cpu_ns(), time.monotonic()
            leader.ask("FILL.PUT", "k", token, value)
            crowd.receive(reply_bytes * plan.callers)
            until = time.monotonic()
            result["publish_ms"] = (server.cpu_ns() - began) / 1e6
            result["seconds"] = until - began_at
        result.update(probe.figures(began_at, until))
        began = server.cpu_ns()
        crowd.send(request("GET", "k"))
        crowd.receive((reply_bytes - len(BEFORE) - len(AFTER) + 2) * plan.callers)
        result["gets_ms"] = (server.cpu_ns() - began) / 1e6
    return result


def prefer(pid):
    """Gives a process, all its threads, the first turn; or at least no later one than others get."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            os.setpriority(os.PRIO_PROCESS, int(task.name), NICE)
        except PermissionError:
            return


class Probe:
    """Another connection: a GET each millisecond, on a process of its own (probe.py)."""

    def __init__(self, server):
        self.process = subprocess.Popen([sys.executable, str(HERE / "probe.py"), str(server.port),
                                         str(server.process.pid)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        prefer(self.process.pid)
        self.samples = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        for line in self.process.stdout:
            self.samples.append(tuple(map(float, line.split())))
        self.process.wait()

    def figures(self, begin, end):
        """Latencies of the requests that were due in that time, ms; and before it, at rest."""
        during = sorted(took * 1e3 for at, took, _, _ in self.samples if begin <= at < end)
        rest = sorted(took * 1e3 for at, took, _, _ in self.samples if at < begin)
        sent = sorted(sent * 1e3 for at, _, _, sent in self.samples if begin <= at < end)
        # The kernel adds up a running process's time at its ticks: no more was spent than time passed.
        cpu = sorted(min(cpu, sent) * 1e3 for at, _, cpu, sent in self.samples if begin <= at < end)
        return {"probes": len(during), "rest_p99_ms": quantile(rest, 0.99), "p50_ms": quantile(during, 0.5),
                "p99_ms": quantile(during, 0.99), "max_ms": during[-1],
                "sent_p50_ms": quantile(sent, 0.5), "sent_p99_ms": quantile(sent, 0.99), "sent_max_ms": sent[-1],
                "cpu_p50_ms": quantile(cpu, 0.5), "cpu_p99_ms": quantile(cpu, 0.99), "cpu_max_ms": cpu[-1]}


def quantile(ascending, share):
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]
