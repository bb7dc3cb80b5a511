"""How Grafana writes a value, and in which colour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Config = Mapping[str, Any]

COLORS = {
    "green": "#73bf69",
    "yellow": "#fade2a",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "text": "#ccccdc",
    "transparent": "transparent",
}

_DATE_UNITS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def color(name: str) -> str:
    return COLORS.get(name, name)


def mapped(config: Config, value: float | str | None) -> Config | None:
    """What the first mapping that fits says: a text, a colour, or both."""
    for mapping in config.get("mappings", []):
        options, result = mapping["options"], None
        if mapping["type"] == "value" and value is not None:
            result = options.get(value if isinstance(value, str) else f"{value:g}")
        elif mapping["type"] == "special" and options["match"] in ("null", "null+nan"):
            unknown = value is None or (isinstance(value, float) and math.isnan(value))
            result = options["result"] if unknown else None
        elif mapping["type"] == "range" and isinstance(value, float):
            low, high = options.get("from"), options.get("to")
            inside = (low is None or value >= low) and (high is None or value <= high)
            result = options["result"] if inside else None
        if result is not None:
            found: Config = result
            return found
    return None


def color_of(config: Config, value: float | None) -> str:
    """By mapping, else by threshold; a value that is not there has the colour of the lowest step."""
    result = mapped(config, value)
    if result is not None and result.get("color"):
        return color(result["color"])
    number = -math.inf if value is None else value
    found = "text"
    for step in config.get("thresholds", {}).get("steps", []):
        if step["value"] is None or number >= step["value"]:
            found = step["color"]
    return color(found)


def text_of(config: Config, value: float | str | None, now: float) -> str:
    """By mapping, else by unit and decimals."""
    result = mapped(config, value)
    if result is not None and result.get("text") is not None:
        return str(result["text"])
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if math.isinf(value) or math.isnan(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    return _with_unit(value, config.get("unit", "none"), config.get("decimals"), now)


def _with_unit(value: float, unit: str, decimals: int | None, now: float) -> str:
    match unit:
        case "percentunit":
            return _fixed(value * 100, decimals) + "%"
        case "currencyUSD":
            return _scaled(value, decimals, "$", ("", "K", "M", "B", "T"))
        case "short" | "reqps":
            text = _scaled(value, decimals, "", ("", " K", " Mil", " Bil", " Tri"))
            return text + (" req/s" if unit == "reqps" else "")
        case "bytes":
            return f"{value / 2**20:.3g} MiB"
        case "s" | "dtdurations":
            return _duration(value, decimals)
        case "dateTimeFromNow":
            return f"{_duration(now - value / 1000, 0)} ago"
        case _:
            return _fixed(value, decimals)


def _fixed(value: float, decimals: int | None) -> str:
    if decimals is None:
        decimals = 0 if value == int(value) else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def _scaled(value: float, decimals: int | None, sign: str, steps: Sequence[str]) -> str:
    size, step = abs(value), 0
    while size >= 1000 and step < len(steps) - 1:
        size, step = size / 1000, step + 1
    return ("-" if value < 0 else "") + sign + _fixed(size, decimals) + steps[step]


def _duration(seconds: float, decimals: int | None) -> str:
    for size, name in _DATE_UNITS:
        if abs(seconds) >= size:
            number = _fixed(seconds / size, 1 if decimals is None else decimals)
            return f"{number} {name}{'' if number == '1' else 's'}"
    return f"{seconds * 1000:.0f} ms"
