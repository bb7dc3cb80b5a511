"""BingX's calls and messages, and what one of them means by itself: a contract, a share, a side."""

from __future__ import annotations

import msgspec

from exporter.model import Contract, Side, liquidation_price
from exporter.request import Endpoint
from exporter.wire import Flag, Millis, Number, Positive, Required, Rows, Wire, number, one_of

# A weight of 1.5 is two a second where others are three.
BALANCE = Endpoint("/openApi/swap/v3/user/balance")
BALANCE_V2 = Endpoint("/openApi/swap/v2/user/balance")
POSITIONS = Endpoint("/openApi/swap/v2/user/positions")
TIERS = Endpoint("/openApi/swap/v1/maintMarginRatio", weight=1.5)
LEVERAGE = Endpoint("/openApi/swap/v2/trade/leverage", weight=1.5)
POSITION_MODE = Endpoint("/openApi/swap/v1/positionSide/dual")
ASSET_MODE = Endpoint("/openApi/swap/v1/trade/assetMode")
MARK_PRICES = Endpoint("/openApi/swap/v2/quote/premiumIndex", signed=False)
COMMISSION = Endpoint("/openApi/swap/v2/user/commissionRate", weight=1.5)
CONTRACTS = Endpoint("/openApi/swap/v2/quote/contracts", signed=False)
RULES = Endpoint("/openApi/swap/v1/trade/multiAssetsRules", signed=False)
MARGIN_ASSETS = Endpoint("/openApi/swap/v1/user/marginAssets", weight=1.5)
TIME = Endpoint("/openApi/swap/v2/server/time", signed=False)

MONEY = frozenset({"USD", "USDT", "USDC", "VST"})
"""What contracts are settled in: coins with a fixed price, and the venue's demo money, which has none.

Any other coin of an account is collateral of the multi-assets mode.
"""


# What a taker pays of a position's value. Source: "Perpetual Futures | Fee Schedule",
# https://bingx.com/en/support/articles/360046487573
DEFAULT_TAKER_RATE = 0.0005


class AssetRow(Wire):
    """Every amount of a currency that was never used is an empty string."""

    coin: str = msgspec.field(name="asset", default="")
    balance: Number = None
    equity: Number = None
    unrealizedProfit: Number = None
    availableMargin: Number = None
    usedMargin: Number = None  # of positions
    freezedMargin: Number = None  # of open orders
    frozenMargin: Number = None  # the same, as the documentation's tables spell it

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.equity is None and self.balance is not None and self.unrealizedProfit is not None:
            self.equity = self.balance + self.unrealizedProfit
        if not self.coin and self.known:
            raise ValueError("`asset` is empty beside amounts")

    @property
    def known(self) -> bool:
        """True if the row says anything."""
        amounts = (self.balance, self.equity, self.unrealizedProfit, self.usedMargin)
        return any(amount is not None for amount in amounts)

    @property
    def holds(self) -> bool:
        """True if there is anything in the currency."""
        return bool(self.balance or self.equity or self.usedMargin or self.frozen)

    @property
    def needs_price(self) -> bool:
        """True if what is held has no fixed price."""
        return self.holds and self.coin not in MONEY

    @property
    def frozen(self) -> float | None:
        """Margin and fees of open orders."""
        return self.freezedMargin if self.freezedMargin is not None else self.frozenMargin

    @property
    def initial_margin(self) -> float | None:
        """Of positions and open orders."""
        return None if self.usedMargin is None else self.usedMargin + (self.frozen or 0.0)


class BalanceV2(Wire):
    balance: Rows[AssetRow]


class PositionRow(Wire):
    symbol: str
    positionSide: str  # LONG or SHORT; BOTH in one-way mode
    isolated: bool
    positionAmt: Required  # base units; unsigned, except perhaps beside BOTH
    avgPrice: Positive = None
    liquidationPrice: Number = None  # a JSON number; 0 where there is none
    unrealizedProfit: Number = None
    leverage: Positive = None
    currency: str | None = None
    positionId: str | int | None = None
    initialMargin: Number = None  # at the entry price
    margin: Number = None  # collateral + unrealized PnL; older rows lack this and what follows
    realisedProfit: Number = None
    realizedProfit: Number = None  # the same, as the documentation's tables spell it
    markPrice: Positive = None
    riskRate: Positive = None  # liquidation at 1; with four decimals

    def __post_init__(self) -> None:
        super().__post_init__()
        self.positionSide = one_of("positionSide", self.positionSide, "LONG", "SHORT", "BOTH")


class TierRow(Wire):
    minPositionVal: Required
    maintMarginRatio: Required
    maintAmount: Required
    symbol: str | None = None
    maxPositionVal: Positive = None


class MarkRow(Wire):
    symbol: str
    markPrice: Positive = None
    indexPrice: Positive = None


class PriceRow(Wire):
    symbol: str
    markPrice: Positive = None
    lastFundingRate: Number = None
    nextFundingTime: Millis = None  # or, after the documentation's table, the time that remains until then


class Quote(msgspec.Struct, frozen=True):
    """What the venue says of a symbol."""

    mark: float | None = None
    funding_rate: float | None = None
    next_funding_at: float | None = None
    """Unix seconds."""


class FeeRates(Wire):
    takerCommissionRate: Number = None


class Commission(Wire):
    """The rates under a name of their own, as printed, or at once, as in the documentation's table."""

    commission: FeeRates | None = None
    takerCommissionRate: Number = None

    @property
    def taker(self) -> float | None:
        """Share of the value that a taker pays."""
        return self.takerCommissionRate if self.commission is None else self.commission.takerCommissionRate


class ContractRow(Wire):
    symbol: str
    takerFeeRate: Number = None


class Leverage(Wire):
    """What is set for a symbol; empty where the venue does not tell."""

    longLeverage: Positive = None
    shortLeverage: Positive = None
    maxPositionLongVal: Positive = None  # at that leverage, in the settle coin
    maxPositionShortVal: Positive = None

    def largest(self, side: Side, leverage: float | None) -> float | None:
        """The largest position of a side; None where the leverage is another one by now."""
        if side == "long":
            return self.maxPositionLongVal if self.longLeverage == leverage else None
        return self.maxPositionShortVal if self.shortLeverage == leverage else None


class PositionMode(Wire):
    dualSidePosition: Flag  # as text


class AssetMode(Wire):
    assetMode: str  # singleAssetMode or multiAssetsMode


class Rule(Wire):
    """What a coin counts as collateral in multi-assets mode."""

    coin: str = msgspec.field(name="marginAssets")
    ratio: str | float | None = msgspec.field(name="collateralValueRatio", default=None)  # "95.00%"
    indexPrice: Positive = None  # USD

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ratio = share_of(self.ratio, "collateralValueRatio")

    @property
    def value(self) -> float | None:
        """USD that a unit counts."""
        if self.indexPrice is None or not isinstance(self.ratio, float):
            return None
        return self.indexPrice * self.ratio


class MarginAsset(Wire):
    """A coin of an account in multi-assets mode."""

    currency: str
    totalAmount: Number = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.currency and self.totalAmount:
            raise ValueError("`currency` is empty beside an amount")


class Clock(Wire):
    serverTime: Millis


def share_of(value: str | float | None, field: str) -> float | None:
    """A share as the venue writes it, "95.00%", or as a fraction.

    Raises:
        ValueError: if it is not between 0 and 1; the text names `field`.
    """
    percent = isinstance(value, str) and value.strip().endswith("%")
    found = number(value.strip()[:-1] if percent and isinstance(value, str) else value, field)
    if found is None:
        return None
    found = float(found) / 100.0 if percent else float(found)
    if not 0.0 <= found <= 1.0:
        raise ValueError(f"`{field}` is not a share between 0 and 1")
    return found


# A time of funding that is smaller is one that remains.
_LONG_AGO = 1e9


def quote_of(row: PriceRow, now: float) -> Quote:
    """What a row says that was read at `now` (Unix seconds)."""
    funding_at = row.nextFundingTime
    if funding_at is not None and funding_at < _LONG_AGO:
        funding_at += now
    return Quote(row.markPrice, row.lastFundingRate, funding_at)


def contract_of(symbol: str, currency: str | None) -> Contract:
    """The contract of a symbol such as ``BTC-USDT``: linear, one base unit.

    `currency` is what the position row says about its money; with demo money (VST) it is not the quote.
    The `size` of the venue's contract list is "0" today and is not used.
    """
    base, _, quote_coin = symbol.partition("-")
    settle = currency or quote_coin
    return Contract("linear", 1.0, base or symbol, quote_coin or settle, settle)


# A PnL of less than this share of the position's value says nothing about its side: the mark may have
# been read a moment later.
_CLEAR_MOVE = 5e-4


def side_of(row: PositionRow, mark: float | None) -> Side:
    """Long or short.

    Rows say LONG or SHORT, with an unsigned amount. What they say in one-way mode is not documented; if
    it is BOTH, a negative amount is short, and a positive one is believed to be long only where PnL or
    liquidation price do not say otherwise.
    """
    if row.positionSide == "LONG":
        return "long"
    if row.positionSide == "SHORT" or row.positionAmt < 0.0:
        return "short"
    if mark and row.avgPrice and row.unrealizedProfit:
        gain_of_long = row.positionAmt * (mark - row.avgPrice)
        if abs(gain_of_long) > _CLEAR_MOVE * row.positionAmt * mark:
            return "long" if (gain_of_long > 0.0) == (row.unrealizedProfit > 0.0) else "short"
    reference = mark or row.avgPrice
    price = liquidation_price(row.liquidationPrice, reference)
    return "short" if price is not None and reference and price > reference else "long"
