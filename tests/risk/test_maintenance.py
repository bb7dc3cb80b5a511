"""Maintenance margin schedules."""

from __future__ import annotations

import math

import pytest

from exporter.model import MaintenanceTier
from exporter.risk.maintenance import schedule_from
from tests.risk.accounts import flat_rate, tiers

# BTC-USDT of BingX as documented (https://bingx-api.github.io/docs-v3/#/en/Swap/).
BINGX = (
    MaintenanceTier(floor=0.0, cap=150_000.0, rate=0.0038, deduction=0.0),
    MaintenanceTier(floor=150_000.0, cap=900_000.0, rate=0.004, deduction=30.0),
)


@pytest.mark.parametrize(
    ("notional", "margin"),
    [(0.0, 0.0), (100_000.0, 380.0), (150_000.0, 570.0), (500_000.0, 1970.0), (2e6, 7970.0)],
)
def test_a_margin_is_the_rate_of_the_notionals_tier_less_its_deduction(
    notional: float, margin: float
) -> None:
    """Beyond the last cap the last tier goes on."""
    schedule = schedule_from(BINGX)
    assert schedule is not None
    assert schedule.at(notional) == pytest.approx(margin)


def test_a_border_belongs_to_the_upper_tier() -> None:
    """BitTap's documented tiers have no deduction, so the margin jumps at a border."""
    schedule = schedule_from(tiers((0.0, 0.01), (20_000.0, 0.025), (50_000.0, 0.05), jump=True))
    assert schedule is not None
    assert schedule.at(math.nextafter(20_000.0, 0.0)) == pytest.approx(200.0)
    assert schedule.at(20_000.0) == pytest.approx(500.0)


def test_a_requirement_is_never_negative() -> None:
    schedule = schedule_from(flat_rate(0.1, deduction=10.0))
    assert schedule is not None
    assert [schedule.at(notional) for notional in (0.0, 50.0, 100.0, 200.0)] == pytest.approx([0, 0, 0, 10])


@pytest.mark.parametrize(
    "rows",
    [
        (),
        (MaintenanceTier(floor=0.0, cap=1.0, rate=math.nan, deduction=0.0),),
        (MaintenanceTier(floor=0.0, cap=1.0, rate=-0.01, deduction=0.0),),
        (MaintenanceTier(floor=0.0, cap=1.0, rate=0.01, deduction=math.inf),),
        (*BINGX, BINGX[1]),
        (BINGX[1], BINGX[0]),
    ],
)
def test_tiers_that_make_no_sense_are_no_schedule(rows: tuple[MaintenanceTier, ...]) -> None:
    assert schedule_from(rows) is None
