"""What the stand-in of binance_coinm prints adds up, and the adapter reads it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import Market, discover
from exporter.demo._binance_coinm import BTC_TIERS, CONTRACTS
from exporter.demo.binance_coinm import BinanceCoinmSimulator
from exporter.demo.market import DEFAULT_COINS
from tests.demo.binance_coinm_client import (
    ASSET_FIELDS,
    DIGIT,
    DIRECTIONAL,
    HEDGED,
    NOW,
    Clock,
    is_isolated,
    read,
    rows,
    simulated,
    total,
    venue_formula,
)


def test_the_simulator_is_found_by_its_venue_name() -> None:
    assert discover()["binance_coinm"] is BinanceCoinmSimulator


def test_the_12_5_percent_bracket_deducts_what_the_venue_deducts() -> None:
    """11.605 BTC: https://dev.binance.vision/t/6292 ."""
    (tier,) = (tier for tier in BTC_TIERS if tier.rate == Decimal("0.125"))
    assert tier.deduction == Decimal("11.605")


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_equity_is_printed_wallet_plus_printed_pnl(seed: int, seconds: int) -> None:
    simulator = simulated(seed, seconds)
    for book in simulator.accounts.values():
        held = rows(simulator, book)
        for row in read(simulator, "/dapi/v1/account", book)["assets"]:
            settled = [item for item in held if item["marginAsset"] == row["asset"]]
            isolated = [item for item in settled if is_isolated(item)]
            cross = [item for item in settled if not is_isolated(item)]
            figures = {name: Decimal(row[name]) for name in ASSET_FIELDS[1:-1]}
            assert figures["marginBalance"] == figures["walletBalance"] + figures["unrealizedProfit"]
            assert figures["walletBalance"] == figures["crossWalletBalance"] + total(
                isolated, "isolatedWallet"
            )
            assert figures["unrealizedProfit"] == total(settled, "unRealizedProfit")
            assert figures["crossUnPnl"] == total(cross, "unRealizedProfit")
            assert figures["maintMargin"] == total(settled, "maintMargin")
            assert figures["initialMargin"] == total(settled, "initialMargin")
            free = figures["crossWalletBalance"] + figures["crossUnPnl"] - total(cross, "initialMargin")
            assert figures["availableBalance"] == max(Decimal(0), free)
        for row in held:
            assert row["unrealizedProfit"] == row["unRealizedProfit"]
            assert row["isolated"] == is_isolated(row)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_figures_follow_the_formulas_of_inverse_contracts(seed: int, seconds: int) -> None:
    """Notional q·C/M, PnL q·C·(1/E − 1/M), margins from notional, leverage and brackets; in the coin."""
    simulator = simulated(seed, seconds)
    for book in simulator.accounts.values():
        for row in rows(simulator, book):
            value = Decimal(row["positionAmt"]) * row["contractSize"]
            entry, mark = Decimal(row["entryPrice"]), Decimal(row["markPrice"])
            notional = abs(value) / mark
            assert abs(Decimal(row["notionalValue"]) - value / mark) <= DIGIT
            assert abs(Decimal(row["unRealizedProfit"]) - value * (1 / entry - 1 / mark)) <= DIGIT
            assert abs(Decimal(row["initialMargin"]) - notional / int(row["leverage"])) <= 2 * DIGIT
            (bracket,) = (item for item in row["brackets"] if item["qtylFloor"] <= notional < item["qtyCap"])
            required = notional * Decimal(str(bracket["maintMarginRatio"])) - Decimal(str(bracket["cum"]))
            # From the printed notional, so cut twice.
            assert abs(Decimal(row["maintMargin"]) - required) <= 2 * DIGIT


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_liquidation_prices_are_those_of_the_venues_formula(seed: int, seconds: int) -> None:
    simulator = simulated(seed, seconds)
    checked = 0
    for book in simulator.accounts.values():
        held = rows(simulator, book)
        assets = {row["asset"]: row for row in read(simulator, "/dapi/v1/account", book)["assets"]}
        for row in held:
            if row["liquidationPrice"] == "0":
                continue
            price = Decimal(row["liquidationPrice"])
            if is_isolated(row):
                legs, others = [row], []
                wallet = Decimal(row["isolatedWallet"])
            else:
                cross = [
                    item
                    for item in held
                    if item["marginAsset"] == row["marginAsset"] and not is_isolated(item)
                ]
                legs = [item for item in cross if item["symbol"] == row["symbol"]]
                others = [item for item in cross if item["symbol"] != row["symbol"]]
                wallet = Decimal(assets[row["marginAsset"]]["crossWalletBalance"])
            expected = venue_formula(
                legs, wallet, total(others, "maintMargin"), total(others, "unRealizedProfit"), price
            )
            # Printed margins of the legs are rounded, and a coin's eighth digit moves the price.
            assert float(price) == pytest.approx(float(expected), rel=1e-6)
            checked += 1
    assert checked >= 5


def test_documented_liquidation_prices() -> None:
    """100,000 contracts of 100 USD at 45,000 with 101 BTC; two contracts with 0.00268058 BTC, isolated.

    33599.4186 (https://dev.binance.vision/t/6292) and 25119.97445760 (printed by the venue for a real row).
    """
    simulator = simulated()
    simulator.market.set_price("BTC", "44000")
    large = simulator.new_book("large")
    large.deposit("BTC", "101")
    position = large.open(CONTRACTS["BTCUSD_PERP"], "long", 100_000, price="45000", leverage=3)
    price = large.liquidation_price(position)
    assert price is not None
    assert float(price) == pytest.approx(33599.4186, abs=5e-5)

    simulator.market.set_price("BTC", "38103.05510455")
    small = simulator.new_book("small")
    small.deposit("BTC", "0.00510027")
    small.open(
        CONTRACTS["BTCUSD_PERP"],
        "long",
        2,
        price="37643.10000021",
        leverage=2,
        margin_mode="isolated",
        isolated_margin="0.00268058",
    )
    (row,) = rows(simulator, small)
    assert float(row["liquidationPrice"]) == pytest.approx(25119.97445760, abs=2e-8)
    assert row["notionalValue"] == "0.00524892"
    # Cut after the eighth digit like the real row: 0.0000641357.
    assert row["unRealizedProfit"] == "0.00006413"
    assert row["isolatedMargin"] == "0.00274471"


def test_the_mark_at_the_liquidation_price_brings_the_rate_to_one() -> None:
    simulator = simulated()
    book = simulator.new_book("one")
    book.deposit("BTC", "1")
    book.open(CONTRACTS["BTCUSD_PERP"], "long", 3000, price="65000", leverage=20)
    (row,) = rows(simulator, book)
    simulator.market.set_price("BTC", row["liquidationPrice"])
    assert book.pool("BTC").rate == pytest.approx(Decimal(1), abs=Decimal("1e-6"))
    simulator.market.set_price("BTC", Decimal(row["liquidationPrice"]) * Decimal("1.0001"))
    assert book.settle(NOW) == []
    simulator.market.set_price("BTC", Decimal(row["liquidationPrice"]) * Decimal("0.9999"))
    (event,) = book.settle(NOW)
    assert (event.currency, len(event.legs)) == ("BTC", 1)
    assert event.margin_equity <= event.maintenance_margin
    assert rows(simulator, book) == []


@pytest.mark.parametrize("corner", range(4))
def test_no_demo_account_is_liquidated_anywhere_the_market_can_go(corner: int) -> None:
    simulator = BinanceCoinmSimulator(Market(), clock=Clock())
    for coin in DEFAULT_COINS:
        if coin.name in {"BTC", "ETH"}:
            up = corner >> (coin.name == "ETH") & 1
            # A little beyond the band, for the basis between mark and index.
            simulator.market.set_price(coin.name, coin.price * (1 + coin.band + 0.003) ** (1 if up else -1))
    simulator.tick()
    assert [book.liquidations for book in simulator.accounts.values()] == [[], []]


def test_the_demo_accounts_have_something_to_see() -> None:
    """A rate above a per cent in each cross pool, and a liquidation price within a quarter of the mark."""
    simulator = simulated()
    for name, coin in ((DIRECTIONAL, "BTC"), (HEDGED, "ETH")):
        book = simulator.accounts[name]
        rate = book.pool(coin).rate
        assert rate is not None
        assert Decimal("0.01") < rate < Decimal("0.2")
        near = [
            row
            for row in rows(simulator, book)
            if row["liquidationPrice"] != "0"
            and abs(Decimal(row["liquidationPrice"]) / Decimal(row["markPrice"]) - 1) < Decimal("0.25")
        ]
        assert near


def test_demo_accounts_are_configuration_entries_with_working_fake_keys() -> None:
    simulator = BinanceCoinmSimulator(Market())
    entries = simulator.demo_accounts("http://127.0.0.1:1")
    assert [entry["name"] for entry in entries] == [DIRECTIONAL, HEDGED]
    for entry in entries:
        below = {"sub_accounts"} if entry["name"] in simulator.below else set()
        assert set(entry) == {"name", "exchange", "base_url", "api_key", "api_secret"} | below
        assert entry["exchange"] == "binance_coinm"
    assert entries == BinanceCoinmSimulator(Market()).demo_accounts("http://127.0.0.1:1")
