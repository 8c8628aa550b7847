"""Connections by the thousand, and the callers on them."""

import resource
import select
import socket
import time

from servers import Onefill, request

# The server raises its own limit; here the connections need as many descriptors again.
SPARE_FILES = 200
READ_BYTES = 256 * 1024
PATIENCE_S = 60


def allow_files(count):
    """Raises the limit on open files as far as `count` connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


class Server(Onefill):
    """Onefill with room for a crowd and those who look on."""

    def line(self, plan, workers):
        return [*super().line(plan, workers), "--maxclients", str(plan.callers + SPARE_FILES)]


class Crowd:
    """Many connections read together; only the bytes are counted."""

    def __init__(self, port, connections):
        allow_files(connections)
        self.sockets = {}
        self.poll = select.epoll()
        self.buffer = bytearray(READ_BYTES)
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets[connection.fileno()] = connection
        for number, connection in self.sockets.items():
            connection.setblocking(False)
            self.poll.register(number, select.EPOLLIN)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.poll.close()
        for connection in self.sockets.values():
            connection.close()

    def send(self, data):
        """The same bytes on each connection; small enough to go at once."""
        for connection in self.sockets.values():
            connection.send(data)

    def receive(self, expected):
        """Reads until `expected` bytes have come on all connections together."""
        deadline = time.monotonic() + PATIENCE_S
        while expected > 0:
            if time.monotonic() > deadline:
                raise SystemExit(f"{expected} bytes did not come within {PATIENCE_S} s")
            for number, _ in self.poll.poll(1):
                came = self.sockets[number].recv_into(self.buffer)
                if came == 0:
                    raise SystemExit("a connection was closed")
                expected -= came
        if expected < 0:
            raise SystemExit(f"{-expected} bytes more than expected")


class Conn:
    """One connection, one request at a time."""

    def __init__(self, server):
        self.socket = server.connect()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.replies.close()
        self.socket.close()

    def ask(self, *words):
        self.socket.sendall(request(*words))
        return self.reply()

    def reply(self):
        line = self.replies.readline()
        if line.startswith(b"-") or not line:
            raise SystemExit(f"the server answered {line!r}")
        count = int(line[1:]) if line[:1] in b"*$:" else 0
        if line.startswith(b"$"):
            return None if count < 0 else self.replies.read(count + 2)[:-2]
        if line.startswith(b"*"):
            return [self.reply() for _ in range(count)]
        return count if line.startswith(b":") else line[1:-2]

    def lead(self, key):
        """The token of a lease that lasts as long as the measurement."""
        status, _, token, _ = self.ask("FILL.GET", key, "LEASE", 600_000)
        if status != b"LEAD":
            raise SystemExit(f"{key}: {status!r} instead of LEAD")
        return token

    def until_parked(self, key, count):
        """Waits until so many callers are parked for the key, by asking."""
        deadline = time.monotonic() + PATIENCE_S
        while dict(zip(*[iter(self.ask("FILL.INFO", key))] * 2))[b"waiters"] != count:
            if time.monotonic() > deadline:
                raise SystemExit(f"{count} callers did not park within {PATIENCE_S} s")
            time.sleep(0.01)
