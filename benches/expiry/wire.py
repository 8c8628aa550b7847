"""Talks to a server in large portions: commands made ahead, replies of known length."""

import time

PORTION = 5_000
VALUE = b"v" * 8


class Wire:
    """A connection; a context that closes it."""

    def __init__(self, server):
        self.socket = server.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_all(self, requests, reply):
        """Sends an iterable of requests that are each answered by `reply`, and waits for the answers."""
        portion = []
        for request in requests:
            portion.append(request)
            if len(portion) == PORTION:
                self.exchange(portion, reply)
                portion = []
        if portion:
            self.exchange(portion, reply)

    def exchange(self, portion, reply):
        self.socket.sendall(b"".join(portion))
        expected = reply * len(portion)
        got = bytearray()
        while len(got) < len(expected):
            more = self.socket.recv(1 << 20)
            if not more:
                raise SystemExit("the server closed the connection")
            got += more
        if got != expected:
            raise SystemExit(f"expected {reply!r} for each request, got {bytes(got[:100])!r}")


def sets(protocol, first, count, option=None, number=lambda at: 0):
    """Requests that store keys, with an option and its number for each: PX, EX or PXAT; memcached takes EX alone."""
    for at in range(first, first + count):
        if protocol == "memcached":
            yield b"set k%015d 0 %d 8\r\n%s\r\n" % (at, number(at) if option else 0, VALUE)
        elif option is None:
            yield b"*3\r\n$3\r\nSET\r\n$16\r\nk%015d\r\n$8\r\n%s\r\n" % (at, VALUE)
        else:
            digits = b"%d" % number(at)
            head = b"*5\r\n$3\r\nSET\r\n$16\r\nk%015d\r\n$8\r\n%s\r\n" % (at, VALUE)
            yield head + b"$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(option), option, len(digits), digits)


def stored(protocol):
    """The reply to each of `sets`."""
    return b"STORED\r\n" if protocol == "memcached" else b"+OK\r\n"


def load(server, *what, **more):
    with Wire(server) as wire:
        wire.send_all(sets(server.protocol, *what, **more), stored(server.protocol))


def now_ms():
    return int(time.time() * 1000)
