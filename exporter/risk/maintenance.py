"""Maintenance margin as a function of a position's notional.

A schedule is a list of pieces, each ``notional * rate - deduction`` from its floor upward. Sources:
Binance ``leverageBracket`` (``maintMarginRatio``, ``cum``,
https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/Notional-and-Leverage-Brackets),
BingX ``maintMarginRatio`` (``maintAmount``, https://bingx-api.github.io/docs-v3/#/en/Swap/), BitTap
``riskLimitConfigs`` (no deduction, https://developers.bittap.com/en/futures/api-reference).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from exporter.model import MaintenanceTier

# A deduction that exceeds the margin at its floor by less than this share does so by rounding.
_ROUNDING = 1e-9


class Schedule:
    """Maintenance margin pieces in ascending order of their floors, the first from notional 0."""

    __slots__ = ("deductions", "floors", "rates", "rise", "sink", "steepest")

    def __init__(self, floors: Sequence[float], rates: Sequence[float], deductions: Sequence[float]) -> None:
        self.floors = floors
        self.rates = rates
        self.deductions = deductions
        # No margin is more than this share of its notional, unless a deduction is negative.
        self.steepest = max(rates) if min(deductions) >= 0.0 else math.inf
        # What the margin jumps by at the floors together: upward and downward as the notional grows.
        self.rise = self.sink = 0.0
        for index in range(1, len(floors)):
            before = floors[index] * rates[index - 1] - deductions[index - 1]
            jump = floors[index] * rates[index] - deductions[index] - before
            self.rise += max(jump, 0.0)
            self.sink += max(-jump, 0.0)

    def piece(self, notional: float) -> int:
        """Index of the piece that applies: ``floor <= notional < next floor``."""
        return bisect_right(self.floors, notional) - 1 if len(self.floors) > 1 else 0

    def at(self, notional: float) -> float:
        """Maintenance margin at a notional >= 0, in the same currency."""
        index = self.piece(notional)
        return notional * self.rates[index] - self.deductions[index]


def constant_rate(rate: float) -> Schedule:
    """A schedule of one piece without a deduction."""
    return Schedule((0.0,), (rate,), (0.0,))


@lru_cache(maxsize=4096)  # a venue has hundreds of symbols, and their tiers change every few months
def schedule_from(tiers: tuple[MaintenanceTier, ...]) -> Schedule | None:
    """The venue's tiers as a schedule, None where there are none or they make no sense.

    Only floors decide: a notional beyond the last cap stays in the last tier and one below the first
    floor is in the first. A piece that would be negative (its deduction exceeds the margin) is 0 up to
    the notional where it is not: a requirement never adds to the equity.
    """
    if not tiers:
        return None
    floors: list[float] = []
    rates: list[float] = []
    deductions: list[float] = []
    for index, tier in enumerate(tiers):
        floor = 0.0 if index == 0 else tier.floor
        if not all(map(math.isfinite, (floor, tier.rate, tier.deduction))) or tier.rate < 0.0:
            return None
        if tier.deduction > floor * tier.rate * (1.0 + _ROUNDING):
            floors.append(floor)
            rates.append(0.0)
            deductions.append(0.0)
            if tier.rate == 0.0:
                continue
            floor = tier.deduction / tier.rate
            if index + 1 < len(tiers) and floor >= tiers[index + 1].floor:
                continue
        floors.append(floor)
        rates.append(tier.rate)
        deductions.append(tier.deduction)
    if not math.isfinite(floors[-1]) or any(low >= high for low, high in pairwise(floors)):
        return None
    return Schedule(tuple(floors), tuple(rates), tuple(deductions))
