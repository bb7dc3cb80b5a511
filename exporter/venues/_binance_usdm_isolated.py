"""Binance USD-M: which positions of a sub-account are isolated, read from their liquidation prices.

The venue does not say it to the key of a master. A cross position is liquidated where the excess of its
coin's equity over what all its positions require is used up, an isolated one where that of its own collateral
is; everything else is held still. So a printed price tells the excess that stands behind a position: that of
the coin, or its own.

Source: https://www.binance.com/en/support/faq/detail/b3c689c1f50a44cabb3a84e663b81d93
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct

from exporter.model import MaintenanceTier

# Shares of the notional that an excess may be off: its own, as a price is printed of another moment than the
# wallet, and that of all positions of the coin, on whose gains it depends.
_SLACK_OF_ITS_OWN = 0.01
_SLACK_OF_ALL = 0.002
_STRICTER = (0.0005, 0.005, 0.02, 0.1, 0.4)
"""Shares of this slack that are tried before all of it: where little stands behind large positions, all of it
would hide what the figures of one moment tell."""
_SAME_PRICE = 1e-4


class Standing(Struct, frozen=True):
    """One position in a linear contract."""

    symbol: str
    quantity: float
    """Signed."""
    mark: float
    profit: float
    """Unrealized, in the coin."""
    liquidation_price: float | None
    tiers: Sequence[MaintenanceTier]

    @property
    def notional(self) -> float:
        return abs(self.quantity) * self.mark

    def required(self, price: float) -> float:
        """Maintenance margin at a price."""
        notional = abs(self.quantity) * price
        tier = next((one for one in self.tiers if one.floor <= notional < one.cap), self.tiers[-1])
        return notional * tier.rate - tier.deduction

    def excess(self, price: float) -> float:
        """What the way to `price` takes from the excess of whatever stands behind it."""
        lost = self.quantity * (self.mark - price)
        return lost - self.required(self.mark) + self.required(price)


class _Party(Struct, frozen=True):
    """What is liquidated at one price: a position, or both legs of a symbol."""

    members: tuple[Standing, ...]
    excess: float | None
    """What stands behind it; None where no price liquidates it."""

    @property
    def notional(self) -> float:
        return sum(one.notional for one in self.members)

    def off(self, excess: float) -> float:
        """By how much another figure of what stands behind it is higher than the price says."""
        return 0.0 if self.excess is None else excess - self.excess


def isolated(wallet: float, positions: Sequence[Standing]) -> list[tuple[Standing, float]] | None:
    """The isolated positions of a coin, each with its equity: collateral and unrealized PnL.

    Args:
        wallet: Balance of the coin, collateral of isolated positions included.
        positions: All that settle in the coin.

    Returns:
        None where prices say that some are isolated, and not which.
    """
    parties = _parties(positions)
    whole = wallet + math.fsum(one.profit - one.required(one.mark) for one in positions)
    for share in _STRICTER:
        found = _apart(whole, parties, share)
        if found is not None:
            return found
    return _apart(whole, parties, 1.0)


def _apart(whole: float, parties: Sequence[_Party], share: float) -> list[tuple[Standing, float]] | None:
    """The isolated ones as far as prices tell them within a share of the slack; None where they do not."""
    gross = sum(one.notional for one in parties)

    def slack(*which: _Party) -> float:
        return share * (_SLACK_OF_ALL * gross + _SLACK_OF_ITS_OWN * sum(one.notional for one in which))

    if all(one.off(whole) <= slack(one) for one in parties):
        return []
    # Of a cross and an isolated position either may be which: alike for both, and the larger one is cross.
    told = sorted((one for one in parties if one.excess is not None), key=lambda one: -(one.excess or 0.0))
    # That all of them are isolated fits whatever is left of the wallet: the last thing to be believed.
    for shared in (*told, None) if share == 1.0 else told:
        alone = [one for one in told if shared is None or abs(one.off(shared.excess or 0.0)) > slack(one)]
        rest = whole - math.fsum(one.excess or 0.0 for one in alone)
        fits = rest >= -slack(*alone) if shared is None else abs(shared.off(rest)) <= slack(shared, *alone)
        if fits and all(len(one.members) == 1 for one in alone):
            return [
                (position, (one.excess or 0.0) + position.required(position.mark))
                for one in alone
                for position in one.members
            ]
    return None


def _parties(positions: Iterable[Standing]) -> list[_Party]:
    symbols: dict[str, list[Standing]] = {}
    for one in positions:
        symbols.setdefault(one.symbol, []).append(one)
    found = []
    for legs in symbols.values():
        prices = [one.liquidation_price for one in legs if one.liquidation_price is not None]
        # The legs of a cross hedge share one price; one of them may be printed without it.
        shared = not prices or max(prices) <= min(prices) * (1.0 + _SAME_PRICE)
        parts = [legs] if shared else [[one] for one in legs]
        for part in parts:
            price = next((one.liquidation_price for one in part if one.liquidation_price), None)
            excess = None if price is None else math.fsum(one.excess(price) for one in part)
            found.append(_Party(tuple(part), excess))
    return found
