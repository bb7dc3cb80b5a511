"""The messages of BitTap futures.

Sources: https://developers.bittap.com/en/futures/trading/account-info , open-position beside it, and
https://developers.bittap.com/en/futures/market/exchange-info
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import msgspec
from msgspec import UNSET, UnsetType

from exporter.model import ContractKind, MaintenanceTier
from exporter.request import Endpoint
from exporter.venues.base import ascending_tiers
from exporter.wire import Number, Positive, Required, Rows, Wire, listed, one_of

ACCOUNT_INFO = Endpoint("/ftapi/v1/account/info")
OPEN_POSITION = Endpoint("/ftapi/v1/openPosition")
EXCHANGE_INFO = Endpoint("/fmapi/v1/exchangeInfo", signed=False)

_OF_POSITIONS = {
    "identifies the account, which is never published": "uid",
    "what trading costs; part of the realized PnL": "feeAmount frozenFee",
    "funding so far, part of the balance; the sign of what was paid is not documented": "fundAmount",
    "of what was closed, without fees; the realized PnL has both": "pnl",
    "what bonus money has paid for": "deductFeeAmount deductFundingAmount deductLossAmount",
    "a count of orders": "posTpSlSize tpSlSize",
    "when the position was opened or last changed, not the time of the figures": "ctime lastUpdateTime",
}
UNREAD = {
    ACCOUNT_INFO: {
        **_OF_POSITIONS,
        "over all coins, in a currency that is not documented; the rows of coins are used": "data.available "
        "data.balance data.canTransfer data.crossedMaintainMargin data.crossedMaintainMarginRate "
        "data.profitUnreal data.totalEquities data.totalLocked",
        "part of the unrealized PnL; each position has its own": "crossProfitUnreal",
        'documented as "0" beside a cross position with margin': "crossLocked crossMargin isolatedLocked "
        "isolatedMargin",
        "bonus money; whether it is part of the balance is not documented": "totalTrialFundBalance "
        "trialFundBalance",
    },
    OPEN_POSITION: {
        **_OF_POSITIONS,
        "positions are liquidated by the mark price": "lastPrice",
        "unrealized PnL / margin; both are published": "profitUnrealRate",
        "of the account's other positions": "otherMaintainMargin",
        "not documented of what; rates are computed for every venue alike": "marginRate",
        "what being liquidated or closing would cost": "bkrFee closedFee otherClosedFee",
    },
    EXCHANGE_INFO: {
        "the number of a tier": "level",
        "of the next order; each position has its own": "defaultLeverage",
        "decimal places for display": "preciousShow",
    },
}


class AssetRow(Wire):
    coin: str
    balance: Number = None  # without unrealized PnL, isolated margin included
    equities: Number = None  # balance + profitUnreal
    profitUnreal: Number = None
    crossedMaintainMargin: Number = None
    available: Number = None  # equities - locked
    canTransfer: Number = None  # balance - locked
    locked: Number = None
    crossedMaintainMarginRate: Number = None  # maintenance margin / (equities - cost of closing)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.equities is None and self.balance is not None and self.profitUnreal is not None:
            self.equities = self.balance + self.profitUnreal
        if self.equities is None:
            raise ValueError("`equities` is missing or empty, and does not follow from other fields")

    @property
    def holds(self) -> bool:
        """True if there is anything in the coin."""
        return bool(self.balance or self.equities or self.locked)

    @property
    def margin_rate(self) -> float | None:
        """The venue's own; below 0 where nothing is left to cover the cost of closing."""
        rate, required = self.crossedMaintainMarginRate, self.crossedMaintainMargin or 0.0
        return inf if rate is not None and rate < 0.0 and (self.equities or 0.0) <= required else rate

    @property
    def at_risk(self) -> bool:
        """True if there is something that only a position can be."""
        return bool(self.profitUnreal or self.crossedMaintainMargin)


class PositionRow(Wire):
    """A row of either call. That of the account lacks whatever depends on the mark price."""

    symbolId: str
    quantity: Required  # base units, unsigned
    positionId: str | int | None = None
    side: str | None = None  # BUY or SELL
    marginMode: str | None = None  # CROSSED, ISOLATED; ISOLATION elsewhere in the documentation
    avgEntryPrice: Positive = None
    positionMode: str | None = None  # HEDGE, ONEWAY; ONE_WAY elsewhere in the documentation
    entryValue: Number = None  # quantity × entry price
    feeAssetId: str | None = None
    leverage: Positive = None
    margin: Number = None  # entry value / leverage
    markPrice: Positive = None
    profitUnreal: Number = None
    realizedPnl: Number = None  # net of fees
    maintainMargin: Positive = None  # "0" in the account's rows
    liquidPrice: Number = None  # "0": none

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side is not None:
            self.side = one_of("side", self.side, "BUY", "SELL")
        if self.marginMode is not None:
            self.marginMode = one_of("marginMode", self.marginMode, "CROSSED", "ISOLATED", "ISOLATION")
        if self.quantity < 0.0:
            raise ValueError("`quantity` is negative")

    @property
    def isolated(self) -> bool:
        return self.marginMode != "CROSSED"

    def is_of(self, other: PositionRow) -> bool:
        """Whether both are about one position: by their ids, else by whatever of the rest both tell."""
        if self.positionId is not None and other.positionId is not None:
            return str(self.positionId) == str(other.positionId)
        return self.symbolId == other.symbolId and all(
            None in pair or pair[0] == pair[1]
            for pair in ((self.side, other.side), (self.marginMode, other.marginMode))
        )


class AccountInfo(Wire):
    assets: list[AssetRow] | AssetRow
    positions: Rows[PositionRow] | UnsetType = UNSET

    @property
    def may_hold(self) -> bool:
        """Whether there are positions, or it is not told that there are none."""
        if self.positions is UNSET or any(asset.at_risk for asset in listed(self.assets)):
            return True
        return any(row.quantity for row in listed(self.positions))


class RiskLimit(Wire):
    maintainMarginRate: Number = None
    minPositionValue: Number = None
    maxPositionValue: Number = None
    maxLeverage: Positive = None


class SymbolRow(Wire):
    symbolId: str
    contractSide: str | None = None  # FORWARD is linear, REVERSE is inverse
    riskLimitConfigs: list[RiskLimit] | None = None


class ExchangeInfo(Wire):
    symbols: list[SymbolRow]


class Listing(msgspec.Struct, frozen=True):
    """What the venue publishes about one contract."""

    kind: ContractKind | None = None
    tiers: tuple[MaintenanceTier, ...] = ()
    limits: tuple[tuple[float, float], ...] = ()
    """A leverage, and the notional up to which it may be set."""

    def largest(self, leverage: float | None) -> float | None:
        """The largest notional that a leverage allows."""
        if leverage is None:
            return None
        return max((notional for most, notional in self.limits if most >= leverage), default=None)


_KINDS: Mapping[str, ContractKind] = {"FORWARD": "linear", "REVERSE": "inverse"}


def listing_of(row: SymbolRow) -> Listing:
    """Kind and risk tiers of a symbol.

    No tiers of inverse contracts, whose units are not documented, nor where a floor or rate is missing:
    one symbol that is listed incompletely must not cost the others their tiers.
    """
    kind = _KINDS.get((row.contractSide or "").upper())
    limits = row.riskLimitConfigs or []
    tiers = [
        MaintenanceTier(
            floor=limit.minPositionValue,
            cap=inf if limit.maxPositionValue is None else limit.maxPositionValue,
            rate=limit.maintainMarginRate,
            deduction=0.0,
        )
        for limit in limits
        if limit.minPositionValue is not None and limit.maintainMarginRate is not None
    ]
    complete = kind != "inverse" and len(tiers) == len(limits)
    return Listing(
        kind,
        ascending_tiers(tiers) if complete else (),
        tuple(
            (limit.maxLeverage, limit.maxPositionValue)
            for limit in limits
            if limit.maxLeverage is not None and limit.maxPositionValue is not None
        ),
    )
