"""What the stand-in of binance_usdm prints adds up, and the adapter reads it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import Market
from exporter.demo._binance_usdm import CONTRACTS
from exporter.demo._binance_weights import BinanceError, WeightPool
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from exporter.demo.market import DEFAULT_COINS
from tests.demo.binance_usdm_client import (
    ACCOUNT_POSITION_FIELDS,
    ACCOUNT_TOTALS,
    NOW,
    OFFICIAL,
    OFFICIAL_PAYLOAD,
    Clock,
    read,
    total,
)


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            OFFICIAL_PAYLOAD,
            "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
        ),
        (
            "timestamp=1591702613943&recvWindow=5000",
            "b944ea46b707ca97ae6956c3e381b0ceaf517dac418a6d64af1fb3b0e878d11d",
        ),
    ],
)
def test_the_official_signature_vector_is_accepted_in_either_case(payload: str, signature: str) -> None:
    """https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info, example 1."""
    assert OFFICIAL.verify(payload.encode(), signature)
    assert OFFICIAL.verify(payload.encode(), signature.upper())
    assert not OFFICIAL.verify(payload.encode() + b" ", signature)
    assert not OFFICIAL.verify(payload.encode(), signature[:-1])
    assert not OFFICIAL.verify(payload.encode(), "ä")


def test_each_further_ban_is_longer_up_to_three_days() -> None:
    pool, now, lengths = WeightPool(limit=0), 0.0, []
    for _ in range(14):
        while True:
            with pytest.raises(BinanceError) as refused:
                pool.spend("a", 1, now)
            if refused.value.status == 418:
                break
        lengths.append(int(refused.value.headers["Retry-After"]))
        now += lengths[-1]
    assert lengths[:4] == [120, 240, 480, 960]
    assert lengths[-1] == 3 * 86400


def test_products_on_one_market_share_one_weight_pool() -> None:
    market = Market()
    one, other = BinanceUsdmSimulator(market), BinanceUsdmSimulator(market)
    assert one.weights is other.weights
    assert BinanceUsdmSimulator(Market()).weights is not one.weights


def test_addresses_are_counted_apart() -> None:
    pool = WeightPool()
    pool.spend("a", 2400, NOW)
    pool.spend("b", 1, NOW)
    assert (pool.used("a", NOW), pool.used("b", NOW), pool.used("c", NOW)) == (2400, 1, 0)
    assert pool.used("a", NOW + 60) == 0


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_equity_is_printed_wallet_plus_printed_pnl(seed: int, seconds: int) -> None:
    clock = Clock()
    simulator = BinanceUsdmSimulator(Market(seed=seed), clock=clock)
    clock.now += seconds
    simulator.tick()
    for book in simulator.accounts.values():
        body = read(simulator, "/fapi/v3/account", book)
        risk = read(simulator, "/fapi/v3/positionRisk", book)
        figures = {name: Decimal(body[name]) for name in ACCOUNT_TOTALS}
        assert (
            figures["totalMarginBalance"] == figures["totalWalletBalance"] + figures["totalUnrealizedProfit"]
        )
        for row in body["assets"]:
            settled = [held for held in risk if held["marginAsset"] == row["asset"]]
            isolated = [held for held in settled if held["isolatedWallet"] != "0"]
            cross = [held for held in settled if held["isolatedWallet"] == "0"]
            assert Decimal(row["marginBalance"]) == total([row], "walletBalance") + total(
                [row], "unrealizedProfit"
            )
            assert Decimal(row["unrealizedProfit"]) == total(settled, "unRealizedProfit")
            assert Decimal(row["crossUnPnl"]) == total(cross, "unRealizedProfit")
            assert Decimal(row["maintMargin"]) == total(settled, "maintMargin")
            assert Decimal(row["initialMargin"]) == total(settled, "initialMargin")
            assert Decimal(row["walletBalance"]) == total([row], "crossWalletBalance") + total(
                isolated, "isolatedWallet"
            )
        if not book.multi_asset:
            (usdt,) = (row for row in body["assets"] if row["asset"] == "USDT")
            for ours, theirs in (
                ("totalMarginBalance", "marginBalance"),
                ("totalMaintMargin", "maintMargin"),
                ("availableBalance", "availableBalance"),
            ):
                assert body[ours] == usdt[theirs]
        for one, other in zip(body["positions"], risk, strict=True):
            assert one["unrealizedProfit"] == other["unRealizedProfit"]
            for name in set(ACCOUNT_POSITION_FIELDS) - {"unrealizedProfit"}:
                assert one[name] == other[name]


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_maintenance_margin_follows_the_printed_brackets(seed: int, seconds: int) -> None:
    clock = Clock()
    simulator = BinanceUsdmSimulator(Market(seed=seed), clock=clock)
    clock.now += seconds
    simulator.tick()
    for book in simulator.accounts.values():
        brackets = {
            row["symbol"]: row["brackets"] for row in read(simulator, "/fapi/v1/leverageBracket", book)
        }
        for row in read(simulator, "/fapi/v3/positionRisk", book):
            notional = abs(float(row["notional"]))
            (bracket,) = (
                one
                for one in brackets[row["symbol"]]
                if one["notionalFloor"] <= notional < one["notionalCap"]
            )
            expected = notional * bracket["maintMarginRatio"] - bracket["cum"]
            assert float(row["maintMargin"]) == pytest.approx(expected, abs=2e-8, rel=1e-12)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_the_mark_at_a_printed_liquidation_price_brings_the_printed_rate_to_one(
    seed: int, seconds: int
) -> None:
    clock = Clock()
    market = Market(seed=seed)
    simulator = BinanceUsdmSimulator(market, clock=clock)
    clock.now += seconds
    simulator.tick()
    market.freeze()
    for name in ("usdm-directional", "usdm-hedged", "usdm-concentrated"):
        book = simulator.accounts[name]
        for row in read(simulator, "/fapi/v3/positionRisk", book):
            if row["liquidationPrice"] == "0" or row["marginAsset"] != "USDT":
                continue
            contract = CONTRACTS[row["symbol"]]
            market.set_price(contract.base, row["liquidationPrice"], "USDT")
            (now,) = (
                one
                for one in read(simulator, "/fapi/v3/positionRisk", book)
                if (one["symbol"], one["positionSide"]) == (row["symbol"], row["positionSide"])
            )
            assert now["markPrice"] == row["liquidationPrice"]
            if row["isolatedWallet"] == "0":
                cross = [
                    one
                    for one in read(simulator, "/fapi/v3/positionRisk", book)
                    if one["isolatedWallet"] == "0" and one["marginAsset"] == "USDT"
                ]
                account = read(simulator, "/fapi/v3/account", book)
                equity = total([account], "totalCrossWalletBalance") + total([account], "totalCrossUnPnl")
                required = total(cross, "maintMargin")
            else:
                equity, required = Decimal(now["isolatedMargin"]), Decimal(now["maintMargin"])
            # One unit of the eighth digit for each rounded figure, and for the price times the size.
            size = sum(abs(held.quantity) for held in book.positions if held.contract.symbol == row["symbol"])
            assert abs(equity - required) <= Decimal("1e-8") * (size + 10)
            market.release(contract.base)


@pytest.mark.parametrize("corner", range(2**4))
def test_no_demo_account_is_liquidated_anywhere_the_market_can_go(corner: int) -> None:
    """Coins at the walls of their bands, in every combination that matters to the accounts."""
    market = Market()
    simulator = BinanceUsdmSimulator(market, clock=Clock())
    groups = [{"BTC"}, {"ETH", "BNB", "LTC"}, {"SOL", "XRP"}, {"ADA", "DOGE"}]
    for coin in DEFAULT_COINS:
        for bit, group in enumerate(groups):
            if coin.name in group:
                up = corner >> bit & 1
                # A little beyond the band, for the basis between mark and index.
                factor = (1 + coin.band + 0.003) ** (1 if up else -1)
                market.set_price(coin.name, coin.price * factor)
    simulator.tick()
    assert [book.liquidations for book in simulator.accounts.values()] == [[], [], [], []]


def test_the_demo_has_an_account_near_danger_and_a_safe_one() -> None:
    simulator = BinanceUsdmSimulator(Market(), clock=Clock())
    rates = {name: book.pool(book.pool_currencies()[0]).rate for name, book in simulator.accounts.items()}
    danger, safe = rates["usdm-concentrated"], rates["usdm-directional"]
    assert danger is not None
    assert safe is not None
    assert Decimal("0.2") < danger < Decimal("0.5")  # nearer than that a desk is told
    assert Decimal(0) < safe < Decimal("0.05")


def test_demo_accounts_are_configuration_entries_with_working_fake_keys() -> None:
    simulator = BinanceUsdmSimulator(Market())
    entries = simulator.demo_accounts("http://127.0.0.1:1")
    assert [entry["name"] for entry in entries] == list(simulator.accounts)
    for entry in entries:
        below = {"sub_accounts"} if entry["name"] in simulator.below else set()
        assert set(entry) == {"name", "exchange", "base_url", "api_key", "api_secret"} | below
        assert entry["exchange"] == "binance_usdm"
        assert entry["base_url"] == "http://127.0.0.1:1"
    assert "PRIVATE KEY" in str(entries[2]["api_secret"])
    assert entries == BinanceUsdmSimulator(Market()).demo_accounts("http://127.0.0.1:1")
    assert not any(str(entry["api_secret"]) in repr(simulator.credentials) for entry in entries)
