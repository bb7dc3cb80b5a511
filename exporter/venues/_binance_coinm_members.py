"""Binance COIN-M: what a master's key is told of a sub-account.

The figures are those of the account's own calls under other names, less liquidation prices, which are
computed, and what each position requires, which follows from the brackets.
"""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from exporter.venues import _binance_members as members
from exporter.venues._binance import true
from exporter.venues._binance_coinm import Account, PositionRow
from exporter.wire import Number, Positive, Required, Rows, Wire

KIND = 2
"""COIN-M, as the calls want it."""


class MemberAccount(Wire):
    assets: list[members.MemberAsset]


class AccountAnswer(Wire):
    deliveryAccountResp: MemberAccount

    @property
    def account(self) -> Account:
        """As the account's own call has it."""
        return Account(assets=[*self.deliveryAccountResp.assets])


class MemberPosition(Wire):
    symbol: str
    positionAmount: Required  # signed, contracts
    positionSide: str | None = None
    entryPrice: Positive = None
    markPrice: Positive = None
    unrealizedProfit: Number = None
    leverage: Positive = None
    isolated: bool | str | None = None
    isolatedWallet: Number = None
    isolatedMargin: Number = None
    isAutoAddMargin: bool | str | None = None

    @property
    def row(self) -> PositionRow:
        """As the account's own call has it.

        The documented example has a mark price for the collateral of a cross position, of which nobody
        reads any.
        """
        apart = true(self.isolated)
        if self.isolated is None:
            apart = bool(self.isolatedMargin)
        return PositionRow(
            symbol=self.symbol,
            positionSide=self.positionSide,
            positionAmt=self.positionAmount,
            entryPrice=self.entryPrice,
            markPrice=self.markPrice,
            unRealizedProfit=self.unrealizedProfit,
            marginType="isolated" if apart else "cross",
            leverage=self.leverage,
            isolatedMargin=self.isolatedMargin,
            isolatedWallet=self.isolatedWallet,
            isAutoAddMargin=self.isAutoAddMargin,
        )


class PositionsAnswer(Wire):
    # Documented in the first spelling, and seen in the second.
    deliveryPositionRiskVos: Rows[MemberPosition] | UnsetType = UNSET
    deliveryPositionRiskVOS: Rows[MemberPosition] | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        members.check_one(
            deliveryPositionRiskVos=self.deliveryPositionRiskVos, VOS=self.deliveryPositionRiskVOS
        )

    @property
    def rows(self) -> list[PositionRow]:
        """As the account's own call has them, those without a position included."""
        rows = members.rows_of(self.deliveryPositionRiskVos, self.deliveryPositionRiskVOS)
        return [row.row for row in rows]
