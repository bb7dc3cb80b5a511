"""What part of a coin's value counts as margin, at venues that let less of it count the more there is."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct


class HaircutTier(Struct, frozen=True):
    """Of the part of an amount, or of a value, between `floor` and `cap` so much counts."""

    floor: float
    cap: float
    counted: float


def tiers_from(begins: Iterable[tuple[float, float]]) -> list[HaircutTier]:
    """Tiers of which is told where each begins and what of it counts: one ends where the next begins."""
    steps = sorted(begins)
    ends = [*(floor for floor, _ in steps[1:]), math.inf]
    return [HaircutTier(floor, end, counted) for (floor, counted), end in zip(steps, ends, strict=False)]


def counted_share(tiers: Iterable[HaircutTier], amount: float) -> float | None:
    """The part of a coin's value that counts as margin, over all of an amount of it, or of a value.

    None without tiers, and where one of them counts less than nothing or more than all. Of an amount that is
    nothing or owed, the part that the first unit would count.
    """
    steps = sorted(tiers, key=lambda tier: tier.floor)
    if not steps or any(not 0.0 <= tier.counted <= 1.0 for tier in steps):
        return None
    if amount <= 0.0:
        return steps[0].counted
    parts = ((min(amount, tier.cap) - tier.floor, tier) for tier in steps)
    share = sum(max(part, 0.0) * tier.counted for part, tier in parts) / amount
    return share if math.isfinite(share) else None
