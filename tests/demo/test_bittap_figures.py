"""What the stand-in of bittap prints adds up, and the adapter reads it."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings

from exporter.api import Client as ExporterClient
from exporter.demo import Market, Server
from exporter.demo._bittap import BittapError, Credential, Limiter
from exporter.demo.bittap import CONTRACTS, BittapSimulator
from exporter.demo.market import DEFAULT_COINS
from exporter.errors import VenueError
from exporter.venues import discover
from tests.demo.bittap_client import (
    HEDGE,
    NOW,
    ONEWAY,
    Clock,
    _decimals,
    _rate,
    later,
    moved,
    risks_of,
)
from tests.venues.harness import QuietObserver


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "d8bba935314a628f15e32c14324d96e33b7359b0de4feed19415a83389bbd459"),
        (
            {"symbolId": "BTC-USDT-M"},
            "e59f75e58694322045cc57136a4aff687b3b0d6e89b519918037f759cedddcd1",
        ),
    ],
)
def test_vectors_of_the_documented_rule(parameters: dict[str, str], expected: str) -> None:
    credential = Credential("vector", "key", "test-secret")
    assert credential.signature(parameters, "1758179319000", "abcdef0123456789") == expected


def test_six_hundred_requests_a_minute() -> None:
    limiter = Limiter()
    for number in range(600):
        limiter.spend("key", 1200.0 + number * 0.1)
    with pytest.raises(BittapError) as caught:
        limiter.spend("key", 1259.99)
    assert caught.value.status == 429
    limiter.spend("key", 1260.0)


@settings(max_examples=200, deadline=None)
@given(venue=moved())
def test_printed_figures_add_up(venue: tuple[BittapSimulator, Clock]) -> None:
    """Every identity of the documented example, to the last printed digit."""
    simulator, _ = venue
    for book in simulator.accounts.values():
        account = _decimals(simulator._account_info({}, book))
        rows = _decimals(simulator._open_position({}, book))
        (asset,) = account["assets"]
        cross = [row for row in rows if row["marginMode"] == "CROSSED"]
        assert asset["equities"] == asset["balance"] + asset["profitUnreal"] == account["totalEquities"]
        assert asset["available"] == asset["equities"] - asset["locked"] == account["available"]
        assert asset["canTransfer"] == asset["balance"] - asset["locked"]
        assert asset["profitUnreal"] == sum(row["profitUnreal"] for row in rows)
        assert asset["crossProfitUnreal"] == sum(row["profitUnreal"] for row in cross)
        assert asset["crossedMaintainMargin"] == sum(row["maintainMargin"] for row in cross)
        assert asset["locked"] == sum(row["margin"] for row in rows) == account["totalLocked"]
        backing = asset["equities"] - sum(
            row["margin"] + row["profitUnreal"] for row in rows if row not in cross
        )
        rate = asset["crossedMaintainMargin"] / (backing - sum(row["closedFee"] for row in cross))
        assert abs(asset["crossedMaintainMarginRate"] - rate) < Decimal("1e-15")
        for row in rows:
            sign = 1 if row["side"] == "BUY" else -1
            notional = row["quantity"] * row["markPrice"]
            step = Decimal("1e-8")
            move = sign * row["quantity"] * (row["markPrice"] - row["avgEntryPrice"])
            assert abs(row["profitUnreal"] - move) < step
            assert row["entryValue"] == row["quantity"] * row["avgEntryPrice"]
            assert abs(row["margin"] - row["entryValue"] / row["leverage"]) < step
            rate = _rate(row["symbolId"], notional)
            assert abs(row["maintainMargin"] - notional * rate) < step
            assert abs(row["closedFee"] - notional * Decimal("0.0005")) < step
            assert row["realizedPnl"] == -row["feeAmount"]
            others = [other for other in cross if other is not row]
            assert row["otherMaintainMargin"] == sum(other["maintainMargin"] for other in others)


@settings(max_examples=150, deadline=None)
@given(venue=moved())
def test_the_mark_at_a_printed_liquidation_price_liquidates(venue: tuple[BittapSimulator, Clock]) -> None:
    simulator, clock = venue
    simulator.market.freeze()
    for book in simulator.accounts.values():
        rows: Any = simulator._open_position({}, book)
        for row in rows:
            price = Decimal(row["liquidPrice"])
            assert price > 0
            base = row["symbolId"].split("-")[0]
            mark = Decimal(row["markPrice"])
            away = 1 if price < mark else -1
            # The price is printed with eight decimals, and amounts are: a large account's step is larger.
            step = away * mark * Decimal("1e-7")
            simulator.market.set_price(base, price + step, "USDT")
            assert book.settle(clock.now) == []
            simulator.market.set_price(base, price - step, "USDT")
            positions, wallets = list(book.positions), dict(book._cross_wallets)
            (event,) = book.settle(clock.now)
            assert row["symbolId"] in {leg.symbol for leg in event.legs}
            book.positions, book._cross_wallets = positions, wallets
            simulator.market.release(base)


def test_the_demo_accounts_are_not_liquidated_anywhere_the_market_can_go() -> None:
    coins = [coin for coin in DEFAULT_COINS if coin.name in {"BTC", "ETH", "SOL", "XRP"}]
    for corner in product((1, -1), repeat=len(coins)):
        market = Market()
        simulator = BittapSimulator(market, clock=Clock())
        for coin, direction in zip(coins, corner, strict=True):
            market.set_price(coin.name, coin.price * (1 + coin.band + 0.003) ** direction)
        simulator.tick()
        assert [book.liquidations for book in simulator.accounts.values()] == [[], []]


def test_a_price_that_no_move_reaches_is_0() -> None:
    simulator = BittapSimulator(Market(), clock=Clock())
    book = simulator.new_book("rich")
    book.deposit("USDT", 1_000_000)
    book.open(CONTRACTS["XRP-USDT-M"], "long", 100)
    (row,) = _decimals(simulator._open_position({}, book))
    assert row["liquidPrice"] == 0


def test_demo_accounts_are_configuration_entries_with_working_fake_keys() -> None:
    simulator = BittapSimulator(Market())
    entries = simulator.demo_accounts("http://127.0.0.1:1")
    assert [set(entry) for entry in entries] == [
        {"name", "exchange", "base_url", "api_key", "api_secret"},
    ] * 2
    assert [entry["name"] for entry in entries] == [HEDGE, ONEWAY]
    assert entries == BittapSimulator(Market()).demo_accounts("http://127.0.0.1:1")
    for entry in entries:
        assert str(entry["api_secret"]) not in repr(simulator.credentials)


@pytest.mark.parametrize("seed", range(1, 7))
async def test_rates_and_liquidation_prices_agree(seed: int) -> None:
    for risk, book, observer in await risks_of(later(seed)):
        (pool,) = risk.pools
        expected = book.pool("USDT")
        assert expected.rate is not None
        assert pool.pool.equity == float(expected.equity)
        assert pool.margin_equity == pytest.approx(float(expected.margin_equity), abs=1e-8)
        assert pool.maintenance_margin == float(expected.cross_maintenance_margin)
        assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate), rel=1e-12)
        assert pool.pool.venue_margin_rate is not None
        assert pool.pool.venue_margin_rate > float(expected.rate)
        assert len(risk.positions) == len(book.positions)
        for position, held in zip(risk.positions, book.positions, strict=True):
            assert position.mark_price == float(book.mark(held.contract))
            assert position.unrealized_pnl == float(book.unrealized_pnl(held))
            assert position.maintenance_margin == float(book.maintenance_margin(held))
            price = book.liquidation_price(held)
            assert price is not None
            assert position.liquidation_price == pytest.approx(float(price), rel=1e-6)
            assert position.liquidation_source == "venue"
            assert position.liquidation_distance_ratio is not None
            assert position.liquidation_distance_ratio > 0.0
            assert abs(position.liquidation_cross_check_ratio or 0.0) < 1e-5
        assert observer.optional_failures == []


@pytest.mark.parametrize("skew", [-200.0, 90.0, 7200.0])
async def test_a_venue_whose_clock_is_wrong_is_followed(skew: float) -> None:
    simulator = later(1)
    simulator.faults.clock_skew = skew
    assert len(await risks_of(simulator)) == 2


async def test_a_wrong_secret_is_an_auth_error_that_names_no_key() -> None:
    simulator = later(1)
    with pytest.raises(VenueError) as caught:
        await risks_of(simulator, api_secret="wrong")
    assert caught.value.reason == "auth"
    for key in simulator.credentials:
        assert key not in str(caught.value)


async def test_a_key_without_the_futures_permission_is_a_permission_error() -> None:
    simulator = later(1)
    for name in simulator.accounts:
        credential = Credential.fake("bittap", name, futures=False)
        simulator.credentials[credential.api_key] = credential
    with pytest.raises(VenueError) as caught:
        await risks_of(simulator)
    assert caught.value.reason == "permission"


async def test_too_many_requests_pause_all_accounts() -> None:
    simulator = later(1)
    cls = discover()["bittap"]
    async with Server(simulator) as server, ExporterClient(QuietObserver(), wall=lambda: NOW) as client:
        venues = [
            cls(cls.config_class.model_validate(entry)) for entry in simulator.demo_accounts(server.base_url)
        ]
        for _ in range(5):
            await venues[0].fetch(client.account(venues[0]))
        with pytest.raises(VenueError) as caught:
            await venues[0].fetch(client.account(venues[0]))
        assert (caught.value.reason, caught.value.blocked_until) == ("rate_limited", NOW + 10.0)
        sent = len(simulator.requests)
        with pytest.raises(VenueError, match="no request is sent"):
            await venues[1].fetch(client.account(venues[1]))
        assert len(simulator.requests) == sent
