"""Shocks of contracts that are not a coin in dollars: the mark is the price of the base in the quote."""

from __future__ import annotations

import pytest

from exporter.model import Asset, Contract, MarginPool, RiskSettings
from tests.risk.accounts import account, linear, pool_of, position

BOTH_WAYS = RiskSettings(shocks=(-0.5, 1.0))


def test_a_pair_of_two_moving_coins_stands_still_in_a_shock() -> None:
    """ETHBTC paid in BTC: bitcoin and ether fall alike, and nothing happens to a pool in bitcoin."""
    row = position(
        linear("ETH", "BTC"), quantity=100.0, entry_price=0.05, mark_price=0.05, maintenance_margin=0.05
    )
    risk = account(MarginPool(currency="BTC", margin_equity=0.1), row, settings=BOTH_WAYS)
    pool = pool_of(risk)
    assert pool.stress == ((-0.5, 0.5), (1.0, 0.5))
    assert (pool.liquidation_shock_up, pool.liquidation_shock_down) == (None, None)
    # Alone, the pair's own mark liquidates it all the same.
    assert risk.positions[0].liquidation_price == pytest.approx((5.0 - 0.1) / (100.0 * 0.99))


def test_a_pairs_margin_moves_with_the_coin_that_it_is_paid_in() -> None:
    """The same in a pool in USD that holds 10,000 USDT: the requirement of 0.05 BTC falls with bitcoin."""
    row = position(
        linear("ETH", "BTC"), quantity=100.0, entry_price=0.05, mark_price=0.05, maintenance_margin=0.05,
        pool_currency="USD",
    )  # fmt: skip
    risk = account(
        MarginPool(currency="USD", margin_equity=10_000.0),
        row,
        assets=(Asset(asset="USDT", equity=10_000.0),),
        prices={"BTC": 60_000.0},
        settings=BOTH_WAYS,
    )
    pool = pool_of(risk)
    assert dict(pool.stress) == pytest.approx({-0.5: 0.15, 1.0: 0.6})
    assert pool.liquidation_shock_up == pytest.approx(10_000.0 / 3_000.0 - 1.0)
    assert pool.liquidation_shock_down is None


@pytest.mark.parametrize(
    ("quote", "falls"), [("USD", True), ("USDT", True), ("EUR", True), ("ETH", False), ("BTC", False)]
)
def test_a_mark_in_dollars_or_another_currency_moves_and_one_in_a_coin_does_not(
    quote: str, falls: bool
) -> None:
    contract = Contract(kind="linear", size=1.0, base="SOL", quote=quote, settle="USDT")
    row = position(contract, quantity=10.0, mark_price=100.0, maintenance_margin=10.0)
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=500.0), row))
    # 500 - 1000 s = 10 (1 - s)
    assert pool.liquidation_shock_down == (pytest.approx(490.0 / 990.0) if falls else None)


def test_the_market_of_a_stable_coin_stands_still_in_a_shock() -> None:
    row = position(linear("USDC"), quantity=1_000.0, entry_price=1.0, mark_price=1.0, maintenance_margin=10.0)
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=20.0), row))
    assert {rate for _, rate in pool.stress} == {0.5}
    assert pool.liquidation_shock_down is None


def test_a_dollar_in_bitcoin_falls_when_bitcoin_rises() -> None:
    """Long 1000 USDC for 0.00002 BTC each, 0.02 in all, with 0.005: 0.005 - 0.02 (1 - 1/x) = 0.0002 / x."""
    row = position(
        linear("USDC", "BTC"), quantity=1_000.0, entry_price=2e-5, mark_price=2e-5, maintenance_margin=2e-4
    )
    pool = pool_of(account(MarginPool(currency="BTC", margin_equity=0.005), row))
    assert pool.liquidation_shock_up == pytest.approx((0.02 - 0.0002) / 0.015 - 1.0)
    assert pool.liquidation_shock_down is None


def test_an_isolated_pair_stands_still_too() -> None:
    row = position(
        linear("ETH", "BTC"), quantity=100.0, entry_price=0.05, mark_price=0.05, maintenance_margin=0.05,
        margin_mode="isolated", margin=0.1,
    )  # fmt: skip
    pool = pool_of(account(MarginPool(currency="BTC", equity=1.0), row, settings=BOTH_WAYS))
    assert pool.isolated_stress == ((-0.5, 0.5), (1.0, 0.5))
    assert (pool.liquidation_shock_up, pool.liquidation_shock_down) == (None, None)
