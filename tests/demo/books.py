"""Contracts, markets and measures that the tests of simulated accounts share."""

from __future__ import annotations

from decimal import Decimal

from exporter.demo._binance_usdm import MAJOR_TIERS, MINOR_TIERS
from exporter.demo.book import Book, Position
from exporter.demo.contracts import UNLIMITED, Contract, Tier, progressive_tiers
from exporter.demo.market import Market

BTCUSDT = Contract("BTCUSDT", "linear", "BTC", "USDT", "USDT", MAJOR_TIERS)
ETHUSDT = Contract("ETHUSDT", "linear", "ETH", "USDT", "USDT", MINOR_TIERS)
COIN_TIERS = progressive_tiers([(5, "0.004", 125), (20, "0.005", 100), (100, "0.02", 20), (500, "0.1", 5)])
BTCUSD = Contract("BTCUSD_PERP", "inverse", "BTC", "USD", "BTC", COIN_TIERS, Decimal(100))
CENT = Decimal("0.00000001")


def one_tier(rate: str, deduction: str = "0") -> tuple[Tier, ...]:
    return (Tier(Decimal(0), UNLIMITED, Decimal(rate), Decimal(deduction), 125),)


def still_market(btc: str = "50000", eth: str = "3000") -> Market:
    market = Market()
    market.freeze()
    market.set_price("USDT", 1)
    market.set_price("BTC", btc)
    market.set_price("ETH", eth)
    return market


def excess(book: Book, position: Position) -> Decimal:
    """Equity over maintenance margin of what liquidates the position; 0 is a rate of 1."""
    if position.margin_mode == "isolated":
        return book.isolated_equity(position) - book.maintenance_margin(position)
    pool = book.pool(book.currency_of(position))
    return pool.margin_equity - pool.cross_maintenance_margin
