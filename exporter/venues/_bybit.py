"""Bybit's calls and messages, and what they mean by themselves: contracts, risk limits, collateral.

Sources: the pages below https://bybit-exchange.github.io/docs/v5 : account/wallet-balance and account-info,
position, market/risk-limit and tickers, spot-margin-uta/tier-collateral-ratio.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar
from urllib.parse import unquote

from msgspec import field

from exporter.model import Contract, Side, liquidation_price
from exporter.request import Endpoint, Params
from exporter.venues._haircut import HaircutTier, counted_share
from exporter.venues._schedule import Schedule, Step, progressive
from exporter.wire import Millis, Number, Positive, Required, Rows, Wire, listed, one_of

INFO = Endpoint("/v5/account/info")
WALLET = Endpoint("/v5/account/wallet-balance")
POSITIONS = Endpoint("/v5/position/list")
RISK_LIMIT = Endpoint("/v5/market/risk-limit", signed=False)
COLLATERAL = Endpoint("/v5/spot-margin-trade/collateral", signed=False)
TICKERS = Endpoint("/v5/market/tickers", signed=False)
TIME = Endpoint("/v5/market/time", signed=False)
KEY = Endpoint("/v5/user/query-api", weight=5, apart=True)
"""Ten a second where other calls are fifty."""

TAKER_RATE = 0.00055
"""What a taker pays of a value, without a discount: the venue's margins have it in them for closing
the position. The exact figure is not documented; captured margins contain 1.04 times as much."""

PAGE = 200
"""Rows of a page of positions; the most there are."""

_PRINTED = {"when the answer was printed; the collection has its own time": "time"}
UNREAD = {
    INFO: {
        "time of the last change of a setting": "updatedTime",
        "of orders, and no longer used": "timeWindow smpGroup",
    },
    WALLET: {
        **_PRINTED,
        "the same as the figure without ByMp, since margins are at the mark price": "accountIMRateByMp "
        "accountMMRateByMp totalInitialMarginByMp totalMaintenanceMarginByMp",
        "follows from the initial margin and what backs it": "accountIMRate",
        "no longer used": "accountLTV availableToWithdraw availableToBorrow",
        "part of the equity, which is published": "locked borrowAmount accruedInterest spotBorrow bonus",
        "positions have their own": "totalPositionMM",
        "of the whole past, not of these positions": "cumRealisedPnl",
        "already in what the account requires": "spotHedgingQty",
    },
    POSITIONS: {
        **_PRINTED,
        "quantity × mark price; computed from them for every venue alike": "positionValue",
        "the tiers themselves are read": "riskId riskLimitValue",
        "of the whole past; the present position has its own": "cumRealisedPnl",
        "no longer used": "bustPrice",
        "the same as the figure without ByMp, since margins are at the mark price": "positionIMByMp "
        "positionMMByMp",
        "what a wallet may add to an isolated position is not counted as its margin": "autoAddMargin",
        "of orders": "takeProfit stopLoss trailingStop seq",
        "time of the last change of the position, not of the figures": "createdTime updatedTime",
        "of options: not whether it has the sign of the side; computed": "delta gamma vega theta",
    },
    RISK_LIMIT: {**_PRINTED, "names a tier": "id isLowestRisk"},
    COLLATERAL: _PRINTED,
    TICKERS: {
        **_PRINTED,
        "positions have the mark price they were valued at; of live marks": "markPrice",
        "of trading": "lastPrice prevPrice24h price24hPcnt highPrice24h lowPrice24h prevPrice1h openInterest "
        "openInterestValue turnover24h volume24h ask1Size bid1Price ask1Price bid1Size",
        "only matters at the end of a contract": "deliveryTime",
        "a rule for the funding rate": "fundingIntervalHour fundingCap",
        "of options: of one, computed for the position": "delta gamma vega theta",
        "of options: of trading": "bid1Iv ask1Iv totalVolume totalTurnover change24h predictedDeliveryPrice",
    },
    TIME: {**_PRINTED, "the nanoseconds have it": "timeSecond"},
    KEY: {
        **_PRINTED,
        "names the key, its user or who invited him": "id userID inviterID affiliateID parentUid",
        "of the key and its account, not what it may do": "type uta unified mktMakerLevel",
        "the date of its end is read": "deadlineDay",
    },
}

T = TypeVar("T")


class Answer(Wire, Generic[T]):
    """The envelope of a success."""

    result: T


class Listing(Wire, Generic[T]):
    """An answer that is a list."""

    rows: Rows[T] = field(name="list")


class Clock(Wire):
    timeNano: Required


class Info(Wire):
    """The kind of an account: classic (1), unified of version 1 (3 and 4) or of version 2 (5 and 6)."""

    unifiedMarginStatus: Required
    marginMode: str = ""  # of unified accounts

    def __post_init__(self) -> None:
        super().__post_init__()
        names = ("REGULAR_MARGIN", "ISOLATED_MARGIN", "PORTFOLIO_MARGIN")
        if self.unified:
            self.marginMode = one_of("marginMode", self.marginMode, *names)

    @property
    def unified(self) -> bool:
        return self.unifiedMarginStatus in {3.0, 4.0, 5.0, 6.0}

    @property
    def apart(self) -> bool:
        """Whether inverse contracts have wallets of their own, one a coin."""
        return self.unifiedMarginStatus in {3.0, 4.0}

    @property
    def isolated(self) -> bool:
        """Whether every position stands alone, but for inverse contracts that are apart."""
        return self.marginMode == "ISOLATED_MARGIN"

    @property
    def mode(self) -> str:
        return {"ISOLATED_MARGIN": "isolated", "PORTFOLIO_MARGIN": "portfolio"}.get(self.marginMode, "cross")


class CoinRow(Wire):
    """A coin of a wallet. What is required is in units of the coin, and empty in portfolio margin mode."""

    coin: str
    equity: Number = None  # with unrealized PnL, and with the value of options
    walletBalance: Number = None
    usdValue: Number = None  # of the equity; 0 of a coin that is no collateral
    unrealisedPnl: Number = None
    spotBorrow: Number = None
    totalPositionIM: Number = None
    totalOrderIM: Number = None
    marginCollateral: bool | None = None  # whether the venue takes it
    collateralSwitch: bool | None = None  # whether the user lets it

    @property
    def holds(self) -> bool:
        return bool(self.equity or self.walletBalance)

    @property
    def counts(self) -> bool:
        """Whether it is collateral."""
        return self.marginCollateral is not False and self.collateralSwitch is not False

    @property
    def price(self) -> float | None:
        """USD a unit; None of an amount too small to tell."""
        if not self.equity or not self.usdValue or abs(self.usdValue) < _LEAST_USD:
            return None
        price = self.usdValue / self.equity
        return price if 0.0 < price < math.inf else None

    @property
    def unexplained(self) -> bool:
        """Whether it is worth more or less than what is held, less loans, and PnL: then it has options."""
        parts = (self.walletBalance or 0.0, -(self.spotBorrow or 0.0), self.unrealisedPnl or 0.0)
        if self.equity is None:
            return False
        exact = max(_EXACT * sum(map(abs, parts)), _LAST_DIGITS)
        return abs(self.equity - sum(parts)) > exact

    @property
    def initial_margin(self) -> float | None:
        """Of positions and open orders."""
        if self.totalPositionIM is None:
            return None
        return self.totalPositionIM + (self.totalOrderIM or 0.0)


# Amounts and values have eight decimals: a price made of less would be off by more than a per mill.
_LEAST_USD = 0.01
# Of what figures add up to, and of the amount of a coin: what rounding leaves.
_EXACT = 1e-6
_LAST_DIGITS = 1e-7


class Wallet(Wire):
    """An account's figures in USD, without meaning in isolated mode and of a wallet for inverse contracts."""

    coin: Rows[CoinRow] = None
    totalEquity: Number = None  # at market prices
    totalMarginBalance: Number = None  # after haircuts
    totalMaintenanceMargin: Number = None  # with closing fees, loans and open orders
    totalInitialMargin: Number = None
    totalAvailableBalance: Number = None
    totalWalletBalance: Number = None
    totalPerpUPL: Number = None
    accountMMRate: Number = None  # cut to four decimals

    @property
    def unexplained(self) -> bool:
        """Whether it has options, as far as the coins tell.

        Equity is wallet balance - spot loan + unrealized PnL + value of options.
        Source: https://bybit-exchange.github.io/docs/v5/account/wallet-balance
        """
        return any(row.unexplained for row in listed(self.coin))

    def backing(self, *, portfolio: bool) -> float | None:
        """What the maintenance margin is held against, with the haircuts that no field has.

        The initial margin and what is left beside it, while anything is; else the margin balance, and in
        portfolio margin mode the equity. The venue's own rate decides which of them it is, and is followed
        where it is none.
        """
        free, initial = self.totalAvailableBalance, self.totalInitialMargin
        whole = self.totalEquity if portfolio else self.totalMarginBalance
        found = [] if free is None or initial is None or free <= 0.0 else [free + initial]
        found += [] if whole is None else [whole]
        rate, required = self.accountMMRate, self.totalMaintenanceMargin
        if rate is not None and required and found:
            for amount in found:
                if amount > 0.0 and rate - _ROUNDING <= required / amount <= rate + _LAST_DECIMAL + _ROUNDING:
                    return amount
            if rate > 0.0:
                return required / (rate + _LAST_DECIMAL / 2.0)
        return next(iter(found), None)


_LAST_DECIMAL = 1e-4
_ROUNDING = 1e-9


class PositionRow(Wire):
    symbol: str
    size: Required  # unsigned: base units, or USD of an inverse contract
    side: str | None = None  # Buy or Sell; empty or None beside size 0
    positionIdx: Number = None  # 0 in one-way mode, 1 and 2 in hedge mode
    avgPrice: Positive = None
    markPrice: Positive = None
    liqPrice: Number = None  # empty in portfolio margin mode, and beyond the prices that can be traded
    unrealisedPnl: Number = None
    curRealisedPnl: Number = None
    leverage: Positive = None
    positionIM: Number = None  # with the closing fee
    positionMM: Positive = None  # with the closing fee
    positionBalance: Positive = None  # initial margin and closing fee, and what was added
    tradeMode: Number = None  # of inverse contracts of unified accounts of version 1: 1 is isolated
    adlRankIndicator: Positive = None  # 1 to 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size:
            if not self.symbol:
                raise ValueError("`symbol` is empty")
            self.side = one_of("side", self.side or "", "BUY", "SELL")

    @property
    def long(self) -> bool:
        return self.side == "BUY"

    @property
    def direction(self) -> Side:
        return "long" if self.long else "short"


class Page(Listing[PositionRow]):
    nextPageCursor: str | None = None


def following() -> Callable[[Answer[Page]], Params | None]:
    """What asks for the page after one.

    The last page has a cursor, too, and may come again for it. It comes percent-encoded.
    """
    seen: set[str] = set()

    def after(page: Answer[Page]) -> Params | None:
        cursor = unquote(page.result.nextPageCursor or "")
        if not cursor or cursor in seen or len(listed(page.result.rows)) < PAGE:
            return None
        seen.add(cursor)
        return (("cursor", cursor),)

    return after


class TickerRow(Wire):
    symbol: str
    markPrice: Positive = None
    indexPrice: Positive = None
    fundingRate: Number = None  # of the next funding; empty of a delivery contract
    nextFundingTime: Millis = None
    markIv: Positive = None  # of an option, a fraction
    underlyingPrice: Positive = None  # of an option: the future of its expiry, or what one would cost


# A perpetual contract, or one that ends in a month (a letter) of a year, such as BTCUSDH25, or on a day, as
# linear ones do.
_INVERSE = re.compile(r"(\w+?)USD([FGHJKMNQUVXZ]\d\d|-\d\d?[A-Z]{3}\d\d)?", re.ASCII)


def contract_of(symbol: str, settle: str) -> Contract:
    """The contract of a symbol; `settle` is the coin of a linear one, empty of an inverse one.

    Linear contracts are in base units, inverse ones in USD: ``BTCUSDT`` and ``BTCUSDT-27DEC24``, ``BTCPERP``
    and ``BTC-27DEC24`` in USDC, ``BTCUSD`` and ``BTCUSDH25``. Of an inverse symbol in another form the unit
    is not known.
    """
    if settle:
        name = symbol.split("-", maxsplit=1)[0]
        base = name.removesuffix("PERP").removesuffix(settle) or name
        return Contract("linear", 1.0, base, settle, settle)
    found = _INVERSE.fullmatch(symbol)
    if found is None:
        return Contract("inverse", None, symbol, "USD", symbol)
    return Contract("inverse", 1.0, found[1], "USD", found[1])


def index_coin(symbol: str, *, inverse: bool) -> tuple[str, str] | None:
    """The coin whose index price a perpetual contract shows, and what that is in; None of others."""
    found = _INVERSE.fullmatch(symbol) if inverse else None
    if found is not None and not found[2]:
        return found[1], "USD"
    coin = symbol.removesuffix("USDT")
    return None if inverse or not coin or coin == symbol or "-" in coin else (coin, "USDT")


class RiskLimit(Wire):
    """A tier. Rates are fractions of most contracts, percent of some."""

    riskLimitValue: Required  # where it ends: quote coins of a linear, base coins of an inverse contract
    maintenanceMargin: Required
    initialMargin: Positive = None
    maxLeverage: Positive = None
    mmDeduction: Positive = None  # empty of the lowest tier, and of all tiers of some contracts
    symbol: str | None = None

    @property
    def scale(self) -> float | None:
        """What turns its rates into fractions: the initial margin at the highest leverage is all there is."""
        if self.initialMargin is None or self.maxLeverage is None:
            return None
        return 0.01 if self.initialMargin * self.maxLeverage > _BETWEEN else 1.0


# In fractions the product is 1, in percent 100; either is rounded at times.
_BETWEEN = 10.0


def schedule_of(rows: Iterable[RiskLimit], symbol: str) -> Schedule:
    """A symbol's tiers, with the closing fee in their rates, as the venue's maintenance margins have it."""
    own = sorted((row for row in rows if row.symbol in {None, symbol}), key=lambda row: row.riskLimitValue)
    scale = next((row.scale for row in own if row.scale is not None), None)
    if scale is None or any(row.maintenanceMargin <= 0.0 for row in own):
        return Schedule()
    steps = (
        Step(row.riskLimitValue, row.maintenanceMargin * scale, row.mmDeduction, row.maxLeverage)
        for row in own
    )
    return progressive(steps).with_fee(TAKER_RATE)


def isolated_margin(row: PositionRow, contract: Contract, schedule: Schedule) -> float | None:
    """What an isolated position has of its own, without its PnL.

    The venue's figure; where it gives none, what makes its liquidation price the one that liquidates;
    where it gives none of these either, the initial margin, in which nothing that was added is.
    """
    if row.positionBalance is not None:
        return row.positionBalance
    price, size = liquidation_price(row.liqPrice, row.markPrice or row.avgPrice), contract.size
    # Of USDC contracts the PnL is settled every few hours, and counts from then on and not from the entry.
    since, pnl = row.markPrice, row.unrealisedPnl
    if since is None or pnl is None:
        since, pnl = row.avgPrice, 0.0
    if price is not None and since is not None and size is not None:
        amount = row.size * size
        at, before = (
            (amount * price, amount * since)
            if contract.kind == "linear"
            else (-amount / price, -amount / since)
        )
        required = schedule.required(abs(at))
        found = None if required is None else required - pnl - (at - before if row.long else before - at)
        if found is not None and found > 0.0:
            return found
    return row.positionIM or None


class CollateralTier(Wire):
    minQty: Required
    collateralRatio: Required
    maxQty: Positive = None  # empty of the last


class CollateralRow(Wire):
    currency: str
    collateralRatioList: Rows[CollateralTier] = None

    def ratio(self, amount: float) -> float | None:
        """The part of a coin's value that counts as margin, over all of an amount."""
        tiers = (
            HaircutTier(tier.minQty, tier.maxQty or math.inf, tier.collateralRatio)
            for tier in listed(self.collateralRatioList)
        )
        return counted_share(tiers, amount)


def summed_usd(rows: Sequence[CoinRow], amount: Callable[[CoinRow], float | None]) -> float | None:
    """The value of such an amount of every coin; None where one cannot be valued, or it is told of none."""
    total, told = 0.0, not rows
    for row in rows:
        found = amount(row)
        if found:
            if row.price is None:
                return None
            total += found * row.price
        told = told or found is not None
    return total if told else None
