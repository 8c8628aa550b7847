"""The servers: started on a free port, pinned to cores, with what the system knows of their CPU and memory."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

from machine import has, version_of

START_S = 10


class Server:
    """A running server; a context that ends it."""

    name = protocol = ""

    def __init__(self, plan, cores, workers=1):
        self.port = free_port()
        self.cores = cores
        pinned = ",".join(map(str, cores))
        line = ["taskset", "-c", pinned, *self.line(plan, workers)]
        self.process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.connect().close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.process.kill()
                    sys.exit(f"{self.name} did not start: {' '.join(line)}")
                time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def line(self, plan, workers):
        """Program and arguments."""
        raise NotImplementedError

    def connect(self, timeout=600):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def cpu_ns(self):
        """CPU time of all threads so far, as the scheduler counts it."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total

    def resident(self):
        """Bytes of memory that are really there."""
        pages = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def ask(self, *words):
        """One request, its reply's bytes: a line, or the value of a bulk string."""
        with self.connect() as connection, connection.makefile("rb") as replies:
            connection.sendall(request(*words))
            first = replies.readline()
            return replies.read(int(first[1:])) if first.startswith(b"$") else first.strip()

    def timed(self, *words):
        """Seconds until the reply to one request, on a connection of its own; the reply is one line."""
        with self.connect() as connection, connection.makefile("rb") as replies:
            began = time.monotonic()
            connection.sendall(request(*words))
            reply = replies.readline()
            took = time.monotonic() - began
            if reply.startswith(b"-"):
                sys.exit(f"{self.name} answered {words[0]} with {reply!r}")
            return took

    def used_memory(self):
        """What the server itself says it uses, bytes."""
        info = self.ask("INFO", "memory").decode()
        return int(re.search(r"^used_memory:(\d+)", info, re.MULTILINE).group(1))


class Onefill(Server):
    name, protocol = "Onefill", "resp"

    def line(self, plan, workers):
        return [plan.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--io-threads", str(workers)]

    @staticmethod
    def version(plan):
        return version_of([plan.binary, "--version"])


class Redis(Server):
    name, protocol = "redis-server", "resp"

    def line(self, plan, workers):
        line = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        if workers > 1:
            line += ["--io-threads", str(workers), "--io-threads-do-reads", "yes"]
        return line

    @staticmethod
    def version(_):
        return "redis-server " + re.search(r"v=(\S+)", version_of(["redis-server", "--version"])).group(1)


class Memcached(Server):
    name, protocol = "memcached", "memcached"

    def line(self, plan, workers):
        line = ["memcached", "-p", str(self.port), "-l", "127.0.0.1", "-U", "0", "-t", str(workers), "-m", "16384"]
        # As root it wants to be told which user to become.
        return line + (["-u", "root"] if os.getuid() == 0 else [])

    def used_memory(self):
        """Bytes in its items. It allocates whole pages of them, which shows in the resident size alone."""
        with self.connect() as connection, connection.makefile("rb") as replies:
            connection.sendall(b"stats\r\n")
            for line in iter(replies.readline, b"END\r\n"):
                if line.startswith(b"STAT bytes "):
                    return int(line.split()[2])
        sys.exit("memcached's stats have no bytes")

    @staticmethod
    def version(_):
        return version_of(["memcached", "--version"])


def sides(*kinds):
    """Those of the kinds that are installed. Onefill and redis-server must be."""
    if not has("redis-server"):
        sys.exit("redis-server is not installed (apt install redis-server)")
    return [kind for kind in kinds if kind is not Memcached or has("memcached")]


def request(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
