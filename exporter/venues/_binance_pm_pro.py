"""Binance Portfolio Margin Pro: which calls read which kind of account.

It keeps the calls of the futures and adds its own for the account: one of accounts with the same rules, one
of those whose requirement is found by scenarios (SPAN), options included. Sources: the pages
Get-Classic-Portfolio-Margin-Account-Info, …-V2 and …-Balance-Info below
https://developers.binance.com/docs/derivatives/portfolio-margin-pro/account .
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from exporter.request import Endpoint
from exporter.venues import _binance_coinm as coinm
from exporter.venues import _binance_pm as pm
from exporter.venues import _binance_usdm as usdm
from exporter.venues._binance import LAST_CHANGE, OF_FEES, OF_PARTS, VALUE_OF_ORDERS, WITH_FEES
from exporter.venues._binance_keys import SPOT_HOST


class Program(Struct, frozen=True):
    """A kind of account, by the calls that answer it."""

    account: Endpoint
    balance: Endpoint
    um: pm.Product
    cm: pm.Product
    span: bool = False
    """Whether scenarios find what is required, and options count."""


STANDARD = Program(pm.ACCOUNT, pm.BALANCE, pm.UM, pm.CM)


UM = structs.replace(
    pm.UM,
    positions=pm.at(pm.FAPI, usdm.POSITION_RISK),
    account=pm.at(pm.FAPI, usdm.ACCOUNT),
    brackets=pm.at(pm.FAPI, usdm.LEVERAGE_BRACKET),
)
CM = structs.replace(
    pm.CM,
    positions=pm.at(pm.DAPI, coinm.POSITION_RISK),
    account=pm.at(pm.DAPI, coinm.ACCOUNT),
    brackets=pm.at(pm.DAPI, coinm.LEVERAGE_BRACKET),
)
BALANCE = Endpoint("/sapi/v1/portfolio/balance", weight=20, host=SPOT_HOST, apart=True)
PRO = Program(Endpoint("/sapi/v1/portfolio/account", weight=5, host=SPOT_HOST, apart=True), BALANCE, UM, CM)
SPAN = Program(
    Endpoint("/sapi/v2/portfolio/account", weight=5, host=SPOT_HOST, apart=True), BALANCE, UM, CM, span=True
)
PROGRAMS = (STANDARD, PRO, SPAN)
ENDPOINTS = (
    PRO.account,
    SPAN.account,
    BALANCE,
    *(UM.positions, UM.account, UM.brackets),
    *(CM.positions, CM.account, CM.brackets),
)

_OF_A_PART = "of the futures alone, which are a part of the account"
_OF_COINS = (
    "assets[].walletBalance assets[].unrealizedProfit assets[].marginBalance assets[].maintMargin "
    "assets[].initialMargin assets[].positionInitialMargin assets[].openOrderInitialMargin "
    "assets[].crossWalletBalance assets[].crossUnPnl"
)
UNREAD: Mapping[Endpoint, Mapping[str, str]] = {
    **pm.UNREAD,
    SPAN.account: {"parts of the maintenance margin": "uniMaintainUsd marginMM otherMM"},
    BALANCE: pm.UNREAD[pm.BALANCE],
    UM.positions: {
        WITH_FEES: "breakEvenPrice",
        LAST_CHANGE: "updateTime",
        "the account call has it": "initialMargin maintMargin positionInitialMargin openOrderInitialMargin",
        "no position is isolated": "isolatedMargin isolatedWallet",
        VALUE_OF_ORDERS: "bidNotional askNotional",
        "COIN-M tells no place in the queue at these calls": "adl",
    },
    UM.account: {
        _OF_A_PART: f"total* availableBalance maxWithdrawAmount {_OF_COINS}",
        "the position call has it, at the mark that it tells": "positions[].notional "
        "positions[].unrealizedProfit entryPrice",
        "of older versions of the call": "leverage maxNotional",
        OF_PARTS: "positions[].positionInitialMargin positions[].openOrderInitialMargin",
        VALUE_OF_ORDERS: "bidNotional askNotional",
        "no position is isolated": "isolatedMargin isolatedWallet",
        LAST_CHANGE: "updateTime",
    },
    UM.brackets: pm.UNREAD[pm.UM.brackets],
    CM.positions: {
        "no position is isolated": "isolatedMargin isolatedWallet",
        "the notional is contracts × contract size": "notionalValue",
    },
    CM.account: {
        _OF_A_PART: f"availableBalance maxWithdrawAmount {_OF_COINS}",
        OF_FEES: "feeTier",
        "the position call has it": "leverage entryPrice maxQty breakEvenPrice positions[].unrealizedProfit",
        OF_PARTS: "positions[].positionInitialMargin positions[].openOrderInitialMargin",
        LAST_CHANGE: "updateTime",
    },
    CM.brackets: pm.UNREAD[pm.CM.brackets],
}
