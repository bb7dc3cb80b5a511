"""What BingX's stand-ins have in common: contracts, and the figures of an account as the venue prints them.

Tiers and contracts are like the venue's, not its current ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from exporter.demo.book import Book, CollateralRate, Pool, Position
from exporter.demo.contracts import Contract, Tier, progressive_tiers, rounded
from exporter.demo.market import Market

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


TAKER_RATE = Decimal("0.0005")
MAKER_RATE = Decimal("0.0002")


def contract(symbol: str, *, taker_rate: Decimal = TAKER_RATE) -> Contract:
    """A contract as a book holds it: what it requires is maintenance margin and the fee of closing.

    The venue's risk has both; its tiers, which are `PUBLISHED_TIERS`, only the first.
    """
    base, quote = symbol.split("-")
    tiers = tuple(replace(tier, rate=tier.rate + taker_rate) for tier in PUBLISHED_TIERS[symbol])
    return Contract(symbol, "linear", base, quote, quote, tiers)


PUBLISHED_TIERS: dict[str, tuple[Tier, ...]] = {
    "BTC-USDT": MAJOR_TIERS,
    "ETH-USDT": MAJOR_TIERS,
    "BNB-USDT": MINOR_TIERS,
    "SOL-USDT": MINOR_TIERS,
    "XRP-USDT": MINOR_TIERS,
    "DOGE-USDT": MINOR_TIERS,
    "LTC-USDT": MINOR_TIERS,
    "BTC-USDC": MAJOR_TIERS,
}
CONTRACTS = {symbol: contract(symbol) for symbol in PUBLISHED_TIERS}
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

COLLATERAL = {
    "USDT": CollateralRate(Decimal(0), Decimal(0)),
    "USDC": CollateralRate(Decimal(0), Decimal(0)),
    "BTC": CollateralRate(Decimal("0.05"), Decimal(0)),
    "ETH": CollateralRate(Decimal("0.1"), Decimal(0)),
}
"""What counts in multi-assets mode: a coin that is owed in full, one that is held less its haircut."""


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
    """1 is liquidation: of the position's own margin if isolated, else of its pool.

    (Maintenance margin + closing fee) / what backs it, frozen assets not included. Source:
    https://bingx.com/en/support/articles/11263299509391
    """
    if position.margin_mode == "cross":
        rate = book.pool(book.currency_of(position)).rate
        return Decimal(1) if rate is None else rate
    equity = book.isolated_equity(position)
    return book.maintenance_margin(position) / equity if equity > 0 else Decimal(1)


def tier_rows(symbol: str) -> list[dict[str, str]]:
    """A contract's maintenance margin, without fees."""
    return [
        {
            "symbol": symbol,
            "tier": f"Tier {number}",
            "minPositionVal": f"{tier.floor:f}",
            "maxPositionVal": f"{tier.cap:f}",
            "maintMarginRatio": f"{tier.rate:.6f}",
            "maintAmount": f"{tier.deduction:.6f}",
        }
        for number, tier in enumerate(PUBLISHED_TIERS[symbol], 1)
    ]


def leverage_row(book: Book, symbol: str) -> dict[str, object]:
    """What is set for a symbol, and the largest position that this allows."""
    leverage = next((held.leverage for held in book.positions if held.contract.symbol == symbol), 20)
    tiers = PUBLISHED_TIERS[symbol]
    largest = max(tier.cap for tier in tiers if tier.max_leverage >= leverage)
    both = ("Long", "Short")
    return {
        "symbol": symbol,
        **{f"{side.lower()}Leverage": leverage for side in both},
        **{f"max{side}Leverage": tiers[0].max_leverage for side in both},
        **{f"maxPosition{side}Val": f"{largest:.1f}" for side in both},
    }


def contract_rows() -> list[dict[str, object]]:
    """The public list of contracts, with the fees of those who have no discount."""
    return [
        {
            "contractId": str(100 + number),
            "symbol": one.symbol,
            "size": "0",
            "quantityPrecision": PRECISION[one.base][1],
            "pricePrecision": PRECISION[one.base][0],
            "feeRate": float(TAKER_RATE),
            "makerFeeRate": float(MAKER_RATE),
            "takerFeeRate": float(TAKER_RATE),
            "currency": one.settle,
            "asset": one.base,
            "status": 1,
        }
        for number, one in enumerate(CONTRACTS.values())
    ]


def rule_rows(market: Market) -> list[dict[str, str]]:
    """What coins count as collateral in multi-assets mode."""
    return [
        {
            "marginAssets": coin,
            "ltv": f"{(1 - rate.bid_buffer) * 100:.2f}%",
            "collateralValueRatio": f"{(1 - rate.bid_buffer) * 100:.2f}%",
            "maxTransfer": "",
            "indexPrice": f"{market.exact_index(coin, 'USD', 8):.10f}",
        }
        for coin, rate in COLLATERAL.items()
    ]


def margin_asset_rows(book: Book, coins: Iterable[str] = COLLATERAL) -> list[dict[str, str]]:
    """The coins of an account in multi-assets mode; what is not needed may be taken out."""
    pool = book.pool("USD")
    found = []
    for coin in coins:
        held = max(Decimal(0), book.cross_wallet(coin))
        free = min(held, pool.available / book.collateral_price(coin))
        found.append(
            {
                "currency": coin,
                "totalAmount": f"{book.coin_pool(coin).wallet:.8f}",
                "availableTransfer": f"{rounded(free, 8):f}",
                "latestMortgageAmount": f"{held:.8f}",
            }
        )
    return found
