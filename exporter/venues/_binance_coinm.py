"""Binance COIN-M: calls and messages.

Source: the pages below https://developers.binance.com/docs/derivatives/coin-margined-futures .
"""

from __future__ import annotations

from exporter.request import Endpoint
from exporter.venues import _binance_members as members
from exporter.venues._binance import (
    LAST_CHANGE,
    OF_A_BRACKET,
    OF_FEES,
    OF_ORDERS,
    OF_PARTS,
    TIME_OF_PRICES,
    TRADING_RULE,
    UNREAD_RULES,
    WITH_FEES,
    AccountAsset,
    adl_ratio,
)
from exporter.venues._binance_keys import KEY_RESTRICTIONS, UNREAD_OF_KEY
from exporter.venues.base import sum_of
from exporter.wire import Millis, Number, Positive, Required, Wire

ACCOUNT = Endpoint("/dapi/v1/account", weight=5)
POSITION_RISK = Endpoint("/dapi/v1/positionRisk", weight=1)
LEVERAGE_BRACKET = Endpoint("/dapi/v2/leverageBracket", weight=2)
ADL_QUANTILE = Endpoint("/dapi/v1/adlQuantile", weight=5)
PORTFOLIO_MARGIN = Endpoint("/dapi/v1/pmAccountInfo", weight=5)
EXCHANGE_INFO = Endpoint("/dapi/v1/exchangeInfo", weight=1, signed=False)
PREMIUM_INDEX = Endpoint("/dapi/v1/premiumIndex", weight=10, signed=False)
TIME = Endpoint("/dapi/v1/time", weight=1, signed=False)

# How the perpetual contract of a coin is named.
_PERPETUAL = "USD_PERP"

_NOTIONAL = "documented with wrong values; notional is contracts × contract size for every symbol alike"
UNREAD = {
    **members.UNREAD,
    ACCOUNT: {
        OF_PARTS: "positionInitialMargin",
        OF_ORDERS: "positions[].openOrderInitialMargin",
        WITH_FEES: "breakEvenPrice",
        "the position call has the same figure": "maxQty",
        _NOTIONAL: "notionalValue",
        LAST_CHANGE: "updateTime",
        OF_FEES: "feeTier",
    },
    POSITION_RISK: {
        WITH_FEES: "breakEvenPrice",
        _NOTIONAL: "notionalValue",
        LAST_CHANGE: "updateTime",
    },
    LEVERAGE_BRACKET: {OF_A_BRACKET: "bracket initialLeverage"},
    ADL_QUANTILE: {"a sign without a value": "HEDGE"},
    KEY_RESTRICTIONS: UNREAD_OF_KEY,
    EXCHANGE_INFO: {**UNREAD_RULES, TRADING_RULE: f"{UNREAD_RULES[TRADING_RULE]} equalQtyPrecision"},
    PREMIUM_INDEX: {
        "the position call has the mark price it was valued at; of live marks": "markPrice",
        "only matters in the hour before settlement": "estimatedSettlePrice",
        "part of the funding rate": "interestRate",
        TIME_OF_PRICES: "time",
    },
}


class AccountPosition(Wire):
    """A position as the account call shows it: without mark price and liquidation price.

    The size is missing in rows of the documented answer.
    """

    symbol: str
    positionSide: str | None = None
    positionAmt: Number = None  # signed, contracts
    initialMargin: Number = None
    # 0 says that the row was not valued yet: there is no contract without maintenance margin.
    maintMargin: Positive = None
    unrealizedProfit: Number = None
    leverage: Positive = None
    isolated: bool | str | None = None
    isolatedWallet: Number = None
    entryPrice: Positive = None

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position."""
        return self.positionAmt or 0.0


class Account(Wire):
    """All coins and all symbols, those with nothing in them included. There are no totals."""

    assets: list[AccountAsset]
    positions: list[AccountPosition] | None = None


class PositionRow(Wire):
    """`notionalValue` is not read: documented answers have the mark price in it, or a tenth of the value."""

    symbol: str
    positionAmt: Required  # signed, contracts
    positionSide: str | None = None
    entryPrice: Positive = None
    markPrice: Positive = None
    unRealizedProfit: Number = None  # with a capital R here, and without in the account call
    liquidationPrice: Number = None
    marginType: str | None = None  # cross or isolated
    leverage: Positive = None
    maxQty: Positive = None  # the largest notional at the leverage, in the base coin
    isolatedMargin: Number = None
    isolatedWallet: Number = None
    isAutoAddMargin: bool | str | None = None

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position."""
        return self.positionAmt

    @property
    def isolated(self) -> bool:
        """Whether the position has margin of its own."""
        mode = (self.marginType or "").lower()
        if mode in ("isolated", "cross", "crossed"):
            return mode == "isolated"
        return bool(self.isolatedWallet) or bool(self.isolatedMargin)

    @property
    def margin(self) -> float | None:
        """Collateral without unrealized PnL. Older rows have only the sum of both; 0 is a placeholder."""
        if self.isolatedWallet:
            return self.isolatedWallet
        pnl = self.unRealizedProfit
        return sum_of(self.isolatedMargin or None, None if pnl is None else -pnl)


class Quantile(Wire):
    """Place in the queue by position side. `HEDGE` only says that both sides share one."""

    LONG: Number = None
    SHORT: Number = None
    BOTH: Number = None

    def of(self, position_side: str) -> float | None:
        """From 0 (last) to 1 (first)."""
        places = {"LONG": self.LONG, "SHORT": self.SHORT, "BOTH": self.BOTH}
        return adl_ratio(places.get(position_side))


class SymbolQuantile(Wire):
    symbol: str
    adlQuantile: Quantile


class PremiumIndex(Wire):
    symbol: str
    indexPrice: Positive = None
    lastFundingRate: Number = None  # of the next funding; empty of a delivery contract
    nextFundingTime: Millis = None
    time: Millis = None  # of the row


def coin_of(symbol: str) -> str:
    """BTC of ``BTCUSD_PERP``; nothing of a delivery contract."""
    return symbol.removesuffix(_PERPETUAL) if symbol.endswith(_PERPETUAL) else ""
