"""What holds where nothing else is said, and durations."""

from __future__ import annotations

import pytest

from exporter.defaults import parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"), [("15s", 15.0), ("500ms", 0.5), ("1m 30s", 90.0), (2, 2.0), ("1d", 86400.0)]
)
def test_a_duration_is_seconds_or_amounts_with_units(value: object, seconds: float) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize("value", ["15", "s", "1 parsec", "1s2", True, None, [1]])
def test_anything_else_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 15s, 500ms or 1m30s"):
        parse_duration(value)
