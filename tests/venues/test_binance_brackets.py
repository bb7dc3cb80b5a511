"""Binance: maintenance schedules from brackets."""

from __future__ import annotations

import math
from typing import Any

import pytest

from exporter.venues import _binance_brackets


class TestBrackets:
    BRACKETS = _binance_brackets.Brackets(
        symbol="ADAUSDT",
        notionalCoef=1.5,
        brackets=[
            _binance_brackets.Bracket(maintMarginRatio=0.01, cum=50, notionalFloor=10000, notionalCap=50000),
            _binance_brackets.Bracket(maintMarginRatio=0.005, cum=0, notionalFloor=0, notionalCap=10000),
        ],
    )

    def test_tiers_are_ascending(self) -> None:
        tiers = _binance_brackets.maintenance_tiers(self.BRACKETS, 5000.0, 25.0)
        assert [(tier.floor, tier.cap, tier.deduction) for tier in tiers] == [
            (0.0, 10000.0, 0.0),
            (10000.0, math.inf, 50.0),
        ]

    def test_a_coefficient_is_applied_where_the_position_says_so(self) -> None:
        # 20,000 at 1 % less 75 (= 15,000 × 0.5 %): the brackets scaled by 1.5.
        tiers = _binance_brackets.maintenance_tiers(self.BRACKETS, -20000.0, 125.0)
        assert [(tier.floor, tier.cap, tier.deduction) for tier in tiers] == [
            (0.0, 15000.0, 0.0),
            (15000.0, math.inf, 75.0),
        ]

    @pytest.mark.parametrize("field", ["maintMarginRatio", "cum", "notionalFloor", "notionalCap"])
    def test_a_schedule_with_a_gap_is_none(self, field: str) -> None:
        complete: list[dict[str, Any]] = [
            {"maintMarginRatio": 0.005, "cum": 0, "notionalFloor": 0, "notionalCap": 10000},
            {"maintMarginRatio": 0.01, "cum": 50, "notionalFloor": 10000, "notionalCap": 50000},
        ]
        for rows, tiers in ((complete, 2), ([complete[0], {**complete[1], field: None}], 0)):
            brackets = _binance_brackets.Brackets(
                symbol="A", brackets=[_binance_brackets.Bracket(**item) for item in rows]
            )
            assert len(_binance_brackets.maintenance_tiers(brackets, None, None)) == tiers

    def test_a_schedule_that_does_not_explain_the_position_is_not_used(self) -> None:
        assert _binance_brackets.maintenance_tiers(self.BRACKETS, 20000.0, 999.0) == ()
