"""What holds for every pool, judged by the definition and by nothing of the engine's."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    Asset,
    Contract,
    MaintenanceTier,
    MarginPool,
    Position,
    PositionRisk,
    RiskSettings,
)
from exporter.risk import assess, computed_liquidation_prices
from tests.risk.accounts import SETTINGS, linear, tiers
from tests.risk.oracle import first_move
from tests.risk.strategies import Scenario, amounts, scenarios

# Fractions of the way to liquidation at which a pool must still be alive.
ON_THE_WAY = (0.01, 0.2, 0.4, 0.6, 0.8, 0.95, 0.999, 0.9999999)


def moved(scenario: Scenario, row: Position) -> Callable[[float], float]:
    """The pool's rate as a function of one symbol's factor."""
    return lambda factor: scenario.rate({row.symbol: factor})


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
    (pool,) = assess(scenario.snapshot, scenario.settings).pools
    for shock, sign in ((pool.liquidation_shock_up, 1.0), (pool.liquidation_shock_down, -1.0)):
        if shock is None:
            continue
        assert 0.0 < shock <= (10.0 if sign > 0 else 1.0)
        factor = 1.0 + sign * shock
        if factor > 1e-3:
            assert scenario.shocked_rate(factor) == pytest.approx(1.0, abs=1e-9)
        else:
            # So near to -100 % the shock itself has too few digits left to hit the rate that well.
            assert scenario.shocked_rate(factor * (1.0 - 1e-6)) >= 1.0
        for part in ON_THE_WAY:
            assert scenario.shocked_rate(1.0 + sign * part * shock) < 1.0


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
        moves.append((scenario.shocked_rate, pool.liquidation_shock_up))
    if pool.liquidation_shock_down is not None:
        moves.append((scenario.shocked_rate, -pool.liquidation_shock_down))
    for rate, move in moves:
        # Near -100 % a shock has few digits left: what its rounding hides is part of the hair.
        hair = 1e-10 + sys.float_info.epsilon / (1.0 + move)
        assert rate((1.0 + move) * (1.0 + math.copysign(hair, move))) >= 1.0 - 1e-7
        for part in ON_THE_WAY:
            assert rate(1.0 + part * move) < 1.0


@settings(max_examples=60, deadline=None)
@given(scenarios())
def test_walking_outward_finds_what_the_engine_finds(scenario: Scenario) -> None:
    """A scan in steps of 0.5 % with bisection, over the definition, meets the same first crossings."""
    risk = assess(scenario.snapshot, scenario.settings)
    (pool,) = risk.pools
    up = first_move(scenario.shocked_rate, rising=True, limit=11.0, step=5e-3)
    down = first_move(scenario.shocked_rate, rising=False, limit=1e-3, step=5e-3)
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
    assert [shock for shock, _ in pool.stress] == list(scenario.settings.shocks)
    for shock, rate in pool.stress:
        expected = scenario.shocked_rate(1.0 + shock)
        assert rate == (expected if math.isinf(expected) else pytest.approx(expected, rel=1e-7, abs=1e-12))


@settings(max_examples=100, deadline=None)
@given(scenarios(kind="linear", long_only=True))
def test_a_long_only_linear_pool_has_no_liquidation_upward(scenario: Scenario) -> None:
    risk = assess(scenario.snapshot, scenario.settings)
    assert risk.pools[0].liquidation_shock_up is None
    for found in risk.positions:
        assert found.position.mark_price is not None
        assert found.liquidation_price is None or found.liquidation_price < found.position.mark_price


def relevant(risk: AccountRisk) -> list[float | None]:
    """Every number of a pool and its positions that has no unit of amount, absent ones included."""
    numbers: list[float | None] = []
    for pool in risk.pools[:1]:
        numbers += [pool.maintenance_margin_rate, pool.leverage_ratio]
        numbers += [pool.liquidation_shock_up, pool.liquidation_shock_down]
        numbers += [rate for _, rate in pool.stress]
    by_leg = {(row.position.symbol, row.position.side): row for row in risk.positions}
    for row in by_leg.values():
        numbers += [row.liquidation_price, row.liquidation_distance_ratio]
    return numbers


def assert_same(one: AccountRisk, other: AccountRisk) -> None:
    for left, right in zip(relevant(one), relevant(other), strict=True):
        assert right == (left if left is None else pytest.approx(left, rel=1e-9, abs=1e-12))


def scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


@settings(max_examples=100, deadline=None)
@given(scenarios(), amounts(1e-3, 1e3))
def test_scaling_all_amounts_changes_nothing(scenario: Scenario, factor: float) -> None:
    snapshot = scenario.snapshot
    larger = replace(
        snapshot,
        pools=tuple(
            replace(
                pool,
                equity=scaled(pool.equity, factor),
                margin_equity=scaled(pool.margin_equity, factor),
                maintenance_margin=scaled(pool.maintenance_margin, factor),
            )
            for pool in snapshot.pools
        ),
        positions=tuple(
            replace(
                row,
                quantity=row.quantity * factor,
                maintenance_margin=scaled(row.maintenance_margin, factor),
                maintenance_tiers=tuple(
                    replace(
                        tier,
                        floor=tier.floor * factor,
                        cap=tier.cap * factor,
                        deduction=tier.deduction * factor,
                    )
                    for tier in row.maintenance_tiers
                ),
            )
            for row in snapshot.positions
        ),
        assets=tuple(replace(asset, equity=scaled(asset.equity, factor)) for asset in snapshot.assets),
    )
    assert_same(assess(snapshot, scenario.settings), assess(larger, scenario.settings))


@settings(max_examples=100, deadline=None)
@given(scenarios(), amounts(0.05, 0.95))
def test_splitting_one_position_in_two_changes_nothing(scenario: Scenario, share: float) -> None:
    snapshot = scenario.snapshot
    first, *rest = snapshot.positions
    parts = tuple(
        replace(
            first,
            quantity=first.quantity * part,
            maintenance_margin=scaled(first.maintenance_margin, part),
            position_id=name,
        )
        for part, name in ((share, "1"), (1.0 - share, "2"))
    )
    split = replace(snapshot, positions=(*parts, *rest))
    assert_same(assess(snapshot, scenario.settings), assess(split, scenario.settings))


@settings(max_examples=60, deadline=None)
@given(scenarios(), amounts(-1e6, 1e6))
def test_an_unrelated_flat_pool_changes_nothing(scenario: Scenario, equity: float) -> None:
    snapshot = scenario.snapshot
    flat = MarginPool(currency="DOGE", equity=equity, margin_equity=equity)
    joined = replace(snapshot, pools=(*snapshot.pools, flat))
    risk = assess(joined, scenario.settings)
    assert_same(assess(snapshot, scenario.settings), risk)
    assert risk.pools[1].maintenance_margin_rate == 0.0
    assert risk.pools[1].liquidation_shock_down is None


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


@settings(max_examples=100, deadline=None)
@given(scenarios(), amounts(-5.0, 0.999))
def test_a_pool_past_liquidation_is_at_or_beyond_every_price(scenario: Scenario, part: float) -> None:
    """Its rate is at least 1, no distance is positive, and a computed price is where the rate is 1 again."""
    alive = assess(scenario.snapshot, scenario.settings).pools[0].maintenance_margin
    assert alive is not None
    pool = replace(scenario.pool, margin_equity=alive * part)
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
            assert dead.rate({row.position.symbol: factor}) == pytest.approx(1.0, abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(scenarios())
def test_a_venues_price_hides_the_computed_one_but_does_not_change_it(scenario: Scenario) -> None:
    plain = assess(scenario.snapshot, scenario.settings)
    quoted = replace(
        scenario.snapshot,
        positions=tuple(replace(row, liquidation_price=123.0) for row in scenario.snapshot.positions),
    )
    prices = [price for _, price in computed_liquidation_prices(quoted, scenario.settings)]
    assert prices == [row.liquidation_price for row in plain.positions]
    checked = assess(quoted, RiskSettings(cross_check=True))
    for row, price in zip(checked.positions, prices, strict=True):
        assert (row.liquidation_price, row.liquidation_source) == (123.0, "venue")
        expected = None if price is None else pytest.approx((price - 123.0) / 123.0)
        assert row.liquidation_cross_check_ratio == expected


@settings(max_examples=100, deadline=None)
@given(scenarios(kind="linear"), amounts(0.0, 5_000.0))
def test_an_isolated_position_is_a_pool_of_its_own(scenario: Scenario, collateral: float) -> None:
    """It gives what a cross position alone in a pool of that collateral gives."""
    cross = replace(scenario.snapshot.positions[0], pool_currency=None)
    alone = assess(AccountSnapshot(pools=(MarginPool(currency="USDT"),), positions=(cross,)), SETTINGS)
    pnl = alone.positions[0].unrealized_pnl
    assert pnl is not None
    pool = MarginPool(currency="USDT", margin_equity=collateral + pnl)
    backed = assess(AccountSnapshot(pools=(pool,), positions=(cross,)), SETTINGS)
    isolated = replace(cross, margin_mode="isolated", margin=collateral)
    (own,) = assess(AccountSnapshot(pools=(), positions=(isolated,)), SETTINGS).positions
    assert own.maintenance_margin_rate == backed.pools[0].maintenance_margin_rate
    assert own.liquidation_price == backed.positions[0].liquidation_price
    assert own.liquidation_distance_ratio == backed.positions[0].liquidation_distance_ratio


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["long", "short"]),
    st.sampled_from(["linear", "inverse"]),
    amounts(0.01, 1e5),
    amounts(0.3, 3.0),
    amounts(1e-3, 1e6),
)
def test_a_mark_derived_from_a_pnl_is_the_mark_that_made_it(
    side: str, kind: str, entry: float, ratio: float, quantity: float
) -> None:
    mark = entry * ratio
    contract = Contract(
        kind="linear" if kind == "linear" else "inverse", size=1.0, base="X", quote="Y", settle="Y"
    )
    row = Position(
        symbol="XY",
        side="long" if side == "long" else "short",
        margin_mode="cross",
        quantity=quantity,
        contract=contract,
        entry_price=entry,
    )

    def only(position: Position) -> PositionRisk:
        return assess(AccountSnapshot(pools=(), positions=(position,)), SETTINGS).positions[0]

    made = only(replace(row, mark_price=mark))
    gains = (mark > entry) == (side == "long")
    assert made.unrealized_pnl is not None
    assert made.unrealized_pnl == 0.0 or (made.unrealized_pnl > 0.0) == gains
    assert only(replace(row, unrealized_pnl=made.unrealized_pnl)).mark_price == pytest.approx(mark, rel=1e-9)


wild = st.one_of(
    st.none(), st.floats(), st.sampled_from([0.0, -0.0, 1e-308, 5e-324, 1e308, -1e308, 1.0, 100.0])
)
sized = st.one_of(st.floats(), st.sampled_from([0.0, 1e-308, 1e308, 1.0]))
wild_tiers = st.lists(
    st.builds(MaintenanceTier, floor=sized, cap=sized, rate=sized, deduction=sized), max_size=3
).map(tuple)
wild_positions = st.builds(
    Position,
    symbol=st.sampled_from(["A", "B"]),
    side=st.sampled_from(["long", "short"]),
    margin_mode=st.sampled_from(["cross", "isolated"]),
    quantity=sized,
    contract=st.builds(
        Contract,
        kind=st.sampled_from(["linear", "inverse"]),
        size=sized,
        base=st.just("A"),
        quote=st.sampled_from(["USD", "A"]),
        settle=st.sampled_from(["USDT", "A"]),
    ),
    entry_price=wild,
    mark_price=wild,
    liquidation_price=wild,
    unrealized_pnl=wild,
    maintenance_margin=wild,
    margin=wild,
    maintenance_tiers=wild_tiers,
    pool_currency=st.sampled_from([None, "USD"]),
)
wild_pools = st.builds(
    MarginPool,
    currency=st.sampled_from(["USDT", "USD", "A"]),
    equity=wild,
    margin_equity=wild,
    maintenance_margin=wild,
    unrealized_pnl=wild,
)
wild_assets = st.builds(
    Asset, asset=st.sampled_from(["A", "USDT"]), equity=wild, wallet_balance=wild, collateral_price_usd=wild
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(wild_pools, min_size=1, max_size=2),
    st.lists(wild_positions, max_size=4),
    st.lists(wild_assets, max_size=2),
    sized,
)
def test_no_nan_and_no_infinity_but_a_rates_comes_out(
    pools: list[MarginPool], positions: list[Position], assets: list[Asset], price: float
) -> None:
    snapshot = AccountSnapshot(
        pools=tuple(pools), positions=tuple(positions), assets=tuple(assets), prices={"A": price}
    )
    risk = assess(snapshot, RiskSettings(cross_check=True))
    for item in (*risk.pools, *risk.positions):
        for name in item.__struct_fields__:
            value = getattr(item, name)
            if name in ("pool", "position", "stress") or not isinstance(value, float):
                continue
            assert not math.isnan(value), name
            assert math.isfinite(value) or name == "maintenance_margin_rate", name
            if name in ("maintenance_margin_rate", "notional_usd", "liquidation_price", "mark_price"):
                assert value >= 0.0, name
    for pool in risk.pools:
        assert all(rate >= 0.0 for _, rate in pool.stress)


def test_a_symbol_without_contract_size_has_no_notional_and_no_price() -> None:
    row = Position(
        symbol="X",
        side="long",
        margin_mode="cross",
        quantity=1.0,
        contract=linear("X", size=0.0),
        entry_price=1.0,
        mark_price=1.0,
        maintenance_margin=1.0,
    )
    snapshot = AccountSnapshot(pools=(MarginPool(currency="USDT", margin_equity=5.0),), positions=(row,))
    risk = assess(snapshot, SETTINGS)
    assert (risk.positions[0].notional_usd, risk.positions[0].liquidation_source) == (None, "unknown")
    assert risk.pools[0].maintenance_margin_rate == pytest.approx(0.2)
    assert risk.pools[0].liquidation_shock_down is None
