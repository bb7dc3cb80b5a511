"""The programs that read our page and our rules: Prometheus, promtool, Alertmanager, amtool, VictoriaMetrics.

Where releases may differ a test runs with two of them: with what Debian installs (Prometheus 2.42,
Alertmanager 0.25), and with the next one (Prometheus 3, Alertmanager 0.33), which ``make build/newer``
fetches. They are required: a missing one fails the tests, because a skipped proof looks like a passed one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "grafana"
NEWER = ROOT / "build" / "newer" / "bin"

Release = Literal["installed", "newer"]
RELEASES: Final[tuple[Release, ...]] = ("installed", "newer")


def program(*names: str, release: Release = "installed") -> str:
    """Path of the first of the names that is there."""
    for name in names:
        path = shutil.which(name, path=None if release == "installed" else str(NEWER))
        if path is not None:
            return path
    raise AssertionError(
        f"{names[0]} is not installed; on Debian: apt-get install prometheus prometheus-alertmanager"
        if release == "installed"
        else f"{NEWER} has no {names[0]}; `make build/newer` fetches it"
    )


def run(
    name: str, *arguments: str | Path, cwd: Path | None = None, release: Release = "installed"
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output is in ``stdout`` and ``stderr``."""
    command: Sequence[str] = [program(name, release=release), *map(str, arguments)]
    # These programs live for seconds: most of what Go's collector would free dies with them anyway.
    environment = {"GOGC": "400", **os.environ}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=900, check=False, cwd=cwd, env=environment
    )


def output(result: subprocess.CompletedProcess[str]) -> str:
    """All the program said."""
    return result.stdout + result.stderr
