"""Cache servers: each is started on a free port with nothing but what the comparison needs, and ended."""

import glob
import os
import pathlib
import socket
import subprocess
import sys
import time

CONNECTIONS = 12_000


def commands(kind: str, port: int, onefill: str) -> list[str]:
    """The command line that starts a server of this kind."""
    if kind == "redis":
        line = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        return [*line, "--maxclients", str(CONNECTIONS)]
    if kind == "memcached":
        line = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-c", str(CONNECTIONS)]
        return line + (["-u", "root"] if os.geteuid() == 0 else [])
    return [onefill, "--bind", "127.0.0.1", "--port", str(port), "--maxclients", str(CONNECTIONS)]


def version(kind: str, onefill: str) -> str:
    """What a server says of its version, in one line."""
    line = {"redis": ["redis-server", "-v"], "memcached": ["memcached", "-V"]}.get(kind, [onefill, "--version"])
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip().split(" sha=")[0]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A running server. Use as a context manager: it ends with the block."""

    def __init__(self, kind: str, onefill: str) -> None:
        self.port = _free_port()
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(commands(kind, self.port, onefill), stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + 10
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                sys.exit(f"{kind} did not start")
            time.sleep(0.02)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def cpu_s(self) -> float:
        """CPU time of all its threads since its start, as the scheduler accounts for it."""
        tasks = glob.glob(f"/proc/{self._process.pid}/task/*/schedstat")
        return sum(int(pathlib.Path(task).read_text().split()[0]) for task in tasks) / 1e9

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False
