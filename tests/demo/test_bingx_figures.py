"""What the stand-in of bingx prints adds up, and the adapter reads it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import Market
from exporter.demo._bingx import BingxError, Credential, Limits, PublicEndpoint, SignedEndpoint
from exporter.demo._bingx_figures import CONTRACTS, used_margin
from exporter.demo.bingx import BingxSimulator
from exporter.demo.book import Book
from exporter.demo.market import DEFAULT_COINS
from tests.demo.bingx_client import (
    ASSET_MODE,
    BALANCE,
    BALANCE_FIELDS,
    COMMISSION,
    CONTRACT_LIST,
    MARGIN_ASSETS,
    NOW,
    OFFICIAL_SECRET,
    POSITION_MODE,
    POSITIONS,
    PRICES,
    RULES,
    STAMP,
    TIERS,
    Clock,
    maintenance,
    moved,
    read,
    total,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "symbol=BTC-USDT&timestamp=1667872120843&side=LONG&leverage=6",
            "4f581ecdb1fa09b9d6e57886b6f70cffed17f82b93399722939e49a38edec2bf",
        ),
        (
            "symbol=BTC-USDT&timestamp=1668159715051side=LONG&leverage=6",
            "8b756b01e7a30f02e19c58a91ab01b29528694316b08a51ecb8dd072942bd47d",
        ),
    ],
)
def test_the_official_vectors(text: str, expected: str) -> None:
    assert Credential("official", "key", OFFICIAL_SECRET).signature(text) == expected


async def test_market_calls_of_an_address_share_one_limit() -> None:
    limits = Limits()
    assert limits.spend("192.0.2.1", "market", NOW, limit=2, window=10.0) == 1
    assert limits.spend("192.0.2.1", "market", NOW, limit=2, window=10.0) == 0
    assert limits.spend("192.0.2.2", "market", NOW, limit=2, window=10.0) == 1
    with pytest.raises(BingxError, match=str(STAMP + 300_000)):
        limits.spend("192.0.2.1", "market", NOW, limit=2, window=10.0)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_figures_add_up(seed: int, seconds: int) -> None:
    simulator = moved(seed, seconds)
    for book in simulator.accounts.values():
        rows = read(simulator, POSITIONS, book)
        for balance in read(simulator, BALANCE, book):
            if balance["balance"]:
                own = [row for row in rows if row["currency"] == balance["asset"]]
                assert_coin_adds_up({name: Decimal(balance[name]) for name in BALANCE_FIELDS[2:-1]}, own)
        for row in rows:
            initial = Decimal(row["positionAmt"]) * Decimal(row["avgPrice"]) / row["leverage"]
            assert abs(Decimal(row["initialMargin"]) - initial) <= Decimal("1e-4")
            if row["isolated"]:
                risk = required(simulator, book, row) / Decimal(row["margin"])
                assert abs(Decimal(row["riskRate"]) - risk) < Decimal("2e-4")
            else:
                pnl = total([row], "unrealizedProfit")
                assert Decimal(row["margin"]) == total([row], "initialMargin") + pnl


def assert_coin_adds_up(figure: dict[str, Decimal], rows: list[dict[str, Any]]) -> None:
    isolated = [row for row in rows if row["isolated"]]
    collateral = total(isolated, "margin") - total(isolated, "unrealizedProfit")
    assert figure["equity"] == figure["balance"] + figure["unrealizedProfit"]
    assert figure["unrealizedProfit"] == total(rows, "unrealizedProfit")
    assert figure["realisedProfit"] == total(rows, "realisedProfit")
    assert figure["usedMargin"] == total(cross_of(rows), "initialMargin") + collateral
    free = figure["balance"] - figure["usedMargin"] - figure["freezedMargin"]
    assert 0 <= figure["availableMargin"] <= max(Decimal(0), free)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_the_printed_risk_rate_is_the_documented_formula_of_printed_figures(seed: int, seconds: int) -> None:
    simulator = moved(seed, seconds)
    for book in simulator.accounts.values():
        rows = read(simulator, POSITIONS, book)
        burden = backing = Decimal(0)
        rules = {rule["marginAssets"]: rule for rule in read(simulator, RULES, book)}
        equities = {
            balance["asset"]: Decimal(balance["equity"]) - Decimal(balance["freezedMargin"])
            for balance in read(simulator, BALANCE, book)
            if balance["equity"]
        }
        for asset in read(simulator, MARGIN_ASSETS, book):
            equities.setdefault(asset["currency"], Decimal(asset["totalAmount"]))
        for coin, equity in equities.items():
            own = [row for row in rows if row["currency"] == coin]
            price = ratio = Decimal(1)
            if book.multi_asset:
                price = Decimal(rules[coin]["indexPrice"])
                ratio = Decimal(rules[coin]["collateralValueRatio"].rstrip("%")) / 100
            free = equity - total([row for row in own if row["isolated"]], "margin")
            backing += free * price * (ratio if free > 0 else 1)
            burden += price * sum(required(simulator, book, row) for row in cross_of(own))
        for row in cross_of(rows):
            assert abs(Decimal(row["riskRate"]) - burden / backing) < Decimal("2e-4")


def cross_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if not row["isolated"]]


def required(simulator: BingxSimulator, book: Book, row: dict[str, Any]) -> Decimal:
    """Maintenance margin by the printed tiers, and the closing fee at the printed rate."""
    value = Decimal(row["positionValue"])
    fee = Decimal(str(read(simulator, COMMISSION, book)["commission"]["takerCommissionRate"]))
    return maintenance(read(simulator, TIERS, book, symbol=row["symbol"]), value) + fee * value


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_the_mark_at_a_printed_liquidation_price_brings_the_risk_rate_to_one(seed: int, seconds: int) -> None:
    simulator = moved(seed, seconds)
    market = simulator.market
    for book in simulator.accounts.values():
        for row in read(simulator, POSITIONS, book):
            contract = CONTRACTS[row["symbol"]]
            # Where the coin is collateral, too, its price moves both.
            if row["liquidationPrice"] == 0 or (book.multi_asset and book.cross_wallet(contract.base)):
                continue
            market.set_price(contract.base, row["liquidationPrice"], contract.quote)
            (now,) = (
                one for one in read(simulator, POSITIONS, book) if one["positionId"] == row["positionId"]
            )
            # The printed rate has four decimals.
            assert abs(Decimal(now["riskRate"]) - 1) <= Decimal("2e-4")
            market.release(contract.base)


@pytest.mark.parametrize("corner", range(2**3))
def test_no_demo_account_is_liquidated_anywhere_the_market_can_go(corner: int) -> None:
    market = Market()
    simulator = BingxSimulator(market, clock=Clock())
    for coin in DEFAULT_COINS:
        for bit, name in enumerate(("BTC", "ETH", "SOL")):
            if coin.name == name:
                # A little beyond the band, for the basis between mark and index.
                factor = (1 + coin.band + 0.003) ** (1 if corner >> bit & 1 else -1)
                market.set_price(coin.name, coin.price * factor)
    simulator.tick()
    assert [book.liquidations for book in simulator.accounts.values()] == [[], [], []]


def test_the_demo_has_enough_margin_for_what_it_holds() -> None:
    simulator = BingxSimulator(Market(), clock=Clock())
    for book in simulator.accounts.values():
        if book.multi_asset:
            assert book.pool("USD").available > 0
        else:
            assert used_margin(book, "USDT") < book.coin_pool("USDT").wallet


def test_demo_accounts_are_configuration_entries_with_working_fake_keys() -> None:
    simulator = BingxSimulator(Market())
    entries = simulator.demo_accounts("http://127.0.0.1:1")
    assert [entry["name"] for entry in entries] == list(simulator.accounts)
    for entry in entries:
        assert set(entry) == {"name", "exchange", "base_url", "api_key", "api_secret"}
        assert entry["exchange"] == "bingx"
    assert entries == BingxSimulator(Market()).demo_accounts("http://127.0.0.1:1")
    assert not any(str(entry["api_secret"]) in repr(simulator.credentials) for entry in entries)


def test_every_private_path_needs_a_key() -> None:
    """A path that forgot to be signed would answer anybody."""
    simulator = BingxSimulator(Market(), clock=Clock())
    public = {point.path for point in simulator.endpoints() if isinstance(point, PublicEndpoint)}
    signed = {point.path for point in simulator.endpoints() if isinstance(point, SignedEndpoint)}
    assert public == {"/openApi/swap/v2/server/time", PRICES, RULES, CONTRACT_LIST}
    assert {BALANCE, POSITIONS, TIERS, POSITION_MODE, ASSET_MODE, MARGIN_ASSETS, COMMISSION} <= signed
