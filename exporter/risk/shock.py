"""What happens to a pool when every mark moves by the same share at once.

A price per position cannot see ten small longs that fall together; this does. Coins that are not pegged
move with the marks where they are collateral of a pool in another currency; inside a pool of their own
everything is measured in the coin and they do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exporter.model import RiskSettings
from exporter.risk.crossing import LOWEST_FACTOR, Collateral, Excess, Leg
from exporter.risk.notional import finite
from exporter.risk.pools import Pool, collateral_of, legs_of

# A rise of all marks by 1000 %.
HIGHEST_SHOCK_FACTOR = 11.0


@dataclass(slots=True, frozen=True)
class Exposure:
    """Everything in a pool that moves with the marks, in its currency."""

    legs: Sequence[Leg]
    collateral: Sequence[Collateral]


def exposure_of(entry: Pool, settings: RiskSettings, prices: Mapping[str, float]) -> Exposure | None:
    """What of a pool moves with the marks; None where any of it is unknown."""
    if entry.position_share is None:
        return None
    legs: list[Leg] = []
    for rows in entry.symbols.values():
        found = legs_of(rows, entry, settings, prices, coins_move=True)
        if found is None:
            return None
        legs.extend(found)
    collateral = collateral_of(entry, settings, prices)
    return None if collateral is None else Exposure(legs, collateral)


def margin_rate(margin: float, equity: float, *, exposed: bool) -> float | None:
    """Maintenance margin / equity: 0 is safe, 1 is liquidation.

    Without equity it is infinite if there is something to liquidate, and 0 if there is not (an empty
    account requires nothing).
    """
    if equity > 0.0:
        rate = margin / equity
        return None if math.isnan(rate) else rate
    return math.inf if exposed else 0.0


def pool_rate(entry: Pool) -> float | None:
    """Maintenance margin rate of a pool today; None where a figure is unknown."""
    if entry.margin_equity is None or entry.maintenance_margin is None:
        return None
    return margin_rate(entry.maintenance_margin, entry.margin_equity, exposed=entry.exposed)


def liquidation_shocks(entry: Pool, exposure: Exposure | None) -> tuple[float | None, float | None]:
    """Smallest uniform rise and fall of all marks that bring the pool's rate to 1, as positive numbers.

    0 where the pool is already there. None where no move does, up to +1000 % or down to -100 %, or where
    something is unknown.
    """
    excess = entry.excess
    if excess is None or not entry.exposed:
        return None, None
    if excess <= 0.0:
        return 0.0, 0.0
    if exposure is None:
        return None, None
    function = Excess(excess, exposure.legs, exposure.collateral)
    rise = function.first_crossing(rising=True, limit=HIGHEST_SHOCK_FACTOR)
    fall = function.first_crossing(rising=False, limit=LOWEST_FACTOR)
    return None if rise is None else rise - 1.0, None if fall is None else 1.0 - fall


def stressed_rates(
    entry: Pool, exposure: Exposure | None, shocks: Sequence[float]
) -> tuple[tuple[float, float], ...]:
    """(shock, maintenance margin rate of the pool after every mark moved by it; -0.1 is a fall by 10 %).

    A shock whose rate is unknown, or after which no mark would be left, is left out.
    """
    if exposure is None or entry.margin_equity is None or entry.maintenance_margin is None:
        return ()
    # What does not move: open orders and the like.
    constant = entry.maintenance_margin - sum(leg.at(1.0)[1] for leg in exposure.legs)
    rates = []
    for shock in shocks:
        factor = 1.0 + shock
        if factor <= 0.0:
            continue
        equity = entry.margin_equity
        margin = constant
        for leg in exposure.legs:
            profit, required = leg.at(factor)
            equity += profit
            margin += required
        for item in exposure.collateral:
            equity += item.value * (factor**item.coin_power - 1.0)
        if finite(equity) is None or finite(margin) is None:
            continue
        # Rounding may leave a requirement of nothing a hair below 0.
        rate = margin_rate(max(margin, 0.0), equity, exposed=entry.exposed)
        if rate is not None:
            rates.append((shock, rate))
    return tuple(rates)
