"""The positions with which a stand-in's accounts begin."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.demo.book import Book, MarginMode, Position, Side
from exporter.demo.contracts import Contract


@dataclass(frozen=True)
class Order:
    """A position to open; the size is in the venue's units of its contract."""

    symbol: str
    side: Side
    size: str
    price: str
    leverage: int = 10
    mode: MarginMode = "cross"

    def fill(self, book: Book, contract: Contract, now: float) -> Position:
        """Opens it; a long has won something before, a short lost."""
        return book.open(
            contract,
            self.side,
            self.size,
            price=self.price,
            leverage=self.leverage,
            margin_mode=self.mode,
            realized_pnl="-1.25" if self.side == "short" else "3.5",
            now=now,
        )
