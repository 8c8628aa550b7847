"""redis-cli at a terminal, driven through a pseudo-terminal: `redis_cli_terminal.py HOST PORT`.

Types as a person does and waits for what must appear: hints, completion, help, replies, a transaction's prompt. Prints
what redis-compat/clients.rs reads.
"""

import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
from fcntl import ioctl

from report import Report

HOST, PORT = sys.argv[1], sys.argv[2]
COLUMNS = 200  # hints are cut at the edge
LIMIT_S = 20


class Terminal:
    """A redis-cli at a terminal of its own."""

    def __init__(self, *options):
        self.child, self.file = pty.fork()
        if self.child == 0:
            # A person's own history and settings must not decide what is shown.
            os.environ.update(TERM="xterm", HOME=tempfile.gettempdir(), REDISCLI_RCFILE="/dev/null")
            os.environ.update(REDISCLI_HISTFILE="/dev/null")
            os.environ.pop("REDISCLI_AUTH", None)
            os.execvp("redis-cli", ["redis-cli", "-h", HOST, "-p", PORT, *options])
        ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.shown = ""
        self.see(f"{HOST}:{PORT}> ")

    def type(self, keys):
        """Types these keys, and forgets what was shown before."""
        self.shown = ""
        os.write(self.file, keys.encode())

    def see(self, text):
        """Waits until this text is shown, colours and movements of the cursor left out."""
        while text not in self.shown:
            self.read(text)

    def read(self, awaited="the prompt"):
        ready, _, _ = select.select([self.file], [], [], LIMIT_S)
        if not ready:
            raise AssertionError(f"{awaited!r} is not shown, but {self.shown[-300:]!r}")
        shown = os.read(self.file, 65536).decode(errors="replace")
        self.shown += re.sub(r"\x1b\[[0-9;]*[a-zA-Z]", "", shown)

    def enter(self, line, text):
        """Types a line to its end, and waits for this text and for the prompt after it.

        What is typed before the prompt is there is lost: redis-cli throws it away when it takes the terminal over.
        """
        self.type(f"{line}\r")
        self.see(text)
        while not self.shown.rpartition(text)[2].endswith("> "):
            self.read()

    def close(self):
        """Leaves as a person does, and waits for the end."""
        os.write(self.file, b"\x03quit\r")
        os.waitpid(self.child, 0)
        os.close(self.file)


def check_hints(terminal):
    terminal.type("getrange ")
    terminal.see("getrange key start end")
    terminal.type("k 0 ")
    terminal.see("getrange k 0 end")
    terminal.enter("-1", '""')


def check_hints_of_what_redis_does_not_know(terminal):
    terminal.type("fill.get ")
    terminal.see("key [WAIT wait-ms|NOWAIT] [LEASE lease-ms]")
    terminal.enter("page", "1) LEAD\r\n2) (nil)\r\n3) ")


def check_completion(terminal):
    terminal.type("getr\t")
    terminal.see("GETRANGE key start end")
    terminal.enter(" k 0 0", '""')


def check_help(terminal):
    terminal.enter("help fill.put", "FILL.PUT key token value")
    terminal.enter("help fill.put", "group: fill")
    terminal.enter("help @string", "GETDEL key")


def check_replies_and_prompts(terminal):
    terminal.enter('set k "a\\x00b"', "OK\r\n")
    terminal.enter("get k", '"a\\x00b"\r\n')
    terminal.enter("multi", "OK\r\n")
    terminal.enter("incr n", "(TX)> incr n")
    terminal.enter("exec", "1) (integer) 1")
    terminal.enter("select 5", "OK\r\n")
    terminal.enter("dbsize", f"{PORT}[5]> dbsize")
    terminal.enter("nonsense", "(error) ERR unknown command 'nonsense'")


def version():
    return subprocess.run(["redis-cli", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


def main():
    report = Report(f"redis-cli-terminal {version()}")
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    for options in ([], ["-3"]):
        for name, check in checks:
            subprocess.run(["redis-cli", "-h", HOST, "-p", PORT, "flushall"], capture_output=True, check=True)
            terminal = Terminal(*options)
            report.run(" ".join([*options, name.removeprefix("check_")]), lambda: check(terminal))
            terminal.close()
    return report.close()


sys.exit(main())
