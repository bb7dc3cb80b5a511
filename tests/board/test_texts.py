"""Figures as people read them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from exporter.board import texts


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (texts.percent, None, "–"),
        (texts.percent, 0.0, "0.00%"),
        (texts.percent, 0.04834, "4.83%"),
        (texts.percent, 0.1104, "11.0%"),
        (texts.percent, -0.012, "−1.20%"),
        (texts.percent, 2.294, "229.4%"),
        (texts.percent, 25.0, ">1000%"),
        (texts.rate, math.inf, "no equity left"),
        (texts.rate, "+Inf", "no equity left"),
        (texts.rate, 0.37, "37.0%"),
        (texts.dollars, None, "–"),
        (texts.dollars, 89830.4, "$89,830"),
        (texts.dollars, -1234.0, "−$1,234"),
        (texts.dollars, 12.345, "$12.35"),
        (texts.dollars, -0.001, "$0.00"),
        (texts.amount, None, "–"),
        (texts.amount, 0.0, "0"),
        (texts.amount, 64733.41, "64,733.4"),
        (texts.amount, 1234567.8, "1,234,568"),
        (texts.amount, 0.000012345678, "0.0000123457"),
        (texts.amount, -105.0, "−105"),
        (texts.amount, 1e300, "1e+300"),
        (texts.amount, math.inf, "–"),
        (texts.times, 58.04, "58.0×"),
        (texts.shock, -0.2, "−20"),
        (texts.shock, 0.025, "+2.5"),
        (texts.age, None, "–"),
        (texts.age, -1.0, "0 s"),
        (texts.age, 99.9, "99 s"),
        (texts.age, 100.0, "1 min"),
        (texts.age, 7200.0, "2 h"),
        (texts.age, 300_000.0, "3 d"),
    ],
)
def test_a_figure_is_written_so(write: Callable[[object], str], value: object, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize("write", [texts.percent, texts.rate, texts.dollars, texts.amount])
def test_what_is_no_number_is_unknown(write: Callable[[float], str]) -> None:
    assert write(math.nan) == texts.UNKNOWN
