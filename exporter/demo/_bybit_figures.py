"""What Bybit's stand-in tells everybody: contracts, tiers, collateral ratios, prices.

They are like the venue's, not its current ones.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from exporter.demo._bybit import BybitError, Parameters
from exporter.demo.book import Book, Position
from exporter.demo.contracts import ONE, ZERO, Contract, Tier, progressive_tiers, rounded
from exporter.demo.market import Market

DIGITS = 8
"""Decimal places of every amount and price."""
TAKER_RATE = Decimal("0.00055")
"""Of the value, for closing a position: a part of what it requires."""
RATIOS = {"USDT": ONE, "USDC": ONE, "BTC": Decimal("0.95"), "ETH": Decimal("0.9")}
"""The part of a coin's value that counts as margin."""
STRESS = Decimal("0.1")
"""What portfolio margin requires of a value: what a move by so much loses."""
FUNDING_INTERVAL_MS = 8 * 3600 * 1000
FUNDING_RATES = {"SOL": "-0.00031", "ETH": "0.0000521"}

MAJOR = progressive_tiers(
    [(2_000_000, "0.005", 100), (10_000_000, "0.01", 50), (30_000_000, "0.02", 25), (60_000_000, "0.05", 10)]
)
MINOR = progressive_tiers([(200_000, "0.01", 50), (1_000_000, "0.02", 25), (5_000_000, "0.05", 10)])
BTC_TIERS = progressive_tiers([(150, "0.005", 100), (300, "0.01", 50), (1000, "0.025", 20)])
ETH_TIERS = progressive_tiers([(3000, "0.01", 50), (6000, "0.02", 25), (18_000, "0.05", 10)])
PUBLISHED_TIERS = {
    **dict.fromkeys(("BTCUSDT", "ETHUSDT", "BTCPERP", "ETHPERP"), MAJOR),
    "SOLUSDT": MINOR,
    "BTCUSD": BTC_TIERS,
    "ETHUSD": ETH_TIERS,
}
"""Without what closing costs. Those of inverse contracts are printed in percent, and without deductions."""


def contract(symbol: str) -> Contract:
    """A contract as a book holds it: what it requires is maintenance margin and the fee of closing."""
    tiers = tuple(replace(tier, rate=tier.rate + TAKER_RATE) for tier in PUBLISHED_TIERS[symbol])
    base, quote = symbol[:3], symbol[3:].replace("PERP", "USDC")
    if quote == "USD":
        return Contract(symbol, "inverse", base, quote, base, tiers)
    return Contract(symbol, "linear", base, quote, quote, tiers)


CONTRACTS = {symbol: contract(symbol) for symbol in PUBLISHED_TIERS}
_STRESSED = (Tier(ZERO, Decimal("Infinity"), STRESS, ZERO, 100),)
IN_PORTFOLIO_MARGIN = {symbol: replace(one, tiers=_STRESSED) for symbol, one in CONTRACTS.items()}
"""The contracts of an account in portfolio margin."""


def text(value: Decimal) -> str:
    """An amount or a price as it is printed."""
    return f"{rounded(value, DIGITS):f}"


def isolated_margin(one: Contract, quantity: str, price: str, leverage: int) -> Decimal:
    """With the closing fee in it, as the venue takes it."""
    amount, entry = Decimal(quantity), Decimal(price)
    value = amount * entry if one.kind == "linear" else amount / entry
    return value * (ONE / leverage + TAKER_RATE)


def adl_rank(book: Book, held: Position) -> int:
    """The place in the queue of auto-deleveraging, from 1 to 5 (first)."""
    return min(5, max(1, int(book.return_on_margin(held) * 2) + 1))


def risk_limits(parameters: Parameters) -> object:
    """The tiers of one symbol, or of all of a category."""
    category, symbol = parameters.get("category"), parameters.get("symbol")
    percent = 100 if category == "inverse" else 1
    rows = [
        {
            "id": number + 1,
            "symbol": name,
            "riskLimitValue": f"{tier.cap:f}",
            "maintenanceMargin": f"{(tier.rate * percent).normalize():f}",
            "initialMargin": f"{(Decimal(percent) / tier.max_leverage).normalize():f}",
            "isLowestRisk": int(number == 0),
            "maxLeverage": f"{tier.max_leverage}.00",
            "mmDeduction": f"{tier.deduction:f}" if tier.deduction and percent == 1 else "",
        }
        for name, tiers in PUBLISHED_TIERS.items()
        if CONTRACTS[name].kind == category and symbol in {None, name}
        for number, tier in enumerate(tiers)
    ]
    if not rows:
        raise BybitError(10001, "params error: symbol or category invalid")
    return {"category": category, "list": rows, "nextPageCursor": ""}


def collateral_ratios(parameters: Parameters) -> object:
    """What coins count as margin."""
    asked = parameters.get("currency")
    return {
        "list": [
            {
                "currency": coin,
                "collateralRatioList": [
                    {"minQty": "0", "maxQty": "1000000000", "collateralRatio": f"{ratio:f}"},
                    {"minQty": "1000000000", "maxQty": "", "collateralRatio": "0"},
                ],
            }
            for coin, ratio in RATIOS.items()
            if asked in {None, coin}
        ]
    }


def tickers(market: Market, parameters: Parameters, now_ms: int) -> object:
    """Prices and funding of a category."""
    category, symbol = parameters.get("category"), parameters.get("symbol")
    if category not in {"linear", "inverse"}:
        raise BybitError(10001, "params error: Category is invalid")
    due = (now_ms // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS
    return {
        "category": category,
        "list": [
            {
                "symbol": one.symbol,
                "indexPrice": text(market.exact_index(one.base, one.quote, DIGITS)),
                "markPrice": text(market.exact_mark(one.base, one.quote, DIGITS)),
                "fundingRate": FUNDING_RATES.get(one.base, "0.0001"),
                "nextFundingTime": str(due),
                "fundingIntervalHour": "8",
                "deliveryTime": "0",
            }
            for one in CONTRACTS.values()
            if one.kind == category and symbol in {None, one.symbol}
        ],
    }
