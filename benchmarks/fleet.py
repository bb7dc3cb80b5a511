"""Fleets of accounts at a venue in another process: whether all are up, how old they are, what it costs.

``python -m benchmarks.fleet`` runs those of `FLEETS`, with three numbers behind it (accounts, interval and
latency, in seconds) one. The exporter runs as it is, with a look at its event loop; it is scraped meanwhile.
"""

# ruff: noqa: T201 - a benchmark talks to the person who runs it
from __future__ import annotations

import json
import re
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.measure import Process, fetched, program, table

POSITIONS = 5
SCRAPED_EVERY = 15.0


class Fleet(Struct, frozen=True):
    """What is asked of the exporter; times in seconds."""

    accounts: int
    interval: float
    latency: float


FLEETS = (
    Fleet(500, 15.0, 0.005),
    Fleet(500, 15.0, 0.15),
    Fleet(2_000, 15.0, 0.005),
    Fleet(2_000, 15.0, 0.15),
    Fleet(5_000, 15.0, 0.005),
    Fleet(5_000, 15.0, 0.15),
    Fleet(10_000, 20.0, 0.005),
    Fleet(10_000, 20.0, 0.05),
    Fleet(10_000, 20.0, 0.15),
    Fleet(30_000, 20.0, 0.05),
)


class Seen(Struct, frozen=True, kw_only=True):
    """What came of it."""

    loading: float
    """Seconds of the processor's time for the configuration."""
    complete: float | None
    """Seconds from listening until all were up; None if they never were."""
    up: float
    """The fewest on any page."""
    ages: list[float]
    """Seconds since the last collection of each account, on the last page, in ascending order."""
    skipped: float
    errors: float
    collections: float
    """In a second."""
    core: float
    """Part of a core that the exporter took."""
    bare_core: float = 0.0
    """The same of asking and decoding alone: see `benchmarks.bare`."""
    venue_core: float
    memory_mb: float
    delay_p99: float
    """Seconds that the event loop was late."""
    delay_max: float
    saturation: float
    effective: list[float]
    """Seconds from one collection to the next as the exporter tells, in ascending order."""


class Page:
    """A page of the exporter, by families."""

    def __init__(self, url: str) -> None:
        self._text = fetched(url).decode()
        self.at = time.time()

    def values(self, family: str) -> list[float]:
        """The values of all samples of a family, in ascending order."""
        found = re.findall(rf"^{family}(?:{{[^}}]*}})? (\S+)$", self._text, re.MULTILINE)
        return sorted(map(float, found))

    def total(self, family: str) -> float:
        """Their sum."""
        return sum(self.values(family))


def configuration(accounts: int, interval: float, url: str) -> str:
    """A file with all accounts, and request budgets that are not in their way."""
    lines = [
        f"collect: {{interval: {interval:g}s}}",
        "budgets: {binance: {per_minute: 1000000000, share: 1}}",
        "accounts:",
    ]
    for number in range(accounts):
        lines += [
            f"  - name: account-{number:05}",
            "    exchange: binance_usdm",
            f"    base_url: {url}",
            f"    api_key: key-{number}",
            f"    api_secret: secret-of-account-{number:05}",
        ]
    return "\n".join(lines) + "\n"


def run(fleet: Fleet, *, seconds: float = 90.0) -> Seen:
    """Watches a fleet for so many seconds from when all are up, or from when they should have been."""
    venue = ["benchmarks.cheap_venue", "--latency", str(fleet.latency), "--positions", str(POSITIONS)]
    with tempfile.TemporaryDirectory() as folder, program([sys.executable, "-m", *venue]) as peer:
        file = Path(folder) / "risk-exporter.yml"
        url = peer.line()
        file.write_text(configuration(fleet.accounts, fleet.interval, url))
        with program([sys.executable, "-m", "benchmarks.observed", str(file)]) as exporter:
            told = json.loads(exporter.line())
            complete = _complete(fleet, told["url"])
            seen = _watched(exporter, peer, told, complete, seconds)
        return replace(seen, bare_core=_bare(fleet, url))


def _bare(fleet: Fleet, url: str) -> float:
    """The part of a core that asking alone takes, of the same venue in the same minutes."""
    arguments = [url, str(fleet.accounts), str(fleet.interval)]
    with program([sys.executable, "-m", "benchmarks.bare", *arguments]) as bare:
        time.sleep(fleet.interval)
        began, used = time.monotonic(), bare.cpu()
        time.sleep(2.0 * fleet.interval)
        return (bare.cpu() - used) / (time.monotonic() - began)


def _complete(fleet: Fleet, url: str) -> float | None:
    """Seconds until all are up; None if they are not after several intervals. Then one interval more."""
    began = time.monotonic()
    complete = None
    while complete is None and time.monotonic() - began < 10 * fleet.interval:
        time.sleep(1.0)
        if Page(url).total("risk_up") == fleet.accounts:
            complete = time.monotonic() - began
    time.sleep(fleet.interval)
    return complete


def _watched(
    exporter: Process, venue: Process, told: dict[str, str], complete: float | None, seconds: float
) -> Seen:
    before = Page(told["url"])
    exporter.signal(signal.SIGUSR1)  # delays are counted from here
    began, used, venue_used, up = time.monotonic(), exporter.cpu(), venue.cpu(), []
    page = before
    while time.monotonic() - began < seconds:
        time.sleep(SCRAPED_EVERY)
        page = Page(told["url"])
        up.append(page.total("risk_up"))
    passed = time.monotonic() - began
    used, venue_used = exporter.cpu() - used, venue.cpu() - venue_used
    memory = exporter.resident_mb()
    exporter.end()
    ended = json.loads(exporter.line())

    def more(family: str) -> float:
        return page.total(family) - before.total(family)

    successes = page.values("risk_collector_last_success_timestamp_seconds")
    return Seen(
        loading=float(told["loading_cpu"]),
        complete=complete,
        up=min(up),
        ages=sorted(page.at - success for success in successes),
        skipped=more("risk_collector_skipped_runs_total"),
        errors=more("risk_collector_errors_total") + more("risk_collector_optional_errors_total"),
        collections=more("risk_collector_runs_total") / passed,
        core=used / passed,
        venue_core=venue_used / passed,
        memory_mb=memory,
        delay_p99=ended["delay_p99"],
        delay_max=ended["delay_max"],
        saturation=page.total("risk_exporter_saturation_ratio"),
        effective=page.values("risk_collector_effective_interval_seconds"),
    )


HEADER = (
    "accounts",
    "every",
    "latency",
    "config",
    "complete",
    "up",
    "age p50",
    "oldest",
    "really every",
    "skipped",
    "errors",
    "of a core",
    "asking alone",
    "a collection",
    "saturation",
    "delay p99",
    "longest",
    "memory",
)


def line(fleet: Fleet, seen: Seen) -> tuple[str, ...]:
    """A fleet as a row of the table."""
    return (
        f"{fleet.accounts:,}",
        f"{fleet.interval:g} s",
        f"{fleet.latency * 1e3:g} ms",
        f"{seen.loading:.2f} s",
        "-" if seen.complete is None else f"{seen.complete:.0f} s",
        f"{seen.up:,.0f}",
        f"{statistics.median(seen.ages):.1f} s" if seen.ages else "-",
        f"{seen.ages[-1]:.1f} s" if seen.ages else "-",
        f"{statistics.median(seen.effective):.1f} s",
        f"{seen.skipped:.0f}",
        f"{seen.errors:.0f}",
        f"{seen.core:.0%}",
        f"{seen.bare_core:.0%}",
        f"{seen.core / seen.collections * 1e3:.2f} ms" if seen.collections else "-",
        f"{seen.saturation:.2f}",
        f"{seen.delay_p99 * 1e3:.0f} ms",
        f"{seen.delay_max * 1e3:.0f} ms",
        f"{seen.memory_mb:.0f} MB",
    )


def main() -> None:
    """Prints a table."""
    given = sys.argv[1:]
    fleets = (Fleet(int(given[0]), float(given[1]), float(given[2])),) if given else FLEETS
    rows = []
    for fleet in fleets:
        rows.append(line(fleet, run(fleet)))
        print(f"{fleet.accounts:,} accounts at {fleet.latency * 1e3:g} ms seen", file=sys.stderr)
    table(HEADER, rows)


if __name__ == "__main__":
    main()
