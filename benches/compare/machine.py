"""The machine: its cores and who gets which, its name for the page."""

import os
import pathlib
import platform
import shutil
import subprocess


class Machine:
    def __init__(self):
        # The second threads of cores last, so that server and load share no core while there is another.
        self.cores = sorted(os.sched_getaffinity(0), key=lambda core: (is_second_thread(core), core))
        seconds = sum(map(is_second_thread, self.cores))
        threads = f", {seconds} of them second threads of a core" if seconds else ""
        self.name = f"{len(self.cores)} × {cpu_model()}{threads}, {memory_gib():.0f} GiB"
        # Before this run adds its own.
        self.load_before = os.getloadavg()[0]
        self.system = f"{distribution()}, Linux {platform.release()}"

    def is_busy(self):
        """Whether others use the machine. Ratios of CPU bear that to some degree, latency and throughput don't."""
        return self.load_before > 0.5

    def split(self, workers):
        """Cores for a server of so many workers and for the load. A machine with too few lends the same to both,
        and then the third value is true: throughput is the machine's, not the server's."""
        if workers < len(self.cores):
            return self.cores[:workers], self.cores[workers:], False
        return self.cores, self.cores, True


def is_second_thread(core):
    siblings = pathlib.Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    # Such as "0,8" or "0-1": the lowest is the first.
    return siblings.exists() and int(siblings.read_text().replace("-", ",").split(",")[0]) != core


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def distribution():
    fields = pathlib.Path("/etc/os-release").read_text().splitlines()
    named = dict(line.split("=", 1) for line in fields if "=" in line)
    return named.get("PRETTY_NAME", "Linux").strip('"')


def has(program):
    return shutil.which(program) is not None


def version_of(line):
    """The first line a program prints about itself."""
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).splitlines()[0]


def commit(root):
    """The commit that is measured, with a + where the server was changed since."""
    def git(*words):
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True).stdout.strip()
    changed = "+" if git("status", "--porcelain", "--", "src", "Cargo.toml", "Cargo.lock") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed
