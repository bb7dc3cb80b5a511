"""Margin arithmetic of the simulated accounts: the rules, one by one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exporter.demo._binance_usdm import COLLATERAL, MAJOR_TIERS
from exporter.demo.book import Book, MarginMode
from exporter.demo.contracts import UNLIMITED, Contract, Tier
from tests.demo.books import BTCUSDT, COIN_TIERS, ETHUSDT, one_tier, still_market


def test_an_isolated_position_is_liquidated_without_the_cross_pool() -> None:
    market = still_market()
    book = Book("account", market, hedge_mode=True)
    book.deposit("USDT", 10_000)
    cross = book.open(BTCUSDT, "long", "0.1", leverage=10)
    isolated = book.open(BTCUSDT, "short", "0.1", leverage=10, margin_mode="isolated")
    assert isolated.isolated_wallet == 500
    market.set_price("BTC", 60_000)
    (event,) = book.settle(5.0)
    assert [leg.side for leg in event.legs] == ["short"]
    assert event.legs[0].pnl == -1000
    assert book.positions == [cross]
    # The loss beyond its collateral is the insurance fund's, not the cross wallet's.
    assert book.cross_wallet("USDT") == 9_500


def test_a_cross_liquidation_leaves_isolated_positions_and_other_coins_alone() -> None:
    market = still_market()
    market.set_price("USDC", 1)
    in_usdc = Contract("ETHUSDC", "linear", "ETH", "USDC", "USDC", MAJOR_TIERS)
    book = Book("account", market)
    book.deposit("USDT", 3_000)
    book.deposit("USDC", 3_000)
    book.open(BTCUSDT, "long", "0.5")
    isolated = book.open(ETHUSDT, "long", "0.1", leverage=5, margin_mode="isolated")
    other = book.open(in_usdc, "long", "0.1")
    market.set_price("BTC", 40_000)
    (event,) = book.settle(1.0)
    assert event.currency == "USDT"
    assert event.margin_equity == 3_000 - 60 - 5_000
    assert book.positions == [isolated, other]
    assert book.cross_wallet("USDT") == 0
    assert book.cross_wallet("USDC") == 3_000


def test_a_reduced_position_keeps_its_entry_and_books_the_part_of_its_pnl() -> None:
    market = still_market()
    book = Book("account", market)
    book.deposit("USDT", 10_000)
    position = book.open(BTCUSDT, "short", "0.5", leverage=10)
    market.set_price("BTC", 48_000)
    assert book.reduce(position, Decimal("0.2")) == 400
    assert (position.quantity, position.entry_price) == (Decimal("0.3"), Decimal(50_000))
    assert book.cross_wallet("USDT") == 10_400
    assert book.pool("USDT").equity == 11_000
    for quantity in ("0", "0.3"):
        with pytest.raises(ValueError, match="cannot take"):
            book.reduce(position, Decimal(quantity))


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_liquidation_comes_at_exactly_the_maintenance_margin(mode: MarginMode) -> None:
    market = still_market()
    contract = Contract("BTCUSDT", "linear", "BTC", "USDT", "USDT", one_tier("0.01"))
    book = Book("account", market)
    book.deposit("USDT", 500)
    book.open(contract, "long", 1, price=50_000, margin_mode=mode, isolated_margin=500)
    market.set_price("BTC", "50000.00000002")
    assert book.settle(1.0) == []
    market.set_price("BTC", 50_000)
    if mode == "cross":
        assert book.pool("USDT").rate == 1
    (event,) = book.settle(2.0)
    assert event.margin_equity == event.maintenance_margin == 500


def test_a_multi_asset_pool_counts_collateral_after_its_haircut_and_debt_above_its_price() -> None:
    market = still_market(btc="50000")
    book = Book("account", market, multi_asset=True, collateral=COLLATERAL)
    book.deposit("BTC", 1)
    book.deposit("USDT", 1_000)
    book.deposit("DOGE", 1_000)
    assert book.pool("USD").wallet == Decimal(47500) + Decimal("999.9")
    book.open(BTCUSDT, "long", "0.1", price=70_000)
    pool = book.pool("USD")
    assert pool.unrealized_pnl == Decimal("-2000.2")
    assert pool.equity == Decimal(47500) + Decimal("1000.1") - Decimal("2000.2")
    assert book.pool_currencies() == ["USD"]
    with pytest.raises(ValueError, match="one pool, in USD"):
        book.pool("USDT")
    with pytest.raises(ValueError, match="no isolated positions"):
        book.open(ETHUSDT, "long", 1, margin_mode="isolated")


def test_a_multi_asset_account_loses_everything_at_most() -> None:
    market = still_market()
    book = Book("account", market, multi_asset=True, collateral=COLLATERAL)
    book.deposit("BTC", "0.1")
    book.open(ETHUSDT, "long", 30, price=3_000, leverage=20)
    market.set_price("ETH", 1_500)
    (event,) = book.settle(1.0)
    assert event.currency == "USD"
    assert book.pool("USD").equity == 0
    assert book.positions == []


def test_one_way_mode_has_one_position_a_symbol_and_hedge_mode_one_a_side() -> None:
    one_way = Book("account", still_market())
    one_way.open(BTCUSDT, "long", 1)
    with pytest.raises(ValueError, match="already a position in BTCUSDT"):
        one_way.open(BTCUSDT, "short", 1)
    hedge = Book("account", still_market(), hedge_mode=True)
    hedge.open(BTCUSDT, "long", 1)
    hedge.open(BTCUSDT, "short", 1)
    with pytest.raises(ValueError, match="already a position in BTCUSDT"):
        hedge.open(BTCUSDT, "short", 1)
    with pytest.raises(ValueError, match="must be positive"):
        hedge.open(ETHUSDT, "long", 0)


def test_closing_books_the_pnl_and_returns_isolated_collateral() -> None:
    market = still_market()
    book = Book("account", market)
    book.deposit("USDT", 1_000)
    position = book.open(BTCUSDT, "long", "0.1", leverage=10, margin_mode="isolated")
    market.set_price("BTC", 51_000)
    assert book.close(position) == 100
    assert book.cross_wallet("USDT") == 1_100
    assert book.positions == []


def test_margins_at_entry_do_not_move_with_the_mark() -> None:
    market = still_market()
    book = Book("account", market, initial_margin_basis="entry", maintenance_margin_basis="entry", digits=10)
    book.deposit("USDT", 6_000)
    position = book.open(BTCUSDT, "long", 1, price=50_000, leverage=10)
    market.set_price("BTC", 48_000)
    assert book.initial_margin(position) == 5_000
    assert book.maintenance_margin(position) == 200
    assert book.liquidation_price(position) == 44_200
    assert book.unrealized_pnl(position).as_tuple().exponent == -10


def test_a_schedule_without_deductions_can_liquidate_at_the_edge_of_a_tier() -> None:
    """A short of 1 BTC jumps from 1 % to 10 % at 60,000, which its wallet cannot bear."""
    tiers = (
        Tier(Decimal(0), Decimal(60_000), Decimal("0.01"), Decimal(0), 20),
        Tier(Decimal(60_000), UNLIMITED, Decimal("0.1"), Decimal(0), 5),
    )
    book = Book("account", still_market())
    book.deposit("USDT", 12_000)
    position = book.open(Contract("BTCUSDT", "linear", "BTC", "USDT", "USDT", tiers), "short", 1)
    assert book.liquidation_price(position) == 60_000


def test_a_delivery_contract_has_its_own_mark() -> None:
    contract = Contract(
        "BTCUSD_261225", "inverse", "BTC", "USD", "BTC", COIN_TIERS, Decimal(100), Decimal("0.01")
    )
    book = Book("account", still_market())
    assert book.mark(contract) == 50_500
