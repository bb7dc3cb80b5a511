"""The programs of Debian's packages ``prometheus`` and ``prometheus-alertmanager`` that the tests run.

They are required: a missing one fails the tests, because a skipped proof looks like a passed one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "grafana"


def program(*names: str) -> str:
    """Path of the first of the names that is installed."""
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    raise AssertionError(
        f"{names[0]} is not installed; on Debian: apt-get install prometheus prometheus-alertmanager"
    )


def run(name: str, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output is in ``stdout`` and ``stderr``."""
    command: Sequence[str] = [program(name), *map(str, arguments)]
    # These programs live for seconds: most of what Go's collector would free dies with them anyway.
    environment = {"GOGC": "400", **os.environ}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=cwd, env=environment
    )


def output(result: subprocess.CompletedProcess[str]) -> str:
    """All the program said."""
    return result.stdout + result.stderr
