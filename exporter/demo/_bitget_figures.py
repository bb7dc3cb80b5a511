"""What Bitget's stand-in tells everybody: contracts, tiers, haircuts and prices.

They are like the venue's, not its current ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from exporter.demo._bitget import BitgetError, Parameters, Rows
from exporter.demo.book import Book, Position
from exporter.demo.contracts import ONE, UNLIMITED, ZERO, Contract, Tier, rounded
from exporter.demo.market import Market

DIGITS = 12
"""Decimal places of amounts."""
TAKER_RATE = Decimal("0.0006")
"""Of the value, for closing a position: a part of what it requires."""
HAIRCUTS = {"USDT": ONE, "USDC": ONE, "BTC": Decimal("0.95"), "ETH": Decimal("0.9")}
"""The part of a coin's value that counts as margin, up to `HAIRCUT_ENDS` USDT."""
HAIRCUT_ENDS = 50_000_000
PRODUCTS = {"USDT-FUTURES": ("USDT",), "USDC-FUTURES": ("USDC",), "COIN-FUTURES": ("BTC", "ETH")}
"""The margin coins of each product."""


class Step(NamedTuple):
    """A tier: the value up to which its rate holds, in the quote coin."""

    cap: int
    rate: str
    leverage: int


TIERS = {
    "BTC": (Step(150_000, "0.004", 125), Step(900_000, "0.005", 100), Step(12_000_000, "0.01", 75)),
    "ETH": (Step(90_000, "0.005", 100), Step(400_000, "0.01", 75), Step(1_600_000, "0.015", 50)),
    "SOL": (Step(6_000, "0.0066", 75), Step(50_000, "0.01", 50), Step(250_000, "0.015", 25)),
}
SYMBOLS = {
    "USDT-FUTURES": ("BTCUSDT", "ETHUSDT", "SOLUSDT"),
    "USDC-FUTURES": ("BTCPERP", "ETHPERP"),
    "COIN-FUTURES": ("BTCUSD", "ETHUSD"),
}


def product_of(symbol: str) -> str:
    return next(name for name, symbols in SYMBOLS.items() if symbol in symbols)


def pair(symbol: str) -> tuple[str, str]:
    """Base and quote coin."""
    return symbol[:3], symbol[3:].replace("PERP", "USDC")


def tiers(
    steps: Sequence[Step], *, progressive: bool = False, share: Decimal = ONE, fee: Decimal = TAKER_RATE
) -> tuple[Tier, ...]:
    """What a position requires that is so much of the size which reaches a tier.

    All of it at the rate of its tier, or each slice at its own (of positions opened since 2025-11-10).
    """
    found: list[Tier] = []
    floor = rate = deduction = ZERO
    for step in steps:
        if progressive:
            deduction += floor * (Decimal(step.rate) - rate)
        rate, cap = Decimal(step.rate), Decimal(step.cap)
        found.append(Tier(floor * share, cap * share, rate + fee, deduction * share, step.leverage))
        floor = cap
    return tuple(found)


def linear(symbol: str, *, progressive: bool, share: Decimal) -> Contract:
    """A contract in base units of a quote coin."""
    base, quote = pair(symbol)
    schedule = tiers(TIERS[base], progressive=progressive, share=share)
    return Contract(symbol, "linear", base, quote, quote, schedule)


def in_coins(symbol: str, quantity: Decimal, price: Decimal) -> Contract:
    """One that is margined in a coin and counted in it: what it requires is an amount of the coin."""
    base, quote = pair(symbol)
    first = TIERS[base][0]
    required = quantity * (Decimal(first.rate) + TAKER_RATE)
    schedule = (Tier(ZERO, UNLIMITED, ZERO, -required, first.leverage),)
    return Contract(symbol, "inverse", base, quote, base, schedule, price)


def in_usd(symbol: str) -> Contract:
    """One that is margined in a coin and counted in USD, in its lowest tier."""
    base, quote = pair(symbol)
    first = TIERS[base][0]
    schedule = (Tier(ZERO, UNLIMITED, Decimal(first.rate) + TAKER_RATE, ZERO, first.leverage),)
    return Contract(symbol, "inverse", base, quote, base, schedule)


def text(value: Decimal, digits: int = DIGITS) -> str:
    """An amount or a price as it is printed."""
    return f"{rounded(value, digits).normalize():f}"


def symbol_of(parameters: Parameters, product: str) -> str:
    symbol = parameters["symbol"]
    if symbol not in SYMBOLS[product]:
        raise BitgetError("40034", "Parameter does not exist")
    return symbol


def product(parameters: Parameters, name: str) -> str:
    """The product that is asked for; the venue does not mind how it is written."""
    found = parameters[name].upper()
    if found not in PRODUCTS:
        raise BitgetError("40020", f"Parameter {name} error")
    return found


def classic_tiers(parameters: Parameters) -> Rows:
    symbol = symbol_of(parameters, product(parameters, "productType"))
    found: Rows = []
    floor = 0
    for number, step in enumerate(TIERS[pair(symbol)[0]], 1):
        found.append(
            {
                "symbol": symbol,
                "level": str(number),
                "startUnit": str(floor),
                "endUnit": str(step.cap),
                "leverage": str(step.leverage),
                "keepMarginRate": step.rate,
            }
        )
        floor = step.cap
    return found


def unified_tiers(parameters: Parameters) -> Rows:
    symbol = symbol_of(parameters, product(parameters, "category"))
    found: Rows = []
    floor = 0
    for number, step in enumerate(TIERS[pair(symbol)[0]], 1):
        found.append(
            {
                "tier": str(number),
                "minTierValue": str(floor),
                "maxTierValue": str(step.cap),
                "leverage": str(step.leverage),
                "mmr": step.rate,
            }
        )
        floor = step.cap
    return found


def classic_discounts(_: Parameters) -> Rows:
    return [
        {
            "coin": coin,
            "userLimit": "100000",
            "totalLimit": "10000000",
            "discountRateList": [
                {"tier": "1", "minAmount": "0", "maxAmount": str(HAIRCUT_ENDS), "discountRate": f"{share:f}"},
                {"tier": "2", "minAmount": str(HAIRCUT_ENDS), "maxAmount": "-1", "discountRate": "0.5"},
            ],
        }
        for coin, share in HAIRCUTS.items()
        if coin != "USDT"
    ]


def unified_discounts(_: Parameters) -> Rows:
    return [
        {
            "coin": coin,
            "list": [
                {"tierStartValue": "0", "discountRate": f"{share:f}"},
                {"tierStartValue": str(HAIRCUT_ENDS), "discountRate": "0.5"},
            ],
        }
        for coin, share in HAIRCUTS.items()
    ]


def rate_of(book: Book, held: Position) -> str:
    """That of its tier, without the fee; cross positions of a symbol are in one together."""
    alike = [
        one
        for one in book.positions
        if one is held
        or (one.contract.symbol == held.contract.symbol and one.margin_mode == held.margin_mode == "cross")
    ]
    size = sum((one.quantity for one in alike), ZERO)
    value = size * book.mark(held.contract)
    if held.contract.kind == "inverse" and held.contract.size == ONE:
        value = size
    steps = TIERS[pair(held.contract.symbol)[0]]
    return next((step.rate for step in steps if value < step.cap), steps[-1].rate)


def places(book: Book) -> Rows:
    """Who gains most on its margin is reduced first: its place is near 1."""
    return [
        {
            "symbol": held.contract.symbol,
            "marginCoin": held.contract.settle,
            "adlRank": text(min(ONE, max(ZERO, book.return_on_margin(held) / 2)), 4),
            "holdSide": held.side,
        }
        for held in book.positions
    ]


def classic_places(book: Book, parameters: Parameters) -> Rows:
    """The name of the unified answer's figure is that of an older one, which counts from the front."""
    asked = product(parameters, "productType")
    return [
        {**row, "rank": row["adlRank"], "adlRank": text(ONE - Decimal(str(row["adlRank"])), 4)}
        for row in places(book)
        if product_of(str(row["symbol"])) == asked
    ]


_FUNDING_INTERVAL_MS = 8 * 3600 * 1000


def funding_rates(parameters: Parameters, now: int) -> Rows:
    """What is paid next, of one contract or of all of a product; `now` in Unix milliseconds."""
    symbols = SYMBOLS[product(parameters, "productType")]
    if "symbol" in parameters:
        symbols = (symbol_of(parameters, product(parameters, "productType")),)
    due = (now // _FUNDING_INTERVAL_MS + 1) * _FUNDING_INTERVAL_MS
    return [
        {
            "symbol": symbol,
            "fundingRate": "0.000068",
            "fundingRateInterval": "8",
            "nextUpdate": str(due),
            "minFundingRate": "-0.003",
            "maxFundingRate": "0.003",
        }
        for symbol in symbols
    ]


def prices(market: Market, symbol: str, stamp: str) -> dict[str, object]:
    base, quote = pair(symbol)
    mark = Book("", market).mark(Contract(symbol, "linear", base, quote, quote, ()))
    return {
        "symbol": symbol,
        "indexPrice": f"{market.exact_index(base, quote, 8):f}",
        "markPrice": f"{mark:f}",
        "ts": stamp,
    }
