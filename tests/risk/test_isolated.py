"""Shock and stress of isolated positions: each a pool of its own, none forgotten."""

from __future__ import annotations

import math
from typing import Any

import pytest

from exporter.model import MarginPool, Position, RiskSettings
from tests.risk.accounts import account, linear, pool_of, position

POOL = MarginPool(currency="USDT", equity=1_000.0, margin_equity=500.0)


def alone(coin: str, distance: float, **known: Any) -> Position:
    """A long of 100 at 1 %, liquidated by a fall of its mark by a distance: m - 100 d = 1 - d."""
    margin = 1.0 + 99.0 * distance
    return position(
        linear(coin), margin_mode="isolated", mark_price=100.0, margin=margin, maintenance_margin=1.0, **known
    )


def test_an_account_of_isolated_positions_only_is_as_near_as_the_nearest_of_them() -> None:
    """Five positions, one 2.5 % from liquidation: a fall of 20 % is no 0."""
    rows = [alone(f"C{index}", distance) for index, distance in enumerate((0.3, 0.025, 0.15, 0.4, 0.1))]
    risk = account(POOL, *rows)
    pool = pool_of(risk)
    assert [row.liquidation_distance_ratio for row in risk.positions][1] == pytest.approx(0.025)
    assert pool.liquidation_shock_down == pytest.approx(0.025)
    assert pool.liquidation_shock_up is None
    assert dict(pool.isolated_stress)[-0.2] == math.inf
    assert dict(pool.isolated_stress)[0.05] == pytest.approx(1.05 / (1.0 + 99.0 * 0.025 + 5.0))
    # Of cross positions there is nothing to say.
    assert pool.stress == ()
    assert (pool.cross_liquidation_shock_down, pool.cross_liquidation_shock_up) == (None, None)


def test_cross_and_isolated_are_told_apart() -> None:
    cross = position(linear("X"), "short", quantity=10.0, mark_price=100.0, maintenance_margin=10.0)
    pool = pool_of(account(POOL, cross, alone("Y", 0.3)))
    assert pool.cross_liquidation_shock_up == pytest.approx(490.0 / 1_010.0)
    assert pool.liquidation_shock_up == pool.cross_liquidation_shock_up
    assert pool.cross_liquidation_shock_down is None
    assert pool.liquidation_shock_down == pytest.approx(0.3)
    assert dict(pool.stress)[0.2] == pytest.approx(12.0 / 300.0)
    assert dict(pool.isolated_stress)[-0.2] == pytest.approx(0.8 / (1.0 + 29.7 - 20.0))


def test_an_isolated_position_past_liquidation_is_there_already() -> None:
    pool = pool_of(account(POOL, alone("X", -0.01), alone("Y", 0.3)))
    assert (pool.liquidation_shock_up, pool.liquidation_shock_down) == (0.0, 0.0)


def test_an_isolated_position_whose_pool_the_venue_did_not_report_counts_too() -> None:
    risk = account(MarginPool(currency="BTC", margin_equity=1.0), alone("X", 0.025), alone("Y", 0.2))
    assert [pool.pool.currency for pool in risk.pools] == ["BTC", "USDT"]
    assert risk.pools[0].liquidation_shock_down is None
    assert risk.pools[1].liquidation_shock_down == pytest.approx(0.025)
    assert dict(risk.pools[1].isolated_stress)[-0.2] == math.inf
    assert (risk.pools[1].equity, risk.pools[1].maintenance_margin_rate) == (None, None)
    assert risk.pools[1].gross_notional_usd == 200.0


def test_what_is_not_known_of_one_does_not_hide_the_others() -> None:
    unknown = position(linear("Z"), margin_mode="isolated", mark_price=100.0)
    pool = pool_of(account(POOL, unknown, alone("X", 0.025)))
    assert pool.liquidation_shock_down == pytest.approx(0.025)
    assert dict(pool.isolated_stress)[-0.2] == math.inf


def test_a_flat_pool_survives_everything() -> None:
    pool = pool_of(account(POOL))
    assert {rate for _, rate in pool.stress} == {0.0}
    assert pool.isolated_stress == ()


def test_no_shocks_switch_both_grids_off() -> None:
    pool = pool_of(account(POOL, alone("X", 0.025), settings=RiskSettings(shocks=())))
    assert pool.isolated_stress == ()


def test_a_position_that_draws_on_the_cross_wallet_stands_and_falls_with_it() -> None:
    """Margin and PnL of 3.5 are a part of the 500 that back it; it is not liquidated at its own 2.5 %."""
    row = alone("X", 0.025, auto_add_margin=True)
    risk = account(POOL, row)
    pool = pool_of(risk)
    assert pool.maintenance_margin == 1.0
    assert pool.maintenance_margin_rate == pytest.approx(1.0 / 500.0)
    assert pool.isolated_stress == ()
    assert dict(pool.stress)[-0.2] == pytest.approx(0.8 / 480.0)
    # The cross wallet covers the whole notional.
    assert (risk.positions[0].liquidation_source, pool.liquidation_shock_down) == ("none", None)
    # It has no rate of its own, and its label says what the venue says.
    assert risk.positions[0].maintenance_margin_rate is None
    assert risk.positions[0].position.margin_mode == "isolated"


def test_without_a_margin_equity_of_the_venue_its_margin_backs_the_pool() -> None:
    rows = (alone("X", 0.025, auto_add_margin=True), alone("Y", 0.3))
    pool = pool_of(account(MarginPool(currency="USDT", equity=100.0), *rows))
    assert pool.margin_equity == pytest.approx(100.0 - 30.7)
