"""Binance USD-M: what a master's key is told of a sub-account, and what follows from it.

The figures are those of the account's own calls under other names, less the side, which the sign of the
amount tells, the asset mode and the margin mode. Those two are read from figures that must fit together:

* *Asset mode*: in single-asset mode the totals are those of USDT, or plain sums of dollar coins; in
  multi-assets mode they are what all coins are worth at their bid rates.
* *Margin mode*: see `exporter.venues._binance_usdm_isolated`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import UNSET, UnsetType, field, structs

from exporter.coins import STABLE_COINS
from exporter.errors import VenueError
from exporter.model import AccountSnapshot, liquidation_price
from exporter.venues import _binance_members as members
from exporter.venues._binance_brackets import maintenance_tiers
from exporter.venues._binance_usdm import Account, AssetIndex, PositionRow, SymbolConfiguration
from exporter.venues._binance_usdm_account import Known, coin_settled_in, is_worth, parse
from exporter.venues._binance_usdm_isolated import Standing, isolated
from exporter.venues.base import schema_error
from exporter.wire import Number, Positive, Required, Rows, Wire

KIND = 1
"""USD-M, as the calls want it."""

# Totals and balances are printed with eight digits.
_SAME_SUM = 1e-7


class MemberAccount(Account):
    assets: list[members.MemberAsset]  # type: ignore[assignment]  # lists are not covariant
    totalMaintMargin: Number = field(name="totalMaintenanceMargin", default=None)


class AccountAnswer(Wire):
    futureAccountResp: MemberAccount


class MemberPosition(Wire):
    symbol: str
    positionAmount: Required  # signed, base units
    entryPrice: Positive = None
    markPrice: Positive = None
    liquidationPrice: Number = None
    unrealizedProfit: Number = None
    leverage: Positive = None
    maxNotional: Positive = None

    @property
    def row(self) -> PositionRow:
        """As the account's own call has it."""
        return PositionRow(
            symbol=self.symbol,
            positionAmt=self.positionAmount,
            entryPrice=self.entryPrice,
            markPrice=self.markPrice,
            unRealizedProfit=self.unrealizedProfit,
            liquidationPrice=self.liquidationPrice,
            notional=None if self.markPrice is None else self.positionAmount * self.markPrice,
        )


class PositionsAnswer(Wire):
    # Documented in the first spelling, and seen in the second.
    futurePositionRiskVos: Rows[MemberPosition] | UnsetType = UNSET
    futurePositionRiskVOS: Rows[MemberPosition] | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        members.check_one(futurePositionRiskVos=self.futurePositionRiskVos, VOS=self.futurePositionRiskVOS)

    @property
    def open(self) -> list[MemberPosition]:
        """The open positions."""
        rows = members.rows_of(self.futurePositionRiskVos, self.futurePositionRiskVOS)
        return [row for row in rows if row.positionAmount]


def parse_member(
    account: MemberAccount, positions: Sequence[MemberPosition], known: Known
) -> AccountSnapshot:
    """A sub-account from what its master is told.

    Raises:
        VenueError: reason ``schema``, where rows or the asset mode cannot be told apart; ``unsupported``,
            where it cannot be told what backs a position.
    """
    multi = _multi_assets(account, known.indices, held=bool(positions))
    modes = {"asset_mode": "multi" if multi else "single"}
    sides = {(row.symbol, row.positionAmount > 0.0) for row in positions}
    if len(sides) < len(positions):
        raise schema_error(members.POSITIONS, "two rows of a `symbol` are on one side of the market")
    if len({symbol for symbol, _ in sides}) < len(positions):
        modes["position_mode"] = "hedge"
    rows = [
        structs.replace(row.row, marginAsset=coin_settled_in(row.symbol, known.contracts, members.POSITIONS))
        for row in positions
    ]
    symbols = {
        row.symbol: SymbolConfiguration(
            symbol=row.symbol, leverage=row.leverage, maxNotionalValue=row.maxNotional
        )
        for row in positions
    }
    return parse(
        account,
        rows if multi else _with_margin_modes(account, rows, known),
        modes,
        structs.replace(known, symbols=symbols),
    )


def _multi_assets(account: Account, indices: Mapping[str, AssetIndex], *, held: bool) -> bool:
    total = account.totalWalletBalance
    dollars = [row.walletBalance or 0.0 for row in account.assets if row.coin in STABLE_COINS]
    if account.of_usdt or (
        total is not None and math.isclose(total, math.fsum(dollars), rel_tol=0.0, abs_tol=_SAME_SUM)
    ):
        return False
    if is_worth(account, indices):
        return True
    if held:
        raise schema_error(
            members.ACCOUNT,
            "`totalWalletBalance` is neither the balance of USDT nor what all coins are worth: it cannot be "
            "told what backs the positions",
        )
    return False


def _with_margin_modes(account: Account, rows: Sequence[PositionRow], known: Known) -> Sequence[PositionRow]:
    """The rows, those of isolated positions with their own equity; all cross where nothing can be checked.

    Raises:
        VenueError: reason ``unsupported``, if liquidation prices say that some are isolated, and not which.
    """
    wallets = {asset.coin: asset.walletBalance for asset in account.assets}
    coins: dict[str, list[PositionRow]] = {}
    for row in rows:
        coins.setdefault(row.marginAsset or "", []).append(row)
    equities: dict[tuple[str, float], float] = {}
    for coin, of_coin in coins.items():
        wallet = wallets.get(coin)
        standing = [one for row in of_coin if (one := _standing(row, known)) is not None]
        if wallet is None or len(standing) < len(of_coin):
            continue
        found = isolated(wallet, standing)
        if found is None:
            raise VenueError(
                "unsupported",
                f"{members.POSITIONS.label}: liquidation prices say that some {coin} positions are isolated, "
                "and not which: give this account an entry of its own",
            )
        equities |= {(one.symbol, one.quantity): equity for one, equity in found}
    return [
        structs.replace(row, isolatedMargin=equities.get((row.symbol, row.quantity), 0.0)) for row in rows
    ]


def _standing(row: PositionRow, known: Known) -> Standing | None:
    tiers = maintenance_tiers(known.brackets.get(row.symbol), row.notional, None)
    if not tiers or row.markPrice is None or row.unRealizedProfit is None:
        return None
    price = liquidation_price(row.liquidationPrice, row.markPrice)
    return Standing(row.symbol, row.quantity, row.markPrice, row.unRealizedProfit, price, tiers)
