"""The liquidation engine as one would first write it: revalue the whole pool, bisect, once per position.

It is the peer that `benchmarks.risk_engine` measures against, over the same snapshot and definition: a
linear single-currency pool with maintenance tiers. It has no special cases and finds prices to about ten
digits, in O(positions squared) for every price.
"""

from __future__ import annotations

from collections.abc import Callable

from exporter.model import AccountSnapshot, Position

_STEPS = 40
_HIGHEST = 11.0
_LOWEST = 1e-9


def _margin(row: Position, notional: float) -> float:
    for tier in row.maintenance_tiers:
        if notional < tier.cap:
            return notional * tier.rate - tier.deduction
    raise ValueError("notional above the last tier")


def excess(snapshot: AccountSnapshot, factor_of: Callable[[Position], float]) -> float:
    """Margin equity minus maintenance margin with every mark multiplied by its factor."""
    value = snapshot.pools[0].margin_equity
    if value is None:
        raise ValueError("the pool has no margin equity")
    for row in snapshot.positions:
        if row.mark_price is None or row.contract.size is None:
            raise ValueError("a position has no mark price or no contract size")
        notional = row.quantity * row.contract.size * row.mark_price
        factor = factor_of(row)
        gain = notional * (factor - 1.0)
        value += gain if row.side == "long" else -gain
        value -= _margin(row, notional * factor)
    return value


def _bisect(function: Callable[[float], float], end: float) -> float | None:
    alive, dead = 1.0, end
    if function(dead) > 0.0:
        return None
    for _ in range(_STEPS):
        middle = 0.5 * (alive + dead)
        if function(middle) > 0.0:
            alive = middle
        else:
            dead = middle
    return dead


def liquidation_prices(snapshot: AccountSnapshot) -> list[float | None]:
    """Liquidation price of every position, each symbol having one position."""
    prices: list[float | None] = []
    for row in snapshot.positions:

        def alone(factor: float, moving: Position = row) -> float:
            return excess(snapshot, lambda other: factor if other is moving else 1.0)

        factor = _bisect(alone, _LOWEST if row.side == "long" else _HIGHEST)
        prices.append(None if factor is None or row.mark_price is None else factor * row.mark_price)
    return prices


def liquidation_shocks(snapshot: AccountSnapshot) -> tuple[float | None, float | None]:
    """Smallest uniform rise and fall that liquidate, as positive numbers."""

    def together(factor: float) -> float:
        return excess(snapshot, lambda _: factor)

    up, down = _bisect(together, _HIGHEST), _bisect(together, _LOWEST)
    return None if up is None else up - 1.0, None if down is None else 1.0 - down
