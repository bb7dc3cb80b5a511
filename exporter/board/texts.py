"""Figures as people read them. Unknown is a dash, never a 0."""

from __future__ import annotations

import math
from datetime import UTC, datetime

UNKNOWN = "–"
FAR = 10.0
"""From here on a percentage says nothing more: the price would be eleven times as high."""


def percent(ratio: float | str | None) -> str:
    """A fraction; the nearer to 0, the more digits."""
    value = math.inf if isinstance(ratio, str) else ratio
    if value is None or math.isnan(value):
        return UNKNOWN
    if abs(value) >= FAR:
        return ">1000%" if value > 0.0 else "<−1000%"
    digits = 2 if abs(value) < 0.0995 else 1 if abs(value) < 9.995 else 0
    return _minus(f"{100.0 * value:.{digits}f}%")


def rate(value: float | str | None) -> str:
    """A maintenance margin rate."""
    return "no equity left" if isinstance(value, str) or value == math.inf else percent(value)


def dollars(amount: float | None) -> str:
    """US dollars; cents only of small amounts."""
    if amount is None or not math.isfinite(amount):
        return UNKNOWN
    digits = 2 if abs(amount) < 100.0 else 0
    text = f"{abs(amount):,.{digits}f}" if abs(amount) < 1e15 else f"{abs(amount):.3g}"
    return f"{'−' if amount < 0.0 and text.strip('0.,') else ''}${text}"


def amount(value: float | None) -> str:
    """In units of a coin: six significant digits, and all before the point."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == 0.0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size >= 15 or size < -9:
        return _minus(f"{value:.3g}")
    text = f"{value:,.{max(0, 5 - size)}f}"
    return _minus(text.rstrip("0").rstrip(".") if "." in text else text)


def times(value: float | None) -> str:
    """A leverage."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:,.1f}×"


def shock(value: float) -> str:
    """A joint move, as it stands in a chip."""
    return _minus(f"{100.0 * value:+.3g}")


def option(right: str, strike: float, expires_at: float) -> str:
    """What an option is; the day is that of UTC."""
    return f"{right} {amount(strike)}, expires {day(expires_at)}"


def day(at: float) -> str:
    """The date, UTC, of Unix seconds; a dash of a time that no calendar has."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return UNKNOWN


def age(seconds: float | None) -> str:
    """A duration; the script of the page words it in the same way."""
    if seconds is None:
        return UNKNOWN
    whole = max(int(seconds), 0)
    if whole < 100:
        return f"{whole} s"
    if whole < 6000:
        return f"{whole // 60} min"
    return f"{whole // 3600} h" if whole < 172_800 else f"{whole // 86_400} d"


def clock(at: float) -> str:
    """The time of day, UTC, of Unix seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def moment(at: float) -> str:
    """Unix seconds as a machine reads them in HTML."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _minus(text: str) -> str:
    return text.replace("-", "−")
