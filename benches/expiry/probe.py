"""Looks at a running server: its counters, and how long a PING waits meanwhile."""

import re
import threading
import time

PING = b"*1\r\n$4\r\nPING\r\n"


class Counters:
    """Figures of a server over one connection that stays open."""

    def __init__(self, server):
        self.server, self.socket = server, server.connect()
        self.replies = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.replies.close()
        self.socket.close()

    def info(self, section):
        self.socket.sendall(b"*2\r\n$4\r\nINFO\r\n$%d\r\n%s\r\n" % (len(section), section.encode()))
        length = int(self.replies.readline()[1:])
        return self.replies.read(length + 2).decode()

    def figure(self, section, name):
        found = re.search(rf"^{name}:([\d.]+)", self.info(section), re.MULTILINE)
        return float(found.group(1)) if found else None

    def expired(self):
        return int(self.figure("stats", "expired_keys"))

    def items(self):
        """Entries that the server holds, dead ones among them."""
        if self.server.protocol == "memcached":
            self.socket.sendall(b"stats\r\n")
            lines = iter(self.replies.readline, b"END\r\n")
            return next(int(line.split()[2]) for line in list(lines) if line.startswith(b"STAT curr_items "))
        found = re.search(r"^db0:keys=(\d+)", self.info("keyspace"), re.MULTILINE)
        return int(found.group(1)) if found else 0


class Pinger(threading.Thread):
    """Sends a PING as soon as the last one is answered; `took` has (end, seconds) of each."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.socket, self.took, self.stops = server.connect(), [], False
        self.start()

    def run(self):
        while not self.stops:
            began = time.time()
            self.socket.sendall(PING)
            self.socket.recv(64)
            end = time.time()
            self.took.append((end, end - began))
            # Leaves the interpreter to the thread that looks at the counters.
            time.sleep(0.0002)

    def stop(self):
        self.stops = True
        self.join()
        self.socket.close()

    def longest_ms(self, since, until):
        """The longest wait of a PING that ended between two times, ms, and the 99.9th percentile."""
        waits = sorted(took for end, took in self.took if since <= end <= until)
        if not waits:
            return 0.0, 0.0
        return waits[-1] * 1000, waits[int(len(waits) * 0.999)] * 1000
