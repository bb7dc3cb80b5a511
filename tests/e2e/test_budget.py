"""Accounts and a trading desk behind one address, at a venue that enforces its limit: over real HTTP.

The venue's minute and the accounts' interval are several times shorter than the real ones.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from exporter.config import Config
from exporter.demo import Market, Server
from exporter.demo._binance_usdm import CONTRACTS
from exporter.demo._binance_weights import BinanceError, WeightPool
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from exporter.limits import Limit, RequestBudget
from exporter.venues.binance_usdm import BinanceUsdm
from tests.e2e.programs import exporter

pytestmark = pytest.mark.paced

MINUTE = 8.0
INTERVAL = 2.0
LIMIT = 2400
COLLECTION = 10
"""Weight of one, but for the first."""

_LAST_SUCCESS = re.compile(r'risk_collector_last_success_timestamp_seconds\{account="([^"]+)",[^}]*\} (\S+)')
_STRETCH = re.compile(r"risk_budget_stretch_ratio\{[^}]*\} (\S+)")
_UP = re.compile(r'risk_up\{account="([^"]+)",[^}]*\} (\S+)')


class Counting(WeightPool):
    """Enforces the limit, and remembers what it refused."""

    def __init__(self) -> None:
        super().__init__(limit=LIMIT, minute=MINUTE)
        self.refused = 0
        self.most = 0

    def spend(self, address: str, weight: int, now: float) -> None:
        try:
            super().spend(address, weight, now)
        except BinanceError:
            self.refused += 1
            raise
        self.most = max(self.most, self.used(address, now))


class Calm(BinanceUsdmSimulator):
    """The venue on a quiet day: prices are of no interest here, and cost more than all the rest."""

    def tick(self) -> None:
        pass


def fleet(count: int, simulator: BinanceUsdmSimulator, base_url: str) -> Config:
    """The configuration of `count` further accounts, with money and a position each."""
    names = [f"account-{number}" for number in range(count)]
    for name in names:
        book = simulator.new_book(name)
        book.deposit("USDT", 10_000)
        book.open(CONTRACTS["BTCUSDT"], "long", "0.01")
        simulator.add_account(book)
    return Config(
        accounts=tuple(
            BinanceUsdm.config_class.model_validate({**entry, "interval": INTERVAL, "timeout": 20.0})
            for entry in simulator.demo_accounts(base_url)
            if entry["name"] in names
        )
    )


@asynccontextmanager
async def desk(base_url: str) -> AsyncIterator[Counter[int]]:
    """A program that trades and uses half of the limit, evenly; gives the statuses of its answers."""
    statuses: Counter[int] = Counter()
    weight = 10

    async def ask(session: aiohttp.ClientSession) -> None:
        async with session.get(f"{base_url}/fapi/v1/premiumIndex") as answer:
            statuses[answer.status] += 1

    async def trade() -> None:
        loop = asyncio.get_running_loop()
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            begin = loop.time()
            for number in range(1_000_000):
                group.create_task(ask(session))
                due = begin + (number + 1) * MINUTE * weight / (LIMIT / 2)
                await asyncio.sleep(max(0.0, due - loop.time()))

    task = asyncio.create_task(trade())
    try:
        yield statuses
    finally:
        task.cancel()
        await asyncio.wait([task])


class Watched:
    """What pages of the exporter said, one after another."""

    def __init__(self) -> None:
        self.successes: defaultdict[str, set[float]] = defaultdict(set)
        self.down: set[str] = set()
        self.stretch = 0.0

    async def until(self, url: str, count: int, rounds: int) -> None:
        """Reads until each of `count` accounts was collected so often after its first two collections."""
        async with aiohttp.ClientSession() as session, asyncio.timeout(240):
            while len(self.successes) < count or min(map(len, self.successes.values())) < rounds + 2:
                async with session.get(url) as answer:
                    self._read(await answer.text(), count)
                await asyncio.sleep(1.0)

    def _read(self, page: str, count: int) -> None:
        for account, at in _LAST_SUCCESS.findall(page):
            self.successes[account].add(float(at))
        if len(self.successes) == count:
            self.down |= {account for account, up in _UP.findall(page) if float(up) != 1.0}
        self.stretch = float(_STRETCH.findall(page)[0])

    def intervals(self, rounds: int) -> list[float]:
        """Of each account: seconds from one collection to the next, on average over its last ones.

        Those that began first have one more before them, while the pace is still being found.
        """
        found = [sorted(at)[-(rounds + 1) :] for at in self.successes.values()]
        return [(at[-1] - at[0]) / rounds for at in found]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """The venue's count; what the adapter declares is as short as its minute."""
    budget = RequestBudget("binance", (Limit(float(LIMIT), MINUTE),))
    monkeypatch.setattr(BinanceUsdm, "budgets", (budget,))
    return Counting()


async def test_a_hundred_accounts_at_a_limit_are_all_up_evenly_and_none_is_refused(pool: Counting) -> None:
    count, rounds, seen = 100, 3, Watched()
    simulator = Calm(Market(seed=3))
    simulator.weights = pool
    async with Server(simulator) as venue, exporter(fleet(count, simulator, venue.base_url)) as url:
        await seen.until(url, count, rounds)
    assert pool.refused == 0
    assert pool.most <= LIMIT / 2
    assert pool.most >= 0.9 * LIMIT / 2  # it was tried in earnest
    assert seen.down == set()
    intervals = seen.intervals(rounds)
    assert max(intervals) <= 1.2 * min(intervals)
    expected = count * COLLECTION * MINUTE / (LIMIT / 2)
    assert sum(intervals) / count == pytest.approx(expected, rel=0.15)
    assert seen.stretch * INTERVAL == pytest.approx(expected, rel=0.1)


async def test_a_desk_behind_the_same_address_that_uses_its_half_is_not_refused(pool: Counting) -> None:
    count, rounds, seen = 40, 3, Watched()
    simulator = Calm(Market(seed=3))
    simulator.weights = pool
    async with (
        Server(simulator) as venue,
        desk(venue.base_url) as statuses,
        exporter(fleet(count, simulator, venue.base_url)) as url,
    ):
        await seen.until(url, count, rounds)
    assert set(statuses) == {200}
    assert pool.refused == 0
    assert pool.most >= 0.8 * LIMIT  # it was tried in earnest
    assert seen.down == set()
    # Of what is left up to nine tenths of the limit.
    assert seen.stretch * INTERVAL == pytest.approx(count * COLLECTION * MINUTE / 960, rel=0.25)
