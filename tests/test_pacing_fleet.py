"""A hundred accounts behind one address for ten minutes: none is refused, none starves."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from email.utils import formatdate
from itertools import pairwise
from typing import ClassVar

import pytest
from multidict import CIMultiDict

from exporter.pacing import BudgetState, Meter, Pacing
from exporter.request import Endpoint, Response
from exporter.venues._binance_usdm import (
    ACCOUNT,
    ACCOUNT_CONFIG,
    ASSET_INDEX,
    EXCHANGE_INFO,
    LEVERAGE_BRACKET,
    POSITION_RISK,
    SYMBOL_CONFIG,
    TIME,
)
from exporter.venues.binance_usdm import BinanceUsdm
from tests.timers import Time
from tests.toy import Recorder

pytestmark = pytest.mark.paced

BEGIN = 1_700_000_007.3
LATENCY = 0.15
INTERVAL = 15.0
LIMIT = 2400.0


class Fifteen(BinanceUsdm):
    """An account whose collections weigh 15."""

    each_collection: ClassVar[tuple[Endpoint, ...]] = (  # type: ignore[assignment]  # of another length
        ACCOUNT,
        POSITION_RISK,
        ACCOUNT_CONFIG,
        ASSET_INDEX,
    )


class Listener(Recorder):
    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        assert exchange == "binance_usdm"
        self.used.append(ratio)


class Venue:
    """Counts by the minute of its clock, and refuses what is too much."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.used: defaultdict[float, float] = defaultdict(float)
        self.by: defaultdict[tuple[str, float], float] = defaultdict(float)
        self.refused: Counter[str] = Counter()

    def now(self) -> float:
        return BEGIN + self.time()

    async def ask(self, who: str, weight: float) -> Response:
        await self.time.sleep(LATENCY)
        minute = self.now() // 60
        self.used[minute] += weight
        self.by[who, minute] += weight
        if self.used[minute] > LIMIT:
            self.refused[who] += 1
        headers = {
            "Date": formatdate(self.now(), usegmt=True),
            "X-MBX-USED-WEIGHT-1M": f"{self.used[minute]:.0f}",
        }
        return Response(200, CIMultiDict(headers), b"", self.now())


class Street:
    """Accounts behind one address, each with its own pace, and perhaps a desk that trades there."""

    def __init__(self) -> None:
        self.time = Time(0.0)
        self.venue = Venue(self.time)
        self.pacing = Pacing(observer=Listener(), elapsed=self.time, later=self.time.later)
        self.began: dict[str, list[float]] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.chance = random.Random(1)  # noqa: S311 (a fixed spread, not a secret)

    def account(self, name: str) -> None:
        entry = {"name": name, "exchange": "binance_usdm", "api_key": "k", "api_secret": "s"}
        adapter = Fifteen(Fifteen.config_class.model_validate(entry))
        self.began[name] = []
        meter = self.pacing.meter(adapter)
        self.tasks.append(asyncio.create_task(self.collects(name, adapter, meter)))

    def state(self) -> BudgetState:
        """Of the budget that collections take from."""
        (found,) = (one for one in self.pacing.states() if one.budget == "binance")
        return found

    async def collects(self, name: str, adapter: Fifteen, meter: Meter) -> None:
        """As the scheduler does: at the usual time, or an interval after one that had to wait."""
        due = self.chance.uniform(0.0, 5.0)
        seldom = (SYMBOL_CONFIG, LEVERAGE_BRACKET, EXCHANGE_INFO, TIME)
        while True:
            await self.time.sleep(max(0.0, due - self.time()))
            waited = await meter.admitted(math.inf)
            self.began[name].append(self.time())
            often = adapter.each_collection[:3]
            first = len(self.began[name]) == 1
            await asyncio.gather(
                *(self.call(adapter, meter, one) for one in (*often, *(seldom if first else ())))
            )
            meter.settle(complete=True)
            interval = INTERVAL * meter.stretch
            due = (self.time() if waited > 0.05 * interval else due) + interval

    async def call(self, adapter: Fifteen, meter: Meter, endpoint: Endpoint) -> None:
        async with meter.call(endpoint) as call:
            call.sent()
            response = await self.venue.ask("exporter", endpoint.weight)
            call.heard(adapter.weight_used(response), response)

    def desk(self, per_minute: float, *, weight: float = 5.0) -> None:
        async def trades() -> None:
            while True:
                await self.time.sleep(60.0 * weight / per_minute)
                self.tasks.append(asyncio.create_task(self._trade(weight)))

        self.tasks.append(asyncio.create_task(trades()))

    async def _trade(self, weight: float) -> None:
        await self.venue.ask("desk", weight)

    def gaps(self, after: float) -> dict[str, list[float]]:
        """Seconds between the collections of each account, once all have been collected."""
        found = {
            name: [later - earlier for earlier, later in pairwise(at) if earlier >= after]
            for name, at in self.began.items()
        }
        assert all(len(gaps) >= 2 for gaps in found.values())
        return found


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    made = Street()
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


def assert_even(gaps: dict[str, list[float]], expected: float) -> None:
    means = [sum(found) / len(found) for found in gaps.values()]
    assert max(means) <= 1.05 * min(means)
    longest = [max(found) for found in gaps.values()]
    assert max(longest) <= 1.2 * min(longest)
    assert sum(means) / len(means) == pytest.approx(expected, rel=0.05)


async def test_a_hundred_accounts_share_half_of_a_limit_evenly(street: Street) -> None:
    for number in range(100):
        street.account(f"desk-{number}")
    await street.time.advance(600.0)
    assert not street.venue.refused
    minutes = [used for (who, _), used in street.venue.by.items() if who == "exporter"]
    assert max(minutes) <= LIMIT / 2
    assert_even(street.gaps(after=200.0), expected=100 * 15 / 20)  # 20 a second are ours
    state = street.state()
    assert state.stretch == pytest.approx(5.0, rel=0.02)


async def test_a_desk_behind_the_same_address_that_uses_its_half_is_not_refused(street: Street) -> None:
    for number in range(100):
        street.account(f"desk-{number}")
    street.desk(LIMIT / 2)
    await street.time.advance(600.0)
    assert not street.venue.refused
    assert max(street.venue.used.values()) <= 0.95 * LIMIT
    assert_even(street.gaps(after=250.0), expected=100 * 15 / 16)  # of 2,160 up to the line, 960 are left


async def test_a_desk_that_uses_more_than_its_half_is_made_room_for(street: Street) -> None:
    for number in range(100):
        street.account(f"desk-{number}")
    street.desk(0.8 * LIMIT)
    await street.time.advance(900.0)
    assert not street.venue.refused
    once_known = list(street.venue.used.values())[2:]
    assert max(once_known) <= 0.92 * LIMIT
    assert all(len(began) >= 2 for began in street.began.values())


async def test_accounts_that_fit_keep_their_interval(street: Street) -> None:
    for number in range(15):
        street.account(f"desk-{number}")
    await street.time.advance(300.0)
    assert_even(street.gaps(after=30.0), expected=INTERVAL)
    state = street.state()
    assert state.waited < 60.0  # at the start alone
