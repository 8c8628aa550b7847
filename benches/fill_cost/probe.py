"""A GET each millisecond until the standard input closes; prints when each was due and how long after that its reply
was there, in seconds, and the server's CPU time between sending and reply. A request that is sent late because the
one before took long counts from when it was due. The CPU time is what the server did first: it tells how long one
waits also where a busy machine lets nothing be told from the clock. Port and process are the arguments."""

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
            began = time.clock_gettime(server)
            connection.sendall(GET)
            reply = b""
            while len(reply) < len(REPLY):
                reply += connection.recv(64)
            samples.append((due, time.monotonic() - due, time.clock_gettime(server) - began))
    print("\n".join(f"{at:.6f} {took:.6f} {cpu:.6f}" for at, took, cpu in samples))


main(int(sys.argv[1]), int(sys.argv[2]))
