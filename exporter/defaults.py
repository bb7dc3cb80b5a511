"""What holds where nothing else is said, and durations. Imports nothing that takes time to load."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["logfmt", "json"]
LOG_LEVELS: tuple[LogLevel, ...] = get_args(LogLevel)
LOG_FORMATS: tuple[LogFormat, ...] = get_args(LogFormat)
SCENARIOS = ("crash", "squeeze", "key-expired", "venue-down", "depeg", "liquidation", "thief", "adl")
"""Stories of the demo."""

TELEMETRY_PATH = "/metrics"
LISTEN_ADDRESS = "127.0.0.1:10217"
CONFIG_FILE = "risk-exporter.yml"
GRAFANA_URL = "http://localhost:3000"
"""The Grafana that people open from an alert."""
RUNBOOK_URL = "https://github.com/risk-exporter/risk-exporter/blob/main/grafana/runbooks.md"
"""A page with one entry per alert, whose anchor is the alert's name in lower case."""
FIRST_WITHIN = 5.0
"""Seconds within which every account begins its first collection, however long its interval."""
# Venues count requests by the minute; a shorter schedule only earns a ban.
MIN_INTERVAL = 1.0

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: Any) -> float:
    """``"15s"``, ``"1m30s"`` or a number of seconds, as seconds.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("expected a duration such as 15s, 500ms or 1m30s")  # noqa: TRY004 (pydantic wants it)
    if isinstance(value, int | float):
        return float(value)
    text = value.strip().replace(" ", "")
    parts = _DURATION.findall(text)
    if not parts or "".join(amount + unit for amount, unit in parts) != text:
        raise ValueError("expected a duration such as 15s, 500ms or 1m30s")
    return float(sum(float(amount) * _SECONDS[unit] for amount, unit in parts))
