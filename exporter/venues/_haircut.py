"""What part of a coin's value counts as margin, at venues that let less of it count the more there is."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct


class HaircutTier(Struct, frozen=True):
    """Of the part of an amount between `floor` and `cap`, in units of the coin, so much counts."""

    floor: float
    cap: float
    counted: float


def counted_share(tiers: Iterable[HaircutTier], amount: float) -> float | None:
    """The part of a coin's value that counts as margin, over all of an amount of it.

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
