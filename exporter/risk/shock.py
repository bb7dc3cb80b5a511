"""What happens when every coin moves by the same share at once.

A price per position cannot see ten small longs that fall together; this does. The USD price of every coin
moves by the share, stable and pegged ones stand still, and the marks follow: a pair of two coins that both
move stands still, while the coin in which it is settled moves where it backs a pool in another currency.
Inside a pool of its own everything is measured in the coin and it does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from exporter.risk.exposure import Exposure
from exporter.risk.facts import Facts
from exporter.risk.notional import finite
from exporter.risk.pools import DUST, Pool

# A rise of all coins by 1000 %; a fall to nothing has no price left, so that the search ends just before.
HIGHEST_SHOCK_FACTOR = 11.0
LOWEST_SHOCK_FACTOR = 1e-9

Shocks = tuple[float | None, float | None]
"""The smallest rise and fall that liquidate, as positive numbers; 0 is there, None is none or unknown."""
Rates = tuple[tuple[float, float], ...]
"""(shock, rate after it); a shock whose rate is unknown, or that leaves no price, is left out."""
Shifted = tuple[tuple[float, float, float], ...]
"""(shock, shift of the volatility, what is after both)."""


def margin_rate(required: float, equity: float, *, exposed: bool) -> float | None:
    """Requirement / equity: 0 is safe, 1 is liquidation.

    Without equity it is infinite if there is something to liquidate, and 0 if there is not (an empty
    account requires nothing).
    """
    if equity > 0.0:
        rate = required / equity
        return None if math.isnan(rate) else rate
    return math.inf if exposed else 0.0


def pool_rate(entry: Pool) -> float | None:
    """Rate of a pool today; None where a figure is unknown."""
    requirement = entry.requirement
    if entry.margin_equity is None or requirement is None:
        return None
    return margin_rate(requirement, entry.margin_equity, exposed=entry.exposed)


def isolated_rate(row: Facts) -> float | None:
    """Rate of a position that stands alone; None where a figure is unknown."""
    equity, requirement = row.isolated_equity, row.requirement
    if equity is None or requirement is None:
        return None
    return margin_rate(requirement, equity, exposed=True)


def pool_shocks(entry: Pool, exposure: Exposure | None) -> Shocks:
    """Those that bring the pool's rate to 1, up to +1000 % and down to -100 %."""
    # Options that are paid for can lose nothing more, but what backs a debt beside them can.
    backed = bool(entry.options) and (entry.excess or 0.0) > 0.0
    return _shocks(entry.excess, exposure) if entry.exposed or backed else (None, None)


def isolated_shocks(row: Facts, exposure: Exposure | None) -> Shocks:
    """Those that bring the rate of a position that stands alone to 1."""
    return _shocks(row.isolated_excess, exposure)


def _shocks(excess: float | None, exposure: Exposure | None) -> Shocks:
    if excess is None:
        return None, None
    if excess <= 0.0:
        return 0.0, 0.0
    if exposure is None:
        return None, None
    function = exposure.excess(excess)
    rise = function.first_crossing(rising=True, limit=HIGHEST_SHOCK_FACTOR)
    fall = function.first_crossing(rising=False, limit=LOWEST_SHOCK_FACTOR)
    return None if rise is None else rise - 1.0, None if fall is None else 1.0 - fall


def smallest(shocks: Iterable[Shocks]) -> Shocks:
    """Of several, those that liquidate first. What is unknown cannot count."""
    rises, falls = [], []
    for rise, fall in shocks:
        rises += [] if rise is None else [rise]
        falls += [] if fall is None else [fall]
    return min(rises, default=None), min(falls, default=None)


def pool_stress(entry: Pool, exposure: Exposure | None, shocks: Sequence[float]) -> Rates:
    """Rates of the pool after every coin moved by each shock; -0.1 is a fall by 10 %."""
    requirement = entry.requirement
    if exposure is None or not entry.concerned or entry.margin_equity is None or requirement is None:
        return ()
    return _stressed(entry.margin_equity, requirement, exposure, shocks, exposed=entry.exposed)


def volatility_stress(
    entry: Pool, exposure: Exposure | None, shocks: Sequence[float], shifts: Sequence[float]
) -> Shifted:
    """Rates of a pool with options after every shock, none among them, and every shift of the volatility."""
    requirement = entry.requirement
    if not entry.options or exposure is None or entry.margin_equity is None or requirement is None:
        return ()
    return tuple(
        (shock, shift, rate)
        for shift in shifts
        for shock, rate in _stressed(
            entry.margin_equity, requirement, exposure, with_none(shocks), exposed=entry.exposed, shift=shift
        )
    )


def with_none(shocks: Sequence[float]) -> Sequence[float]:
    """The shocks, in their order, and none of them."""
    return sorted({0.0, *shocks}) if shocks else ()


def isolated_stress(rows: Iterable[tuple[Facts, Exposure | None]], shocks: Sequence[float]) -> Rates:
    """After each shock the rate of the worst position that stands alone, of those whose rate is known."""
    worst: dict[float, float] = {}
    for row, exposure in rows:
        equity, requirement = row.isolated_equity, row.requirement
        if equity is None or requirement is None or exposure is None:
            continue
        for shock, rate in _stressed(equity, requirement, exposure, shocks, exposed=True):
            worst[shock] = max(rate, worst.get(shock, 0.0))
    return tuple(worst.items())


def _stressed(
    equity: float,
    requirement: float,
    exposure: Exposure,
    shocks: Sequence[float],
    *,
    exposed: bool,
    shift: float = 0.0,
) -> Rates:
    # What does not move: open orders and the like.
    constant = requirement - exposure.required
    rates = []
    for shock in shocks:
        factor = 1.0 + shock
        if factor <= 0.0:
            continue
        change, required = exposure.after(factor, shift)
        then, margin = equity + change, constant + required
        if finite(then) is None or finite(margin) is None:
            continue
        # Rounding may leave a requirement of nothing a hair below 0.
        owed = exposed or (bool(exposure.options) and then < -DUST)
        rate = margin_rate(max(margin, 0.0), then, exposed=owed)
        if rate is not None:
            rates.append((shock, rate))
    return tuple(rates)
