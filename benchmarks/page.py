"""What a scrape costs the process that serves it, beside what others serve the same samples with.

``python -m benchmarks.page [SAMPLES]``: over HTTP, as text and gzip, at 200, 20 and 5 positions an account;
processor time of the serving process, all its threads, the system's part included. Pages are asked for more
seldom than one is given twice. client_golang is among them where there is a Go compiler with its packages
(Debian: golang-go golang-github-prometheus-client-golang-dev).
"""

# ruff: noqa: T201 - a benchmark talks to the person who runs it
from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Process, fetched, program, table

SAMPLES = 150_000
POSITIONS = (200, 20, 5)
RUNS = 5
APART = 1.1
"""Seconds between two pages: a large one is given to all who ask within one."""
GO = Path(__file__).parent / "peers" / "client_golang"


def golang(folder: Path) -> list[str] | None:
    """The peer in Go, built; None where that cannot be done."""
    go = shutil.which("go")
    if go is None:
        return None
    binary = folder / "peer"
    sources = {"GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOCACHE": str(folder / "cache")}
    command = ["env", *(f"{name}={value}" for name, value in sources.items()), go, "build", "-o", str(binary)]
    built = subprocess.run(command, cwd=GO, check=False, capture_output=True, text=True)  # noqa: S603
    if built.returncode:
        print(f"client_golang is left out: {built.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return [str(binary)]


def seconds(process: Process, url: str, *, gzip: bool) -> float:
    """The median of what a page costs, in seconds of the processor's time."""
    taken = []
    for _ in range(RUNS):
        before = process.cpu()
        fetched(url, gzip=gzip)
        time.sleep(APART)  # what is done after the last byte counts as well
        taken.append(process.cpu() - before)
    return statistics.median(taken)


def main(samples: int = SAMPLES) -> None:
    """Prints a table for each number of positions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "page.prom"
        peers = {"prometheus-client": [sys.executable, "-m", "benchmarks.peers.with_prometheus_client"]}
        go = golang(folder)
        if go is not None:
            peers["client_golang"] = go
        for positions in POSITIONS:
            own = [sys.executable, "-m", "benchmarks.serving", str(positions), str(samples)]
            found: dict[str, list[float]] = {}
            with program([*own, str(file)]) as process:
                told = json.loads(process.line())
                idle = _idle(process)
                found["risk-exporter"] = [
                    seconds(process, told["url"], gzip=gzip) - idle for gzip in (False, True)
                ]
            for peer, command in peers.items():
                with program([*command, str(file)]) as process:
                    url = process.line()
                    idle = _idle(process)
                    found[peer] = [seconds(process, url, gzip=gzip) - idle for gzip in (False, True)]
            ours = found["risk-exporter"]
            print(
                f"\n{positions} positions an account: {told['accounts']:,} accounts, {told['samples']:,} "
                f"samples, {told['bytes'] / 1e6:.1f} MB; one account is rendered in "
                f"{told['rendering'] * 1e3:.2f} ms"
            )
            table(
                ("", "text", "ratio", "gzip", "ratio"),
                [
                    (
                        peer,
                        f"{text * 1e3:.1f} ms",
                        f"{text / ours[0]:.1f}",
                        f"{gzip * 1e3:.1f} ms",
                        f"{gzip / ours[1]:.1f}",
                    )
                    for peer, (text, gzip) in found.items()
                ],
            )


def _idle(process: Process) -> float:
    """What the process takes in the time between two pages without being asked."""
    time.sleep(APART)
    before = process.cpu()
    time.sleep(APART)
    return process.cpu() - before


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
