"""The computed liquidation price is where the simulated venue, which shares no code with it, liquidates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from exporter.api import Client
from exporter.demo import Market, Server, VenueSimulator, discover
from exporter.model import AccountSnapshot, Position, RiskSettings
from exporter.risk import computed_liquidation_prices
from tests.venues.harness import QuietObserver, make_venue

SIMULATORS = discover()

# Venues that cannot be tested this way, each with the reason. Everything else must be.
NOT_COMPARABLE = {
    "binance_pm": "its accounts hold what they trade, or a coin in several contracts: no price moves alone",
    "bingx_v1": "it states no maintenance margin, so nothing can be computed beside its own prices",
    "zkx": "its answers carry no mark price, so nothing can be computed where it gives no price itself",
}


def simulator_of(name: str) -> VenueSimulator:
    """A venue whose market stands still, the dollar coins at exactly 1 so that quotes do not drift."""
    market = Market(seed=7)
    market.freeze()
    for coin in ("USDT", "USDC"):
        market.set_price(coin, "1")
    return SIMULATORS[name](market, clock=lambda: 1_700_000_000.0)


def market_of(simulator: VenueSimulator) -> Market:
    book = next(iter(simulator.accounts.values()))
    market: Market = book.market
    return market


async def snapshots(name: str) -> dict[str, AccountSnapshot]:
    """What the adapter reads of every account over HTTP."""
    simulator = simulator_of(name)
    found = {}
    async with (
        Server(simulator) as server,
        Client(QuietObserver(), wall=lambda: 1_700_000_000.0) as client,
    ):
        for entry in simulator.demo_accounts(server.base_url):
            config: dict[str, Any] = {key: value for key, value in entry.items() if key != "base_url"}
            venue = make_venue(name, str(entry["base_url"]), config)
            found[str(entry["name"])] = await venue.fetch(client.account(venue))
    return found


def alone(snapshot: AccountSnapshot, position: Position) -> bool:
    """Whether the coin's price moves this symbol and nothing else in the account."""
    base = position.contract.base
    held = {asset.asset for asset in snapshot.assets}
    symbols = {other.symbol for other in snapshot.positions if other.contract.base == base}
    return symbols == {position.symbol} and base not in held


def last_safe_and_first_fatal(position: Position, price: float) -> tuple[Decimal, Decimal]:
    """The prices one tick apart between which `price` lies, the safe one first.

    The tick is what venues quote: 0.1 for BTC at 60,000. It is wider than the rounding of the amounts
    (8 decimals) from which the price was computed.
    """
    tick = Decimal(10) ** (math.floor(math.log10(price)) - 5)
    below = (Decimal(repr(price)) / tick).to_integral_value("ROUND_FLOOR") * tick
    mark = position.mark_price
    assert mark is not None
    return (below + tick, below) if price < mark else (below, below + tick)


def cases(found: dict[str, AccountSnapshot]) -> Iterator[tuple[str, Position, float]]:
    for account, snapshot in found.items():
        for position, price in computed_liquidation_prices(snapshot, RiskSettings()):
            if price is not None and alone(snapshot, position):
                yield account, position, price


def liquidated_symbols(name: str, account: str, position: Position, price: Decimal) -> set[str]:
    """What a fresh venue liquidates when the mark of one symbol jumps to `price`."""
    simulator = simulator_of(name)
    market_of(simulator).set_price(position.contract.base, price, quote=position.contract.quote)
    liquidations = simulator.accounts[account].settle(1_700_000_000.0)
    return {leg.symbol for liquidation in liquidations for leg in liquidation.legs}


@pytest.mark.parametrize("name", sorted(SIMULATORS.keys() - NOT_COMPARABLE.keys()))
async def test_the_venue_liquidates_at_the_computed_price_and_not_a_tick_before(name: str) -> None:
    found = await snapshots(name)
    tested = 0
    for account, position, price in cases(found):
        safe, fatal = last_safe_and_first_fatal(position, price)
        what = f"{account} {position.symbol} {position.margin_mode} computed {price}"
        assert position.symbol not in liquidated_symbols(name, account, position, safe), what
        assert position.symbol in liquidated_symbols(name, account, position, fatal), what
        tested += 1
    assert tested > 0
