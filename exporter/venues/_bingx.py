"""BingX's messages, and what they mean by themselves: contracts, and the side of a position."""

from __future__ import annotations

import msgspec

from exporter.model import Contract, Side, liquidation_price
from exporter.wire import Flag, Millis, Number, Positive, Required, Rows, Wire, one_of

# Coins with a fixed price, and the venue's demo money, which has none.
_MONEY = frozenset({"USD", "USDT", "USDC", "VST"})


class AssetRow(Wire):
    """Every amount of a currency that was never used is an empty string."""

    coin: str = msgspec.field(name="asset")
    balance: Number
    equity: Number
    unrealizedProfit: Number
    availableMargin: Number = None
    usedMargin: Number = None  # of positions
    freezedMargin: Number = None  # of open orders
    frozenMargin: Number = None  # the same, as the documentation's tables spell it

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.coin and self.known:
            raise ValueError("`asset` is empty beside amounts")

    @property
    def known(self) -> bool:
        """True if the row says anything."""
        return self.balance is not None or self.equity is not None

    @property
    def holds(self) -> bool:
        """True if there is anything in the currency."""
        return bool(self.balance or self.equity or self.usedMargin or self.freezedMargin)

    @property
    def needs_price(self) -> bool:
        """True if what is held has no fixed price."""
        return self.holds and self.coin not in _MONEY

    @property
    def initial_margin(self) -> float | None:
        """Of positions and open orders."""
        orders = self.freezedMargin if self.freezedMargin is not None else self.frozenMargin
        return None if self.usedMargin is None else self.usedMargin + (orders or 0.0)


class BalanceV2(Wire):
    balance: Rows[AssetRow]


class PositionRow(Wire):
    symbol: str
    positionSide: str  # LONG or SHORT; BOTH in one-way mode
    isolated: bool
    positionAmt: Required  # base units; unsigned, except perhaps beside BOTH
    avgPrice: Positive
    liquidationPrice: Number  # a JSON number; 0 where there is none
    unrealizedProfit: Number
    leverage: Positive = None
    currency: str | None = None
    positionId: str | int | None = None
    initialMargin: Number = None  # at the entry price
    margin: Number = None  # collateral + unrealized PnL; older rows lack this and what follows
    realisedProfit: Number = None
    realizedProfit: Number = None  # the same, as the documentation's tables spell it
    markPrice: Positive = None
    riskRate: Positive = None  # liquidation at 1
    onlyOnePosition: bool | None = None  # false: one of several separate isolated positions

    def __post_init__(self) -> None:
        super().__post_init__()
        self.positionSide = one_of("positionSide", self.positionSide, "LONG", "SHORT", "BOTH")


class TierRow(Wire):
    symbol: str
    minPositionVal: Required
    maxPositionVal: Required
    maintMarginRatio: Required
    maintAmount: Required


class MarkPrice(Wire):
    symbol: str
    markPrice: Positive


class PositionMode(Wire):
    dualSidePosition: Flag  # as text


class AssetMode(Wire):
    assetMode: str  # singleAssetMode or multiAssetsMode


class Clock(Wire):
    serverTime: Millis


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
