"""What a start costs, in seconds of the processor's time: the version, and configurations of many accounts.

``python -m benchmarks.startup``; medians of several runs, each in a process of its own.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.fleet import configuration
from benchmarks.measure import table

RUNS = 5
ACCOUNTS = (500, 2_000, 10_000)
VENUE = "http://127.0.0.1:9"
"""Nothing is asked of it."""


def seconds(*arguments: str) -> float:
    """The median of what the program takes with these arguments."""
    taken = []
    for _ in range(RUNS):
        before = _children()
        subprocess.run(  # noqa: S603 (our own program)
            [sys.executable, "-m", "exporter", *arguments], check=True, stdout=subprocess.DEVNULL
        )
        taken.append(_children() - before)
    return statistics.median(taken)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Prints a table."""
    rows = [
        ("--version", f"{seconds('--version'):.2f} s"),
        ("run --help", f"{seconds('run', '--help'):.2f} s"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for accounts in ACCOUNTS:
            file = Path(folder) / "risk-exporter.yml"
            file.write_text(configuration(accounts, 15.0, VENUE))
            taken = seconds("check-config", str(file))
            rows.append((f"check-config of {accounts:,} accounts", f"{taken:.2f} s"))
    table(("", "processor"), rows)


if __name__ == "__main__":
    main()
