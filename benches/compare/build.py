"""Builds the server and the load generator, each by itself: built together they would share the features of their
dependencies, and the server measured would not be the server shipped."""

import os
import subprocess

from plan import ROOT, say


def build(plan):
    parts = [["--example", "load"]]
    if plan.builds_server:
        parts.insert(0, ["--bin", "onefill"])
    for part in parts:
        say(f"cargo build --release {' '.join(part)}")
        environment = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target")}
        line = ["cargo", "build", "--release", "--locked", "--quiet", *part]
        subprocess.run(line, cwd=ROOT, check=True, env=environment)
