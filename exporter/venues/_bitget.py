"""Bitget's calls and messages, and what they mean by themselves.

Sources: the pages below https://www.bitget.com/api-doc/contract (classic accounts) and
https://www.bitget.com/api-doc/uta (unified ones).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import field

from exporter.errors import VenueError
from exporter.model import Side
from exporter.request import Endpoint
from exporter.venues.base import Refusal, Refusals
from exporter.wire import Millis, Number, Positive, Required, Rows, Wire, listed, one_of

# Weights: most calls may be made twenty times a second; these others as often as they may.
SETTINGS = Endpoint("/api/v3/account/settings")
ASSETS = Endpoint("/api/v3/account/assets")
COLLATERAL = Endpoint("/api/v3/account/collateral-type", weight=2)
POSITIONS = Endpoint("/api/v3/position/current-position")
TIERS = Endpoint("/api/v3/market/position-tier", signed=False)
DISCOUNTS = Endpoint("/api/v3/market/discount-rate", signed=False)
KEY = Endpoint("/api/v3/account/info", weight=4, apart=True)
CLASSIC_ACCOUNTS = Endpoint("/api/v2/mix/account/accounts", weight=2)
CLASSIC_POSITIONS = Endpoint("/api/v2/mix/position/all-position", weight=4)
CLASSIC_TIERS = Endpoint("/api/v2/mix/market/query-position-lever", weight=2, signed=False)
CLASSIC_DISCOUNTS = Endpoint("/api/v2/mix/market/discount-rate", weight=4, signed=False)
CLASSIC_KEY = Endpoint("/api/v2/spot/account/info", weight=10, apart=True)
"""Once a second; asked once a day."""
INDEX = Endpoint("/api/v2/mix/market/symbol-price", signed=False)
MARKS = Endpoint("/api/v2/mix/market/tickers", signed=False)
FUNDING = Endpoint("/api/v2/mix/market/current-fund-rate", signed=False)
CLASSIC_PLACES = Endpoint("/api/v2/mix/position/adlRank", weight=4)
PLACES = Endpoint("/api/v3/position/adlRank", weight=10)
"""Once a second; asked once a minute."""
TIME = Endpoint("/api/v2/public/time", signed=False)

PRODUCTS = ("USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES")
COIN_PRODUCT = "COIN-FUTURES"

TAKER_RATE = 0.0006
"""What a taker of the lowest tier pays of a value: the venue counts it in the maintenance margin."""

PROGRESSIVE_SINCE = 1_762_761_600.0
"""2025-11-10 08:00 UTC. All of a classic position opened before is at the rate of its tier; of later ones
each slice is at its own."""

_PRINTED = {"when the answer was printed; the collection has its own time": "requestTime"}
_ORDERS = "takeProfit stopLoss takeProfitId stopLossId"
UNREAD: Mapping[Endpoint, Mapping[str, str]] = {
    SETTINGS: {**_PRINTED, "names the account": "uid", "the positions have theirs": "leverage"},
    ASSETS: {
        **_PRINTED,
        "the same in other coins": "usdtEquity btcEquity usdtUnrealisedPnl btcUnrealizedPnl",
        "of the positions alone; what the account requires is read": "positionMgnRatio",
        "part of the equity, which is published": "available debt locked",
    },
    COLLATERAL: {},
    POSITIONS: {
        **_PRINTED,
        "of orders": "available frozen",
        "follows from PnL and margin": "profitRate",
        "the price at which nothing is won": "breakEvenPrice",
        "paid already": "openFeeTotal closeFeeTotal",
        "time of opening or of the last change, not of the figures": "createdTime updatedTime",
    },
    TIERS: {**_PRINTED, "names a tier": "tier"},
    DISCOUNTS: _PRINTED,
    KEY: {**_PRINTED, "names the account": "userId inviterId channelCode regisTime"},
    CLASSIC_ACCOUNTS: {
        **_PRINTED,
        "what more could be opened": "crossedMaxAvailable isolatedMaxAvailable",
        "the same in another coin": "btcEquity",
        "a bonus in the equity": "coupon",
        "of orders that close, whose margin is the position's": "locked",
        "part of the balance, which is read": "assetList[].available",
    },
    CLASSIC_POSITIONS: {
        **_PRINTED,
        "of orders": f"openDelegateSize available locked {_ORDERS}",
        "the price at which nothing is won": "breakEvenPrice",
        "paid already": "deductedFee",
        "time of the last change, not of the figures": "uTime",
    },
    CLASSIC_TIERS: {**_PRINTED, "names a tier": "level"},
    CLASSIC_DISCOUNTS: {
        **_PRINTED,
        "names a tier": "tier",
        "a tier ends where the next begins": "maxAmount",
        "how much of a coin may be moved in": "userLimit totalLimit",
    },
    CLASSIC_KEY: {**_PRINTED, "names the account": "parentId regisTime"},
    INDEX: {**_PRINTED, "of contracts; coins count at their index price": "price markPrice ts"},
    MARKS: {
        **_PRINTED,
        "of live marks": "markPrice indexPrice code ts",
        "of trading": "lastPr askPr bidPr bidSz askSz high24h low24h open24h openUtc change24h changeUtc24h "
        "baseVolume quoteVolume usdtVolume holdingAmount",
        "only matters at the end of a contract": "deliveryStartTime deliveryTime",
        "another call says when it is paid, too": "fundingRate",
    },
    FUNDING: {
        **_PRINTED,
        "bounds of the rate, and hours between two": "minFundingRate maxFundingRate fundingRateInterval",
    },
    CLASSIC_PLACES: {**_PRINTED, "the same from the other end of the queue": "adlRank"},
    PLACES: _PRINTED,
    TIME: {},
}


_CLASSIC = "the account is a classic one"
_UNIFIED = "the account is a unified one"

# Sources: https://www.bitget.com/api-doc/contract/error-code/restapi and .../uta/error-code/restapi . A limit
# counts the requests of a second; that of an address, 6000 in a minute, is closed for five.
REFUSALS = Refusals(
    Refusal("unsupported", _CLASSIC, codes=("40084",)),
    Refusal("unsupported", _UNIFIED, codes=("40085",)),
    Refusal("clock", codes=("4000[458]",)),
    Refusal(
        "auth",
        "the key is of demo trading or of live trading, and the other was asked: see `simulated_trading`",
        codes=("40099",),
    ),
    Refusal("auth", "the API key is not known here", codes=("40006", "40037")),
    Refusal("auth", "the signature is not valid: check the API secret", codes=("40009",)),
    Refusal("auth", "the API key or its passphrase is not right", codes=("4001[12]", "40036")),
    Refusal("auth", "the request is not accepted as signed", codes=("4000[123]",)),
    Refusal("permission", "the key lacks the permission to read this", codes=("40014",)),
    Refusal("permission", "this address is not on the key's list of addresses", codes=("40018",)),
    Refusal("exchange", "the venue timed out", codes=("40010",)),
    Refusal("rate_limited", codes=("429",), statuses=(429,), pause=5.0, scope="account"),
    success=frozenset({"00000"}),
)


def of_the_other_kind(error: VenueError) -> bool:
    return error.reason == "unsupported" and (_CLASSIC in error.message or _UNIFIED in error.message)


NEITHER = ", and the calls of the other kind say the opposite: perhaps it is being switched between the two"
CHANGING = "the account is being switched between classic and unified"


class Clock(Wire):
    serverTime: Required


class Settings(Wire):
    """What kind of unified account it is."""

    accountMode: str | None = ""  # unified, hybrid, or while it changes: upgrading, switching
    accountLevel: str | None = ""  # need not be told while it changes
    holdMode: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.changing:
            level = self.accountLevel or ""
            self.accountLevel = one_of("accountLevel", level, "BASIC", "ADVANCED", "ISOLATED", "DELTA")

    @property
    def changing(self) -> bool:
        return self.accountMode in {"upgrading", "switching"}

    @property
    def isolated(self) -> bool:
        """Whether every position stands alone."""
        return self.accountLevel == "ISOLATED"

    @property
    def modes(self) -> dict[str, str]:
        modes = {
            "asset_mode": "single" if self.isolated else "multi",
            "margin_mode": {"ISOLATED": "isolated", "DELTA": "delta"}.get(self.accountLevel or "", "cross"),
        }
        if self.holdMode:
            modes["position_mode"] = "hedge" if self.holdMode.startswith("hedge") else "one_way"
        return modes


# A price made of a smaller value would be off by its last digits.
LEAST_USD = 0.01


class AssetRow(Wire):
    """A coin of a unified account, in units of the coin."""

    coin: str
    equity: Number = None
    usdValue: Number = None  # of the equity, before the haircut
    balance: Number = None

    @property
    def price(self) -> float | None:
        """USD a unit; None of an amount too small to tell."""
        if not self.equity or not self.usdValue or abs(self.usdValue) < LEAST_USD:
            return None
        price = self.usdValue / self.equity
        return price if 0.0 < price < math.inf else None

    @property
    def dust(self) -> bool:
        return not self.equity or (self.usdValue is not None and abs(self.usdValue) < LEAST_USD)


class Totals(Wire):
    """A unified account in USD."""

    assets: Rows[AssetRow] = None
    accountEquity: Number = None  # at market prices
    effEquity: Number = None  # what backs cross positions, after haircuts
    mmr: Number = None  # an amount, not a rate: with closing fees, loans and open orders
    imr: Number = None
    mgnRatio: Number = None  # rounded: 0 in an account that requires 408 USD
    unrealisedPnl: Number = None


class Choice(Wire):
    """Which coins a unified account lets count as margin."""

    collateralType: str = ""  # all, mainstream, custom
    collateralCoins: str | list[str] | None = None  # with commas

    def counts(self, coin: str) -> bool:
        if self.collateralType == "custom":
            coins = self.collateralCoins or ""
            words = coins.split(",") if isinstance(coins, str) else coins
            return coin in {word.strip() for word in words}
        return self.collateralType != "mainstream" or coin in _MAINSTREAM


_MAINSTREAM = frozenset({"USDT", "USDC", "BTC", "DOGE", "ETH", "SOL"})


class UnionCoin(Wire):
    """A coin beside USDT that backs the positions of a classic account with several coins."""

    coin: str
    balance: Number = None


class AccountRow(Wire):
    """A margin coin of a classic account, in units of the coin.

    In union mode several coins back the positions together: the row of USDT has the figures of all, in USDT,
    beside its own equity, which is negative where losses are owed.
    """

    coin: str = field(name="marginCoin")
    accountEquity: Number = None  # with isolated margins and unrealized PnL
    usdtEquity: Number = None
    available: Number = None
    maxTransferOut: Number = None
    crossedRiskRate: Number = None  # maintenance margin with closing fees / what backs it
    unrealizedPL: Number = None  # may be empty
    crossedUnrealizedPL: Number = None
    isolatedUnrealizedPL: Number = None
    crossedMargin: Number = None
    isolatedMargin: Number = None
    assetMode: str | None = None
    unionTotalMargin: Number = None  # after haircuts
    unionAvailable: Number = None
    unionMm: Number = None  # of positions and of what is owed
    assetList: Rows[UnionCoin] = None

    @property
    def holds(self) -> bool:
        return bool(self.accountEquity) or (self.union and bool(listed(self.assetList)))

    @property
    def union(self) -> bool:
        """Another coin's row of such an account repeats the collateral at most: it is its own pool."""
        return self.assetMode == "union" and self.coin == "USDT"

    @property
    def beside(self) -> list[str]:
        """The coins that back positions beside USDT in union mode."""
        return [one.coin for one in listed(self.assetList) if self.union and one.coin != "USDT"]

    @property
    def pnl(self) -> float | None:
        """Unrealized, of all positions that are settled in it."""
        if self.unrealizedPL is not None:
            return self.unrealizedPL
        parts = [one for one in (self.crossedUnrealizedPL, self.isolatedUnrealizedPL) if one is not None]
        return sum(parts) if parts else None

    @property
    def initial_margin(self) -> float | None:
        if self.crossedMargin is None:
            return None
        return self.crossedMargin + (self.isolatedMargin or 0.0)

    @property
    def price(self) -> float | None:
        """USDT a unit; None of USDT itself, and of an amount too small to tell."""
        equity, value = self.accountEquity, self.usdtEquity
        if self.coin == "USDT" or not equity or value is None or abs(value) < LEAST_USD:
            return None
        price = value / equity
        return price if 0.0 < price < math.inf else None


class PositionRow(Wire):
    """What positions of classic and of unified accounts have in common."""

    symbol: str
    size: Required = field(name="total")
    coin: str = field(name="marginCoin", default="")
    marginMode: str = ""
    markPrice: Positive = None
    liquidationPrice: Number = None
    leverage: Positive = None
    side_word: str = ""
    entry: Positive = None
    upl: Number = None
    margin: Number = None
    rate: Positive = None
    realized: Number = None
    funding: Number = None
    opened: Millis = None
    mode: str | None = None
    ratio: Positive = None
    autoMargin: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size:
            self.marginMode = one_of("marginMode", self.marginMode, "CROSSED", "ISOLATED")
            self.side_word = one_of("the side of a position", self.side_word, "LONG", "SHORT", "NET")

    @property
    def isolated(self) -> bool:
        return self.marginMode == "ISOLATED"

    @property
    def side(self) -> Side:
        if self.side_word == "NET":
            return "long" if self.size > 0.0 else "short"
        return "long" if self.side_word == "LONG" else "short"

    @property
    def hedge(self) -> bool | None:
        return self.mode.startswith("hedge") if self.mode else None

    @property
    def progressive(self) -> bool:
        """Whether each slice has its own rate; where its age is not told, it is one that requires more."""
        return self.opened is not None and self.opened >= PROGRESSIVE_SINCE

    @property
    def own(self) -> float | None:
        """What an isolated position has of its own, in the margin coin."""
        return None if self.margin is None or self.upl is None else self.margin + self.upl


class ClassicRow(PositionRow):
    side_word: str = field(name="holdSide", default="")
    entry: Positive = field(name="openPriceAvg", default=None)
    upl: Number = field(name="unrealizedPL", default=None)
    margin: Number = field(name="marginSize", default=None)  # initial margin of a cross position
    rate: Positive = field(name="keepMarginRate", default=None)  # of the tier, without the fee
    realized: Number = field(name="achievedProfits", default=None)
    funding: Number = field(name="totalFee", default=None)  # negative was paid
    opened: Millis = field(name="cTime", default=None)
    mode: str | None = field(name="posMode", default=None)
    ratio: Positive = field(name="marginRatio", default=None)
    """Maintenance margin with the closing fee / margin and PnL; of a cross position that of its pool."""


class UnifiedRow(PositionRow):
    side_word: str = field(name="posSide", default="")
    entry: Positive = field(name="avgPrice", default=None)
    upl: Number = field(name="unrealisedPnl", default=None)
    margin: Number = field(name="positionBalance", default=None)
    rate: Positive = field(name="mmr", default=None)  # a rate, where the account's is an amount
    realized: Number = field(name="curRealisedPnl", default=None)
    funding: Number = field(name="totalFunding", default=None)
    mode: str | None = field(name="holdMode", default=None)


class Positions(Wire):
    rows: Rows[UnifiedRow] = field(name="list", default=None)


class MarkRow(Wire):
    symbol: str
    markPrice: Positive = None
    indexPrice: Positive = None


class FundingRow(Wire):
    symbol: str
    fundingRate: Number = None
    nextUpdate: Millis = None  # when it is paid


class TierRow(Wire):
    """Amounts are in the quote coin."""

    cap: Positive = field(name="maxTierValue", default=None)
    floor: Number = field(name="minTierValue", default=None)
    leverage: Positive = None
    rate: Positive = field(name="mmr", default=None)


class ClassicTierRow(TierRow):
    cap: Positive = field(name="endUnit", default=None)
    floor: Number = field(name="startUnit", default=None)
    rate: Positive = field(name="keepMarginRate", default=None)
