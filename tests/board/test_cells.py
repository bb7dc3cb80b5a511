"""What is drawn: bars with their limits, lines with their gaps, ladders that fit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest

from exporter.board import cells
from exporter.board.figures import PositionFigures, Stress
from exporter.board.history import MINUTES
from tests.board.accounts import figures, leg


def hour(*last: float | None) -> list[float | None]:
    return [*[None] * (MINUTES - len(last)), *last]


def test_a_bar_is_as_full_as_the_rate_with_marks_at_the_limits() -> None:
    bar = cells.rate(0.651)
    assert '<rect class="warning" width="65.1"' in bar
    assert 'd="M50 0v10M80 0v10"' in bar
    assert "65.1%" in bar
    assert 'width="100.0"' in cells.rate("+Inf")
    assert "no equity left" in cells.rate("+Inf")
    assert cells.rate(None) == "–"


def test_a_line_begins_anew_after_a_gap_and_what_stands_alone_is_a_dot() -> None:
    drawn = cells.percent_line(hour(0.1, None, 0.3, 0.2), "Rate")
    assert "Rate, last hour: 10.0% to 30.0%" in drawn
    assert 'd="M56 18.0h.01M58 2.0L59 10.0"' in drawn


def test_noise_is_drawn_flat_and_one_value_not_at_all() -> None:
    drawn = cells.dollar_line(hour(100.0, 100.1), "Equity")
    heights = [float(y) for y in re.findall(r"[ML]\d+ ([\d.]+)", drawn)[1:]]
    assert max(heights) - min(heights) < 2.0
    assert cells.percent_line(hour(0.1), "Rate") == ""
    assert 'd="M58 10.0L59 10.0"' in cells.percent_line(hour(0.0, 0.0), "Rate")


def places(position: PositionFigures) -> dict[str, float]:
    found = re.findall(r'class="(liquidation|entry|mark)" d="M(-?[\d.]+) ', cells.ladder(position))
    return {name: float(place) for name, place in found}


def drawn(
    *, mark: float | None, liquidation: float | None = None, entry: float | None = None
) -> dict[str, float]:
    (position,) = figures(leg(distance=0.1, mark_price=mark, liquidation_price=liquidation)).positions
    values = {name: getattr(position, name) for name in position.__struct_fields__}
    return places(PositionFigures(**{**values, "entry_price": entry}))


def test_a_ladder_has_the_prices_in_their_order_and_to_scale() -> None:
    assert drawn(mark=100.0, liquidation=90.0, entry=110.0) == {
        "liquidation": 5.0,
        "mark": 50.0,
        "entry": 95.0,
    }
    assert drawn(mark=100.0, liquidation=110.0) == {"mark": 5.0, "liquidation": 95.0}
    assert drawn(mark=100.0) == {"mark": 50.0}


def test_a_price_that_is_far_away_does_not_push_the_others_together() -> None:
    assert drawn(mark=1.0, liquidation=0.5, entry=1e300) == {"liquidation": 5.0, "mark": 35.0, "entry": 95.0}


@pytest.mark.parametrize("mark", [None, 0.0, math.nan, 5e-324])
def test_prices_that_make_no_scale_break_nothing(mark: float | None) -> None:
    assert set(drawn(mark=mark, entry=mark)) <= {"mark", "entry"}


def test_a_chip_says_what_a_move_leaves() -> None:
    chips = cells.chips([Stress(-0.2, "+Inf"), Stress(-0.1, 1.0), Stress(0.05, 0.6), Stress(0.1, 0.1)])
    assert re.findall(r'<li class="(\w+)"', chips) == ["dead", "dead", "warning", "ok"]
    assert "all coins −20%: rate no equity left" in chips
    assert cells.chips([]) == "–"


@pytest.mark.parametrize("cell", [cells.rate, cells.rate_figure, lambda value: cells.moves(value, value)])
def test_unknown_is_a_dash(cell: Callable[[None], str]) -> None:
    assert "–" in cell(None)
    assert "0" not in re.sub(r"<[^>]*>", "", cell(None))
