"""The exporter as `run` starts it, with a look at its event loop: ``python -m benchmarks.observed FILE``.

Prints one JSON line when it listens, and one when it is ended by SIGTERM.
"""

# ruff: noqa: T201 - it speaks to the process that measures it
from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from exporter import app, descriptors, garbage, logs
from exporter.config import load

PROBE_SECONDS = 0.01


class Delays:
    """How much later than asked the event loop calls back; measured all the time."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._probe()

    def _probe(self) -> None:
        now = self._loop.time()
        self.seconds.append(now - self._due)
        self._due = now + PROBE_SECONDS
        self._loop.call_at(self._due, self._probe)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _told(**values: object) -> None:
    print(json.dumps(values), flush=True)


async def _serve(file: Path) -> None:
    began, cpu_before = time.perf_counter(), _cpu()
    config = load(file)
    logs.hide(config.secrets())
    loading = time.perf_counter() - began
    delays = Delays()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 (this runs in one)
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    # From here on what is measured is the steady state.
    loop.add_signal_handler(signal.SIGUSR1, delays.seconds.clear)

    def listening(urls: Sequence[str]) -> None:
        garbage.settled()
        _told(url=urls[0], loading=loading, loading_cpu=_cpu() - cpu_before)

    with contextlib.suppress(asyncio.CancelledError):
        await app.run(config, ["127.0.0.1:0"], on_listening=listening)
    found = sorted(delays.seconds)
    _told(
        delay_p50=found[len(found) // 2],
        delay_p99=found[len(found) * 99 // 100],
        delay_max=found[-1],
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def main() -> None:
    logs.configure("error", "logfmt")
    descriptors.raise_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
