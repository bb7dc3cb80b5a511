"""How dangerous a figure is, and which account is in most danger.

The limits are the defaults of `exporter.desk`, as in the alert rules; those that an account has of its own
are for the rules alone.
"""

from __future__ import annotations

import math
from typing import Literal

from exporter.desk import KINDS

Level = Literal["critical", "warning", "watch", "ok", "unknown"]
"""``unknown`` is of what cannot be judged: it is not ``ok``."""

_KINDS = {kind.name: kind for kind in KINDS}
_DISTANCE, _RATE = _KINDS["liquidation_distance"], _KINDS["maintenance_margin_rate"]

DISTANCE_CRITICAL = _DISTANCE.default("critical")
DISTANCE_WARNING = _DISTANCE.default("warning")
DISTANCE_WATCH = _DISTANCE.default("info")
"""Below these, of the distance to liquidation and of the joint move that liquidates."""
RATE_CRITICAL, RATE_WARNING = _RATE.default("critical"), _RATE.default("warning")
"""Above these, of the maintenance margin rate."""

UNKNOWN_ROOM = DISTANCE_WATCH
"""Of positions of which nothing is known: after those in known danger, before those that are safe."""


def level_of_distance(distance: float | None) -> Level:
    """Of a distance to liquidation, or of a joint move; negative is past it."""
    if distance is None:
        return "unknown"
    if distance < DISTANCE_CRITICAL:
        return "critical"
    if distance < DISTANCE_WARNING:
        return "warning"
    return "watch" if distance < DISTANCE_WATCH else "ok"


def level_of_rate(rate: float | None) -> Level:
    """Of a maintenance margin rate."""
    if rate is None:
        return "unknown"
    return "critical" if rate > RATE_CRITICAL else "warning" if rate > RATE_WARNING else "ok"


def room_of_rate(rate: float) -> float:
    """What a maintenance margin rate leaves, as a distance: the limits of the two mean the same danger.

    Straight lines between a rate of 1 (0), the critical limits, the warning limits, and a rate of 0 (1).
    """
    if rate >= RATE_CRITICAL:
        return (1.0 - rate) / (1.0 - RATE_CRITICAL) * DISTANCE_CRITICAL
    if rate >= RATE_WARNING:
        part = (RATE_CRITICAL - rate) / (RATE_CRITICAL - RATE_WARNING)
        return DISTANCE_CRITICAL + part * (DISTANCE_WARNING - DISTANCE_CRITICAL)
    return DISTANCE_WARNING + (RATE_WARNING - rate) / RATE_WARNING * (1.0 - DISTANCE_WARNING)


def level_of_room(room: float) -> Level:
    """Of an account, by the least that is left of anything; infinite where nothing can be liquidated."""
    return level_of_distance(room) if not math.isnan(room) else "unknown"
