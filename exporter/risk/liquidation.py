"""The price of one symbol that liquidates, and how far away it is.

Definition: the price of a symbol, all others standing still, at which the pool's margin equity equals its
whole requirement: maintenance margin, and closing fees where the venue counts them. It is the closed formula
of Binance's "USD-M and COIN-M liquidation price"
(https://www.binance.com/en/support/faq/detail/b3c689c1f50a44cabb3a84e663b81d93 and
https://www.binance.com/en/support/faq/detail/ceccfcfb4e3a45e3b48b0b1bb1a8ae46), solved for each piece of
the maintenance schedule and taken from the piece that is valid *at* the liquidation price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from exporter.model import HIGHEST_MULTIPLE, LOWEST_MULTIPLE
from exporter.risk.exposure import Exposure, leg_from, of_symbol
from exporter.risk.facts import Facts
from exporter.risk.notional import finite, positive
from exporter.risk.pools import Pool
from exporter.risk.prices import Prices

# A net below this share of the gross is a perfect hedge up to rounding.
_FLAT = 1e-12


@dataclass(slots=True, frozen=True)
class Liquidation:
    """Where a symbol's mark liquidates: ``factor`` times today's.

    ``distance`` is the relative move to there, negative where the pool is already past it (then the price
    is the nearest that would restore it). Past it with no price that would, every price liquidates and
    the answer is today's mark.
    """

    factor: float
    distance: float


class NoLiquidation(Enum):
    """Why there is no price."""

    IMPOSSIBLE = "no price of the symbol liquidates the pool"
    UNKNOWN = "something the answer needs is unknown"


def symbol_liquidation(entry: Pool, rows: Sequence[Facts], prices: Prices) -> Liquidation | NoLiquidation:
    """Where the positions of one symbol that a pool backs liquidate it."""
    excess, requirement = entry.excess, entry.requirement
    exposure = of_symbol(rows, entry, prices)
    if excess is None or requirement is None or exposure is None or entry.pool.unlisted:
        return NoLiquidation.UNKNOWN
    if entry.pool.scenario_margin:
        return NoLiquidation.UNKNOWN
    # Other positions may be known only as a part of the pool's total, which must then have room for them.
    if entry.position_share is None and exposure.required > requirement:
        return NoLiquidation.UNKNOWN
    return _liquidation(excess, exposure)


def isolated_liquidation(row: Facts) -> Liquidation | NoLiquidation:
    """Where a position that stands alone, which is a pool of its own, is liquidated."""
    leg, excess = leg_from([row]), row.isolated_excess
    if leg is None or excess is None:
        return NoLiquidation.UNKNOWN
    return _liquidation(excess, Exposure([leg]))


def _liquidation(excess: float, exposure: Exposure) -> Liquidation | NoLiquidation:
    factor = _factor(excess, exposure)
    if excess > 0.0:
        return NoLiquidation.IMPOSSIBLE if factor is None else Liquidation(factor, abs(factor - 1.0))
    return Liquidation(1.0, 0.0) if factor is None else Liquidation(factor, -abs(factor - 1.0))


def _factor(excess: float, exposure: Exposure) -> float | None:
    """Factor on one symbol's mark that takes the excess to 0, the nearest of both directions.

    A single position can only be liquidated against it. A hedged pair can be liquidated on either side,
    because the maintenance margin of both legs grows with the price; the nearer one is the danger. With
    the excess already below 0 it is the nearest factor that would restore it.
    """
    falls, rises = (not exposure.survives(excess, rising=rising) for rising in (False, True))
    if not falls and not rises:
        return None
    function = exposure.excess(excess)
    down = function.first_crossing(rising=False, limit=LOWEST_MULTIPLE) if falls else None
    up = function.first_crossing(rising=True, limit=HIGHEST_MULTIPLE) if rises else None
    if down is None or up is None:
        return up if down is None else down
    return down if 1.0 - down <= up - 1.0 else up


def price_of(row: Facts, liquidation: Liquidation | NoLiquidation) -> float | None:
    """The liquidation price in the contract's quote currency; None where there is none."""
    if row.mark is None or isinstance(liquidation, NoLiquidation):
        return None
    return positive(row.mark * liquidation.factor)


def is_pair(rows: Sequence[Facts]) -> bool:
    """True where cross positions of one symbol and pool are both long and short."""
    return len(rows) > 1 and len({row.position.side for row in rows}) == 2


def one_way_distance(row: Facts, price: float) -> float | None:
    """Distance of a position that is not a leg of a pair: long ``(M - L) / M``, short ``(L - M) / M``."""
    if row.mark is None:
        return None
    gap = row.mark - price if row.position.side == "long" else price - row.mark
    return finite(gap / row.mark)


def pair_distance(rows: Sequence[Facts], *, alive: bool | None) -> float | None:
    """Distance of a hedged pair from the prices its venue rows print; None where they print none.

    A venue prints one price, on the losing side of the *net* position, on both rows or on one, so both
    legs get the distance of the net. Where the rows differ, the nearest price on the losing side of the
    net counts. A price on the other side means "past it" only if the pool is not known to be alive:
    the maintenance margin of both legs can liquidate a hedged pair in the direction that the net gains.
    """
    mark = next((row.mark for row in rows if row.mark is not None), None)
    prices = [p for row in rows if (p := positive(row.position.liquidation_price)) is not None]
    if mark is None or not prices:
        return None
    net = gross = 0.0
    for row in rows:
        # The rows are of one symbol: the net has the same side in contracts, whatever one is worth.
        size = positive(row.position.quantity)
        if size is None:
            return None
        gross += size
        net += size if row.position.side == "long" else -size
    gaps = [(mark - price) / mark for price in prices]
    if abs(net) <= _FLAT * gross:
        nearest = min(map(abs, gaps))
        return finite(-nearest if alive is False else nearest)
    losing = gaps if net > 0.0 else [-gap for gap in gaps]
    ahead = [gap for gap in losing if gap >= 0.0]
    if ahead:
        return finite(min(ahead))
    nearest = max(losing)
    return finite(-nearest if alive else nearest)
