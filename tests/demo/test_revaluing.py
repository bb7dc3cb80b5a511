"""A snapshot valued at other marks is what the venue prints at those, at every stand-in that tells marks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from exporter import demo, venues
from exporter.api import Client
from exporter.demo import Market, Server
from exporter.model import AccountSnapshot, RiskSettings
from exporter.risk import Revaluation, assess
from exporter.telemetry import Telemetry
from exporter.venues import AnyVenue
from tests.accounts import FakeClock
from tests.e2e.programs import UNPACED

WITH_MARKS = sorted(name for name, venue in venues.discover().items() if venue.marks_endpoint is not None)
SETTINGS = RiskSettings()

COLLECTED = {
    "adl_ratio",
    "available_balance",
    "initial_margin",
    "largest_notional",
    "wallet_balance",
    "withdrawable_balance",
}
"""What stays as it was collected: nobody but the venue can tell it."""
DIGIT = {
    "binance_pm": 1e-4,
    "bingx": 1e-4,
    "bybit": 3.5e-5,
    "deribit": 1e-4,
    "hyperliquid": 1e-6,
    "okx": 1e-7,
}
"""One in the last place of an amount, where it is not the eighth (of coins in dollars, where they back all;
of what makes a ratio of twelve places); sums are of up to eight that were cut."""
ELSEWHERE = {"hyperliquid": ("BNB", "XRP", "LTC")}
"""Coins that stand still, for their marks come in other calls: they are traded at exchanges of others."""
MARK_DIGIT = {"bingx": 2e-6}
"""The same of a mark, as a part of it: the venue computes with more digits than it prints."""
SAME_RATIO = 1e-4
"""Rates of small amounts have what these digits leave."""
SAME_PRICE = 1e-5
"""Liquidation prices in multi-assets mode: the engine knows where a credit becomes a debt."""
SAME_PRICE_BESIDE_OPTIONS = 1e-3
"""Where they hold options still that move with the coin."""
SAME_GREEKS = 5e-3
"""The venue's, and the formula's with the time to expiry to the second; notionals have deltas in them."""

Found = tuple[str, Any, Any]


def differences(one: Any, other: Any, name: str = "") -> Iterator[Found]:
    """Every figure that is not the same in two structures of one form."""
    if isinstance(one, msgspec.Struct):
        for field in one.__struct_fields__:
            if field not in COLLECTED:
                yield from differences(getattr(one, field), getattr(other, field), f"{name}.{field}")
    elif isinstance(one, Mapping):
        for key in sorted({*one, *other}):
            yield from differences(one.get(key), other.get(key), f"{name}[{key}]")
    elif isinstance(one, tuple) and len(one) == len(other):
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{name}[{place}]")
    elif one != other:
        yield name, one, other


def at_risk(snapshot: AccountSnapshot) -> float:
    """The sum of all notionals."""
    positions = (one.position for one in assess(snapshot, SETTINGS).positions)
    return sum(
        one.quantity * (one.contract.size or 0.0) * (one.mark_price or 0.0)
        for one in positions
        if one.contract.kind == "linear"
    )


async def collected(venue: type[AnyVenue], server: Server, clock: FakeClock) -> list[AccountSnapshot]:
    """Every account of a stand-in, a minute later, by a client that has kept nothing."""
    found = []
    clock.advance(60.0)
    async with Client(Telemetry(), wall=clock, budgets=UNPACED) as client:
        for entry in server.simulator.demo_accounts(server.base_url):
            adapter = venue(venue.config_class.model_validate(entry))
            found.append(await adapter.fetch(client.account(adapter)))
    return found


@pytest.mark.parametrize("name", WITH_MARKS)
async def test_valued_at_marks_an_account_is_as_collected_at_them(name: str) -> None:
    """To the digit that the venue prints, for every account, after moves small and large."""
    venue, clock = venues.discover()[name], FakeClock()
    market = Market(seed=7)
    market.set_price("USDT", "0.9998")  # no call tells what dollars are worth
    market.set_price("USDC", "1")
    for coin in ELSEWHERE.get(name, ()):
        market.set_price(coin, market.exact_index(coin))
    market.freeze()
    async with (
        Server(demo.discover()[name](market, clock=clock)) as server,
        Client(Telemetry(), wall=clock, budgets=UNPACED) as client,
    ):
        entry = server.simulator.demo_accounts(server.base_url)[0]
        adapter = venue(venue.config_class.model_validate(entry))
        before = await collected(venue, server, clock)
        for seconds in (5, 60, 900):
            market.unfreeze()
            market.advance(seconds)
            market.freeze()
            marks = await adapter.marks(client.account(adapter, only=venue.marks_endpoint))
            for old, new in zip(before, await collected(venue, server, clock), strict=True):
                revaluation = Revaluation(old, SETTINGS, clock())
                usable = revaluation.usable(marks, newer_than=0.0)
                # Options follow the index of their coin.
                futures = [one for one in old.positions if one.option is None]
                symbols = {one.symbol: one.contract.base for one in futures}
                assert {*symbols} - {*usable.marks} == {
                    symbol for symbol, base in symbols.items() if base in ELSEWHERE.get(name, ())
                }
                valued = revaluation.at(usable)
                if any(pool.scenario_margin for pool in old.pools):
                    # What scenarios would require at other prices only the venue can tell.
                    assert (valued.pools, valued.positions) == (old.pools, old.positions)
                    continue
                digit = 8 * DIGIT.get(name, 1e-8) + MARK_DIGIT.get(name, 0.0) * at_risk(new)
                assert same_figures(valued, new, digit) == []
                assert same_risk(valued, new, digit, clock()) == []


def same_figures(valued: AccountSnapshot, new: AccountSnapshot, digit: float) -> list[Found]:
    """The figures of the snapshot that differ by more than the digits of the venue."""
    found = []
    for place, one, other in differences(valued, new):
        if place.startswith(".prices") or ".greeks" in place:
            continue  # those that matter here are published: see `same_risk`
        if place.endswith("liquidation_price"):
            optioned = any(position.option is not None for position in new.positions)
            price = SAME_PRICE_BESIDE_OPTIONS if optioned else SAME_PRICE
            if not one or not other or math.isclose(one, other, rel_tol=price):
                continue  # where the venue has none, the engine's is published
        elif place.endswith("venue_margin_rate"):
            if abs(one - other) <= 1e-4:
                continue
        elif isinstance(one, float) and isinstance(other, float) and abs(one - other) <= digit:
            continue
        found.append((place, one, other))
    return found


def same_risk(valued: AccountSnapshot, new: AccountSnapshot, digit: float, at: float) -> list[Found]:
    """What is published and differs."""
    found = []
    for place, one, other in differences(assess(valued, SETTINGS, at), assess(new, SETTINGS, at)):
        if ".snapshot" in place or ".position." in place or ".pool." in place:
            continue
        if place.endswith("liquidation_source"):
            assert {one, other} <= {"venue", "computed"}
            continue
        # The less equity is left, the more of a rate its last digit is.
        ratio = SAME_RATIO * max(1.0, other or 0.0) if "stress" in place else SAME_RATIO
        by_delta = place.endswith(("delta_usd", "notional_usd", "leverage_ratio"))
        if "greeks" in place or (by_delta and any(held.option is not None for held in new.positions)):
            ratio = SAME_GREEKS
        amount = digit if place.endswith(("pnl", "margin", "equity")) else 0.0
        if one is None or other is None or not math.isclose(one, other, rel_tol=ratio, abs_tol=amount):
            found.append((place, one, other))
    return found
