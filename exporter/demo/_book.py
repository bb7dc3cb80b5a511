"""What a simulated account is made of: positions, what liquidation closed, margin pools, haircuts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from exporter.demo.contracts import ONE, ZERO, Contract

Side = Literal["long", "short"]
MarginMode = Literal["cross", "isolated"]
Basis = Literal["mark", "entry"]


@dataclass(eq=False)
class Position:
    """One open position; ``quantity`` is unsigned and in venue units."""

    contract: Contract
    side: Side
    quantity: Decimal
    entry_price: Decimal
    leverage: int
    margin_mode: MarginMode
    identity: int
    isolated_wallet: Decimal = ZERO
    """Collateral of an isolated position in the settle coin, PnL not included."""
    realized_pnl: Decimal = ZERO
    updated_at: float = 0.0
    """Unix seconds."""
    queue_place: float | None = None
    """Place in the auto-deleveraging queue where it was set, 1 is the front; None: as its gains have it."""

    @property
    def sign(self) -> int:
        return 1 if self.side == "long" else -1


@dataclass(frozen=True)
class ClosedLeg:
    """A position as it was when liquidation closed it."""

    symbol: str
    side: Side
    margin_mode: MarginMode
    quantity: Decimal
    mark: Decimal
    pnl: Decimal


@dataclass(frozen=True)
class Liquidation:
    """One margin pool (or isolated position) closed by the venue.

    ``margin_equity`` and ``maintenance_margin`` are in ``currency``, as they were when it happened.
    """

    time: float
    currency: str
    legs: tuple[ClosedLeg, ...]
    margin_equity: Decimal
    maintenance_margin: Decimal


@dataclass(frozen=True)
class Pool:
    """A margin pool at the current marks; all amounts in ``currency``.

    ``cross_*`` covers the cross positions, the plain names add isolated positions and their collateral.
    """

    currency: str
    cross_wallet: Decimal
    cross_pnl: Decimal
    cross_initial_margin: Decimal
    cross_maintenance_margin: Decimal
    wallet: Decimal
    unrealized_pnl: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal

    @property
    def equity(self) -> Decimal:
        return self.wallet + self.unrealized_pnl

    @property
    def margin_equity(self) -> Decimal:
        """What backs the cross positions."""
        return self.cross_wallet + self.cross_pnl

    @property
    def available(self) -> Decimal:
        """Margin equity not tied up as initial margin, never negative."""
        return max(ZERO, self.margin_equity - self.cross_initial_margin)

    @property
    def rate(self) -> Decimal | None:
        """Maintenance margin / margin equity of the cross positions; None with nothing to back it."""
        if not self.cross_maintenance_margin:
            return ZERO
        if self.margin_equity <= 0:
            return None
        return self.cross_maintenance_margin / self.margin_equity


@dataclass(frozen=True)
class CollateralRate:
    """USD value of one unit of a coin relative to its index: below for assets, above for debts."""

    bid_buffer: Decimal
    ask_buffer: Decimal

    @classmethod
    def by_shares(cls, shares: Mapping[str, Decimal]) -> dict[str, CollateralRate]:
        """Of coins whose assets count with so much of their value, and debts in full."""
        return {coin: cls(ONE - share, ZERO) for coin, share in shares.items()}
