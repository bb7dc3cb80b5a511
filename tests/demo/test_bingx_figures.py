"""What the stand-in of bingx prints adds up, and the adapter reads it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import Market
from exporter.demo._bingx import BingxError, Credential, Limits, PublicEndpoint, SignedEndpoint
from exporter.demo._bingx_figures import CONTRACTS, used_margin
from exporter.demo.bingx import BingxSimulator
from exporter.demo.market import DEFAULT_COINS
from tests.demo.bingx_client import (
    BALANCE,
    BALANCE_FIELDS,
    NOW,
    OFFICIAL_SECRET,
    POSITION_MODE,
    POSITIONS,
    PRICES,
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


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_figures_add_up(seed: int, seconds: int) -> None:
    simulator = moved(seed, seconds)
    for book in simulator.accounts.values():
        balance = read(simulator, BALANCE, book)[0]
        rows = read(simulator, POSITIONS, book)
        figure = {name: Decimal(balance[name]) for name in BALANCE_FIELDS[2:-1]}
        assert figure["equity"] == figure["balance"] + figure["unrealizedProfit"]
        assert figure["unrealizedProfit"] == total(rows, "unrealizedProfit")
        assert figure["realisedProfit"] == total(rows, "realisedProfit")
        assert figure["availableMargin"] <= figure["balance"] - figure["usedMargin"]
        cross = [row for row in rows if not row["isolated"]]
        isolated = [row for row in rows if row["isolated"]]
        collateral = total(isolated, "margin") - total(isolated, "unrealizedProfit")
        assert figure["usedMargin"] == total(cross, "initialMargin") + collateral
        for row in rows:
            initial = Decimal(row["positionAmt"]) * Decimal(row["avgPrice"]) / row["leverage"]
            assert abs(Decimal(row["initialMargin"]) - initial) <= Decimal("1e-4")
            if not row["isolated"]:
                assert Decimal(row["margin"]) == total([row], "initialMargin") + total(
                    [row], "unrealizedProfit"
                )
        margin_equity = figure["equity"] - total(isolated, "margin")
        required = Decimal(0)
        for row in rows:
            tiers = read(simulator, TIERS, book, symbol=row["symbol"])
            margin = maintenance(tiers, Decimal(row["positionValue"]))
            if row["isolated"]:
                assert abs(Decimal(row["riskRate"]) - margin / Decimal(row["margin"])) < Decimal("2e-4")
            else:
                required += margin
        for row in cross:
            assert abs(Decimal(row["riskRate"]) - required / margin_equity) < Decimal("2e-4")


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_the_mark_at_a_printed_liquidation_price_brings_the_risk_rate_to_one(seed: int, seconds: int) -> None:
    simulator = moved(seed, seconds)
    market = simulator.market
    for book in simulator.accounts.values():
        for row in read(simulator, POSITIONS, book):
            if row["liquidationPrice"] == 0:
                continue
            contract = CONTRACTS[row["symbol"]]
            market.set_price(contract.base, row["liquidationPrice"], "USDT")
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
    assert [book.liquidations for book in simulator.accounts.values()] == [[], []]


def test_the_demo_has_enough_margin_for_what_it_holds() -> None:
    simulator = BingxSimulator(Market(), clock=Clock())
    for book in simulator.accounts.values():
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
    assert public == {"/openApi/swap/v2/server/time", PRICES}
    assert {BALANCE, POSITIONS, TIERS, POSITION_MODE} <= signed
