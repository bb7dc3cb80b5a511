"""What an account is worth, what the venue counts of it, and what it counts for debts and requirements."""

from __future__ import annotations

import pytest

from exporter.model import Asset, MarginPool, RiskSettings
from tests.risk.accounts import account, linear, pool_of, position

X = linear("X")
USD = MarginPool(currency="USD")
BTC = Asset(asset="BTC", equity=1.0, collateral_price_usd=57_000.0)
USDT = Asset(asset="USDT", equity=10_000.0, collateral_price_usd=0.9999)
PRICES = {"BTC": 60_000.0, "USDT": 1.0002}


def test_equity_is_at_market_prices_and_adjusted_equity_after_haircuts() -> None:
    pool = pool_of(account(USD, assets=(BTC, USDT), prices=PRICES))
    assert pool.equity == pytest.approx(60_000.0 + 10_002.0)
    assert pool.equity_usd == pool.equity
    assert pool.adjusted_equity == pytest.approx(57_000.0 + 9_999.0)
    assert pool.margin_equity == pool.adjusted_equity


def test_what_the_venue_says_of_either_goes_before_a_sum() -> None:
    told = MarginPool(currency="USD", equity=7.0, adjusted_equity=6.0, margin_equity=5.0)
    pool = pool_of(account(told, assets=(BTC, USDT), prices=PRICES))
    assert (pool.equity, pool.adjusted_equity, pool.margin_equity) == (7.0, 6.0, 5.0)


def test_without_haircuts_the_adjusted_equity_is_the_equity() -> None:
    pool = pool_of(account(MarginPool(currency="USDT", equity=10.0)))
    assert (pool.equity, pool.adjusted_equity) == (10.0, 10.0)
    multi = pool_of(account(USD, assets=(Asset(asset="BTC", equity=2.0),), prices=PRICES))
    assert (multi.equity, multi.adjusted_equity) == (120_000.0, 120_000.0)


def test_a_held_coin_without_a_price_leaves_the_equity_unknown_and_what_the_venue_counts_known() -> None:
    pool = pool_of(
        account(USD, assets=(BTC, Asset(asset="JUNK", equity=1.0, collateral_price_usd=2.0)), prices=PRICES)
    )
    assert (pool.equity, pool.equity_usd, pool.leverage_ratio) == (None, None, None)
    assert pool.adjusted_equity == 57_002.0


def test_a_coin_that_is_no_margin_needs_no_price_for_a_shock() -> None:
    row = position(linear("X"), quantity=10.0, mark_price=100.0, maintenance_margin=10.0, pool_currency="USD")
    pool = MarginPool(currency="USD", margin_equity=500.0)

    def shock(amount: float) -> float | None:
        junk = Asset(asset="JUNK", equity=amount, collateral_price_usd=0.0)
        return pool_of(account(pool, row, assets=(junk,))).liquidation_shock_down

    # 1,000 falls by s: 500 - 1,000 s = 10 (1 - s)
    assert shock(7.0) == pytest.approx(490.0 / 990.0)
    # What is owed of it grows or falls by nobody knows how much.
    assert shock(-7.0) is None


def test_an_empty_coin_needs_no_price() -> None:
    pool = pool_of(account(USD, assets=(BTC, Asset(asset="JUNK", equity=0.0)), prices=PRICES))
    assert pool.equity == 60_000.0


def test_a_wallet_counts_where_the_equity_is_not_told_and_no_position_settles_in_the_coin() -> None:
    assets = (Asset(asset="BTC", wallet_balance=1.0), Asset(asset="USDT", wallet_balance=5.0))
    assert pool_of(account(USD, assets=assets, prices=PRICES)).equity == pytest.approx(60_005.001)
    row = position(X, pool_currency="USD")
    assert pool_of(account(USD, row, assets=assets, prices=PRICES)).equity is None


def test_leverage_is_of_the_equity_at_market_prices() -> None:
    row = position(X, quantity=600.102, mark_price=100.0, pool_currency="USD", maintenance_margin=1.0)
    pool = pool_of(account(USD, row, assets=(BTC,), prices=PRICES))
    assert pool.leverage_ratio == pytest.approx(60_010.2 * 1.0002 / 60_000.0)


def test_a_debt_counts_at_its_own_price() -> None:
    """A loan of 1 BTC, at the ask: 80,000 - 63,000."""
    debt = Asset(asset="BTC", equity=-1.0, collateral_price_usd=57_000.0, debt_price_usd=63_000.0)
    pool = pool_of(account(USD, assets=(debt, Asset(asset="USDC", equity=80_000.0)), prices=PRICES))
    assert pool.adjusted_equity == 17_000.0
    assert pool.equity == 20_000.0


def test_a_debt_grows_at_its_own_price_in_a_shock() -> None:
    """Of 17,000 of equity a rise takes 63,000 times its share."""
    debt = Asset(asset="BTC", equity=-1.0, collateral_price_usd=57_000.0, debt_price_usd=63_000.0)
    row = position(
        linear("X", "USDC"), quantity=1e-9, mark_price=1.0, pool_currency="USD", maintenance_margin=1e-11
    )
    pool = pool_of(account(USD, row, assets=(debt, Asset(asset="USDC", equity=80_000.0)), prices=PRICES))
    assert pool.liquidation_shock_up == pytest.approx(17_000.0 / 63_000.0, rel=1e-6)


def test_losses_beyond_what_a_coin_holds_are_a_debt() -> None:
    """A long of 200 on 10 USDT, a credit at 0.9 and a debt at 1.1, and 60 of bitcoin.

    Past 95 the credit is used up: 60 - 1.1 * 2 (95 - p) = 0.02 p.
    """
    row = position(X, quantity=2.0, mark_price=100.0, pool_currency="USD", maintenance_margin=2.0)
    assets = (
        Asset(asset="USDT", equity=10.0, collateral_price_usd=0.9, debt_price_usd=1.1),
        Asset(asset="BTC", equity=0.001, collateral_price_usd=60_000.0),
    )
    risk = account(USD, row, assets=assets, prices={"BTC": 60_000.0, "USDT": 1.0})
    assert pool_of(risk).margin_equity == pytest.approx(69.0)
    assert risk.positions[0].liquidation_price == pytest.approx((2.2 * 95.0 - 60.0) / (2.2 - 0.02))


def test_profits_pay_a_debt_back_before_they_are_a_credit() -> None:
    """A short of 200 that owes 10: below 95 what it gains counts at 0.9 and not at 1.1."""
    row = position(X, "short", quantity=2.0, mark_price=100.0, pool_currency="USD", maintenance_margin=2.0)
    asset = Asset(asset="USDT", equity=-10.0, collateral_price_usd=0.9, debt_price_usd=1.1)
    risk = account(
        MarginPool(currency="USD", margin_equity=50.0),
        row,
        assets=(asset,),
        prices={"USDT": 1.0},
        settings=RiskSettings(shocks=(-0.1, 0.1)),
    )
    stress = dict(pool_of(risk).stress)
    assert stress[-0.1] == pytest.approx(1.8 / (50.0 + 1.1 * 10.0 + 0.9 * 10.0))
    assert stress[0.1] == pytest.approx(2.2 / (50.0 - 1.1 * 20.0))
    assert risk.positions[0].liquidation_price == pytest.approx((50.0 + 1.1 * 200.0) / (2.2 + 0.02))


def test_required_margins_count_at_their_own_price() -> None:
    row = position(linear("X", "BTC"), mark_price=0.1, maintenance_margin=0.01, pool_currency="USD")
    asset = Asset(asset="BTC", equity=1.0, collateral_price_usd=57_000.0, margin_price_usd=61_000.0)
    risk = account(USD, row, assets=(asset,), prices=PRICES)
    assert pool_of(risk).maintenance_margin == pytest.approx(610.0)
    assert pool_of(risk).maintenance_margin_rate == pytest.approx(610.0 / 57_000.0)


def test_isolated_margin_in_a_coin_does_not_back_the_cross_positions() -> None:
    """Of 1 BTC 0.4 are an isolated position's: only 0.6 fall for the cross positions."""
    cross = position(X, mark_price=100.0, maintenance_margin=1.0, pool_currency="USD")
    alone = position(
        linear("Y", "BTC"), mark_price=0.1, entry_price=0.1, margin_mode="isolated", margin=0.4,
        maintenance_margin=0.01, pool_currency="USD",
    )  # fmt: skip
    risk = account(USD, cross, alone, assets=(Asset(asset="BTC", equity=1.0),), prices={"BTC": 1_000.0})
    pool = pool_of(risk)
    assert (pool.equity, pool.margin_equity) == pytest.approx((1_000.0, 600.0))
    assert dict(pool.stress)[-0.2] == pytest.approx(0.8 / (600.0 - 120.0 - 20.0))
