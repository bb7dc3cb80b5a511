"""Margin arithmetic of the simulated accounts, against published numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.demo.book import Book
from exporter.demo.contracts import Contract, progressive_tiers, rounded, tier_of
from tests.demo.books import BTCUSDT, ETHUSDT, one_tier, still_market


def test_a_linear_position_has_the_figures_of_the_documented_row() -> None:
    """https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Position-Information-V3."""
    market = still_market()
    market.set_price("ADA", "0.41047590", "USDT")
    contract = Contract("ADAUSDT", "linear", "ADA", "USDT", "USDT", one_tier("0.0065"))
    book = Book("account", market)
    book.deposit("USDT", 100)
    position = book.open(contract, "long", 30, price="0.385", leverage=20)
    assert book.notional(position) == Decimal("12.31427700")
    assert book.unrealized_pnl(position) == Decimal("0.76427700")
    assert book.initial_margin(position) == Decimal("0.61571385")
    assert book.maintenance_margin(position) == Decimal("0.08004280")


def test_a_short_has_the_margins_of_a_real_row_cut_not_rounded() -> None:
    """Real ETCUSDT short: https://github.com/ccxt/ccxt/issues/15833."""
    market = still_market()
    market.set_price("LTC", "20.189380359589042", "USDT")
    contract = Contract("ETCUSDT", "linear", "LTC", "USDT", "USDT", one_tier("0.0065"))
    book = Book("account", market, price_digits=15)
    book.deposit("USDT", 100)
    position = book.open(contract, "short", "2.92", price="20.176", leverage=2)
    assert book.notional(position) == Decimal("58.95299065")
    assert book.initial_margin(position) == Decimal("29.47649532")
    assert book.maintenance_margin(position) == Decimal("0.38319443")
    assert book.unrealized_pnl(position) == Decimal("-0.03907065")


def test_an_inverse_isolated_position_has_the_figures_of_a_real_row() -> None:
    """A real BTCUSD_PERP row: https://github.com/ccxt/ccxt, comment in ``binance.parsePositionRisk``."""
    market = still_market(btc="38103.05510455")
    contract = Contract("BTCUSD_PERP", "inverse", "BTC", "USD", "BTC", one_tier("0.004"), Decimal(100))
    book = Book("account", market)
    book.deposit("BTC", 1)
    position = book.open(
        contract,
        "long",
        2,
        price="37643.10000021",
        leverage=2,
        margin_mode="isolated",
        isolated_margin="0.00268058",
    )
    assert book.unrealized_pnl(position) == Decimal("0.00006413")
    assert book.notional(position) == Decimal("0.00524892")
    assert book.isolated_equity(position) == Decimal("0.00274471")
    price = book.liquidation_price(position)
    assert price is not None
    assert rounded(price, 8) == Decimal("25119.97445760")
    assert book.cross_wallet("BTC") == Decimal("0.99731942")


def test_an_inverse_cross_position_has_the_liquidation_price_of_the_venues_calculator() -> None:
    """100,000 contracts of 100 USD at 45,000 with 101 BTC: https://dev.binance.vision/t/6292."""
    contract = Contract(
        "BTCUSD_PERP", "inverse", "BTC", "USD", "BTC", one_tier("0.125", "11.605"), Decimal(100)
    )
    book = Book("account", still_market(btc="45000"))
    book.deposit("BTC", 101)
    price = book.liquidation_price(book.open(contract, "long", 100_000, price=45_000))
    assert price is not None
    assert rounded(price, 4) == Decimal("33599.4186")


def test_a_cross_hedge_and_another_contract_follow_the_venues_formula() -> None:
    """LP = (WB - TMM1 + UPNL1 + cumL + cumS - L EP_L + S EP_S) / (L MMR + S MMR - L + S)."""
    market = still_market(btc="50000", eth="3000")
    book = Book("account", market, hedge_mode=True)
    book.deposit("USDT", 20_000)
    long = book.open(BTCUSDT, "long", 3, price=49_000)
    short = book.open(BTCUSDT, "short", 1, price=51_000)
    book.open(ETHUSDT, "short", 2, price=3_100)
    # Both legs stay in the first bracket (0.4 %), ETH 6000 in the first of its own (0.5 %).
    expected = (Decimal(20_000) - 30 + 200 - 3 * 49_000 + 51_000) / (4 * Decimal("0.004") - 2)
    for leg in (long, short):
        price = book.liquidation_price(leg)
        assert price is not None
        assert rounded(price, 8) == rounded(expected, 8)


@pytest.mark.parametrize(
    ("wallet", "entry", "expected"), [("1000", "50000", "49196.78714859"), ("1e6", "50000", None)]
)
def test_an_isolated_long_is_liquidated_by_its_own_margin_only(
    wallet: str, entry: str, expected: str | None
) -> None:
    book = Book("account", still_market())
    book.deposit("USDT", 2_000_000)
    contract = Contract("BTCUSDT", "linear", "BTC", "USDT", "USDT", one_tier("0.004"))
    position = book.open(contract, "long", 1, price=entry, margin_mode="isolated", isolated_margin=wallet)
    price = book.liquidation_price(position)
    assert (None if price is None else f"{rounded(price, 8)}") == expected


def test_deductions_are_the_venues_cum() -> None:
    """A second bracket from 50,000 at 0.5 % after 0.4 % deducts 50; BingX prints 30 for 150,000 x 0.02 %."""
    tiers = progressive_tiers([(50_000, "0.004", 125), (500_000, "0.005", 100), (10**7, "0.01", 50)])
    assert [tier.deduction for tier in tiers] == [0, 50, 2550]
    assert progressive_tiers([(150_000, "0.0038", 1), (900_000, "0.004", 1)])[1].deduction == 30
    assert tiers[1].floor == tiers[0].cap == 50_000


@given(
    steps=st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 500)), min_size=1, max_size=8),
    notional=st.decimals(0, 10**7, places=4),
)
def test_tiered_margin_is_the_sum_over_the_slices_of_the_notional(
    steps: list[tuple[int, int]], notional: Decimal
) -> None:
    caps: list[int] = []
    rates: list[Decimal] = []
    cap = 0
    for width, rate in steps:
        cap += width
        caps.append(cap)
        rates.append(Decimal(rate) / 1000)
    tiers = progressive_tiers(zip(caps, map(str, rates), [1] * len(caps), strict=True))
    floors = [0, *caps[:-1]]
    uppers = [*map(Decimal, caps[:-1]), Decimal(10**9)]
    slices = sum(
        max(Decimal(0), min(notional, upper) - floor) * rate
        for floor, upper, rate in zip(floors, uppers, rates, strict=True)
    )
    tier = tier_of(tiers, notional)
    assert notional * tier.rate - tier.deduction == slices
