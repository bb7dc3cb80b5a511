"""Which moves liquidate, for every pool: judged by the definition and by nothing of the engine's."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.model import (
    AccountSnapshot,
    Contract,
    MarginPool,
    Position,
)
from exporter.risk import assess
from tests.risk.accounts import SETTINGS, tiers
from tests.risk.oracle import first_move
from tests.risk.strategies import Scenario, amounts, scenarios

# Fractions of the way to liquidation at which a pool must still be alive.
ON_THE_WAY = (0.01, 0.2, 0.4, 0.6, 0.8, 0.95, 0.999, 0.9999999)


def moved(scenario: Scenario, row: Position) -> Callable[[float], float]:
    """The rate of what backs a position as a function of its symbol's factor."""
    return lambda factor: scenario.rate(factor, row)


@settings(max_examples=300, deadline=None)
@given(scenarios())
def test_at_a_computed_price_the_rate_is_one_and_nothing_nearer_liquidates(scenario: Scenario) -> None:
    risk = assess(scenario.snapshot, scenario.settings)
    for found in risk.positions:
        rate = moved(scenario, found.position)
        mark, price = found.position.mark_price, found.liquidation_price
        assert mark is not None
        if price is None:
            assert found.liquidation_source == "none"
            continue
        assert found.liquidation_distance_ratio is not None
        assert found.liquidation_distance_ratio > 0.0
        assert abs(price / mark - 1.0) == pytest.approx(found.liquidation_distance_ratio)
        assert rate(price / mark) == pytest.approx(1.0, abs=1e-9)
        for part in ON_THE_WAY:
            assert rate(1.0 + part * (price / mark - 1.0)) < 1.0
            mirrored = 1.0 - part * (price / mark - 1.0)
            if mirrored > 0.0:
                assert rate(mirrored) < 1.0


@settings(max_examples=300, deadline=None)
@given(scenarios())
def test_at_a_shock_the_rate_is_one_and_nothing_smaller_liquidates(scenario: Scenario) -> None:
    """Of the cross positions alone, and of whatever is liquidated first."""
    (pool,) = assess(scenario.snapshot, scenario.settings).pools
    for shock, sign, rate in (
        (pool.cross_liquidation_shock_up, 1.0, scenario.shocked_rate),
        (pool.cross_liquidation_shock_down, -1.0, scenario.shocked_rate),
        (pool.liquidation_shock_up, 1.0, scenario.highest_rate),
        (pool.liquidation_shock_down, -1.0, scenario.highest_rate),
    ):
        if shock is None:
            continue
        assert 0.0 < shock <= (10.0 if sign > 0 else 1.0)
        factor = 1.0 + sign * shock
        if factor > 1e-3:
            assert rate(factor) == pytest.approx(1.0, abs=1e-9)
        else:
            # So near to -100 % the shock itself has too few digits left to hit the rate that well.
            assert rate(factor * (1.0 - 1e-6)) >= 1.0
        for part in ON_THE_WAY:
            assert rate(1.0 + sign * part * shock) < 1.0


@settings(max_examples=200, deadline=None)
@given(scenarios(jump=True))
def test_where_margins_jump_the_first_liquidating_move_is_found(scenario: Scenario) -> None:
    """A hair beyond the price or shock the rate is at least 1, and nowhere before it."""
    risk = assess(scenario.snapshot, scenario.settings)
    (pool,) = risk.pools
    moves: list[tuple[Callable[[float], float], float]] = []
    for found in risk.positions:
        if found.liquidation_price is not None:
            assert found.position.mark_price is not None
            factor = found.liquidation_price / found.position.mark_price
            moves.append((moved(scenario, found.position), factor - 1.0))
    if pool.liquidation_shock_up is not None:
        moves.append((scenario.highest_rate, pool.liquidation_shock_up))
    if pool.liquidation_shock_down is not None:
        moves.append((scenario.highest_rate, -pool.liquidation_shock_down))
    for rate, move in moves:
        # Near -100 % a shock has few digits left: what its rounding hides is part of the hair.
        hair = 1e-10 + sys.float_info.epsilon / (1.0 + move)
        assert rate((1.0 + move) * (1.0 + math.copysign(hair, move))) >= 1.0 - 1e-7
        for part in ON_THE_WAY:
            assert rate(1.0 + part * move) < 1.0


@settings(max_examples=25, deadline=None)
@given(scenarios())
def test_walking_outward_finds_what_the_engine_finds(scenario: Scenario) -> None:
    """A scan in steps of 0.5 % with bisection, over the definition, meets the same first crossings."""
    risk = assess(scenario.snapshot, scenario.settings)
    (pool,) = risk.pools
    up = first_move(scenario.highest_rate, rising=True, limit=11.0, step=5e-3)
    down = first_move(scenario.highest_rate, rising=False, limit=1e-3, step=5e-3)
    assert pool.liquidation_shock_up == (None if up is None else pytest.approx(up - 1.0, rel=1e-7, abs=1e-9))
    if down is None:
        assert pool.liquidation_shock_down is None or pool.liquidation_shock_down > 0.999
    else:
        assert pool.liquidation_shock_down == pytest.approx(1.0 - down, rel=1e-7, abs=1e-9)
    found = risk.positions[0]
    rate = moved(scenario, found.position)
    up = first_move(rate, rising=True, limit=50.0, step=5e-3)
    down = first_move(rate, rising=False, limit=1e-3, step=5e-3)
    moves = [factor for factor in (up, down) if factor is not None]
    if moves:
        nearest = min(moves, key=lambda factor: abs(factor - 1.0))
        assert found.liquidation_price is not None
        assert found.position.mark_price is not None
        engine = found.liquidation_price / found.position.mark_price
        assert abs(engine - 1.0) == pytest.approx(abs(nearest - 1.0), rel=1e-7, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(scenarios())
def test_the_stress_grid_is_the_rate_by_definition(scenario: Scenario) -> None:
    (pool,) = assess(scenario.snapshot, scenario.settings).pools
    shocks = list(scenario.settings.shocks)
    for rates, defined, there in (
        (pool.stress, scenario.shocked_rate, scenario.backed),
        (pool.isolated_stress, scenario.worst_isolated_rate, scenario.alone),
    ):
        assert [shock for shock, _ in rates] == (shocks if there else [])
        for shock, rate in rates:
            expected = defined(1.0 + shock)
            wanted = expected if math.isinf(expected) else pytest.approx(expected, rel=1e-7, abs=1e-12)
            assert rate == wanted


@settings(max_examples=100, deadline=None)
@given(scenarios(kind="linear", long_only=True, alone=False))
def test_a_long_only_linear_pool_has_no_liquidation_upward(scenario: Scenario) -> None:
    risk = assess(scenario.snapshot, scenario.settings)
    assert risk.pools[0].liquidation_shock_up is None
    for found in risk.positions:
        assert found.position.mark_price is not None
        assert found.liquidation_price is None or found.liquidation_price < found.position.mark_price


@settings(max_examples=100, deadline=None)
@given(scenarios(alone=False), amounts(-5.0, 0.999))
def test_a_pool_past_liquidation_is_at_or_beyond_every_price(scenario: Scenario, part: float) -> None:
    """Its rate is at least 1, no distance is positive, and a computed price is where the rate is 1 again."""
    alive = assess(scenario.snapshot, scenario.settings).pools[0]
    assert alive.maintenance_margin is not None
    pool = replace(
        scenario.pool, margin_equity=(alive.maintenance_margin + (alive.closing_fees or 0.0)) * part
    )
    dead = Scenario(replace(scenario.snapshot, pools=(pool,)), scenario.settings)
    risk = assess(dead.snapshot, dead.settings)
    assert risk.pools[0].maintenance_margin_rate is not None
    assert risk.pools[0].maintenance_margin_rate >= 1.0
    assert (risk.pools[0].liquidation_shock_up, risk.pools[0].liquidation_shock_down) == (0.0, 0.0)
    for row in risk.positions:
        assert row.liquidation_price is not None
        assert row.liquidation_distance_ratio is not None
        assert row.liquidation_distance_ratio <= 0.0
        if row.liquidation_distance_ratio < 0.0:
            assert row.position.mark_price is not None
            factor = row.liquidation_price / row.position.mark_price
            assert dead.rate(factor, row.position) == pytest.approx(1.0, abs=1e-7)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["long", "short"]),
    st.sampled_from(["linear", "inverse"]),
    amounts(0.002, 0.1),
    amounts(0.02, 0.9),
    amounts(0.02, 0.9),
)
def test_the_distance_falls_as_the_rate_rises_for_a_one_position_pool(
    side: str, kind: str, rate: float, one: float, other: float
) -> None:
    assume(abs(one - other) > 1e-3)
    contract = Contract(
        kind="linear" if kind == "linear" else "inverse", size=1.0, base="X", quote="Y", settle="Y"
    )
    row = Position(
        symbol="XY",
        side="long" if side == "long" else "short",
        margin_mode="cross",
        quantity=100.0,
        contract=contract,
        entry_price=100.0,
        mark_price=100.0,
        maintenance_tiers=tiers((0.0, rate)),
    )

    def distance(pool_rate: float) -> float:
        notional = 100.0 * 100.0 if kind == "linear" else 1.0
        pool = MarginPool(currency="Y", margin_equity=notional * rate / pool_rate)
        risk = assess(AccountSnapshot(pools=(pool,), positions=(row,)), SETTINGS)
        assert risk.pools[0].maintenance_margin_rate == pytest.approx(pool_rate)
        found = risk.positions[0].liquidation_distance_ratio
        return math.inf if found is None else found

    near, far = distance(max(one, other)), distance(min(one, other))
    assert near < far or near == far == math.inf
