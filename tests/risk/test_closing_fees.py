"""Fees for closing that a venue counts in its requirement: in every rate, price, shock and way back."""

from __future__ import annotations

import pytest

from exporter.model import Asset, MarginPool
from tests.risk.accounts import account, flat_rate, inverse, linear, pool_of, position, tiers

X, Y = linear("X"), linear("Y")


def test_the_rate_is_maintenance_margin_and_closing_fees_over_equity() -> None:
    """Two positions of 1000: 4 + 2 and 5 + 1 of 16 of equity."""
    rows = (
        position(X, quantity=10.0, mark_price=100.0, maintenance_margin=4.0, closing_fee_rate=0.002),
        position(Y, "short", quantity=10.0, mark_price=100.0, maintenance_margin=5.0, closing_fee_rate=0.001),
    )
    risk = account(MarginPool(currency="USDT", margin_equity=16.0), *rows)
    pool = pool_of(risk)
    assert (pool.maintenance_margin, pool.closing_fees) == pytest.approx((9.0, 3.0))
    assert pool.maintenance_margin_rate == pytest.approx(0.75)
    assert [row.maintenance_margin for row in risk.positions] == [4.0, 5.0]
    assert [row.closing_fee for row in risk.positions] == pytest.approx([2.0, 1.0])


def test_a_venues_total_does_not_contain_the_fees() -> None:
    row = position(X, quantity=10.0, mark_price=100.0, maintenance_margin=4.0, closing_fee_rate=0.002)
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=16.0, maintenance_margin=6.0), row))
    assert (pool.maintenance_margin, pool.closing_fees) == (6.0, 2.0)
    assert pool.maintenance_margin_rate == pytest.approx(0.5)


def test_the_fee_falls_with_the_notional_on_the_way_to_the_liquidation_price() -> None:
    """100 + p - 1000 = (0.004 + 0.002) p, long 10 X at 100 each."""
    row = position(X, quantity=10.0, mark_price=100.0, maintenance_margin=4.0, closing_fee_rate=0.002)
    risk = account(MarginPool(currency="USDT", margin_equity=100.0), row)
    assert risk.positions[0].liquidation_price == pytest.approx(900.0 / 0.994 / 10.0)
    assert pool_of(risk).liquidation_shock_down == pytest.approx(1.0 - 0.9 / 0.994)
    assert dict(pool_of(risk).stress)[-0.05] == pytest.approx(0.006 * 950.0 / 50.0)


def test_an_inverse_position_pays_its_fee_in_coin() -> None:
    """1000 USD of X at 100 in 1 coin: 1 - 10 (100/p - 1) = 0.006 * 10 * 100/p."""
    row = position(
        inverse("X"), quantity=10.0, mark_price=100.0, maintenance_margin=0.04, closing_fee_rate=0.002
    )
    risk = account(MarginPool(currency="X", margin_equity=1.0), row)
    assert risk.positions[0].closing_fee == pytest.approx(0.02)
    assert risk.positions[0].liquidation_price == pytest.approx(100.0 * 10.06 / 11.0)


def test_a_schedule_is_calibrated_without_the_fee() -> None:
    """The tier asks for 1 %, the venue's figure says 1.1 %, and the fee of 0.5 % comes on top of both."""
    row = position(
        X, quantity=10.0, mark_price=100.0, maintenance_margin=11.0, closing_fee_rate=0.005,
        maintenance_tiers=tiers((0.0, 0.01), (1_000_000.0, 0.02)),
    )  # fmt: skip
    risk = account(MarginPool(currency="USDT", margin_equity=100.0), row)
    assert risk.positions[0].liquidation_price == pytest.approx(900.0 / (1.0 - 0.016) / 10.0)


def test_an_isolated_position_is_charged_too() -> None:
    row = position(
        X, quantity=10.0, mark_price=100.0, maintenance_tiers=flat_rate(0.004), closing_fee_rate=0.002,
        margin_mode="isolated", margin=100.0,
    )  # fmt: skip
    risk = account(MarginPool(currency="USDT", equity=200.0), row)
    assert risk.positions[0].maintenance_margin == pytest.approx(4.0)
    assert risk.positions[0].maintenance_margin_rate == pytest.approx(0.06)
    assert risk.positions[0].liquidation_price == pytest.approx(900.0 / 0.994 / 10.0)
    assert dict(pool_of(risk).isolated_stress)[-0.05] == pytest.approx(0.006 * 950.0 / 50.0)
    # It stands alone: the pool is not charged for it.
    assert (pool_of(risk).closing_fees, pool_of(risk).maintenance_margin_rate) == (None, 0.0)


def test_a_venue_that_counts_no_fee_has_no_fee() -> None:
    """0 would say that its requirement was looked through and contains none."""
    risk = account(MarginPool(currency="USDT", margin_equity=16.0), position(X, mark_price=100.0))
    assert (pool_of(risk).closing_fees, risk.positions[0].closing_fee) == (None, None)


def test_a_fee_of_an_unknown_notional_leaves_the_requirement_unknown() -> None:
    rows = (
        position(X, mark_price=100.0, maintenance_margin=4.0, closing_fee_rate=0.002),
        position(Y, maintenance_margin=4.0, closing_fee_rate=0.002),
    )
    risk = account(MarginPool(currency="USDT", margin_equity=16.0, maintenance_margin=8.0), *rows)
    pool = pool_of(risk)
    assert (pool.maintenance_margin, pool.closing_fees, pool.maintenance_margin_rate) == (8.0, None, None)
    assert [row.liquidation_source for row in risk.positions] == ["unknown", "unknown"]


def test_a_multi_asset_pool_is_charged_at_the_price_of_required_margin() -> None:
    row = position(
        linear("X", "BTC"), quantity=10.0, mark_price=0.1, maintenance_margin=0.01, closing_fee_rate=0.002,
        pool_currency="USD",
    )  # fmt: skip
    asset = Asset(asset="BTC", equity=1.0, collateral_price_usd=57_000.0, margin_price_usd=61_000.0)
    pool = pool_of(
        account(
            MarginPool(currency="USD", margin_equity=57_000.0), row, assets=(asset,), prices={"BTC": 60_000.0}
        )
    )
    assert (pool.maintenance_margin, pool.closing_fees) == pytest.approx((610.0, 122.0))
