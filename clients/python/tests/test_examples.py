"""Each example prints what its header says."""

import os
import pathlib
import subprocess
import sys

from support import LIMIT_S, WithServer

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


class Examples(WithServer):
    def test_each_prints_what_it_says(self):
        examples = sorted(EXAMPLES.glob("*.py"))
        self.assertTrue(examples)
        for example in examples:
            with self.subTest(example.name):
                _, _, said = example.read_text().split('"""')[1].partition("Prints:\n")
                ran = subprocess.run(
                    [sys.executable, "-B", str(example)],
                    env={**os.environ, "REDIS_PORT": str(self.server.port)},
                    capture_output=True,
                    text=True,
                    timeout=LIMIT_S,
                )
                lines = [line.strip() for line in said.split("\n")]
                self.assertEqual((ran.stdout.split("\n"), ran.stderr), (lines, ""))
