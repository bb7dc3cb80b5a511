"""Where margin equity meets the requirement when options are in the pool: curves instead of straight lines.

The excess is what `exporter.risk.crossing` says, and of each option its price and what it requires. It may
turn any number of times: a short strangle loses on both sides, and a book of many strikes wherever it is
short. The search must not step over a place where the excess is gone, however narrow, and never does:

* Everything is a function of ``z``: the factor ``x`` in a pool whose currency stands still, else ``1 / x``.
  In that variable the price of every option in the pool's currency is *convex* (a call on a coin is a put on
  the currency seen from the other side), and so is what standard margin requires, which is the larger of two
  such functions.
* What is convex lies above its tangents, what is minus a convex function above its chords. Both together are
  a piecewise straight line *below* the excess: up to where this line is 0 there is no crossing.
* The search walks from bound to bound, nearer ones after each step, until a step is no longer than rounding.
  What it finds is never beyond the first crossing. Where it would take too many steps, because the excess
  stays a hair above 0 for long, it ends at a place that is safe.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.risk import black76
from exporter.risk.options import Option

# Powers of x run from -2 (an inverse contract's notional in a coin that moves against the pool's) to 2.
OFFSET = 2
_STEP = 1e-13
"""Of z: a shorter step is rounding."""
_MOST_STEPS = 2000

Bend = tuple[float, int, float, int, float]
"""Factor where it is, power of the moving term, its change, power of the fixed term, its change."""


class OptionLeg:
    """One position in options, in the currency of its pool.

    Args:
        option: The position; its price after a move is known.
        equity_weight: Units of the pool's currency for one of the settle coin, for PnL; 0 where the value of
            options is no part of the margin equity.
        margin_weight: The same for what is required, times the calibration to the venue's own figure.
        coin_power: Power of ``x`` in the conversions.
    """

    __slots__ = ("coin_power", "equity_weight", "margin_weight", "option")

    def __init__(
        self,
        option: Option,
        *,
        equity_weight: float,
        margin_weight: float,
        coin_power: int,
    ) -> None:
        self.option = option
        self.equity_weight = equity_weight
        self.margin_weight = margin_weight
        self.coin_power = coin_power

    @property
    def carried(self) -> float:
        """What the position is worth today, as far as it is part of the margin equity."""
        return self.option.worth * self.equity_weight

    def at(self, factor: float, shift: float = 0.0) -> tuple[float, float]:
        """Change of the margin equity since today and requirement, in the pool's currency."""
        option = self.option
        if option.sign > 0.0 and not self.equity_weight:
            return 0.0, 0.0  # bought, and counted apart: it neither backs nor requires anything
        own = factor if option.moving else 1.0
        coin = factor**self.coin_power if self.coin_power else 1.0
        price = option.price(own, shift)
        profit = option.profit(price) * self.equity_weight if self.equity_weight else 0.0
        required = (option.required(price, own) or 0.0) * self.margin_weight
        return profit * coin, required * coin


@dataclass(slots=True, frozen=True)
class _Node:
    """The excess at a place: what of it is convex, with its slope, and what is not."""

    z: float
    convex: float
    slope: float
    concave: float
    fall: float
    """Slope of the concave part."""

    @property
    def height(self) -> float:
        return self.convex + self.concave


class _Curve:
    """An option as a function of z."""

    __slots__ = (
        "_along",
        "_call",
        "_deviation",
        "_fixed",
        "_forward",
        "_linear",
        "_mark_rate",
        "_price_weight",
        "_required_weight",
        "_scale",
        "_strike",
        "_under_fixed",
        "_under_linear",
    )

    def __init__(self, leg: OptionLeg, along: int, side: float) -> None:
        option = leg.option
        self._along = along
        self._call = option.call
        self._strike, self._forward = option.strike, option.forward
        self._deviation = option.deviation()
        # The price in the pool's currency: fixed + linear * z + scale * formula, where the formula is that of
        # the forward F * z, or of F / z times z.
        self._scale = 1.0 / option.forward if option.reversed else option.unit
        carried = option.reversed == (along == 1)
        self._linear, self._fixed = (option.gap, 0.0) if carried else (0.0, option.gap)
        under = option.underlying
        self._under_linear, self._under_fixed = (under, 0.0) if along == 1 else (0.0, under)
        signed = option.sign * option.size
        self._price_weight = side * signed * leg.equity_weight
        rule = option.rule
        short = option.sign < 0.0 and rule is not None
        self._required_weight = -side * option.size * leg.margin_weight if short else 0.0
        self._mark_rate = rule.mark_rate if rule is not None else 0.0
        if rule is not None:
            self._under_linear *= rule.underlying_rate
            self._under_fixed *= rule.underlying_rate

    def at(self, z: float) -> tuple[float, float, float, float]:
        """What it adds to a node: convex, slope, concave, fall."""
        forward = self._forward * z if self._along == 1 else self._forward / z
        first, second = black76.likely(forward, self._strike, self._deviation, call=self._call)
        if self._along == 1:
            formula, steep = forward * first - self._strike * second, self._forward * first
        else:
            formula, steep = self._forward * first - self._strike * second * z, -self._strike * second
        price = self._fixed + self._linear * z + self._scale * max(formula, 0.0)
        slope = self._linear + self._scale * steep
        if price <= 0.0:
            price = slope = 0.0
        convex = descent = concave = fall = 0.0
        weight = self._price_weight
        if weight > 0.0:
            convex, descent = weight * price, weight * slope
        elif weight < 0.0:
            concave, fall = weight * price, weight * slope
        weight = self._required_weight
        if weight != 0.0:
            under = self._under_fixed + self._under_linear * z
            by_mark = self._mark_rate * price
            needed, rising = (
                (under + price, self._under_linear + slope)
                if under >= by_mark
                else (by_mark + price, (self._mark_rate + 1.0) * slope)
            )
            if weight > 0.0:
                convex, descent = convex + weight * needed, descent + weight * rising
            else:
                concave, fall = concave + weight * needed, fall + weight * rising
        return convex, descent, concave, fall


class _Segment:
    """The excess, turned so that today it is above 0, between two bends."""

    def __init__(self, powers: Sequence[float], curves: Sequence[_Curve], along: int, side: float) -> None:
        self._curves = curves
        # By the power of z.
        self._terms = [
            ((index - OFFSET) * along, side * coefficient)
            for index, coefficient in enumerate(powers)
            if coefficient != 0.0
        ]

    def node(self, z: float) -> _Node:
        convex = slope = concave = fall = 0.0
        for power, coefficient in self._terms:
            height = coefficient * z**power
            rise = power * height / z
            if coefficient < 0.0 or power in {0, 1}:
                concave, fall = concave + height, fall + rise
            else:
                convex, slope = convex + height, slope + rise
        for curve in self._curves:
            one, its_slope, other, its_fall = curve.at(z)
            convex, slope, concave, fall = convex + one, slope + its_slope, concave + other, fall + its_fall
        return _Node(z, convex, slope, concave, fall)

    def first_zero(self, start: float, end: float) -> float | None:
        """The first place where it is 0 on the way from start, where it is above; never one beyond that."""
        low, ahead = self.node(start), [self.node(end)]
        for _ in range(_MOST_STEPS):
            high = ahead[-1]
            place = _safe_until(low, high)
            if place is None:
                low = ahead.pop()
                if not ahead:
                    return None
                continue
            if abs(place - low.z) <= _STEP * low.z:
                return low.z
            low = self.node(place)
            if low.height <= 0.0:
                return place
            if abs(high.z - low.z) > _STEP * low.z:
                ahead.append(self.node(_between(low, high)))
        return low.z


def _safe_until(low: _Node, high: _Node) -> float | None:
    """The first place between two nodes where a bound from below is 0; None where there is none."""
    span = high.z - low.z
    chord = (high.concave - low.concave) / span if span != 0.0 else 0.0
    here, height = low.z, low.height
    if low.slope != high.slope:
        # Where the tangents meet.
        meet = (high.convex - high.slope * high.z - low.convex + low.slope * low.z) / (low.slope - high.slope)
        if min(low.z, high.z) < meet < max(low.z, high.z):
            below = height + (low.slope + chord) * (meet - low.z)
            if below <= 0.0:
                return _zero(here, height, meet, below)
            here, height = meet, below
    if high.height <= 0.0:
        return _zero(here, height, high.z, high.height)
    return None


def _zero(here: float, height: float, there: float, below: float) -> float:
    return here + (there - here) * (height / (height - below))


def _between(low: _Node, high: _Node) -> float:
    """Where to look next: a little beyond where a straight line from here is 0; at most halfway."""
    middle = (
        math.sqrt(low.z * high.z)
        if max(low.z, high.z) > 4.0 * min(low.z, high.z)
        else (0.5 * (low.z + high.z))
    )
    slope = low.slope + low.fall
    if slope == 0.0:
        return middle
    beyond = low.z - 1.5 * low.height / slope
    outward = high.z > low.z
    if (low.z < beyond < middle) if outward else (middle < beyond < low.z):
        return beyond
    return middle


def join(powers: list[float], legs: Iterable[OptionLeg], along: int) -> float:
    """Adds what of the options is in powers of x to these; returns what the rest of them is at factor 1.

    PnL since today is the price less today's, which is a constant in the settle coin.
    """
    total = 0.0
    for leg in legs:
        if leg.option.moving:
            powers[OFFSET + leg.coin_power] -= leg.carried
            convex, _, concave, _ = _Curve(leg, along, 1.0).at(1.0)
            total += convex + concave
        else:
            powers[OFFSET + leg.coin_power] -= leg.at(1.0)[1]
    return total


def first_crossing(
    today: float,
    powers: Sequence[float],
    legs: Iterable[OptionLeg],
    bends: Iterable[Bend],
    *,
    along: int,
    limit: float,
) -> float | None:
    """The factor at which the excess first goes through 0; None where it keeps its sign up to the limit.

    Args:
        today: Its value at factor 1; not 0.
        powers: Coefficients of ``x ** -2`` to ``x ** 2`` of all that is no option's price or requirement.
        legs: The options.
        bends: Where coefficients change, outward from 1 up to the limit.
        along: 1 to walk along the factor, -1 along its inverse.
        limit: The factor at which the search ends.
    """
    side = 1.0 if today > 0.0 else -1.0
    curves = [_Curve(leg, along, side) for leg in legs if leg.option.moving]
    coefficients = list(powers)
    start = 1.0

    def place(factor: float) -> float:
        return factor if along == 1 else 1.0 / factor

    for factor, power, change, fixed_power, fixed_change in bends:
        if factor != start:
            zero = _Segment(coefficients, curves, along, side).first_zero(
                start_z := place(start), place(factor)
            )
            if zero is not None:
                return place(zero) if zero != start_z else start
        coefficients[OFFSET + power] += change
        coefficients[OFFSET + fixed_power] += fixed_change
        if _Segment(coefficients, curves, along, side).node(place(factor)).height <= 0.0:
            return factor
        start = factor
    zero = _Segment(coefficients, curves, along, side).first_zero(place(start), place(limit))
    return None if zero is None else place(zero)
