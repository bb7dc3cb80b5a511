"""What is traded at the USD-M stand-in, and by which rules: contracts, brackets, collateral.

Like the venue's, not its current ones. Source of the forms:
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information
"""

from __future__ import annotations

from decimal import Decimal

from exporter.demo.binance import Parameters, invalid_symbol, plain
from exporter.demo.book import CollateralRate
from exporter.demo.contracts import Contract, Tier, progressive_tiers

MAJOR_TIERS = progressive_tiers(
    [
        (300_000, "0.004", 150),
        (800_000, "0.005", 100),
        (3_000_000, "0.0065", 75),
        (12_000_000, "0.01", 50),
        (70_000_000, "0.02", 25),
        (100_000_000, "0.025", 20),
        (230_000_000, "0.05", 10),
        (480_000_000, "0.1", 5),
        (600_000_000, "0.125", 4),
        (800_000_000, "0.15", 3),
        (1_200_000_000, "0.25", 2),
        (1_800_000_000, "0.5", 1),
    ]
)
MINOR_TIERS = progressive_tiers(
    [
        (10_000, "0.005", 75),
        (50_000, "0.0065", 50),
        (250_000, "0.01", 40),
        (1_000_000, "0.02", 25),
        (2_000_000, "0.05", 10),
        (5_000_000, "0.1", 5),
        (10_000_000, "0.125", 4),
        (20_000_000, "0.25", 2),
        (30_000_000, "0.5", 1),
    ]
)


def _contract(base: str, quote: str, tiers: tuple[Tier, ...]) -> Contract:
    return Contract(f"{base}{quote}", "linear", base, quote, quote, tiers)


CONTRACTS: dict[str, Contract] = {
    contract.symbol: contract
    for contract in (
        _contract("BTC", "USDT", MAJOR_TIERS),
        _contract("ETH", "USDT", MAJOR_TIERS),
        _contract("BNB", "USDT", MINOR_TIERS),
        _contract("SOL", "USDT", MINOR_TIERS),
        _contract("XRP", "USDT", MINOR_TIERS),
        _contract("ADA", "USDT", MINOR_TIERS),
        _contract("DOGE", "USDT", MINOR_TIERS),
        _contract("LTC", "USDT", MINOR_TIERS),
        _contract("BTC", "USDC", MAJOR_TIERS),
        _contract("ETH", "USDC", MAJOR_TIERS),
    )
}
# Base coin: (decimals of a price, decimals of a quantity).
PRECISION = {
    "BTC": (1, 3),
    "ETH": (2, 3),
    "BNB": (2, 2),
    "SOL": (2, 0),
    "XRP": (4, 1),
    "ADA": (4, 0),
    "DOGE": (5, 0),
    "LTC": (2, 3),
}
COLLATERAL = {
    "USDT": CollateralRate(Decimal("0.0001"), Decimal("0.0001")),
    "USDC": CollateralRate(Decimal("0.0001"), Decimal("0.0001")),
    "BTC": CollateralRate(Decimal("0.05"), Decimal("0.05")),
    "ETH": CollateralRate(Decimal("0.05"), Decimal("0.05")),
    "BNB": CollateralRate(Decimal("0.1"), Decimal("0.1")),
}
QUOTE_ASSETS = ("USDT", "USDC", "BTC")
"""Assets that a single-asset account is always shown, empty or not."""


def asked_contracts(parameters: Parameters) -> list[Contract]:
    """The contract asked for, or all."""
    if "symbol" not in parameters:
        return list(CONTRACTS.values())
    contract = CONTRACTS.get(parameters["symbol"])
    if contract is None:
        raise invalid_symbol()
    return [contract]


def symbol_row(contract: Contract) -> dict[str, object]:
    price_digits, quantity_digits = PRECISION[contract.base]
    tick, step = plain(Decimal(1).scaleb(-price_digits)), plain(Decimal(1).scaleb(-quantity_digits))
    return {
        "symbol": contract.symbol,
        "pair": contract.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base,
        "quoteAsset": contract.quote,
        "marginAsset": contract.settle,
        "pricePrecision": price_digits,
        "quantityPrecision": quantity_digits,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "filters": [
            {"filterType": "PRICE_FILTER", "maxPrice": "1000000", "minPrice": tick, "tickSize": tick},
            {"filterType": "LOT_SIZE", "maxQty": "10000000", "minQty": step, "stepSize": step},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
    }
