"""Of both sides of a contract in cross, which one requires margin at Gate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from exporter.model import Position

# Sums of one moment that are added up in another order.
_SAME = 1e-3


def of_larger_side(positions: Iterable[Position], totals: Mapping[str, float | None]) -> Iterable[Position]:
    """The positions, of which in a cross hedge only the larger side requires anything.

    Unless what the venue says that a pool requires in all (`totals`) has both sides in it.

    Source: https://www.gate.com/announcements/article/37783 (the higher-value position takes the margin).
    """
    positions = list(positions)
    of_pool: dict[str, list[Position]] = {}
    for one in positions:
        if one.margin_mode == "cross":
            of_pool.setdefault(one.pool_currency or one.contract.settle, []).append(one)
    free: set[int] = set()
    for pool, cross in of_pool.items():
        sizes: dict[str, float] = {}
        for one in cross:
            sign = 1.0 if one.side == "long" else -1.0
            sizes[one.symbol] = sizes.get(one.symbol, 0.0) + sign * one.quantity
        # Of a symbol with one side there is no smaller one: its net has the sign of that side.
        smaller = {id(one) for one in cross if (one.side == "short") == (sizes[one.symbol] >= 0.0)}
        if not _both_sides_in(totals.get(pool), cross, smaller):
            free |= smaller
    return [
        replace(one, maintenance_margin=0.0, maintenance_tiers=()) if id(one) in free else one
        for one in positions
    ]


def _both_sides_in(total: float | None, cross: Sequence[Position], smaller: set[int]) -> bool:
    """Whether a total is what all positions require, and not nearer to what they do without smaller sides.

    Of large accounts a small side is less than figures of one moment differ by.
    """
    margins = {id(one): one.maintenance_margin for one in cross}
    if not total or not smaller or None in margins.values():
        return False
    both = sum(margin or 0.0 for margin in margins.values())
    without = sum(margin or 0.0 for one, margin in margins.items() if one not in smaller)
    return math.isclose(total, both, rel_tol=_SAME) and abs(total - both) < abs(total - without)
