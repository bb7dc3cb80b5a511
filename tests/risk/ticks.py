"""The two prices on a venue's price grid around a liquidation price: one tick safe, one tick gone."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal


def ticks_around(
    liquidation_price: float, mark_price: float, tick: float | str | Decimal
) -> tuple[Decimal, Decimal]:
    """Grid prices around a liquidation price as ``(last safe, first liquidating)``, seen from the mark.

    Args:
        liquidation_price: Where the rate reaches 1.
        mark_price: A price at which the pool is safe; it tells the direction.
        tick: Step of the venue's price grid.

    Returns:
        Multiples of the tick. Exactly on the liquidation price the rate is 1 and the venue liquidates,
        so a liquidation price on the grid is itself the first liquidating one.
    """
    step = Decimal(str(tick))
    steps = Decimal(repr(liquidation_price)) / step
    if liquidation_price <= mark_price:
        first = steps.to_integral_value(ROUND_FLOOR)
        return (first + 1) * step, first * step
    first = steps.to_integral_value(ROUND_CEILING)
    return (first - 1) * step, first * step
