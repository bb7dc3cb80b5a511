"""Binance, every adapter: maintenance schedules, or what brackets of a symbol mean for a position.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/Notional-and-Leverage-Brackets
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from exporter.alike import Tables
from exporter.model import MaintenanceTier
from exporter.venues.base import ascending_tiers
from exporter.wire import Number, Positive, Wire


class Bracket(Wire):
    """One maintenance tier of USD-M (amounts in the quote coin) or COIN-M (amounts in the base coin)."""

    maintMarginRatio: Number = None
    cum: Number = None
    notionalFloor: Number = None
    notionalCap: Number = None
    qtyCap: Number = None
    # Spelled `qtylFloor` on the documentation page; other clients read `qtyFloor`.
    qtylFloor: Number = None
    qtyFloor: Number = None

    def tier(self, scale: float) -> MaintenanceTier | None:
        """The tier with its amounts times `scale`; None where a figure of it is missing."""
        floor = _first(self.notionalFloor, self.qtylFloor, self.qtyFloor)
        cap = _first(self.notionalCap, self.qtyCap)
        if floor is None or cap is None or self.maintMarginRatio is None or self.cum is None:
            return None
        return MaintenanceTier(floor * scale, cap * scale, self.maintMarginRatio, self.cum * scale)


class Brackets(Wire, eq=False):
    """The tiers of one symbol. `notionalCoef` appears where the user's limits were scaled."""

    symbol: str
    brackets: list[Bracket]
    notionalCoef: Positive = None


TABLES = Tables(Brackets, "symbol")


@lru_cache(maxsize=4096)  # of the same object: accounts share the brackets that are alike
def _tiers(brackets: Brackets, scale: float) -> tuple[MaintenanceTier, ...]:
    """The tiers with their amounts times `scale`; none where a figure is missing."""
    known = [bracket.tier(scale) for bracket in brackets.brackets]
    tiers = [tier for tier in known if tier is not None]
    return ascending_tiers(tiers) if len(tiers) == len(known) else ()


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def maintenance_tiers(
    brackets: Brackets | None, notional: float | None, maintenance_margin: float | None
) -> tuple[MaintenanceTier, ...]:
    """The schedule of a position, in ascending order; empty where it cannot be trusted.

    One with a figure missing would have a gap. The documentation leaves open whether brackets of a user
    with a `notionalCoef` are printed before or after it is applied. The position itself decides: the
    reading that reproduces its own maintenance margin (settle currency, like `notional`) is taken, of two
    the one with the lower limits; with none that does, there is no schedule.
    """
    if brackets is None:
        return ()
    coefficient = brackets.notionalCoef or 1.0
    for scale in sorted({1.0, coefficient}):
        tiers = _tiers(brackets, scale)
        if coefficient == 1.0 or _reproduces(tiers, notional, maintenance_margin):
            return tiers
    return ()


def _reproduces(
    tiers: Iterable[MaintenanceTier], notional: float | None, maintenance_margin: float | None
) -> bool:
    if notional is None or maintenance_margin is None:
        return False
    size = abs(notional)
    tier = next((tier for tier in tiers if tier.floor <= size < tier.cap), None)
    if tier is None:
        return False
    # Printed with 8 decimals; half a per mill covers rounding and a mark that moved between two answers.
    return abs(size * tier.rate - tier.deduction - maintenance_margin) <= 5e-4 * maintenance_margin + 1e-8
