"""What is traded at the COIN-M stand-in, and by which rules: contracts, brackets, premiums.

Like the venue's, not its current ones. Source of the forms:
https://developers.binance.com/docs/derivatives/coin-margined-futures/market-data/rest-api/Exchange-Information
"""

from __future__ import annotations

from decimal import Decimal

from exporter.demo.binance import Parameters, invalid_symbol, plain
from exporter.demo.contracts import Contract, Tier, progressive_tiers

# Caps in the base coin. The deductions of BTC are those of the venue: 11.605 BTC in the 12.5 % bracket
# (https://dev.binance.vision/t/6292).
BTC_TIERS = progressive_tiers(
    [
        (5, "0.004", 125),
        (10, "0.005", 100),
        (20, "0.01", 50),
        (50, "0.025", 20),
        (100, "0.05", 10),
        (200, "0.1", 5),
        (400, "0.125", 4),
        (1000, "0.15", 3),
        (1500, "0.25", 2),
        (3000, "0.5", 1),
    ]
)
ETH_TIERS = progressive_tiers(
    [
        (75, "0.005", 100),
        (150, "0.0065", 75),
        (300, "0.01", 50),
        (1000, "0.02", 25),
        (2000, "0.05", 10),
        (4000, "0.1", 5),
        (8000, "0.125", 4),
        (15000, "0.15", 3),
        (30000, "0.25", 2),
        (60000, "0.5", 1),
    ]
)


def _other_tiers(first_cap: int) -> tuple[Tier, ...]:
    return progressive_tiers(
        [
            (first_cap, "0.01", 50),
            (first_cap * 5, "0.025", 20),
            (first_cap * 10, "0.05", 10),
            (first_cap * 20, "0.1", 5),
            (first_cap * 40, "0.125", 4),
            (first_cap * 100, "0.25", 2),
            (first_cap * 200, "0.5", 1),
        ]
    )


DELIVERY = "291228"
DELIVERY_TIME_MS = 1_893_139_200_000
"""2029-12-28 08:00 UTC, a last Friday of a quarter."""
PERPETUAL_DELIVERY_TIME_MS = 4_133_404_800_000
ONBOARD_TIME_MS = 1_597_042_800_000


def _contract(base: str, suffix: str, tiers: tuple[Tier, ...], premium: str = "0") -> Contract:
    size = Decimal(100 if base == "BTC" else 10)
    return Contract(
        f"{base}USD_{suffix}", "inverse", base, "USD", base, tiers, size=size, premium=Decimal(premium)
    )


CONTRACTS: dict[str, Contract] = {
    contract.symbol: contract
    for contract in (
        _contract("BTC", "PERP", BTC_TIERS),
        _contract("BTC", DELIVERY, BTC_TIERS, "0.021"),
        _contract("ETH", "PERP", ETH_TIERS),
        _contract("ETH", DELIVERY, ETH_TIERS, "0.024"),
        _contract("BNB", "PERP", _other_tiers(200)),
        _contract("SOL", "PERP", _other_tiers(500)),
        _contract("XRP", "PERP", _other_tiers(100_000)),
        _contract("ADA", "PERP", _other_tiers(100_000)),
        _contract("DOGE", "PERP", _other_tiers(500_000)),
        _contract("LTC", "PERP", _other_tiers(1000)),
    )
}
COINS = tuple(dict.fromkeys(contract.settle for contract in CONTRACTS.values()))
PRICE_DIGITS = {"BTC": 1, "ETH": 2, "BNB": 3, "SOL": 3, "XRP": 4, "ADA": 5, "DOGE": 6, "LTC": 2}


def asked_contracts(parameters: Parameters) -> list[Contract]:
    """The contract asked for, or all."""
    if "symbol" not in parameters:
        return list(CONTRACTS.values())
    contract = CONTRACTS.get(parameters["symbol"])
    if contract is None:
        raise invalid_symbol()
    return [contract]


def pair_of(contract: Contract) -> str:
    return contract.base + contract.quote


def symbol_row(contract: Contract) -> dict[str, object]:
    perpetual = contract.symbol.endswith("_PERP")
    digits = PRICE_DIGITS[contract.base]
    tick = plain(Decimal(1).scaleb(-digits))
    return {
        "symbol": contract.symbol,
        "pair": pair_of(contract),
        "contractType": "PERPETUAL" if perpetual else "NEXT_QUARTER",
        "deliveryDate": PERPETUAL_DELIVERY_TIME_MS if perpetual else DELIVERY_TIME_MS,
        "onboardDate": ONBOARD_TIME_MS,
        "contractStatus": "TRADING",
        "contractSize": int(contract.size),
        "marginAsset": contract.settle,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base,
        "quoteAsset": contract.quote,
        "pricePrecision": digits,
        "quantityPrecision": 0,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "equalQtyPrecision": 4,
        "triggerProtect": "0.0500",
        "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "maxPrice": "4520958", "minPrice": tick, "tickSize": tick},
            {"filterType": "LOT_SIZE", "maxQty": "1000000", "minQty": "1", "stepSize": "1"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "liquidationFee": "0.015000",
        "marketTakeBound": "0.05",
    }
