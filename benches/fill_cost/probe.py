"""A GET each millisecond until the standard input closes; prints when each was due, how long after that its reply
was there, the server's CPU time between sending and reply, and the time between these, all in seconds.
A request that is sent late because the one before took long counts from when it was due. The CPU time is what the
server did first: it tells how long one waits also where a busy machine lets nothing be told from the clock. Port and
process are the arguments."""

import select
import socket
import sys
import time

PERIOD_S = 0.001
GET, REPLY = b"*2\r\n$3\r\nGET\r\n$5\r\nother\r\n", b"$1\r\nx\r\n"


def main(port, pid):
    # The CPU clock of another process, as clock_getcpuclockid(3) makes it.
    server = (~pid << 3) | 2
    samples = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due, until = time.monotonic(), None
        # A stall at the end is counted too: what was due before the input closed is asked.
        while until is None or due < until:
            if until is None and select.select([sys.stdin], [], [], 0)[0]:
                until = time.monotonic()
            due += PERIOD_S
            time.sleep(max(0, due - time.monotonic()))
            began, sent = time.clock_gettime(server), time.monotonic()
            connection.sendall(GET)
            reply = b""
            while len(reply) < len(REPLY):
                reply += connection.recv(64)
            now = time.monotonic()
            samples.append((due, now - due, time.clock_gettime(server) - began, now - sent))
    print("\n".join(" ".join(f"{figure:.6f}" for figure in sample) for sample in samples))


main(int(sys.argv[1]), int(sys.argv[2]))
