"""The way back: what brings a rate down to the target, in money or in positions closed.

Both leave the market where it is. Closing at the mark realises the PnL, so that the equity of a pool changes
by the fees for closing only; what the venue requires for open orders stays. The requirement of the rest
follows the schedules: piecewise linear in the share, and solved piece by piece. Options require and are worth
their share; where their value is no part of the margin equity, closing them pays it out, or in.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.risk.crossing import Leg
from exporter.risk.exposure import Exposure, leg_from
from exporter.risk.facts import Facts
from exporter.risk.notional import finite
from exporter.risk.pools import Pool

_ROUNDING = 1e-9


@dataclass(slots=True, frozen=True)
class WayBack:
    """What would bring a rate to the target; 0 where it is not above it, None where it is not known."""

    margin: float | None = None
    """To add."""
    reduction: float | None = None
    """Share of the positions to close at the mark; None also where closing all is not enough."""


UNKNOWN = WayBack()


def pool_way_back(entry: Pool, exposure: Exposure | None, target: float) -> WayBack:
    """Of the positions that a pool backs; nothing of a pool whose positions all stand alone."""
    equity, requirement = entry.margin_equity, entry.requirement
    if equity is None or requirement is None or not entry.concerned:
        return UNKNOWN
    margin = _to_add(equity, requirement, target)
    if margin == 0.0:
        return WayBack(0.0, 0.0)
    if exposure is None:
        return WayBack(margin)
    constant = requirement - exposure.required
    return WayBack(margin, _to_close(equity, constant, exposure, target, _paid_out(entry)))


def _paid_out(entry: Pool) -> float:
    """What closing options that are counted apart adds to the margin equity, in the pool's currency."""
    if not entry.pool.options_apart:
        return 0.0
    return sum(
        row.option.worth * (entry.holdings[row.position.contract.settle].counted or 0.0)
        for row in entry.options
        if row.option is not None
    )


def isolated_way_back(row: Facts, target: float) -> WayBack:
    """Of a position that stands alone, whose collateral goes in proportion to what is closed."""
    equity, requirement = row.isolated_equity, row.requirement
    if equity is None or requirement is None:
        return UNKNOWN
    margin = _to_add(equity, requirement, target)
    if margin == 0.0:
        return WayBack(0.0, 0.0)
    leg = leg_from([row])
    return WayBack(margin, None if leg is None else _to_close_alone(equity, leg, target))


def _to_add(equity: float, requirement: float, target: float) -> float | None:
    return finite(max(requirement / target - equity, 0.0))


def _to_close(equity: float, constant: float, exposure: Exposure, target: float, paid: float) -> float | None:
    """Smallest share of all legs whose closing takes the rate to the target.

    With ``u`` the share that is kept, the slack ``target * equity - requirement`` is
    ``height + slope * u`` between the places where a leg enters another piece of its schedule, or the fees
    have used up what there is of a coin and make a debt in it.
    """
    legs = exposure.legs
    fees = sum(leg.fee_rate * leg.notional * leg.equity_weight for leg in legs)
    height = target * (equity - fees + paid) - constant
    slope = target * (fees - paid)
    for option in exposure.options:
        slope -= option.at(1.0)[1]
    bends = []
    for leg in legs:
        schedule, notional, weight = leg.schedule, leg.notional, leg.margin_weight
        here = leg.piece
        height += schedule.deductions[here] * weight
        slope -= (schedule.rates[here] * weight + leg.fee) * notional
        for upper in range(here, 0, -1):
            rate = schedule.rates[upper] - schedule.rates[upper - 1]
            deduction = schedule.deductions[upper] - schedule.deductions[upper - 1]
            bends.append((schedule.floors[upper] / notional, -deduction * weight, rate * weight * notional))
    for purse in exposure.purses:
        cost = sum(leg.fee_rate * leg.notional for leg in purse.legs)
        if 0.0 <= purse.amount < cost:
            step = target * purse.step
            bends.append((1.0 - purse.amount / cost, step * (purse.amount - cost), step * cost))
    bends.sort(reverse=True)
    kept = 1.0
    for border, lift, turn in [*bends, (0.0, 0.0, 0.0)]:
        if height + slope * border >= 0.0:
            return 1.0 - _kept(height, slope, border, kept)
        height, slope, kept = height + lift, slope + turn, border
        if height + slope * border >= 0.0:
            return 1.0 - border
    return None


def _to_close_alone(equity: float, leg: Leg, target: float) -> float:
    """Smallest share of a position that stands alone whose closing takes the rate to the target, at most 1.

    Collateral that is no longer needed is given back. If it goes in proportion, as is assumed here, only a
    lower piece of the schedule lowers the rate; if a venue leaves more of it, the rate is lower still. Fees
    are paid out of what is given back. With ``u`` the share that is kept, the slack
    ``target * equity * u - requirement`` is ``slope * u + deduction`` in each piece.
    """
    schedule, notional, weight = leg.schedule, leg.notional, leg.margin_weight
    kept = 1.0
    for piece in range(leg.piece, -1, -1):
        charge = (schedule.rates[piece] * weight + leg.fee) * notional
        slope = target * equity - charge
        deduction, border = schedule.deductions[piece] * weight, schedule.floors[piece] / notional
        # In one piece the rate is the same at any size: what is at the target up to rounding is there.
        if slope * kept + deduction >= -_ROUNDING * charge * kept:
            return 1.0 - kept
        share = -deduction / slope if slope < 0.0 else 0.0
        if border < share < kept:
            return 1.0 - share
        kept = border
    return 1.0


def _kept(height: float, slope: float, low: float, high: float) -> float:
    """Where ``height + slope * u`` is 0, between the two."""
    return high if slope == 0.0 else min(max(-height / slope, low), high)
