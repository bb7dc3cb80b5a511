"""A symbol's risk limits: each part of a position at the rate of the tier it is in, or all of it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from exporter.model import MaintenanceTier
from exporter.venues.base import ascending_tiers


class Step(Struct, frozen=True):
    """A tier as such venues print it, in the settle currency of the symbol."""

    end: float
    """The notional up to which it reaches."""
    rate: float
    deduction: float | None = None
    """None where the venue leaves it out: then it is the one without which the margin would jump."""
    leverage: float | None = None
    """The highest in it."""


class Schedule(Struct, frozen=True):
    """What a symbol's risk limits say; nothing where they are not known."""

    tiers: tuple[MaintenanceTier, ...] = ()
    limits: tuple[tuple[float, float], ...] = ()
    """The highest leverage of each tier and where it ends."""

    def largest(self, leverage: float | None) -> float | None:
        """The largest notional that a leverage allows, in the settle currency; None where no end is told."""
        if leverage is None:
            return None
        cap = max((cap for most, cap in self.limits if most >= leverage), default=math.inf)
        return None if math.isinf(cap) else cap

    def required(self, notional: float) -> float | None:
        """What a notional requires, with what `with_fee` added; None without tiers."""
        tier = next((tier for tier in reversed(self.tiers) if tier.floor <= notional), None)
        return None if tier is None else max(notional * tier.rate - tier.deduction, 0.0)

    def rate_at(self, notional: float) -> float | None:
        """The rate of the tier that a notional is in; None without tiers."""
        return next((tier.rate for tier in reversed(self.tiers) if tier.floor <= notional), None)

    def part(self, share: float) -> Schedule:
        """What a share of a position requires, where it is in a tier together with the rest."""
        tiers = (
            MaintenanceTier(tier.floor * share, tier.cap * share, tier.rate, tier.deduction * share)
            for tier in self.tiers
        )
        return Schedule(ascending_tiers(tiers), self.limits)

    def with_fee(self, rate: float) -> Schedule:
        """The same at a venue that has the fee of closing, a share of the notional, in its margins."""
        tiers = (
            MaintenanceTier(tier.floor, tier.cap, tier.rate + rate, tier.deduction) for tier in self.tiers
        )
        return Schedule(ascending_tiers(tiers), self.limits)


def progressive(steps: Iterable[Step]) -> Schedule:
    """The schedule of a symbol's tiers, in any order: each part of a position is at the rate of its tier."""
    rows = sorted(steps, key=lambda step: step.end)
    tiers: list[MaintenanceTier] = []
    floor = rate = deduction = 0.0
    for row in rows:
        before, rate = rate, row.rate
        deduction += floor * (rate - before)
        if row.deduction is not None:
            deduction = row.deduction
        tiers.append(MaintenanceTier(floor, row.end, rate, deduction))
        floor = row.end
    limits = tuple((row.leverage, row.end) for row in rows if row.leverage is not None)
    return Schedule(ascending_tiers(tiers), limits)


def at_one_rate(steps: Iterable[Step]) -> Schedule:
    """The schedule where all of a position is at the rate of the tier that it is in."""
    return progressive(replace(step, deduction=0.0) for step in steps)
