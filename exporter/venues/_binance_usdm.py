"""Binance USD-M: calls and messages.

Source: the pages below https://developers.binance.com/docs/derivatives/usds-margined-futures ; those of the
account are Account-Information-V3, Account-Config and Symbol-Config.
"""

from __future__ import annotations

import math

from exporter.request import Endpoint
from exporter.venues import _binance_members as members
from exporter.venues._binance import (
    LAST_CHANGE,
    OF_A_BRACKET,
    OF_FEES,
    OF_ORDERS,
    OF_PARTS,
    TIME_OF_PRICES,
    UNREAD_RULES,
    VALUE_OF_ORDERS,
    WITH_FEES,
    AccountAsset,
)
from exporter.venues._binance_keys import KEY_RESTRICTIONS, UNREAD_OF_KEY
from exporter.venues.base import sum_of
from exporter.wire import Millis, Number, Positive, Required, Wire

ACCOUNT = Endpoint("/fapi/v3/account", weight=5)
POSITION_RISK = Endpoint("/fapi/v3/positionRisk", weight=5)
ACCOUNT_CONFIG = Endpoint("/fapi/v1/accountConfig", weight=5)
SYMBOL_CONFIG = Endpoint("/fapi/v1/symbolConfig", weight=5)
LEVERAGE_BRACKET = Endpoint("/fapi/v1/leverageBracket", weight=1)
PORTFOLIO_MARGIN = Endpoint("/fapi/v1/pmAccountInfo", weight=5)
EXCHANGE_INFO = Endpoint("/fapi/v1/exchangeInfo", weight=1, signed=False)
ASSET_INDEX = Endpoint("/fapi/v1/assetIndex", weight=10, signed=False)
PREMIUM_INDEX = Endpoint("/fapi/v1/premiumIndex", weight=10, signed=False)
TIME = Endpoint("/fapi/v1/time", weight=1, signed=False)

UNREAD = {
    **members.UNREAD,
    members.ACCOUNT: {
        **members.UNREAD[members.ACCOUNT],
        OF_PARTS: "totalPositionInitialMargin positionInitialMargin",
    },
    ACCOUNT: {
        OF_PARTS: "totalPositionInitialMargin positionInitialMargin",
        OF_ORDERS: "positions[].openOrderInitialMargin",
        LAST_CHANGE: "updateTime",
        "of older versions of the call; the symbol's configuration has it": "leverage maxNotional",
        VALUE_OF_ORDERS: "bidNotional askNotional",
    },
    POSITION_RISK: {
        WITH_FEES: "breakEvenPrice",
        OF_ORDERS: "openOrderInitialMargin",
        "only tells when the leverage was changed, and is to be asked again": "positionInitialMargin",
        VALUE_OF_ORDERS: "bidNotional askNotional",
        LAST_CHANGE: "updateTime",
    },
    ACCOUNT_CONFIG: {
        OF_FEES: "feeTier",
        LAST_CHANGE: "updateTime",
        "a group of accounts, not a figure": "tradeGroupId",
    },
    LEVERAGE_BRACKET: {OF_A_BRACKET: "bracket initialLeverage"},
    KEY_RESTRICTIONS: UNREAD_OF_KEY,
    EXCHANGE_INFO: {
        **UNREAD_RULES,
        "a rule for exchanging one collateral into another": "autoAssetExchange settlePlan",
    },
    ASSET_INDEX: {
        "already in the bid and ask rates": "bidBuffer askBuffer",
        "for exchanging one collateral into another": "autoExchangeAskBuffer autoExchangeAskRate "
        "autoExchangeBidBuffer autoExchangeBidRate",
        TIME_OF_PRICES: "time",
    },
    PREMIUM_INDEX: {
        "the position call has the mark price it was valued at; of live marks": "markPrice",
        "the asset index has the prices of coins in USD; of live marks": "indexPrice",
        "only matters in the hour before settlement": "estimatedSettlePrice",
        "part of the funding rate": "interestRate",
        TIME_OF_PRICES: "time",
    },
}


class AccountPosition(Wire):
    """A position as the account call shows it: without mark price or liquidation price."""

    symbol: str
    positionSide: str | None = None
    positionAmt: Number = None  # signed, base units
    entryPrice: Positive = None  # of older versions of the call only
    unrealizedProfit: Number = None
    notional: Number = None  # signed
    isolatedMargin: Number = None
    isolatedWallet: Number = None
    initialMargin: Number = None
    maintMargin: Number = None

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position, and where the position call has to tell it."""
        return self.positionAmt or 0.0


class Account(Wire):
    """Totals are of USDT alone in single-asset mode, and in USD over all assets in multi-assets mode."""

    assets: list[AccountAsset]
    positions: list[AccountPosition] | None = None
    totalInitialMargin: Number = None
    totalMaintMargin: Number = None
    totalWalletBalance: Number = None
    totalUnrealizedProfit: Number = None
    totalMarginBalance: Number = None
    totalOpenOrderInitialMargin: Number = None
    totalCrossWalletBalance: Number = None
    totalCrossUnPnl: Number = None
    availableBalance: Number = None
    maxWithdrawAmount: Number = None

    @property
    def may_hold(self) -> bool:
        """Whether there are positions, or it is not told that there are none."""
        return self.positions is None or any(item.positionAmt != 0.0 for item in self.positions)

    @property
    def of_usdt(self) -> bool | None:
        """Whether the totals are those of USDT, as in single-asset mode; None where it cannot be told."""
        usdt = next((asset for asset in self.assets if asset.coin == "USDT"), None)
        if usdt is None or usdt.walletBalance is None or self.totalWalletBalance is None:
            return None
        return self.totalWalletBalance == usdt.walletBalance and (
            self.totalMarginBalance in {None, usdt.marginBalance}
        )


class PositionRow(Wire):
    symbol: str
    positionAmt: Required  # signed, base units
    positionSide: str | None = None
    entryPrice: Positive = None
    markPrice: Positive = None
    unRealizedProfit: Number = None  # with a capital R here, and without in the account call
    liquidationPrice: Number = None
    marginAsset: str | None = None
    isolatedMargin: Number = None  # with unrealized PnL
    isolatedWallet: Number = None  # without
    notional: Number = None  # signed
    initialMargin: Number = None
    positionInitialMargin: Positive = None  # at the mark price: notional / leverage
    # 0 for a position is a placeholder: there is no contract without maintenance margin.
    maintMargin: Positive = None
    adl: Number = None

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position."""
        return self.positionAmt

    @property
    def isolated(self) -> bool | None:
        """Whether the position has margin of its own; no field says so in as many words."""
        if self.isolatedWallet is None and self.isolatedMargin is None:
            return None
        return bool(self.isolatedWallet) or bool(self.isolatedMargin)

    @property
    def margin(self) -> float | None:
        """Collateral of an isolated position, without unrealized PnL; 0 beside a margin is a placeholder."""
        if self.isolatedWallet:
            return self.isolatedWallet
        pnl = self.unRealizedProfit
        return sum_of(self.isolatedMargin or None, None if pnl is None else -pnl)


class AccountConfiguration(Wire):
    dualSidePosition: bool | None = None
    multiAssetsMargin: bool | None = None


class SymbolConfiguration(Wire):
    symbol: str
    marginType: str | None = None  # CROSSED or ISOLATED
    leverage: Positive = None
    isAutoAddMargin: bool | str | None = None
    maxNotionalValue: Positive = None

    def fits(self, row: PositionRow) -> bool:
        """Whether it can be the configuration that a position is held under."""
        return row.isolated is None or not self.marginType or row.isolated == self.isolated

    @property
    def isolated(self) -> bool:
        return self.marginType == "ISOLATED"

    def has_leverage_of(self, row: PositionRow) -> bool:
        """False where the initial margin of a position says that its leverage is another."""
        if not row.notional or row.positionInitialMargin is None or self.leverage is None:
            return True
        return math.isclose(abs(row.notional) / row.positionInitialMargin, self.leverage, rel_tol=0.02)


class AssetIndex(Wire):
    symbol: str  # the coin followed by USD
    index: Positive = None
    bidRate: Positive = None  # what a unit counts as collateral, after the haircut
    askRate: Positive = None  # what a unit counts that is owed or required
    time: Millis = None  # of the prices


class PremiumIndex(Wire):
    symbol: str
    lastFundingRate: Number = None  # of the next funding; empty of a delivery contract
    nextFundingTime: Millis = None
    time: Millis = None  # of the row


def coin_of(symbol: str) -> str:
    """BTC of ``BTCUSDT``; nothing of a delivery contract, and of one in another coin."""
    coin = symbol.removesuffix("USDT")
    return coin if coin != symbol and "_" not in coin else ""
