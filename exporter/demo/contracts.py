"""Contracts of the simulated venues and their maintenance tiers, in decimals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Context, Decimal
from itertools import pairwise
from typing import Literal

ContractKind = Literal["linear", "inverse"]

ZERO = Decimal(0)
ONE = Decimal(1)
UNLIMITED = Decimal("Infinity")
_CONTEXT = Context(prec=50)


def rounded(value: Decimal, digits: int) -> Decimal:
    """``value`` cut to exactly ``digits`` decimal places, never a negative zero.

    Cut, not rounded: real rows of Binance show 0.38319443 for 0.383194439 and 25119.97445760 for
    25119.974457609.
    """
    result = value.quantize(ONE.scaleb(-digits), rounding=ROUND_DOWN, context=_CONTEXT)
    return result or abs(result)


def decimal(value: Decimal | float | str) -> Decimal:
    """The decimal that ``value`` prints as: 0.1 is 0.1, not its binary expansion."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


@dataclass(frozen=True)
class Tier:
    """Maintenance margin is ``notional * rate - deduction`` while ``floor <= notional < cap``."""

    floor: Decimal
    cap: Decimal
    rate: Decimal
    deduction: Decimal
    max_leverage: int


def weighted(tiers: Sequence[Tier], weight: Decimal) -> Sequence[Tier]:
    """The tiers of a requirement that counts `weight` times."""
    if weight == ONE:
        return tiers
    return [replace(one, rate=one.rate * weight, deduction=one.deduction * weight) for one in tiers]


def progressive_tiers(steps: Iterable[tuple[float | str, float | str, int]]) -> tuple[Tier, ...]:
    """Tiers from (cap, rate, largest leverage), deductions chosen so that the margin has no jumps."""
    tiers: list[Tier] = []
    floor, rate, deduction = ZERO, ZERO, ZERO
    for cap, step_rate, max_leverage in steps:
        deduction += floor * (decimal(step_rate) - rate) if tiers else ZERO
        rate = decimal(step_rate)
        tiers.append(Tier(floor, decimal(cap), rate, deduction, max_leverage))
        floor = decimal(cap)
    return tuple(tiers)


def tier_of(tiers: Sequence[Tier], notional: Decimal) -> Tier:
    """The tier ``notional`` is in; beyond the last cap the last one."""
    for tier in tiers:
        if notional < tier.cap:
            return tier
    return tiers[-1]


@dataclass(frozen=True)
class Contract:
    """One tradable contract.

    Attributes:
        symbol: As the venue spells it.
        kind: linear (PnL in quote) or inverse (PnL in base).
        base: Coin whose price it follows.
        quote: Coin the price is in.
        settle: Coin of margin and PnL: the quote of a linear, the base of an inverse contract.
        size: Base units a contract (linear) or quote value a contract (inverse).
        tiers: Maintenance schedule on the notional in ``settle``.
        premium: Relative distance of this contract's mark from the perpetual's (delivery contracts).
    """

    symbol: str
    kind: ContractKind
    base: str
    quote: str
    settle: str
    tiers: tuple[Tier, ...]
    size: Decimal = ONE
    premium: Decimal = ZERO


def first_crossing(
    intercept: Decimal, slope: Decimal, sizes: Sequence[tuple[Decimal, Sequence[Tier]]], start: Decimal
) -> Decimal | None:
    """Where ``intercept + slope x - sum of tiered margins of (size x)`` first reaches 0 from ``start``.

    Walks from segment to segment in the direction in which the excess falls at ``start``. None if it
    stays positive as far as 0 or infinity.
    """

    def segment(x: Decimal) -> tuple[Decimal, Decimal]:
        held = [(size, tier_of(tiers, size * x)) for size, tiers in sizes]
        return (
            intercept + sum((tier.deduction for _, tier in held), ZERO),
            slope - sum((size * tier.rate for size, tier in held), ZERO),
        )

    constant, gradient = segment(start)
    if not gradient:
        return None
    if constant + gradient * start <= 0:
        return -constant / gradient
    edges = sorted({tier.cap / size for size, tiers in sizes for tier in tiers if tier.cap.is_finite()})
    if gradient > 0:
        bounds = [start, *reversed([edge for edge in edges if edge < start]), ZERO]
    else:
        bounds = [start, *[edge for edge in edges if edge > start], UNLIMITED]
    for near, far in pairwise(bounds):
        inside = near + 1 if far == UNLIMITED else (near + far) / 2
        constant, gradient = segment(inside)
        if not gradient:
            continue
        crossing = -constant / gradient
        if min(near, far) <= crossing <= max(near, far):
            return crossing
        # Schedules without deductions jump at an edge: the excess can turn negative right there.
        if constant + gradient * near <= 0:
            return near
    return None
