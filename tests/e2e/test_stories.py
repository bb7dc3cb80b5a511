"""The demo at rest and its stories: who is told, when, and that nobody is told anything else.

The rules are the repository's with all their durations. Time jumps (`tests.e2e.played`), but for one crash
that is lived through from the command line to Alertmanager's message. ``make stories`` is more exact: with
both releases of Prometheus, and at the intervals that the demo and ``prometheus.yml`` have.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from math import log, sqrt
from pathlib import Path
from typing import Any, Final

import pytest

from exporter import defaults
from exporter.demo.market import Market
from exporter.demo.stories import STORIES, Story
from tests.e2e.paging import Page, Receiver, alertmanager, pages, subject
from tests.e2e.played import Pace, played
from tests.e2e.programs import eventually, prometheus
from tests.grafana.programs import GRAFANA, RELEASES, Release

EXACT: Final = "STORIES_EXACTLY" in os.environ
OWN: Final = Pace(interval=5.0, marks=5.0, step=15)
"""That of the demo and of ``prometheus.yml``."""
IN_A_STORY: Final = OWN if EXACT else Pace(interval=30.0, marks=30.0, step=30)
AT_REST: Final = OWN if EXACT else Pace(interval=60.0, marks=120.0, step=60)
BY: Final[tuple[Release, ...]] = RELEASES if EXACT else ("newer",)
LATE = 1.0
"""Minutes by which an alert may come earlier or later than the story says."""


def test_the_command_line_offers_every_story() -> None:
    assert tuple(STORIES) == defaults.SCENARIOS


@pytest.mark.parametrize(("coin", "volatility"), [("BTC", 0.03), ("ETH", 0.035), ("ADA", 0.04)])
def test_coins_move_as_large_coins_do(coin: str, volatility: float) -> None:
    """3 to 4 % a day, measured as the rules do: by the returns of five minutes."""
    market, prices = Market(seed=5, step=60.0), []
    for _ in range(5 * 288):
        market.advance(300)
        prices.append(log(market.index(coin, digits=12)))
    measured = sqrt(288) * statistics.pstdev(after - before for before, after in pairwise(prices))
    assert measured == pytest.approx(volatility, rel=0.1)


def test_an_hour_of_the_demo_at_rest_tells_nobody_anything(tmp_path: Path) -> None:
    tape = played(None, 3600, AT_REST)
    assert any("liquidation_distance_ratio" in series for series in tape.series)
    for release in BY:
        assert {
            labels["alertname"] for firing in tape.alerts(tmp_path, release) for labels in firing
        } == set()


def first(moments: list[set[Page]], step: int) -> dict[Page, float]:
    """The minute of the demo in which each page comes.

    Not of one that is gone with the next scrape: accounts come back over five seconds after an outage, and a
    scrape in between finds some of them without the alert that stood for all.
    """
    found: dict[Page, float] = {}
    for number, (told, still) in enumerate(pairwise([*moments, moments[-1]]), 1):
        for page in told & still:
            found.setdefault(page, number * step / 60)
    return found


def surely(story: Story) -> set[Page]:
    """What the story says of it."""
    return {(one.severity, one.alert, about) for one in story.told for about in one.about}


def possibly(story: Story) -> set[Page]:
    """And what it leaves to chance."""
    return surely(story) | {(one.severity, one.alert, about) for one in story.told for about in one.perhaps}


@pytest.mark.parametrize("name", STORIES)
async def test_a_story_tells_whom_it_says_when_it_says_and_nobody_else(name: str, tmp_path: Path) -> None:
    story = STORIES[name]
    tape = await asyncio.to_thread(played, story, story.seconds, IN_A_STORY)
    minutes, seconds = divmod(story.seconds, 60)
    assert tape.said[-1].startswith(f"{minutes:3.0f}:{seconds:02.0f}  The story is over")
    for release in BY:
        folder = tmp_path / release
        folder.mkdir()
        found = first(
            await pages(tape.alerts(folder, release), folder / "alertmanager", release), IN_A_STORY.step
        )
        assert surely(story) <= found.keys()
        assert found.keys() <= possibly(story)
        for one in story.told:
            begins = [found[one.severity, one.alert, about] for about in one.about]
            assert not begins or min(begins) == pytest.approx(one.minute, abs=LATE), (release, one)


@asynccontextmanager
async def demo(*options: str) -> AsyncIterator[tuple[str, asyncio.StreamReader]]:
    """The command, as a person starts it: where its page is, and what it says after that."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        while not (line := (await process.stdout.readline()).decode()).startswith("Simulated accounts:"):
            assert line, "the demo ended"
        yield line.split("//")[1].split("/")[0], process.stdout
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def settings(target: str, manager: str) -> Mapping[str, object]:
    """Prometheus with the rules as they are; scrapes and evaluations are as frequent as collections."""
    return {
        "global": {"scrape_interval": "5s", "scrape_timeout": "5s", "evaluation_interval": "5s"},
        "rule_files": [str(GRAFANA / "prometheus" / "rules" / "*.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        "scrape_configs": [{"job_name": "risk-exporter", "static_configs": [{"targets": [target]}]}],
    }


@pytest.mark.parametrize("release", BY)
async def test_a_crash_is_lived_through_from_the_command_to_the_page(
    release: Release, tmp_path: Path
) -> None:
    """In real time, eight times as steep: whoever was liquidated is paged a minute after the bottom."""
    receiver = Receiver()
    gone = next(one for one in STORIES["crash"].told if one.alert == "RiskPositionGone")
    async with (
        receiver.served() as address,
        alertmanager(tmp_path / "alertmanager", release, receiver=address) as manager,
        demo("--scenario=crash", "--scenario-speed=8") as (target, said),
        prometheus(tmp_path, settings(target, manager), release=release) as server,
    ):
        lines = [(await said.readline()).decode() for _ in range(3 + len(STORIES["crash"].told))]
        assert "The story “crash”" in lines[0]
        assert "All coins begin to fall" in lines[-1]

        def messages() -> dict[str, dict[str, Any]]:
            found = receiver.found(alertname="RiskPositionGone", severity="critical")
            return {message["labels"]["account"]: message for message in found}

        async def all_are_told() -> bool:
            # So fast, the market has recovered before the rules look, and with it what coins are worth.
            slow = {about for about in gone.about if about.startswith("coinm")}
            return set(gone.about) - slow <= messages().keys() <= {*gone.about, *gone.perhaps}

        await eventually(all_are_told, lambda: f"told of {list(messages())} only", within=240)
        assert {message["receiver"] for message in messages().values()} == {"critical"}
        told = {
            (alert["receiver"], alert["labels"]["alertname"], subject(alert["labels"]))
            for alert in receiver.found()
            if alert["receiver"] in ("critical", "warning")
        }
        assert told <= possibly(STORIES["crash"])
        assert await server.rules_that_fail() == []
