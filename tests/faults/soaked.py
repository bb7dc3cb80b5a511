"""The exporter as it is, with one task more that writes down what it holds: run by `tests.faults.soak`.

Usage: ``python -m tests.faults.soaked FILE run …``, where FILE takes one line of JSON every few seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from exporter import app, cli

EVERY = 2.0
"""Seconds."""

_run = app.run


def held() -> dict[str, float]:
    """What this process holds now."""
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    return {
        "mebibytes": int(status["VmRSS"].split()[0]) / 1024,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())) - 1,  # without the one that reads this
        "tasks": len(asyncio.all_tasks()) - 1,  # without the one that asks
        "threads": threading.active_count(),
        "processor_seconds": time.process_time(),
    }


async def _report(file: Path) -> None:
    while True:
        await asyncio.sleep(EVERY)
        with file.open("a") as lines:
            lines.write(json.dumps(held()) + "\n")


async def _watched(*arguments: Any, **options: Any) -> None:
    report = asyncio.create_task(_report(Path(sys.argv[1])))
    try:
        await _run(*arguments, **options)
    finally:
        report.cancel()


if __name__ == "__main__":
    app.run = _watched
    cli.main(sys.argv[2:], prog_name="risk-exporter")
