"""The demo in time that jumps, and what the rules make of it, with their real durations.

Exporter and stand-ins run for real but for the waiting (`tests.faults.jumping`). What a Prometheus would have
scraped meanwhile becomes the input of promtool, which evaluates all rules of the repository on it.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from exporter import logs
from exporter.demo.running import running
from exporter.demo.stories import Story
from tests.e2e.programs import exporter
from tests.faults.jumping import START, JumpingTime, run
from tests.grafana import programs
from tests.grafana.programs import Release
from tests.grafana.rule_tests.rules import RULES, groups

TARGET: Final = 'job="risk-exporter",instance="exporter:10217"'
READ: Final = frozenset(
    name
    for group in groups()
    for rule in group["rules"]
    for name in re.findall(r"(?<![:\w])(?:risk_\w+|process_start_time_seconds)\b", rule["expr"])
)
"""What the rules read of the page."""


@dataclass
class Tape:
    """Everything that the rules read of the page, scrape by scrape."""

    step: int
    """Seconds from one scrape to the next."""
    scrapes: int = 0
    series: dict[str, list[str]] = field(default_factory=dict)
    """Values by series, in promtool's notation."""
    said: list[str] = field(default_factory=list)
    """What was told meanwhile."""

    def take(self, page: str) -> None:
        """One more scrape."""
        seen = {f"up{{{TARGET}}}": "1"}
        for line in page.splitlines():
            name = re.match(r"\w+", line)
            if name is None or name[0] not in READ:
                continue
            key, _, text = line.rpartition(" ")
            labels = key[len(name[0]) :].strip("{}")
            value = float(text)
            if "timestamp_seconds" in name[0]:  # promtool's time begins at 0
                value -= START
            seen[f"{name[0]}{{{labels + ',' if labels else ''}{TARGET}}}"] = _number(value)
        for key, text in seen.items():
            values = self.series.setdefault(key, ["_"] * self.scrapes)
            values.append(text)
        self.scrapes += 1
        for values in self.series.values():
            if len(values) < self.scrapes:  # as a server marks a series that a scrape lacks
                values.append("_" if values[-1] in ("_", "stale") else "stale")

    def alerts(self, folder: Path, release: Release) -> list[list[dict[str, str]]]:
        """The labels of the alerts above info that fire, for each scrape."""
        interval = f"{self.step}s"
        question = 'ALERTS{alertstate="firing",severity=~"warning|critical"}'
        test = {
            "interval": interval,
            "input_series": [
                {"series": key, "values": " ".join(values)} for key, values in self.series.items()
            ],
            # Nothing is expected: promtool then says what there is.
            "promql_expr_test": [
                {"expr": question, "eval_time": f"{at * self.step}s", "exp_samples": []}
                for at in range(self.scrapes)
            ],
        }
        content = {
            "rule_files": [str(RULES / "*.yml")],
            "evaluation_interval": interval,
            "group_eval_order": [group["name"] for group in groups()],
            "tests": [test],
        }
        file = folder / "played.yml"
        file.write_text(json.dumps(content))  # which is YAML, too
        result = programs.run("promtool", "test", "rules", file, release=release)
        said = programs.output(result)
        assert result.returncode == 0 or "FAILED" in said, said
        found = _read(said, self.step)
        assert (result.returncode == 0) == (not found), said
        return [found.get(number, []) for number in range(self.scrapes)]


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else repr(value).replace("inf", "Inf")


def _read(output: str, step: int) -> dict[int, list[dict[str, str]]]:
    """Promtool's complaints: by scrape, the labels of the alerts that fire."""
    found: dict[int, list[dict[str, str]]] = {}
    for moment, got in re.findall(r"time: (\S+),\s+exp: nil\s+got: (.*)", output):
        units = re.findall(r"(\d+)([hms])", moment)
        seconds = sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in units)
        found[seconds // step] = [
            dict(re.findall(r'(\w+)="(.*?)"', labels)) for labels in re.findall(r"\{(.*?)\} 1E", got)
        ]
    return found


@dataclass(frozen=True)
class Pace:
    """Seconds from one collection, call for marks, and scrape to the next."""

    interval: float
    marks: float
    step: int


async def _played(clock: JumpingTime, story: Story | None, seconds: float, pace: Pace) -> Tape:
    tape = Tape(pace.step)
    async with (
        running(
            seed=1,
            interval=pace.interval,
            marks_interval=pace.marks,
            story=story,
            tell=tape.said.append,
            clock=clock.wall,
        ) as config,
        exporter(config) as url,
        aiohttp.ClientSession() as session,
    ):
        begin = asyncio.get_running_loop().time()
        for number in range(1, int(seconds / pace.step) + 1):
            await asyncio.sleep(begin + number * pace.step - asyncio.get_running_loop().time())
            async with session.get(url) as answer:
                tape.take(await answer.text())
    return tape


def played(story: Story | None, seconds: float, pace: Pace) -> Tape:
    """What is scraped of the demo with this story, or at rest."""
    logs.configure("error", "logfmt")
    return run(lambda clock: _played(clock, story, seconds, pace))
