"""What tests of several stand-ins share: who asks them, how markets move, what adapters read of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Generic, TypeVar

from aiohttp import ClientSession
from yarl import URL

from exporter.api import Client
from exporter.demo import Market, Server
from exporter.demo.base import VenueSimulator
from exporter.demo.market import DEFAULT_COINS
from exporter.model import AccountSnapshot
from exporter.venues import discover
from tests.venues.harness import QuietObserver

SimulatorT = TypeVar("SimulatorT", bound=VenueSimulator)

NOW = 1_700_000_030.0
"""The clock of a stand-in whose time stands still, Unix seconds."""


def now() -> float:
    """Such a clock."""
    return NOW


@dataclass
class Asker(Generic[SimulatorT]):
    """Sends exactly what it is told to."""

    session: ClientSession
    base_url: str
    simulator: SimulatorT

    def key_of(self, account: str) -> Any:
        """The first credential of an account."""
        return next(key for key in self.simulator.credentials.values() if key.account == account)

    async def ask(
        self, target: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, what the text says as JSON (None where it is not that), and headers."""
        async with self.session.get(URL(self.base_url + target, encoded=True), headers=headers) as response:
            text = await response.text()
            body = json.loads(text) if response.content_type == "application/json" else None
            return response.status, body, response.headers


def at_the_walls(make: Callable[[Market], SimulatorT], *names: str) -> Iterator[SimulatorT]:
    """A stand-in with these coins at the ends of their bands, in every combination, after a tick."""
    coins = [coin for coin in DEFAULT_COINS if coin.name in names]
    assert len(coins) == len(names)
    for corner in product((1, -1), repeat=len(coins)):
        simulator = make(Market())
        for coin, direction in zip(coins, corner, strict=True):
            # A little beyond the band, for the basis between mark and index.
            simulator.market.set_price(coin.name, coin.price * (1 + coin.band + 0.003) ** direction)
        simulator.tick()
        yield simulator


def moved(make: Callable[[Market], SimulatorT], seed: int) -> SimulatorT:
    """A stand-in whose market moved, by the seed, and stands still now."""
    market = Market(seed=seed)
    simulator = make(market)
    market.advance(seed * 97)
    market.freeze()
    return simulator


async def collected(simulator: VenueSimulator, **changed: object) -> list[tuple[AccountSnapshot, Any]]:
    """What the adapter reads of every account and sub-account, each with its book.

    Args:
        simulator: At `NOW`.
        changed: Settings in place of the demo's.
    """
    cls, found = discover()[simulator.name], []
    async with Server(simulator) as server, Client(QuietObserver(), wall=now) as client:
        for entry in simulator.demo_accounts(server.base_url):
            config: Any = cls.config_class.model_validate({**entry, **changed})
            venue, name = cls(config), str(entry["name"])
            api = client.account(venue)
            found.append((await venue.fetch(api), simulator.accounts[name]))
            assert (await venue.key_rights(api)).trade is False
            if cls.listing_endpoint is None:
                continue
            for member in await venue.sub_accounts(api):
                below = cls(config.member(f"{name}.{member.name}", member))
                book = simulator.below[name][member.name]
                found.append((await below.fetch(client.account(below)), book))
    return found
