"""How Hyperliquid's stand-in is asked: documents, addresses, weights, failures; and what it tells everybody.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint and
.../rate-limits-and-user-limits . Exchanges and tiers are like the venue's, not its current ones.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from exporter.demo.contracts import Contract, Tier, progressive_tiers, rounded
from exporter.demo.market import Market

DIGITS = 8
"""Decimal places of every amount and price."""
LIMIT, WINDOW = 1200, 60.0
WEIGHTS: Mapping[str, int] = {
    "clearinghouseState": 2,
    "spotClearinghouseState": 2,
    "exchangeStatus": 2,
    "userRole": 60,
}
"""Everything else weighs 20."""
NAMES: Mapping[str, frozenset[str]] = {
    "clearinghouseState": frozenset({"user", "dex"}),
    "spotClearinghouseState": frozenset({"user"}),
    "userAbstraction": frozenset({"user"}),
    "userRole": frozenset({"user"}),
    "subAccounts2": frozenset({"user"}),
    "perpDexs": frozenset(),
    "allPerpMetas": frozenset(),
    "metaAndAssetCtxs": frozenset({"dex"}),
    "spotMetaAndAssetCtxs": frozenset(),
    "exchangeStatus": frozenset(),
}
"""What may be asked, and what may stand in a question besides its type."""
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class QuestionError(Exception):
    """A document that is no question: HTTP 422."""


def question(document: object) -> Mapping[str, str]:
    """A document as what it asks.

    Raises:
        QuestionError: as the venue refuses it.
    """
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise QuestionError
    kind = document.get("type")
    names = NAMES.get(str(kind))
    given = document.keys() - {"type"}
    if names is None or not given <= names or ("user" in names and "user" not in given):
        raise QuestionError
    if "user" in given and not ADDRESS.fullmatch(document["user"]):
        raise QuestionError
    if document.get("dex", "") not in EXCHANGES:
        raise QuestionError
    return document


class Limits:
    """Weight of an address in a time that rolls on."""

    def __init__(self) -> None:
        self._spent: dict[str, deque[tuple[float, int]]] = {}

    def spend(self, address: str, weight: int, now: float) -> bool:
        """Counts a request; whether there was room for it."""
        spent = self._spent.setdefault(address, deque())
        while spent and not now - WINDOW < spent[0][0] <= now:
            spent.popleft()
        if sum(one for _, one in spent) + weight > LIMIT:
            return False
        spent.append((now, weight))
        return True


@dataclass(frozen=True)
class Credential:
    """A known address: there is no key."""

    account: str
    address: str

    @classmethod
    def fake(cls, account: str) -> Credential:
        """Always the same for the same account."""
        return cls(
            account, "0x" + hashlib.sha256(f"simulated hyperliquid {account}".encode()).hexdigest()[:40]
        )


# What everybody is told

TOKENS = {0: "USDC", 197: "UBTC", 360: "USDH"}
MARKET_COINS = {"USDC": "USDC", "UBTC": "BTC", "USDH": "USDH"}
"""What the market calls a token."""
EXCHANGES: Mapping[str, int] = {"": 0, "xyz": 0, "flx": 360}
"""Their collateral."""
FUNDING = {"BTC": "0.0000125", "ETH": "0.0000082", "SOL": "-0.0000211"}
_TABLES = {
    56: ("tiered 40x", (("0.0", 40), ("150000000.0", 20))),
    55: ("tiered 25x", (("0.0", 25), ("100000000.0", 15))),
}
_SYMBOLS = {"BTC": (40, 56), "ETH": (25, 55), "SOL": (20, 20), "xyz:BNB": (20, 20), "xyz:XRP": (10, 10)} | {
    "flx:LTC": (10, 10)
}
"""Highest leverage and margin table; one that is not listed has one tier."""


def exchange_of(symbol: str) -> str:
    """Whose a symbol is."""
    return symbol.partition(":")[0] if ":" in symbol else ""


def _tiers(symbol: str) -> tuple[Tier, ...]:
    leverage, table = _SYMBOLS[symbol]
    steps = _TABLES.get(table, ("", (("0.0", leverage),)))[1]
    caps = [bound for bound, _ in steps[1:]] + ["Infinity"]
    return progressive_tiers(
        [(cap, str(Decimal(1) / (2 * most)), most) for cap, (_, most) in zip(caps, steps, strict=True)]
    )


def _contract(symbol: str) -> Contract:
    coin = TOKENS[EXCHANGES[exchange_of(symbol)]]
    return Contract(symbol, "linear", symbol.rpartition(":")[2], coin, coin, _tiers(symbol))


CONTRACTS = {symbol: _contract(symbol) for symbol in _SYMBOLS}


def text(value: Decimal) -> str:
    """An amount or a price as it is printed."""
    return f"{rounded(value, DIGITS):f}"


def exchanges() -> object:
    """All but the venue's own."""
    return [
        {
            "name": name,
            "fullName": name.upper(),
            "deployer": Credential.fake(name).address,
            "oracleUpdater": None,
            "feeRecipient": None,
            "assetToStreamingOiCap": [
                [symbol, "50000000.0"] for symbol in _SYMBOLS if exchange_of(symbol) == name
            ],
        }
        if name
        else None
        for name in EXCHANGES
    ]


def meta(exchange: str) -> dict[str, object]:
    """The symbols of an exchange and their margin tables."""
    own = {symbol: row for symbol, row in _SYMBOLS.items() if exchange_of(symbol) == exchange}
    return {
        "universe": [
            {"szDecimals": 3, "name": symbol, "maxLeverage": leverage, "marginTableId": table}
            for symbol, (leverage, table) in own.items()
        ],
        "marginTables": [
            [
                table,
                {
                    "description": _TABLES[table][0],
                    "marginTiers": [
                        {"lowerBound": bound, "maxLeverage": leverage}
                        for bound, leverage in _TABLES[table][1]
                    ],
                },
            ]
            for table in sorted({table for _, table in own.values()} & _TABLES.keys())
        ],
        "collateralToken": EXCHANGES[exchange],
    }


def contexts(market: Market, exchange: str) -> object:
    """Prices and funding, in the places of the symbols."""
    rows = []
    for symbol, one in CONTRACTS.items():
        if exchange_of(symbol) == exchange:
            mark = text(market.exact_mark(one.base, one.quote, DIGITS))
            rows.append(
                {
                    "funding": FUNDING.get(one.base, "0.00000625"),
                    "openInterest": "27353.17682",
                    "prevDayPx": mark,
                    "dayNtlVlm": "1169046.29406",
                    "premium": "0.00031774",
                    "oraclePx": text(market.exact_index(one.base, one.quote, DIGITS)),
                    "markPx": mark,
                    "midPx": mark,
                    "impactPxs": [mark, mark],
                    "dayBaseVlm": "1000.0",
                }
            )
    return [meta(exchange), rows]


def spot(market: Market) -> object:
    """Tokens, and what they cost in USDC."""
    pairs = [(f"@{token}", token) for token in TOKENS if token]
    return [
        {
            "tokens": [
                {"name": name, "szDecimals": 5, "weiDecimals": 8, "index": token, "isCanonical": token == 0}
                for token, name in TOKENS.items()
            ],
            "universe": [
                {"tokens": [token, 0], "name": name, "index": token, "isCanonical": False}
                for name, token in pairs
            ],
        },
        [
            {
                "prevDayPx": "1.0",
                "dayNtlVlm": "1000.0",
                "markPx": text(market.exact_index(MARKET_COINS[TOKENS[token]], "USDC", DIGITS)),
                "midPx": None,
                "circulatingSupply": "1000.0",
                "coin": name,
                "totalSupply": "1000.0",
                "dayBaseVlm": "1000.0",
            }
            for name, token in pairs
        ],
    ]
