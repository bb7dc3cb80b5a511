"""Mark price, notional and unrealized PnL of one position.

Source of the contract formulas: Binance, "How to calculate PnL" for USD-M
(https://www.binance.com/en/support/faq/detail/3a55a23768cb416fb404f06ffedde4b2) and "USD-M and COIN-M
liquidation price" (https://www.binance.com/en/support/faq/detail/b3c689c1f50a44cabb3a84e663b81d93).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from exporter.model import Position


def finite(value: float | None) -> float | None:
    """The value, or None where it is unknown, NaN or infinite."""
    return value if value is not None and math.isfinite(value) else None


def positive(value: float | None) -> float | None:
    """The value, or None where it is not a finite number above 0."""
    return value if value is not None and 0.0 < value < math.inf else None


def not_negative(value: float | None) -> float | None:
    """The value, or None where it is not a finite number from 0 up."""
    return value if value is not None and 0.0 <= value < math.inf else None


def exposure(position: Position) -> float | None:
    """Unsigned size: base units of a linear contract, quote value of an inverse one.

    None where the contract size is unknown or the quantity is not a positive number.
    """
    size = position.contract.size
    return None if size is None else positive(position.quantity * size)


def mark_from_pnl(position: Position, pnl: float) -> float | None:
    """Mark price that explains an unrealized PnL in the settle currency, in the quote currency.

    Linear ``M = E + pnl / q``; inverse ``M = 1 / (1 / E - pnl / (q * C))``, q signed. The error is about
    the rounding of the PnL divided by the size, so a venue's own mark price is always preferred. None
    where a figure is missing or the result is not a price.
    """
    size, entry = exposure(position), positive(position.entry_price)
    if size is None or entry is None:
        return None
    signed = size if position.side == "long" else -size
    if position.contract.kind != "inverse":
        return positive(entry + pnl / signed)
    reciprocal = positive(1.0 / entry - pnl / signed)
    return None if reciprocal is None else positive(1.0 / reciprocal)


def derived_mark(position: Position) -> float | None:
    """`mark_from_pnl` of the position's own unrealized PnL."""
    pnl = finite(position.unrealized_pnl)
    return None if pnl is None else mark_from_pnl(position, pnl)


def symbol_marks(positions: Iterable[Position]) -> dict[str, float]:
    """Mark price by symbol for the positions whose venue row has none.

    A symbol has one mark: that of another row of the symbol, else the one derived from the largest row,
    which has the smallest rounding error.
    """
    marks: dict[str, float] = {}
    derived: dict[str, tuple[float, float]] = {}
    for position in positions:
        mark = positive(position.mark_price)
        if mark is not None:
            marks.setdefault(position.symbol, mark)
            continue
        guess = derived_mark(position)
        if guess is not None and position.quantity > derived.get(position.symbol, (0.0, 0.0))[0]:
            derived[position.symbol] = (position.quantity, guess)
    for symbol, (_, guess) in derived.items():
        marks.setdefault(symbol, guess)
    return marks


def unrealized_pnl(position: Position, mark: float | None) -> float | None:
    """PnL at the mark in the settle currency: the venue's figure, else `computed_pnl`."""
    if position.unrealized_pnl is not None:
        return finite(position.unrealized_pnl)
    return computed_pnl(position, mark)


def computed_pnl(position: Position, mark: float | None) -> float | None:
    """PnL at the mark in the settle currency from mark and entry; None where one is unknown.

    Linear ``q * (M - E)``; inverse ``q * C * (1 / E - 1 / M)``, q signed.
    """
    size, entry = exposure(position), positive(position.entry_price)
    if size is None or entry is None or mark is None:
        return None
    signed = size if position.side == "long" else -size
    if position.contract.kind != "inverse":
        return finite(signed * (mark - entry))
    return finite(signed * (1.0 / entry - 1.0 / mark))


def notional(position: Position, mark: float | None) -> float | None:
    """Unsigned value at the mark in the settle currency: linear ``q * M``, inverse ``q * C / M``."""
    size = exposure(position)
    if size is None or mark is None:
        return None
    return positive(size * mark if position.contract.kind != "inverse" else size / mark)


def notional_usd(
    position: Position, settle_notional: float | None, prices: Mapping[str, float]
) -> float | None:
    """Unsigned value at the mark in USD, None where no price leads there.

    Linear: the value in the quote coin times that coin's price. Inverse: the exposure is an amount of the
    quote currency and does not depend on the mark. Without a price of the quote, that of the settle coin.
    ``prices`` are those that are known, not assumed.
    """
    contract = position.contract
    quote_price = prices.get(contract.quote)
    if contract.kind == "inverse" and quote_price is not None:
        size = exposure(position)
        return None if size is None else positive(size * quote_price)
    price = quote_price if quote_price is not None else prices.get(contract.settle)
    return None if settle_notional is None or price is None else positive(settle_notional * price)
