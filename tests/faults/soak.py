"""Minutes of chaos at fast intervals: what the exporter holds stays flat, and nothing in its log is a defect.

``python -m tests.faults.soak [--minutes N] [--seed N]``. The exporter runs as a process of its own, with an
interval of two seconds; the stand-ins and their faults, and a reader of its page, run in this one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import structlog
import yaml

from exporter import demo
from exporter.demo import Market, Server, VenueSimulator, chaos
from exporter.demo.binance import BinanceSimulator
from exporter.venues import budgets_of, discover
from tests.fuzz.pages import unreadable

INTERVAL, TIMEOUT, MAX_AGE = "2s", "2s", "6s"
PAUSE, LENGTH = (0.5, 6.0), (0.5, 8.0)
"""Seconds between two faults of a venue, and of a fault."""
READ_EVERY = 1.0
"""Seconds between two readings of the page."""
STOPS_WITHIN = 5.0
LEAST_UP = 0.2
"""The part of the accounts that is up, on average: where all are silent nothing could grow."""
ROOM = {"mebibytes": 8.0, "descriptors": 12.0, "tasks": 12.0, "threads": 2.0}
"""By how much the last quarter may hold more than the second, in the middle."""
MOST_LINES = 12
"""Log lines about one account in a minute: it fails and recovers every few seconds."""

DEFECTS = ("Traceback", "exception=", "reason=internal", "never retrieved", "level=critical")
"""Words of the log that tell of one."""


@dataclass
class Soaked:
    """What was seen."""

    held: list[dict[str, float]] = field(default_factory=list)
    up: list[float] = field(default_factory=list)
    """The share of accounts that are up, at each reading."""
    faults: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    log: str = ""
    accounts: int = 0
    minutes: float = 0.0
    stopped_in: float = 0.0


def complaints(seen: Soaked) -> list[str]:
    """What is wrong; empty if nothing."""
    found = list(seen.unreadable[:5])
    quarter = len(seen.held) // 4
    if quarter < 3:
        return [*found, f"only {len(seen.held)} looks at the process: too few to judge"]
    for name, room in ROOM.items():
        early, late = (
            statistics.median(held[name] for held in part)
            for part in (seen.held[quarter : 2 * quarter], seen.held[3 * quarter :])
        )
        if late > early + room:
            found.append(f"{name} grew from {early:.0f} to {late:.0f}")
    found += [f"in the log: {word}" for word in DEFECTS if word in seen.log]
    lines = seen.log.count("\n")
    if lines > MOST_LINES * seen.accounts * max(1.0, seen.minutes):
        found.append(f"{lines} log lines in {seen.minutes:.1f} minutes about {seen.accounts} accounts")
    if not seen.up or statistics.mean(seen.up) < LEAST_UP:
        found.append(f"fewer than {LEAST_UP:.0%} of the accounts were up: that shows nothing")
    if seen.stopped_in > STOPS_WITHIN:
        found.append(f"it took {seen.stopped_in:.1f} s to stop")
    return found


def table(seen: Soaked) -> str:
    """What was seen, minute by minute."""
    rows: list[tuple[str, ...]] = [("minute", "MiB", "descriptors", "tasks", "threads", "processor", "up")]
    parts = max(1, round(seen.minutes)) if seen.minutes >= 2 else 4
    for part in range(parts):
        held, up = _slice(seen.held, part, parts), _slice(seen.up, part, parts)
        if held and up:
            spent = (held[-1]["processor_seconds"] - held[0]["processor_seconds"]) * parts / 60 / seen.minutes
            names = ("mebibytes", "descriptors", "tasks", "threads")
            middles = [f"{statistics.median(one[name] for one in held):.0f}" for name in names]
            minute = f"{(part + 1) * seen.minutes / parts:.1f}"
            rows.append((minute, *middles, f"{spent:.0%}", f"{statistics.mean(up):.0%}"))
    return "\n".join("  ".join(f"{cell:>11}" for cell in row) for row in rows)


def _slice(values: Sequence[Any], part: int, parts: int) -> Sequence[Any]:
    return values[len(values) * part // parts : len(values) * (part + 1) // parts]


async def soak(minutes: float, seed: int, folder: Path) -> Soaked:
    """Runs it; files of the exporter are in `folder`."""
    seen = Soaked(minutes=minutes)
    async with AsyncExitStack() as stack:
        # What respects a ban does nothing for minutes: a second set of stand-ins bans nobody.
        venues, entries = await _venues(stack, "127.0.0.1", "banning")
        busy, more = await _venues(stack, "127.0.0.2", "busy")
        entries += more
        seen.accounts = len(entries)
        config, report, log = folder / "risk-exporter.yml", folder / "held.jsonl", folder / "log"
        config.touch(mode=0o600)
        config.write_text(
            yaml.safe_dump(
                {
                    "collect": {"interval": INTERVAL, "timeout": TIMEOUT, "max_age": MAX_AGE},
                    # At these intervals the accounts do not fit into the venues' limits.
                    "budgets": {name: {"per_minute": 1e6} for name in budgets_of(discover())},
                    "accounts": entries,
                }
            )
        )
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.soaked", report, "run", f"--config.file={config}"),
                "--web.listen-address=127.0.0.1:0",
                stdout=output,
                stderr=output,
            )
        lines = stack.enter_context(structlog.testing.capture_logs())
        monkeys = [
            asyncio.create_task(chaos.run(those, seed, pause=PAUSE, length=LENGTH, without=without))
            for those, without in ((venues, ()), (busy, chaos.SILENCING))
        ]
        try:
            await _read(await _url(log), seen, minutes * 60)
        finally:
            if process.returncode is None:
                began = time.monotonic()
                process.terminate()
                await process.wait()
                seen.stopped_in = time.monotonic() - began
            for monkey in monkeys:
                monkey.cancel()
            await asyncio.wait(monkeys)
            seen.log = _text(log)
        seen.faults.update(line["fault"] for line in lines if line["event"] == "fault begins")
        seen.held = [json.loads(line) for line in _text(report).splitlines()]
    return seen


async def _venues(
    stack: AsyncExitStack, host: str, prefix: str
) -> tuple[list[VenueSimulator], list[dict[str, object]]]:
    market = Market(seed=1)
    venues: list[VenueSimulator] = []
    entries: list[dict[str, object]] = []
    for stand_in in demo.discover().values():
        server = await stack.enter_async_context(Server(stand_in(market), host=host))
        venue = server.simulator
        if isinstance(venue, BinanceSimulator):
            # Its accounts would use the weight of a minute up in half of one, at these intervals.
            venue.weights.limit = 1_000_000
        venues.append(venue)
        accounts = venue.demo_accounts(server.base_url)
        entries += [{**entry, "name": f"{prefix}-{entry['name']}"} for entry in accounts]
    return venues, entries


async def _url(log: Path) -> str:
    for _ in range(600):
        await asyncio.sleep(0.05)
        if (match := re.search(r"url=(\S+)", _text(log))) is not None:
            return match[1]
    raise RuntimeError(f"the exporter does not listen; its log:\n{_text(log)}")


def _text(file: Path) -> str:
    return file.read_text()


async def _read(url: str, seen: Soaked, seconds: float) -> None:
    """Reads the page as Prometheus does, and as slower readers do, until the time is over."""
    formats = ("text/plain", "application/openmetrics-text;version=1.0.0")
    end, turn = time.monotonic() + seconds, 0
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < end:
            await asyncio.sleep(READ_EVERY)
            turn += 1
            async with session.get(url, headers={"Accept": formats[turn % 2]}) as answer:
                page = await answer.text()
            seen.unreadable += unreadable(page, openmetrics=bool(turn % 2))
            up = re.findall(r"^risk_up\{.*\} (\S+)$", page, re.MULTILINE)
            seen.up.append(up.count("1.0") / max(1, len(up)))


def main() -> int:
    """Prints the table; the exit status is 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(soak(given.minutes, given.seed, Path(folder)))
    _say(table(seen))
    _say(f"{sum(seen.faults.values())} faults: {dict(seen.faults.most_common())}")
    _say(f"{seen.log.count(chr(10))} log lines, stopped in {seen.stopped_in:.1f} s")
    wrong = complaints(seen)
    _say("\n".join(wrong) or "flat, and no defect in the log")
    if wrong:
        _say(seen.log[-4000:])
    return 1 if wrong else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (this is a command)


if __name__ == "__main__":
    sys.exit(main())
