"""The way back, for every account: what is added or closed takes the rate to the target and no further."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model import RiskSettings
from exporter.risk import assess
from tests.risk.oracle import STILL, isolated_rate, smallest_cut
from tests.risk.strategies import Scenario, amounts, scenarios

targets = st.one_of(st.just(0.5), amounts(0.005, 0.95))


@settings(max_examples=200, deadline=None)
@given(scenarios(), targets)
def test_the_money_to_add_takes_the_rate_to_the_target(scenario: Scenario, target: float) -> None:
    risk = assess(scenario.snapshot, RiskSettings(target_rate=target))
    added = risk.pools[0].margin_to_target
    assert (added is not None) == bool(scenario.backed)
    if added == 0.0:
        assert scenario.rate_kept(1.0) <= target * (1.0 + 1e-9)
    elif added is not None:
        assert scenario.rate_kept(1.0, added) == pytest.approx(target)
    for row in risk.positions:
        assert (row.margin_to_target is None) == (row.position not in scenario.alone)
        if row.margin_to_target == 0.0:
            assert isolated_rate(row.position, STILL) <= target * (1.0 + 1e-9)
        elif row.margin_to_target is not None:
            assert isolated_rate(row.position, STILL, added=row.margin_to_target) == pytest.approx(target)


@settings(max_examples=200, deadline=None)
@given(scenarios(), targets)
def test_the_share_to_close_is_the_smallest_that_reaches_the_target(
    scenario: Scenario, target: float
) -> None:
    risk = assess(scenario.snapshot, RiskSettings(target_rate=target))
    if scenario.backed:
        found = risk.pools[0].reduction_to_target
        assert_same_cut(found, smallest_cut(scenario.rate_kept, target), scenario.rate_kept(0.0), target)
    for row in scenario.alone:
        (found,) = (one.reduction_to_target for one in risk.positions if one.position == row)

        def rate(kept: float, row: object = row) -> float:
            return isolated_rate(row, STILL, kept)  # type: ignore[arg-type]

        if rate(1.0) == pytest.approx(target):
            continue  # rounding decides whether anything has to be closed
        assert_same_cut(found, smallest_cut(rate, target), rate(0.0), target)


@settings(max_examples=100, deadline=None)
@given(scenarios(jump=True), targets)
def test_where_margins_jump_a_hair_more_than_the_share_reaches_the_target(
    scenario: Scenario, target: float
) -> None:
    found = assess(scenario.snapshot, RiskSettings(target_rate=target)).pools[0].reduction_to_target
    if found is None or found == 0.0:
        return
    assert scenario.rate_kept(max(1.0 - found - 1e-9, 0.0)) <= target * (1.0 + 1e-6)
    assert scenario.rate_kept(1.0 - found * (1.0 - 1e-6)) > target * (1.0 - 1e-5)


def assert_same_cut(found: float | None, defined: float | None, left: float, target: float) -> None:
    """They agree, unless closing everything hits the target exactly, where rounding decides."""
    if found is None or defined is None:
        assert found == defined or left == pytest.approx(target)
    else:
        assert found == pytest.approx(defined, abs=1e-8)
