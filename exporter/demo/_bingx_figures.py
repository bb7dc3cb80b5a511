"""What BingX's stand-ins have in common: contracts, and the figures of an account as the venue prints them.

Tiers and contracts are like the venue's, not its current ones.
"""

from __future__ import annotations

from decimal import Decimal

from exporter.demo.book import Book, Pool, Position
from exporter.demo.contracts import Contract, Tier, progressive_tiers, rounded

DIGITS = 4
"""Decimal places of every amount."""

MAJOR_TIERS = progressive_tiers(
    [
        (150_000, "0.0038", 125),
        (900_000, "0.004", 100),
        (3_000_000, "0.005", 75),
        (12_000_000, "0.01", 50),
        (30_000_000, "0.02", 25),
        (60_000_000, "0.05", 10),
        (120_000_000, "0.1", 5),
        (240_000_000, "0.25", 2),
    ]
)
MINOR_TIERS = progressive_tiers(
    [
        (10_000, "0.0065", 75),
        (100_000, "0.01", 50),
        (500_000, "0.02", 25),
        (1_500_000, "0.05", 10),
        (3_000_000, "0.1", 5),
        (6_000_000, "0.25", 2),
    ]
)


def _contract(base: str, quote: str, tiers: tuple[Tier, ...]) -> Contract:
    return Contract(f"{base}-{quote}", "linear", base, quote, quote, tiers)


CONTRACTS: dict[str, Contract] = {
    contract.symbol: contract
    for contract in (
        _contract("BTC", "USDT", MAJOR_TIERS),
        _contract("ETH", "USDT", MAJOR_TIERS),
        _contract("BNB", "USDT", MINOR_TIERS),
        _contract("SOL", "USDT", MINOR_TIERS),
        _contract("XRP", "USDT", MINOR_TIERS),
        _contract("DOGE", "USDT", MINOR_TIERS),
        _contract("LTC", "USDT", MINOR_TIERS),
        _contract("BTC", "USDC", MAJOR_TIERS),
    )
}
# Base coin: (decimals of a price, decimals of a quantity).
PRECISION = {
    "BTC": (1, 4),
    "ETH": (2, 3),
    "BNB": (2, 2),
    "SOL": (3, 2),
    "XRP": (4, 1),
    "DOGE": (5, 0),
    "LTC": (2, 2),
}


def amount(value: Decimal) -> str:
    """An amount as the venue prints it: four decimals."""
    return f"{rounded(value, DIGITS):f}"


def price_text(price: Decimal, base: str) -> str:
    """A price with the decimals of its contract."""
    return f"{rounded(price, PRECISION[base][0]):f}"


def used_margin(book: Book, coin: str) -> Decimal:
    """Margin of the positions settled in ``coin``: initial margin in cross mode, own collateral else."""
    return sum(
        (
            held.isolated_wallet if held.margin_mode == "isolated" else book.initial_margin(held)
            for held in book.positions
            if held.contract.settle == coin
        ),
        Decimal(0),
    )


def available_margin(pool: Pool, used: Decimal) -> Decimal:
    """Balance less margin in use, less a loss of the cross positions.

    A documented row (194.8212 - 1.0602 = 193.7609) shows that a profit does not count.
    """
    return max(Decimal(0), pool.wallet - used + min(Decimal(0), pool.cross_pnl))


def risk_rate(book: Book, position: Position) -> Decimal:
    """1 is liquidation: of the position's own margin if isolated, else of its pool."""
    if position.margin_mode == "cross":
        rate = book.pool(position.contract.settle).rate
        return Decimal(1) if rate is None else rate
    equity = book.isolated_equity(position)
    return book.maintenance_margin(position) / equity if equity > 0 else Decimal(1)
