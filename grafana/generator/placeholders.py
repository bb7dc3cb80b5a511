"""What Prometheus fills into the text of an alert, by name: its braces are those of Python's f-strings."""

from __future__ import annotations

from typing import Final


def _filled_in(*steps: str) -> str:
    return "{{ " + " | ".join(steps) + " }}"


def label(name: str, *functions: str) -> str:
    """The value of one of the alert's labels, passed through template functions from left to right."""
    return _filled_in(f"$labels.{name}", *functions)


def value(*functions: str) -> str:
    """The value of the alert's expression, passed through template functions from left to right."""
    return _filled_in("$value", *functions)


PERCENT: Final = value("humanizePercentage")
"""The value, a ratio, as ``12.3%``."""
DURATION: Final = value("humanizeDuration")
"""The value, in seconds, as ``1h 2m 3s``."""
ONE_DECIMAL: Final = value('printf "%.1f"')
TWO_DECIMALS: Final = value('printf "%.2f"')
