"""What must come out alike, for every pool: one account written in two ways, one figure read from another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    Contract,
    MarginPool,
    Position,
    PositionRisk,
    RiskSettings,
)
from exporter.risk import assess, computed_liquidation_prices
from tests.risk.accounts import SETTINGS
from tests.risk.strategies import Scenario, amounts, scenarios


def relevant(risk: AccountRisk) -> list[float | None]:
    """Every number of a pool and its positions that has no unit of amount, absent ones included."""
    numbers: list[float | None] = []
    for pool in risk.pools[:1]:
        numbers += [pool.maintenance_margin_rate, pool.leverage_ratio]
        numbers += [pool.liquidation_shock_up, pool.liquidation_shock_down]
        numbers += [rate for _, rate in (*pool.stress, *pool.isolated_stress)]
        numbers.append(pool.reduction_to_target)
    by_leg = {(row.position.symbol, row.position.side): row for row in risk.positions}
    for row in by_leg.values():
        numbers += [row.liquidation_price, row.liquidation_distance_ratio, row.reduction_to_target]
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
                margin=scaled(row.margin, factor),
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
@given(scenarios(alone=False), amounts(0.05, 0.95))
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
@given(scenarios(kind="linear"), amounts(0.0, 5_000.0))
def test_an_isolated_position_is_a_pool_of_its_own(scenario: Scenario, collateral: float) -> None:
    """It gives what a cross position alone in a pool of that collateral gives, but for the share to close."""
    cross = replace(
        scenario.snapshot.positions[0], pool_currency=None, margin_mode="cross", auto_add_margin=False
    )
    alone = assess(AccountSnapshot(pools=(MarginPool(currency="USDT"),), positions=(cross,)), SETTINGS)
    pnl = alone.positions[0].unrealized_pnl
    assert pnl is not None
    pool = MarginPool(currency="USDT", margin_equity=collateral + pnl)
    backed = assess(AccountSnapshot(pools=(pool,), positions=(cross,)), SETTINGS)
    isolated = replace(cross, margin_mode="isolated", margin=collateral)
    (own,) = assess(AccountSnapshot(pools=(), positions=(isolated,)), SETTINGS).positions
    assert own.maintenance_margin_rate == backed.pools[0].maintenance_margin_rate
    assert own.margin_to_target == backed.pools[0].margin_to_target
    assert own.liquidation_price == backed.positions[0].liquidation_price
    assert own.liquidation_distance_ratio == backed.positions[0].liquidation_distance_ratio


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
