"""What a run found, as JSON and back: the page and the picture are made from this alone."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform
import subprocess
from importlib.metadata import version
from typing import Any

import servers
from deaths import Recovery
from measure import Outcome
from settings import Settings


@dataclasses.dataclass(frozen=True)
class About:
    """Where, when and with what a run was made."""

    date: str
    command: str
    machine: str
    load_before: float
    python: str
    libraries: str
    servers: dict[str, str]
    commit: str


@dataclasses.dataclass(frozen=True)
class Results:
    about: About
    settings: Settings
    outcomes: list[Outcome]
    recoveries: list[Recovery]

    def outcome(self, way: str, processes: int) -> Outcome:
        return next(o for o in self.outcomes if (o.way, o.processes) == (way, processes))

    def ways(self) -> list[str]:
        return list(dict.fromkeys(outcome.way for outcome in self.outcomes))


def about(command: str, onefill: str, root: str) -> About:
    """Looks around. The load is that of the machine before the run begins."""
    return About(
        date=datetime.date.today().isoformat(),
        command=command,
        machine=f"{os.cpu_count()} cores, {_cpu_model()}, Linux {platform.release()}",
        load_before=os.getloadavg()[0],
        python=platform.python_version(),
        libraries=f"redis-py {version('redis')}, hiredis {version('hiredis')}, uvloop {version('uvloop')}",
        servers={kind: servers.version(kind, onefill) for kind in ("redis", "memcached", "onefill")},
        commit=_commit(root),
    )


def save(results: Results, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dataclasses.asdict(results), indent=1) + "\n")


def load(path: pathlib.Path) -> Results:
    """Raises OSError, ValueError, KeyError or TypeError when the file is not what `save` wrote."""
    found = json.loads(path.read_text())
    chosen: dict[str, Any] = found["settings"]
    # JSON has no tuples.
    chosen.update({name: tuple(chosen[name]) for name in ("processes", "ways")})
    return Results(
        About(**found["about"]),
        Settings(**chosen),
        [Outcome(**outcome) for outcome in found["outcomes"]],
        [Recovery(**recovery) for recovery in found["recoveries"]],
    )


def _cpu_model() -> str:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit(root: str) -> str:
    """The commit in the working tree; the binary is whatever was built last."""
    line = ["git", "-C", root, "rev-parse", "--short", "HEAD"]
    found = subprocess.run(line, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
