"""Liquidation prices and distances of hedged pairs, isolated positions and pools past liquidation."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from exporter.model import Contract, MarginPool
from tests.risk.accounts import CHECKED, account, flat_rate, inverse, linear, pool_of, position, tiers
from tests.risk.ticks import ticks_around

X = linear("X")
POOL = MarginPool(currency="USDT", margin_equity=50.0)


def test_both_legs_of_a_pair_get_the_distance_of_the_net_from_one_venue_price() -> None:
    """The naive formula gives the short leg (80 - 100) / 100 = -20 % and a false page."""
    risk = account(
        POOL,
        position(X, "long", 3, mark_price=100.0, liquidation_price=80.0),
        position(X, "short", 1, mark_price=100.0, liquidation_price=80.0),
    )
    assert [row.liquidation_distance_ratio for row in risk.positions] == pytest.approx([0.2, 0.2])
    assert [row.liquidation_price for row in risk.positions] == [80.0, 80.0]


@pytest.mark.parametrize("printed_on", ["long", "short"])
def test_a_price_printed_on_one_leg_counts_for_both(printed_on: str) -> None:
    price = {printed_on: 130.0}
    risk = account(
        POOL,
        position(X, "long", 1, mark_price=100.0, liquidation_price=price.get("long")),
        position(X, "short", 2, mark_price=100.0, liquidation_price=price.get("short")),
    )
    for row in risk.positions:
        assert (row.liquidation_price, row.liquidation_source) == (130.0, "venue")
        assert row.liquidation_distance_ratio == pytest.approx(0.3)


def test_of_two_different_prices_the_one_on_the_losing_side_of_the_net_counts() -> None:
    risk = account(
        POOL,
        position(X, "long", 3, mark_price=100.0, liquidation_price=70.0),
        position(X, "short", 1, mark_price=100.0, liquidation_price=160.0),
    )
    assert [row.liquidation_distance_ratio for row in risk.positions] == pytest.approx([0.3, 0.3])


def test_a_pair_without_a_venue_price_moves_together() -> None:
    """Net long 2 with 4 gross at 0.4 %: 50 + 2 (p - 100) = 0.016 p."""
    risk = account(
        POOL,
        position(X, "long", 3, mark_price=100.0, maintenance_margin=1.2),
        position(X, "short", 1, mark_price=100.0, maintenance_margin=0.4),
    )
    expected = 150.0 / (2.0 - 0.016)
    for row in risk.positions:
        assert row.liquidation_price == pytest.approx(expected)
        assert row.liquidation_source == "computed"
        assert row.liquidation_distance_ratio == pytest.approx((100.0 - expected) / 100.0)


def test_a_perfect_hedge_is_liquidated_by_its_maintenance_margin_when_the_price_rises() -> None:
    """Gross 2 at 1 %: 50 = 0.02 p at p = 2500, 2400 % away for both legs."""
    legs = (
        position(X, "long", 1, mark_price=100.0, maintenance_margin=1.0),
        position(X, "short", 1, mark_price=100.0, maintenance_margin=1.0),
    )
    risk = account(POOL, *legs)
    for row in risk.positions:
        assert row.liquidation_price == pytest.approx(2500.0)
        assert row.liquidation_distance_ratio == pytest.approx(24.0)
    # The shock search ends at +1000 %, the price does not.
    assert pool_of(risk).liquidation_shock_up is None


def test_a_perfect_inverse_hedge_is_liquidated_when_the_price_falls() -> None:
    """In coin the margin is 0.01 * 200 / p: 1 coin of equity meets it at p = 2."""
    coin = inverse("X")
    legs = [
        position(coin, side, 1, mark_price=100.0, maintenance_tiers=flat_rate(0.01))
        for side in ("long", "short")
    ]
    risk = account(MarginPool(currency="X", margin_equity=1.0), *legs)
    for row in risk.positions:
        assert row.liquidation_price == pytest.approx(2.0)
        assert row.liquidation_distance_ratio == pytest.approx(0.98)
    assert pool_of(risk).liquidation_shock_down == pytest.approx(0.98)


def test_a_nearly_perfect_hedge_is_liquidated_on_its_gaining_side_with_a_positive_distance() -> None:
    """Net long 0.01 of 2 gross at 1 %: the margin grows faster than the profit."""
    risk = account(
        POOL,
        position(X, "long", 1.005, mark_price=100.0, maintenance_margin=1.005),
        position(X, "short", 0.995, mark_price=100.0, maintenance_margin=0.995),
    )
    expected = (50.0 - 1.0) / (0.02 - 0.01)
    for row in risk.positions:
        assert row.liquidation_price == pytest.approx(expected)
        assert row.liquidation_distance_ratio == pytest.approx(expected / 100.0 - 1.0)


def test_a_venue_price_on_the_gaining_side_of_a_living_pair_is_ahead_and_not_behind() -> None:
    risk = account(
        POOL,
        position(X, "long", 1.005, mark_price=100.0, maintenance_margin=1.005, liquidation_price=4900.0),
        position(X, "short", 0.995, mark_price=100.0, maintenance_margin=0.995, liquidation_price=4900.0),
    )
    assert [row.liquidation_distance_ratio for row in risk.positions] == pytest.approx([48.0, 48.0])


def test_a_pair_past_its_venue_price_is_negative_on_both_legs() -> None:
    risk = account(
        MarginPool(currency="USDT", margin_equity=1.0, maintenance_margin=2.0),
        position(X, "long", 3, mark_price=100.0, liquidation_price=104.0),
        position(X, "short", 1, mark_price=100.0, liquidation_price=104.0),
    )
    assert [row.liquidation_distance_ratio for row in risk.positions] == pytest.approx([-0.04, -0.04])


def test_a_pair_with_a_venue_price_but_no_mark_has_no_distance() -> None:
    risk = account(
        POOL,
        position(X, "long", 3, None, liquidation_price=80.0),
        position(X, "short", 1, None, liquidation_price=80.0),
    )
    assert [row.liquidation_distance_ratio for row in risk.positions] == [None, None]
    assert [row.liquidation_price for row in risk.positions] == [80.0, 80.0]


def test_a_pair_of_unknown_contract_size_has_the_distance_of_the_net_all_the_same() -> None:
    contract = Contract(kind="inverse", size=None, base="BTC", quote="USD", settle="BTC")
    risk = account(
        MarginPool(currency="BTC", equity=1.0, maintenance_margin=0.1),
        position(contract, quantity=10.0, mark_price=100.0, liquidation_price=80.0),
        position(contract, "short", 4.0, mark_price=100.0, liquidation_price=80.0),
    )
    assert [row.liquidation_distance_ratio for row in risk.positions] == [pytest.approx(0.2)] * 2


def test_a_pair_whose_pool_the_venue_did_not_report_is_still_a_pair() -> None:
    risk = account(
        MarginPool(currency="BTC", margin_equity=1.0),
        position(X, "long", 3, mark_price=100.0, liquidation_price=80.0),
        position(X, "short", 1, mark_price=100.0),
    )
    for row in risk.positions:
        assert (row.liquidation_price, row.liquidation_source) == (80.0, "venue")
        assert row.liquidation_distance_ratio == pytest.approx(0.2)


def test_an_isolated_position_whose_mark_follows_from_the_pools_pnl_has_a_price() -> None:
    risk = account(
        MarginPool(currency="USDT", equity=100.0, unrealized_pnl=-5.0),
        position(linear("BTC"), margin_mode="isolated", margin=20.0, maintenance_tiers=flat_rate(0.01)),
    )
    (row,) = risk.positions
    # Mark 95; equity 20 - 5; liquidated where 20 + (p - 100) = 0.01 p.
    assert row.maintenance_margin == pytest.approx(0.95)
    assert row.maintenance_margin_rate == pytest.approx(0.95 / 15)
    assert row.liquidation_source == "computed"
    assert row.liquidation_price == pytest.approx(80 / 0.99)


def test_isolated_long_and_short_of_one_symbol_are_no_pair() -> None:
    risk = account(
        POOL,
        position(X, "long", 1, margin_mode="isolated", mark_price=100.0, margin=10.0, maintenance_margin=1.0),
        position(
            X, "short", 1, margin_mode="isolated", mark_price=100.0, margin=10.0, maintenance_margin=1.0
        ),
    )
    assert risk.positions[0].liquidation_price == pytest.approx(90.0 / 0.99)
    assert risk.positions[1].liquidation_price == pytest.approx(110.0 / 1.01)
    assert [row.maintenance_margin_rate for row in risk.positions] == pytest.approx([0.1, 0.1])
    assert pool_of(risk).maintenance_margin_rate == 0.0


def test_the_tier_valid_at_the_liquidation_price_decides() -> None:
    """A short of 100 grows from 10,000 to a second tier of 5 % at 12,000 with deduction 480."""
    row = position(X, "short", 100, mark_price=100.0, maintenance_tiers=tiers((0.0, 0.01), (12_000.0, 0.05)))
    risk = account(MarginPool(currency="USDT", margin_equity=5_000.0), row)
    expected = (5_000.0 + 10_000.0 + 480.0) / (100 * 1.05)
    assert expected * 100 > 12_000.0
    assert risk.positions[0].liquidation_price == pytest.approx(expected)
    assert risk.positions[0].maintenance_margin == pytest.approx(100.0)


def test_a_schedule_without_deductions_liquidates_at_the_jump_it_makes() -> None:
    """A short reaches 20,000 with 300 of equity left: 1 % asks for 200, 2.5 % for 500."""
    steps = tiers((0.0, 0.01), (20_000.0, 0.025), jump=True)
    row = position(X, "short", 100, mark_price=190.0, maintenance_tiers=steps)
    risk = account(MarginPool(currency="USDT", margin_equity=1_300.0), row)
    assert risk.positions[0].liquidation_price == pytest.approx(200.0)
    assert pool_of(risk).liquidation_shock_up == pytest.approx(10.0 / 190.0)


def test_a_long_can_be_liquidated_by_a_rise_into_a_tier_that_jumps() -> None:
    """At 20,000 the margin rises from 200 to 15,000, more than the 10,000 of equity there."""
    steps = tiers((0.0, 0.01), (20_000.0, 0.75), jump=True)
    row = position(X, "long", 100, mark_price=190.0, maintenance_tiers=steps)
    risk = account(MarginPool(currency="USDT", margin_equity=9_000.0), row)
    assert risk.positions[0].liquidation_price == pytest.approx(200.0)
    assert risk.positions[0].liquidation_distance_ratio == pytest.approx(10.0 / 190.0)
    assert pool_of(risk).liquidation_shock_up == pytest.approx(10.0 / 190.0)


def test_of_two_liquidation_prices_of_a_pair_the_nearer_is_published() -> None:
    """Net long 20: 72.5 % down, and 55 % up because the second tier takes 60 % of both legs."""
    steps = tiers((0.0, 0.01), (12_000.0, 0.6))
    risk = account(
        MarginPool(currency="USDT", margin_equity=1_500.0),
        position(X, "long", 100, mark_price=100.0, maintenance_tiers=steps),
        position(X, "short", 80, mark_price=100.0, maintenance_tiers=steps),
    )
    for row in risk.positions:
        assert row.liquidation_price == pytest.approx(150.0 + 460.0 / 88.0)
        assert row.liquidation_distance_ratio == pytest.approx(0.5 + 4.6 / 88.0)
    assert pool_of(risk).liquidation_shock_down == pytest.approx(1.0 - 500.0 / 1820.0)


def test_a_flat_pair_of_unknown_requirements_is_never_past_its_venue_price() -> None:
    for price in (98.0, 102.0):
        risk = account(
            POOL,
            position(X, "long", 1, mark_price=100.0, liquidation_price=price),
            position(X, "short", 1, mark_price=100.0, liquidation_price=price),
        )
        assert [row.liquidation_distance_ratio for row in risk.positions] == pytest.approx([0.02, 0.02])


def test_a_schedule_is_scaled_to_the_venues_own_figure() -> None:
    """The venue asks for 1.2 % where the published tier says 1 %."""
    row = position(X, mark_price=100.0, maintenance_margin=1.2, maintenance_tiers=flat_rate(0.01))
    risk = account(MarginPool(currency="USDT", margin_equity=20.0), row)
    assert risk.positions[0].liquidation_price == pytest.approx(80.0 / (1.0 - 0.012))


def test_a_schedule_far_from_the_venues_own_figure_is_not_believed() -> None:
    """At 1 % of today's notional the tiers ask for 100 times what the venue does: its rate is kept."""
    wrong = tiers((0.0, 0.5), (150.0, 0.9))
    row = position(X, "short", mark_price=100.0, maintenance_margin=0.5, maintenance_tiers=wrong)
    risk = account(MarginPool(currency="USDT", margin_equity=200.0), row)
    assert risk.positions[0].liquidation_price == pytest.approx(300.0 / 1.005)


def test_open_orders_requirement_stays_while_the_price_moves() -> None:
    """The pool requires 3, its position 1: 50 + p - 100 = 0.01 p + 2."""
    row = position(X, mark_price=100.0, maintenance_margin=1.0)
    risk = account(MarginPool(currency="USDT", margin_equity=50.0, maintenance_margin=3.0), row)
    assert risk.positions[0].liquidation_price == pytest.approx(52.0 / 0.99)


def test_a_venue_that_requires_less_than_the_sum_of_its_rows_is_taken_at_its_word() -> None:
    """Two legs of 1 each, of which the venue requires 1: half of each, at any price."""
    rows = (
        position(X, "long", 2, mark_price=100.0, maintenance_margin=2.0),
        position(X, "short", 1, mark_price=100.0, maintenance_margin=1.0),
    )
    risk = account(MarginPool(currency="USDT", margin_equity=50.0, maintenance_margin=1.5), *rows)
    assert risk.positions[0].liquidation_price == pytest.approx(50.0 / (1.0 - 0.015))


def test_a_position_past_liquidation_has_a_negative_distance_to_the_price_that_would_save_it() -> None:
    """-2 + (p - 100) = 0.01 p at 103.03."""
    row = position(X, mark_price=100.0, maintenance_margin=1.0)
    risk = account(MarginPool(currency="USDT", margin_equity=-2.0), row)
    (found,) = risk.positions
    assert found.liquidation_price == pytest.approx(102.0 / 0.99)
    assert found.liquidation_distance_ratio == pytest.approx(-(102.0 / 0.99 - 100.0) / 100.0)
    assert pool_of(risk).maintenance_margin_rate == math.inf
    assert (pool_of(risk).liquidation_shock_up, pool_of(risk).liquidation_shock_down) == (0.0, 0.0)


def test_exactly_at_liquidation_the_distance_is_zero() -> None:
    row = position(X, mark_price=100.0, maintenance_margin=1.0)
    risk = account(MarginPool(currency="USDT", margin_equity=1.0), row)
    assert (risk.positions[0].liquidation_price, risk.positions[0].liquidation_distance_ratio) == (100.0, 0.0)
    assert pool_of(risk).maintenance_margin_rate == 1.0
    assert (pool_of(risk).liquidation_shock_up, pool_of(risk).liquidation_shock_down) == (0.0, 0.0)


def test_a_lost_hedge_that_no_price_saves_is_liquidated_here_and_now() -> None:
    rows = (
        position(X, "long", 1, mark_price=100.0, maintenance_margin=1.0),
        position(X, "short", 1, mark_price=100.0, maintenance_margin=1.0),
    )
    risk = account(MarginPool(currency="USDT", margin_equity=-1.0), *rows)
    assert [row.liquidation_price for row in risk.positions] == [100.0, 100.0]
    assert [row.liquidation_distance_ratio for row in risk.positions] == [0.0, 0.0]


def test_the_venues_price_is_published_and_the_engines_only_compared() -> None:
    row = position(X, mark_price=100.0, maintenance_margin=1.0, liquidation_price=60.0)
    (checked,) = account(POOL, row, settings=CHECKED).positions
    assert (checked.liquidation_price, checked.liquidation_source) == (60.0, "venue")
    assert checked.liquidation_distance_ratio == pytest.approx(0.4)
    assert checked.liquidation_cross_check_ratio == pytest.approx((50.0 / 0.99 - 60.0) / 60.0)
    (unchecked,) = account(POOL, row).positions
    assert unchecked.liquidation_cross_check_ratio is None


@pytest.mark.parametrize(("multiple", "there"), [(9_000.0, True), (11_000.0, False)])
def test_one_limit_for_absurd_prices_holds_for_the_venues_and_the_computed_one(
    multiple: float, there: bool
) -> None:
    """A short of 1 at 100 with 100 times the multiple of equity; 0 required."""
    short: dict[str, Any] = {"mark_price": 100.0, "maintenance_margin": 0.0}
    price = 100.0 * multiple
    computed = account(
        MarginPool(currency="USDT", margin_equity=price - 100.0), position(X, "short", **short)
    ).positions[0]
    told = account(POOL, position(X, "short", liquidation_price=price, **short)).positions[0]
    if there:
        assert computed.liquidation_price == pytest.approx(price)
        assert (told.liquidation_price, told.liquidation_source) == (price, "venue")
    else:
        assert (computed.liquidation_price, computed.liquidation_source) == (None, "none")
        assert told.liquidation_source == "computed"


@pytest.mark.parametrize(("price", "there"), [(2e-7, True), (0.5e-7, False)])
def test_a_price_below_a_billionth_of_the_mark_is_none(price: float, there: bool) -> None:
    known: dict[str, Any] = {"mark_price": 100.0, "maintenance_margin": 0.0}
    pool = MarginPool(currency="USDT", margin_equity=100.0 - price)
    computed = account(pool, position(X, **known)).positions[0]
    assert (computed.liquidation_price is not None) == there
    told = account(MarginPool(currency="USDT"), position(X, liquidation_price=price)).positions[0]
    assert (told.liquidation_price is not None) == there


def test_the_ticks_around_a_price_are_the_last_safe_and_the_first_liquidating() -> None:
    assert ticks_around(99.3976, 100.0, "0.1") == (Decimal("99.4"), Decimal("99.3"))
    assert ticks_around(100.42, 100.0, "0.1") == (Decimal("100.4"), Decimal("100.5"))
    assert ticks_around(99.5, 100.0, "0.5") == (Decimal("100.0"), Decimal("99.5"))
