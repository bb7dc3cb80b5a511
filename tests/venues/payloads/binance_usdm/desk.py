"""Simulated accounts that are collected again and again, and what that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from exporter.api import Client
from exporter.demo import Market, Server
from exporter.demo._binance_weights import WeightPool
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from exporter.demo.book import Book
from exporter.model import AccountSnapshot
from tests.venues.harness import NOW, QuietObserver, make_venue

INTERVAL = 15.0


class Meter(WeightPool):
    """The venue's own count of what requests weigh, over all minutes; refuses nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def spend(self, address: str, weight: int, now: float) -> None:  # noqa: ARG002 (the pool's form)
        self.total += weight


class Desk:
    """The stand-in with some accounts, collected again and again while the clock moves on."""

    def __init__(self) -> None:
        self.now = NOW
        self.simulator = BinanceUsdmSimulator(Market(), clock=lambda: self.now)
        self.meter = Meter()
        self.simulator.weights = self.meter
        self.observer = QuietObserver()
        self._venues: dict[str, tuple[Any, Any]] = {}

    @asynccontextmanager
    async def open(self, *names: str) -> AsyncIterator[Desk]:
        async with (
            Server(self.simulator) as server,
            Client(self.observer, wall=lambda: self.now) as client,
        ):
            for entry in self.simulator.demo_accounts(server.base_url):
                if entry["name"] in names:
                    venue = make_venue("binance_usdm", server.base_url, {**entry, "interval": INTERVAL})
                    self._venues[str(entry["name"])] = venue, client.account(venue)
            yield self

    async def collect(self, times: int = 1) -> dict[str, AccountSnapshot]:
        """So many collections of each account, an interval apart; what the last ones gave."""
        found: dict[str, AccountSnapshot] = {}
        for _ in range(times):
            found = {name: await venue.fetch(api) for name, (venue, api) in self._venues.items()}
            self.now += INTERVAL
        assert [str(error) for error in self.observer.optional_failures] == []
        return found

    async def asked(self, times: int = 1) -> Counter[str]:
        """The paths that so many collections ask."""
        self.simulator.requests.clear()
        await self.collect(times)
        return Counter(request.removeprefix("GET /fapi/") for request in self.simulator.requests)

    def account(self, name: str, **settings: Any) -> Book:
        """A new account with some money and nothing else."""
        book = self.simulator.new_book(name, **settings)
        book.deposit("USDT", "10000")
        self.simulator.add_account(book)
        return book
