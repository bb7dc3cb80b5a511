"""What OKX's stand-in tells everybody: contracts and tiers, and what is behind its other figures.

They are like the venue's, not its current ones.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from exporter.demo._okx import OkxError, Parameters, Rows
from exporter.demo.contracts import ONE, UNLIMITED, ZERO, Contract, Tier, rounded

DIGITS = 14
"""Decimal places of amounts: the venue prints all that it computes with."""
TAKER_RATE = Decimal("0.0005")
"""Of the value, for closing a position."""
STRESS = Decimal("0.1")
"""What portfolio margin requires of a value: what a move by so much loses."""
DISCOUNTS = {"USDT": ONE, "USDC": ONE, "BTC": Decimal("0.98"), "ETH": Decimal("0.95"), "SOL": Decimal("0.9")}
"""The part of a coin's value that counts as margin."""


class Step(NamedTuple):
    """A tier: the contracts up to which all of a position requires this rate."""

    contracts: int
    rate: str
    leverage: int


TIERS = {
    "BTC-USDT": (Step(1000, "0.004", 100), Step(5000, "0.006", 75), Step(10_000, "0.01", 50)),
    "ETH-USDT": (Step(400, "0.005", 75), Step(4000, "0.01", 50)),
    "SOL-USDT": (Step(100, "0.01", 50), Step(150, "0.015", 33), Step(1500, "0.02", 20)),
    "BTC-USD": (Step(500, "0.004", 100), Step(5000, "0.006", 75)),
    "ETH-USD": (Step(1000, "0.005", 75), Step(9000, "0.01", 50)),
}
_SIZES = {"BTC-USDT": "0.01", "ETH-USDT": "0.1", "SOL-USDT": "1", "BTC-USD": "100", "ETH-USD": "10"}
EXPIRY = "BTC-USDT-241227"
SYMBOLS = {**{f"{family}-SWAP": family for family in TIERS}, EXPIRY: "BTC-USDT"}


def contract(symbol: str, contracts: Decimal | int, *, rate: Decimal | None = None) -> Contract:
    """A contract for a book in which so many count for the tier; it requires the fee of closing as well."""
    family = SYMBOLS[symbol]
    base, quote = family.split("-")
    step = next((one for one in TIERS[family] if contracts <= one.contracts), TIERS[family][-1])
    rate = Decimal(step.rate) if rate is None else rate
    linear = quote != "USD"
    return Contract(
        symbol,
        "linear" if linear else "inverse",
        base,
        quote,
        quote if linear else base,
        (Tier(ZERO, UNLIMITED, rate + TAKER_RATE, ZERO, step.leverage),),
        Decimal(_SIZES[family]),
        Decimal("0.004") if symbol == EXPIRY else ZERO,
    )


def kind_of(symbol: str) -> str:
    return "SWAP" if symbol.endswith("-SWAP") else "FUTURES"


def text(value: Decimal) -> str:
    """An amount or a price as it is printed."""
    return f"{rounded(value, DIGITS).normalize():f}"


def instruments(parameters: Parameters) -> Rows:
    """The contracts of a kind, or one of them."""
    found: Rows = []
    for symbol, family in SYMBOLS.items():
        if kind_of(symbol) != parameters["instType"] or parameters.get("instId", symbol) != symbol:
            continue
        one = contract(symbol, 1)
        found.append(
            {
                "instType": kind_of(symbol),
                "instId": symbol,
                "instFamily": family,
                "uly": family,
                **dict.fromkeys(("baseCcy", "quoteCcy", "optType", "stk"), ""),
                "settleCcy": one.settle,
                "ctVal": f"{one.size:f}",
                "ctMult": "1",
                "ctValCcy": one.base if one.kind == "linear" else one.quote,
                "ctType": one.kind,
                "lever": str(TIERS[family][0].leverage),
                "lotSz": "0.1",
                "minSz": "0.1",
                "tickSz": "0.1",
                "expTime": "1735286400000" if symbol == EXPIRY else "",
                "state": "live",
            }
        )
    return found


def position_tiers(parameters: Parameters) -> Rows:
    """The tiers of families of contracts."""
    families = parameters["instFamily"].split(",")
    if not re.fullmatch("SWAP|FUTURES", parameters["instType"]) or len(families) > 5:
        raise OkxError(51000, "Parameter instType error")
    if parameters["tdMode"] not in {"cross", "isolated"} or not set(families) <= TIERS.keys():
        raise OkxError(51000, "Parameter tdMode or instFamily error")
    found: Rows = []
    for family in families:
        floor = 0
        for number, step in enumerate(TIERS[family], 1):
            found.append(
                {
                    **dict.fromkeys(("instId", "baseMaxLoan", "quoteMaxLoan", "optMgnFactor"), ""),
                    "instFamily": family,
                    "uly": family,
                    "tier": str(number),
                    "minSz": str(floor),
                    "maxSz": str(step.contracts),
                    "mmr": step.rate,
                    "imr": f"{rounded(ONE / step.leverage, 4):f}",
                    "maxLever": str(step.leverage),
                }
            )
            floor = step.contracts + 1
    return found
