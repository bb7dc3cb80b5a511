"""Where margin equity meets the requirement when marks move.

One number drives everything: the *factor* ``x`` by which what moves is multiplied, 1 today. Every piece of
margin equity and requirement is then a constant times a power of ``x``:

* a mark moves as ``x``, or not at all, or as ``1 / x`` (a pair whose quote is the coin that moves);
* a linear contract's notional is ``N`` times that, an inverse one's ``N`` divided by it (in its coin);
* PnL since today is ``drift * (notional - N)``, where drift is +1 for a linear long and an inverse short;
* maintenance margin is ``notional * rate - deduction`` with the piece valid *at that notional*, and the
  closing fee a share of the notional;
* a coin that moves, held or paid in a pool of another currency, brings one more factor ``x``;
* a coin that the pool owes may count at another price than one that it holds.

The *excess*, margin equity minus requirement, is therefore a sum of powers of ``x`` whose coefficients change
where a leg enters another piece of its schedule, and where a credit becomes a debt (a *bend*). The search
walks the bends outward from today and solves each segment, so it finds the first crossing and not merely some
crossing: in closed form where the excess is a straight line in ``x`` or in ``1 / x`` (every single-currency
pool), else by isolating the roots of the segment's polynomial between its turning points. Options are curves:
`exporter.risk.curves` searches where there are some.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from exporter.risk import curves
from exporter.risk.curves import OFFSET, Bend, OptionLeg
from exporter.risk.maintenance import Schedule

# An amount below this share of the notionals that are paid in its coin is rounding.
_NOTHING = 1e-15


class Leg:
    """All positions of one symbol and side in one pool: they share a schedule as if they were one.

    Args:
        notional: At today's mark, in the settle currency.
        linear: Whether the notional moves with the mark; an inverse contract's moves against it.
        long: Side of the positions.
        schedule: Maintenance margin in the settle currency.
        fee_rate: Closing fee as a share of the notional.
        equity_weight: Units of the pool's currency for one of the settle currency's, for PnL.
        margin_weight: The same for maintenance margin, times the calibration to the venue's own figure.
        fee_weight: The same for the closing fee.
        mark_power: Power of ``x`` in the mark.
        coin_power: Power of ``x`` in the conversions.
    """

    __slots__ = (
        "coin_power",
        "drift",
        "equity_weight",
        "fee",
        "fee_rate",
        "margin_weight",
        "notional",
        "notional_power",
        "piece",
        "power",
        "schedule",
    )

    def __init__(
        self,
        *,
        notional: float,
        linear: bool,
        long: bool,
        schedule: Schedule,
        fee_rate: float = 0.0,
        equity_weight: float = 1.0,
        margin_weight: float = 1.0,
        fee_weight: float = 1.0,
        mark_power: int = 1,
        coin_power: int = 0,
    ) -> None:
        self.notional = notional
        self.schedule = schedule
        # That of the schedule which applies today.
        self.piece = schedule.piece(notional)
        self.equity_weight = equity_weight
        self.margin_weight = margin_weight
        self.fee_rate = fee_rate
        # What the venue requires for closing, per unit of notional, in the pool's currency.
        self.fee = fee_rate * fee_weight
        self.coin_power = coin_power
        # +1 where equity grows with the notional, -1 where it falls.
        self.drift = 1.0 if linear == long else -1.0
        self.notional_power = mark_power if linear else -mark_power
        # Power of x of the notional in the pool's currency.
        self.power = coin_power + self.notional_power

    def at(self, factor: float) -> tuple[float, float]:
        """PnL since today and requirement at a factor, both in the pool's currency."""
        power, today, schedule = self.notional_power, self.notional, self.schedule
        notional = today * factor if power == 1 else today / factor if power else today
        profit = self.drift * (notional - today) * self.equity_weight
        index = self.piece if notional == today else bisect_right(schedule.floors, notional) - 1
        margin = notional * schedule.rates[index] - schedule.deductions[index]
        required = margin * self.margin_weight + notional * self.fee
        if not self.coin_power:
            return profit, required
        coin = factor**self.coin_power
        return profit * coin, required * coin

    def survives(self, excess: float, *, rising: bool) -> bool:
        """True only if no move in a direction uses up an excess that this leg alone decides about.

        It answers most searches: on one side a position gains more than its requirement grows by, and on the
        other a loss cannot be more than its notional.
        """
        if self.coin_power or excess <= 0.0:
            return False
        if self.notional_power == 0:
            return True
        schedule, weight = self.schedule, self.margin_weight
        if rising != (self.notional_power > 0) and self.drift < 0.0:
            return excess > schedule.sink * weight
        if self.drift < 0.0 or self.equity_weight < schedule.steepest * weight + self.fee:
            return False
        if rising == (self.notional_power > 0):
            return excess > schedule.rise * weight
        return excess + self.at(1.0)[1] > self.notional * self.equity_weight


@dataclass(slots=True, frozen=True)
class Collateral:
    """Collateral whose value in the pool's currency moves with the marks: ``value * x ** coin_power``."""

    value: float
    coin_power: int


@dataclass(slots=True, frozen=True)
class Purse:
    """What a pool has of one coin, where a debt in it counts at another price than a credit.

    Losses can turn a credit into a debt and profits the other way round, at the factors where the amount is
    0: there the excess bends.
    """

    amount: float
    """Today, in the coin, unrealized PnL included; negative is a debt."""
    legs: Sequence[Leg]
    """The positions whose PnL is paid in the coin."""
    step: float
    """What a unit counts more, in the pool's currency, once the sign has changed."""
    coin_power: int

    def at(self, factor: float) -> float:
        """What the pool's equity has more at a factor than without the step."""
        amount = self.amount
        for leg in self.legs:
            amount += leg.drift * leg.notional * (factor**leg.notional_power - 1.0)
        if (amount < 0.0) == (self.amount < 0.0):
            return 0.0
        return amount * self.step * factor**self.coin_power

    def bends(self, *, rising: bool, limit: float) -> Iterator[Bend]:
        """The places where the sign changes, from 1 up to the limit."""
        # The amount is fixed + sloped * x + hollow / x.
        fixed, sloped, hollow = self.amount, 0.0, 0.0
        for leg in self.legs:
            carried = leg.drift * leg.notional
            fixed -= carried
            if leg.notional_power == 0:
                fixed += carried
            elif leg.notional_power > 0:
                sloped += carried
            else:
                hollow += carried
        step = self.step
        for root in self._roots(fixed, sloped, hollow, rising=rising, limit=limit):
            # What is 0 at the root, as two parts that are.
            if sloped != 0.0:
                change = step * sloped
                yield root, self.coin_power + 1, change, self.coin_power, -change * root
            if hollow != 0.0:
                change = step * hollow
                yield root, self.coin_power - 1, change, self.coin_power, -change / root
            step = -step

    def _roots(
        self, fixed: float, sloped: float, hollow: float, *, rising: bool, limit: float
    ) -> Sequence[float]:
        """Where the sign changes on the way from 1 to the limit, in that order."""
        low, high = (1.0, limit) if rising else (limit, 1.0)
        if abs(self.amount) <= _NOTHING * (abs(sloped) + abs(hollow)):
            # As good as 0: the first step decides which sign it has.
            outward = sloped - hollow if rising else hollow - sloped
            roots = [] if outward == 0.0 or (outward < 0.0) == (self.amount < 0.0) else [1.0]
            other = hollow / sloped if sloped != 0.0 else 0.0
            return [*roots, other] if low < other < high else roots
        if sloped != 0.0 and hollow != 0.0:
            roots = _roots([hollow, fixed, sloped], low, high)
            return roots if rising else roots[::-1]
        # As a move from 1, so that a small amount beside a large notional keeps its digits.
        root = 0.0
        if sloped != 0.0:
            root = 1.0 - self.amount / sloped
        elif hollow not in {0.0, self.amount}:
            root = 1.0 / (1.0 - self.amount / hollow)
        return [root] if low < root < high else []


def _bends(leg: Leg, *, rising: bool, limit: float) -> Iterator[Bend]:
    """The leg's changes of schedule piece in the order a moving mark meets them, up to the factor limit."""
    schedule, notional, weight = leg.schedule, leg.notional, leg.margin_weight
    floors, rates, deductions = schedule.floors, schedule.rates, schedule.deductions
    here = leg.piece
    direct = leg.notional_power > 0
    growing = rising == direct
    steps = range(here + 1, len(floors)) if growing else range(here, 0, -1)
    power, fixed_power = leg.power, leg.coin_power
    for upper in steps:
        factor = floors[upper] / notional if direct else notional / floors[upper]
        if factor > limit if rising else factor < limit:
            return
        rate = rates[upper] - rates[upper - 1]
        deduction = deductions[upper] - deductions[upper - 1]
        if not growing:
            rate, deduction = -rate, -deduction
        yield factor, power, -weight * rate * notional, fixed_power, weight * deduction


class Excess:
    """Margin equity minus requirement as a function of the factor, in the pool's currency.

    Args:
        today: Its value at factor 1.
        legs: What moves.
        collateral: What else moves.
        purses: The coins in which a debt counts at another price than a credit.
        options: What else moves.
        along: Of `exporter.risk.curves`, where there are options.
    """

    __slots__ = ("_along", "_bending", "_line", "_options", "_powers", "_purses", "today")

    def __init__(  # noqa: PLR0917 (the parts of one sum, in their order)
        self,
        today: float,
        legs: Sequence[Leg],
        collateral: Sequence[Collateral] = (),
        purses: Sequence[Purse] = (),
        options: Sequence[OptionLeg] = (),
        along: int = 1,
    ) -> None:
        self.today = today
        self._options = options
        self._along = along
        self._bending = [leg for leg in legs if len(leg.schedule.floors) > 1 and leg.notional_power]
        self._purses = purses
        # Coefficients of x ** -2 ... x ** 2; the fixed parts of equity and margin are in x ** 0, found
        # last so that all of them add up to today's excess.
        powers = self._powers = [0.0] * 5
        lowest = highest = 0
        for leg in legs:
            schedule, notional, coin_power = leg.schedule, leg.notional, leg.coin_power
            piece = leg.piece
            power = leg.power
            carried = leg.drift * notional * leg.equity_weight
            required = (schedule.rates[piece] * leg.margin_weight + leg.fee) * notional
            powers[OFFSET + power] += carried - required
            powers[OFFSET + coin_power] += schedule.deductions[piece] * leg.margin_weight - carried
            lowest, highest = min(lowest, power, coin_power), max(highest, power, coin_power)
        for item in collateral:
            powers[OFFSET + item.coin_power] += item.value
            lowest, highest = min(lowest, item.coin_power), max(highest, item.coin_power)
        curved = curves.join(powers, options, along) if options else 0.0
        powers[OFFSET] = 0.0
        powers[OFFSET] = today - sum(powers) - curved
        # The power of x in which the excess is a straight line, 0 where there is none.
        if lowest == 0 and highest <= 1:
            self._line = 1
        else:
            self._line = -1 if highest == 0 and lowest == -1 else 0

    def first_crossing(self, *, rising: bool, limit: float) -> float | None:
        """Factor (0.75 for a fall by a quarter) at which the excess first goes through 0.

        A negative excess is looked at the other way round: the factor that would bring it back to 0.
        Where a schedule jumps across 0 it is the place of the jump.

        Args:
            rising: Direction in which to look.
            limit: Factor at which the search ends, above 1 if rising, between 0 and 1 if not.

        Returns:
            The factor, or None where the excess keeps its sign up to the limit.
        """
        if self.today == 0.0:
            return 1.0
        bends = self._bends(rising=rising, limit=limit)
        if self._options:
            return curves.first_crossing(
                self.today, self._powers, self._options, bends, along=self._along, limit=limit
            )
        if self._line == 0:
            return _curved(self.today, list(self._powers), bends, limit=limit)
        slope = self._powers[OFFSET + self._line]
        return _straight(self.today, slope, bends, line=self._line, limit=limit)

    def _bends(self, *, rising: bool, limit: float) -> Iterable[Bend]:
        """All bends outward from today; those of a single leg only as far as somebody looks."""
        if len(self._bending) == 1 and not self._purses:
            return _bends(self._bending[0], rising=rising, limit=limit)
        found = [bend for leg in self._bending for bend in _bends(leg, rising=rising, limit=limit)]
        for purse in self._purses:
            found += purse.bends(rising=rising, limit=limit)
        found.sort(reverse=not rising)
        return found


def _straight(height: float, slope: float, bends: Iterable[Bend], *, line: int, limit: float) -> float | None:
    """The crossing where the excess is piecewise straight in ``z``: ``x`` (line 1) or ``1 / x`` (line -1).

    Works with ``d = z - 1`` and the height at ``d = 0``, so that a small margin beside a large notional
    keeps its digits.
    """
    side = 1.0 if height > 0.0 else -1.0
    reach = 0.0
    found = None
    for factor, power, change, fixed_power, fixed_change in bends:
        border = factor - 1.0 if line == 1 else 1.0 / factor - 1.0
        if side * (height + slope * border) <= 0.0:
            found = _meet(height, slope, reach, border)
            break
        height += change + fixed_change
        slope += (change if power == line else 0.0) + (fixed_change if fixed_power == line else 0.0)
        reach = border
        if side * (height + slope * border) <= 0.0:
            found = border
            break
    if found is None:
        last = limit - 1.0 if line == 1 else 1.0 / limit - 1.0
        outward = 1.0 if last > 0.0 else -1.0
        if slope * side * outward >= 0.0:
            return None
        found = -height / slope
        if found * outward > last * outward:
            return None
        found = max(found, reach) if outward > 0.0 else min(found, reach)
    factor = 1.0 + found if line == 1 else 1.0 / (1.0 + found)
    return factor if 0.0 < factor < math.inf else None


def _meet(height: float, slope: float, start: float, end: float) -> float:
    """Where ``height + slope * d`` is 0, inside a segment whose end lies beyond it."""
    if slope == 0.0:
        return end
    low, high = (start, end) if start <= end else (end, start)
    return min(max(-height / slope, low), high)


def _curved(excess: float, powers: list[float], bends: Iterable[Bend], *, limit: float) -> float | None:
    """The crossing where powers of x mix (several settle coins in one pool), by polynomial roots."""
    side = 1.0 if excess > 0.0 else -1.0
    start = 1.0
    for factor, power, change, fixed_power, fixed_change in bends:
        root = _first_sign_change(powers, start, factor, side)
        if root is not None:
            return root
        powers[OFFSET + power] += change
        powers[OFFSET + fixed_power] += fixed_change
        if side * _value(powers, factor) <= 0.0:
            return factor
        start = factor
    return _first_sign_change(powers, start, limit, side)


def _value(polynomial: Sequence[float], x: float) -> float:
    """Value of a polynomial, lowest power first. The excess times x squared is one, with the same sign."""
    total = 0.0
    for coefficient in reversed(polynomial):
        total = total * x + coefficient
    return total


def _first_sign_change(polynomial: Sequence[float], start: float, end: float, side: float) -> float | None:
    """First place from start to end where ``side * polynomial`` is not positive, None where there is none."""
    turning = _roots([k * c for k, c in enumerate(polynomial)][1:], min(start, end), max(start, end))
    if end < start:
        turning.reverse()
    before = start
    for after in [*turning, end]:
        if side * _value(polynomial, after) <= 0.0:
            return before if before == after else _bisect(polynomial, before, after, side)
        before = after
    return None


def _roots(polynomial: list[float], low: float, high: float) -> list[float]:
    """Real roots in ``[low, high]`` in ascending order, found between the roots of the derivative."""
    while polynomial and polynomial[-1] == 0.0:
        polynomial = polynomial[:-1]
    if len(polynomial) <= 1:
        return []
    if len(polynomial) == 2:
        root = -polynomial[0] / polynomial[1]
        return [root] if low < root < high else []
    turning = _roots([k * c for k, c in enumerate(polynomial)][1:], low, high)
    points = [low, *turning, high]
    roots = []
    for left, right in pairwise(points):
        at_left, at_right = _value(polynomial, left), _value(polynomial, right)
        if (at_left > 0.0) != (at_right > 0.0):
            roots.append(_bisect(polynomial, left, right, 1.0 if at_left > 0.0 else -1.0))
    return roots


def _bisect(polynomial: Sequence[float], positive_end: float, other_end: float, side: float) -> float:
    """Place between the two where ``side * polynomial`` stops being positive, to the last bit."""
    for _ in range(200):
        middle = 0.5 * (positive_end + other_end)
        if middle in (positive_end, other_end):
            break
        if side * _value(polynomial, middle) > 0.0:
            positive_end = middle
        else:
            other_end = middle
    return other_end
