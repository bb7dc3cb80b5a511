"""How dangerous a figure is: the page and the alerts say the same."""

from __future__ import annotations

import math

import pytest

from exporter.board import levels
from exporter.board.levels import Level, level_of_distance, level_of_rate, room_of_rate
from grafana.generator import thresholds


def test_the_limits_are_those_of_the_alerts() -> None:
    assert (
        thresholds.LIQUIDATION_DISTANCE_CRITICAL.value,
        thresholds.LIQUIDATION_DISTANCE_WARNING.value,
        thresholds.LIQUIDATION_DISTANCE_INFO.value,
    ) == (levels.DISTANCE_CRITICAL, levels.DISTANCE_WARNING, levels.DISTANCE_WATCH)
    assert (
        thresholds.LIQUIDATION_SHOCK_CRITICAL.value,
        thresholds.LIQUIDATION_SHOCK_WARNING.value,
    ) == (levels.DISTANCE_CRITICAL, levels.DISTANCE_WARNING)
    assert (
        thresholds.MAINTENANCE_MARGIN_RATE_CRITICAL.value,
        thresholds.MAINTENANCE_MARGIN_RATE_WARNING.value,
    ) == (levels.RATE_CRITICAL, levels.RATE_WARNING)


@pytest.mark.parametrize(
    ("distance", "level"),
    [
        (-0.01, "critical"),
        (0.0499, "critical"),
        (0.05, "warning"),
        (0.0799, "warning"),
        (0.08, "watch"),
        (0.2, "ok"),
        (None, "unknown"),
    ],
)
def test_the_level_of_a_distance(distance: float | None, level: Level) -> None:
    assert level_of_distance(distance) == level


@pytest.mark.parametrize(
    ("rate", "level"),
    [
        (0.0, "ok"),
        (0.5, "ok"),
        (0.51, "warning"),
        (0.8, "warning"),
        (0.81, "critical"),
        (math.inf, "critical"),
    ],
)
def test_the_level_of_a_rate(rate: float, level: Level) -> None:
    assert level_of_rate(rate) == level


@pytest.mark.parametrize(
    ("rate", "room"),
    [(0.0, 1.0), (0.25, 0.54), (0.5, 0.08), (0.65, 0.065), (0.8, 0.05), (0.9, 0.025), (1.0, 0.0)],
)
def test_what_a_rate_leaves_is_comparable_with_a_distance(rate: float, room: float) -> None:
    assert room_of_rate(rate) == pytest.approx(room)


def test_beyond_liquidation_less_is_left_the_higher_the_rate() -> None:
    assert room_of_rate(math.inf) < room_of_rate(2.0) < room_of_rate(1.0)
