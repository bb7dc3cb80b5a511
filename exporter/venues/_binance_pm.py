"""Binance Portfolio Margin: calls and messages, and what they say of an account.

Source: the pages below https://developers.binance.com/docs/derivatives/portfolio-margin ; the public ones are
those of the futures, and those below https://developers.binance.com/docs/derivatives/portfolio-margin-pro .
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct, structs

from exporter.model import AccountSnapshot, Asset, Contract, ContractKind, MarginPool, Position
from exporter.request import Endpoint
from exporter.venues import _binance_coinm as coinm
from exporter.venues import _binance_usdm as usdm
from exporter.venues._binance import (
    LAST_CHANGE,
    OF_A_BRACKET,
    OF_PARTS,
    TIME_OF_PRICES,
    WITH_FEES,
    match,
    side_of,
)
from exporter.venues._binance_brackets import Brackets, maintenance_tiers
from exporter.venues._binance_coinm_account import unlisted_contract as unlisted_inverse
from exporter.venues._binance_keys import KEY_RESTRICTIONS, SPOT_HOST, UNREAD_OF_KEY
from exporter.venues._binance_usdm_account import settle_of, unlisted_contract
from exporter.venues.base import nothing_less, sum_of, told
from exporter.wire import Millis, Number, Positive, Required, Wire, number

FAPI = "https://fapi.binance.com"
DAPI = "https://dapi.binance.com"

ACCOUNT = Endpoint("/papi/v1/account", weight=20)
BALANCE = Endpoint("/papi/v1/balance", weight=20)
COLLATERAL_RATE = Endpoint(
    "/sapi/v1/portfolio/collateralRate", weight=50, signed=False, host=SPOT_HOST, apart=True
)
INDEX_PRICE = Endpoint(
    "/sapi/v1/portfolio/asset-index-price", weight=50, signed=False, host=SPOT_HOST, apart=True
)


def at(host: str, endpoint: Endpoint) -> Endpoint:
    """A call of the futures, made from here: at a host that is not the account's."""
    return structs.replace(endpoint, host=host, apart=True)


TIME = at(FAPI, usdm.TIME)


class Product(Struct, frozen=True):
    """USD-M or COIN-M: what is asked about its contracts and positions."""

    kind: ContractKind
    positions: Endpoint
    account: Endpoint
    brackets: Endpoint
    exchange_info: Endpoint
    premium_index: Endpoint


UM = Product(
    "linear",
    Endpoint("/papi/v1/um/positionRisk", weight=5),
    Endpoint("/papi/v2/um/account", weight=5),
    Endpoint("/papi/v1/um/leverageBracket", weight=1),
    at(FAPI, usdm.EXCHANGE_INFO),
    at(FAPI, usdm.PREMIUM_INDEX),
)
CM = Product(
    "inverse",
    Endpoint("/papi/v1/cm/positionRisk", weight=1),
    Endpoint("/papi/v1/cm/account", weight=5),
    Endpoint("/papi/v1/cm/leverageBracket", weight=1),
    at(DAPI, coinm.EXCHANGE_INFO),
    at(DAPI, coinm.PREMIUM_INDEX),
)

_OF_COINS = "the balance call has the wallets, the position call the PnL"
UNREAD = {
    ACCOUNT: {
        "already less in the rate that the venue tells": "totalMarginOpenLoss",
        LAST_CHANGE: "updateTime",
    },
    BALANCE: {
        "sums of parts that are read": "totalWalletBalance crossMarginAsset",
        "already in the wallets": "negativeBalance",
        LAST_CHANGE: "updateTime",
    },
    UM.positions: {WITH_FEES: "breakEvenPrice", LAST_CHANGE: "updateTime"},
    CM.positions: {
        WITH_FEES: "breakEvenPrice",
        LAST_CHANGE: "updateTime",
        "the notional is contracts × contract size": "notionalValue",
    },
    UM.account: {
        _OF_COINS: "assets[].* positions[].unrealizedProfit",
        "the position call has it, at the mark that it tells": "notional",
        LAST_CHANGE: "positions[].updateTime",
    },
    CM.account: {
        _OF_COINS: "assets[].* positions[].unrealizedProfit",
        OF_PARTS: "positions[].positionInitialMargin positions[].openOrderInitialMargin",
        "the position call has it": "leverage entryPrice maxQty",
        LAST_CHANGE: "positions[].updateTime",
    },
    UM.brackets: {OF_A_BRACKET: "bracket initialLeverage"},
    CM.brackets: {OF_A_BRACKET: "bracket initialLeverage"},
    UM.exchange_info: usdm.UNREAD[usdm.EXCHANGE_INFO],
    CM.exchange_info: coinm.UNREAD[coinm.EXCHANGE_INFO],
    UM.premium_index: usdm.UNREAD[usdm.PREMIUM_INDEX],
    CM.premium_index: {
        **coinm.UNREAD[coinm.PREMIUM_INDEX],
        "the index price of a coin in USD is asked for; of live marks": "indexPrice",
    },
    INDEX_PRICE: {TIME_OF_PRICES: "time"},
    KEY_RESTRICTIONS: UNREAD_OF_KEY,
}

STATES = frozenset(
    {
        "NORMAL",
        "MARGIN_CALL",
        "SUPPLY_MARGIN",
        "REDUCE_ONLY",
        "ACTIVE_LIQUIDATION",
        "FORCE_LIQUIDATION",
        "BANKRUPTED",
    }
)


class Account(Wire):
    """All in USD."""

    accountEquity: Required  # after collateral rates
    accountMaintMargin: Required
    uniMMR: Number = None  # equity less losses of open orders / maintenance margin
    actualEquity: Number = None  # before collateral rates
    accountInitialMargin: Number = None
    accountStatus: str | None = None
    virtualMaxWithdrawAmount: Number = None
    accountType: str | None = None  # PM_3 of accounts by scenarios
    # An answer of Portfolio Margin Pro is documented with commas in it.
    totalAvailableBalance: str | float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        told = self.totalAvailableBalance
        told = told.replace(",", "") if isinstance(told, str) else told
        self.totalAvailableBalance = number(told, "totalAvailableBalance")

    @property
    def available(self) -> float | None:
        """What is free."""
        told = self.totalAvailableBalance
        return None if isinstance(told, str) else told

    @property
    def backing(self) -> float:
        """The equity that the venue compares with its requirement, which is less where open orders lose."""
        if self.uniMMR is None or self.uniMMR <= 0.0 or self.accountMaintMargin <= 0.0:
            return self.accountEquity
        compared = self.uniMMR * self.accountMaintMargin
        # The rate is cut to eight decimals.
        return (
            compared if compared < self.accountEquity - 1e-6 * abs(self.accountEquity) else self.accountEquity
        )


class Balance(Wire):
    """One coin, in units of it."""

    asset: str
    crossMarginFree: Number = None
    crossMarginLocked: Number = None
    crossMarginBorrowed: Number = None
    crossMarginInterest: Number = None
    umWalletBalance: Number = None
    umUnrealizedPNL: Number = None  # empty where there can be none
    cmWalletBalance: Number = None
    cmUnrealizedPNL: Number = None
    optionWalletBalance: Number = None  # of accounts by scenarios alone
    optionEquity: Number = None


class PositionRow(Wire):
    """A position of either product; the maintenance margin is in the account call."""

    symbol: str
    positionAmt: Required  # signed; base units or contracts
    positionSide: str | None = None
    entryPrice: Positive = None
    markPrice: Positive = None
    # With a capital R on one page of the documentation, and without on another.
    unRealizedProfit: Number = None
    unrealizedProfit: Number = None
    liquidationPrice: Number = None
    leverage: Positive = None
    maxNotionalValue: Positive = None  # USD-M, in the quote coin
    maxQty: Positive = None  # COIN-M, in the base coin
    notional: Number = None  # USD-M, signed

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position."""
        return self.positionAmt

    @property
    def profit(self) -> float | None:
        """Unrealized PnL in the settle coin."""
        return self.unRealizedProfit if self.unRealizedProfit is not None else self.unrealizedProfit


class MarginRow(Wire):
    """What the account call of a product says of a position's margins."""

    symbol: str
    positionSide: str | None = None
    positionAmt: Number = None
    initialMargin: Number = None
    # 0 of a position says that the row was not valued yet: no contract goes without maintenance margin.
    maintMargin: Positive = None

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position."""
        return self.positionAmt or 0.0


class Margins(Wire):
    positions: list[MarginRow]


class CollateralRate(Wire):
    asset: str
    collateralRate: Number = None


class IndexPrice(Wire):
    asset: str
    price: Positive = msgspec.field(name="assetIndexPrice", default=None)
    time: Millis = None


LIQUIDATED_AT = 1.05
"""The venue's rate (`uniMMR`, equity / maintenance margin) from which on it liquidates.

Source: https://www.binance.com/en/support/faq/4868b2f1aa6c4d08af973328462bb0bd
"""


class Known(Struct, frozen=True):
    """What besides the positions' own rows says something about them, by symbol."""

    margins: Mapping[str, list[MarginRow]] = {}
    contracts: Mapping[str, Contract] = {}
    brackets: Mapping[str, Brackets] = {}
    funding: Mapping[str, usdm.PremiumIndex] = {}


def parse_positions(rows: Iterable[PositionRow], product: Product, known: Known) -> tuple[Position, ...]:
    """The open positions of one product.

    Raises:
        VenueError: reason ``schema``, where the coin of a position cannot be told from its symbol.
    """
    return tuple(_position(row, product, known) for row in rows if row.quantity)


def _position(row: PositionRow, product: Product, known: Known) -> Position:
    contract = known.contracts.get(row.symbol)
    if contract is None and product.kind == "linear":
        contract = unlisted_contract(row.symbol, settle_of(row.symbol, product.positions))
    elif contract is None:
        contract = unlisted_inverse(row.symbol, product.positions)
    margins = match(row, known.margins)
    # A row of another size was answered before or after a trade: its margins are not this position's.
    if margins is not None and margins.positionAmt not in {None, row.positionAmt}:
        margins = None
    required = None if margins is None else margins.maintMargin
    notional = row.notional
    if product.kind == "inverse" and row.markPrice is not None and contract.size is not None:
        notional = abs(row.quantity) * contract.size / row.markPrice
    funding = known.funding.get(row.symbol)
    return Position(
        symbol=row.symbol,
        side=side_of(row.quantity),
        margin_mode="cross",
        quantity=abs(row.quantity),
        contract=contract,
        entry_price=row.entryPrice,
        mark_price=row.markPrice,
        liquidation_price=row.liquidationPrice,
        unrealized_pnl=row.profit,
        leverage=row.leverage,
        initial_margin=None if margins is None or required is None else margins.initialMargin,
        maintenance_margin=required,
        largest_notional=row.maxNotionalValue if product.kind == "linear" else row.maxQty,
        funding_rate=None if funding is None else funding.lastFundingRate,
        next_funding_at=None if funding is None else funding.nextFundingTime,
        maintenance_tiers=maintenance_tiers(known.brackets.get(row.symbol), notional, required),
        pool_currency="USD",
    )


def parse(
    account: Account,
    balances: Iterable[Balance],
    positions: Sequence[Position],
    *,
    sides: set[str | None],
    prices: Mapping[str, float],
    rates: Mapping[str, float | None] | None,
    span: bool = False,
) -> AccountSnapshot:
    """The account from its messages.

    Args:
        account: Its totals.
        balances: Its coins.
        positions: Of both products.
        sides: The position sides of their rows, which tell the position mode.
        prices: Coin to USD.
        rates: Of the coins that count as collateral; None where they are not known.
        span: Whether scenarios find what is required, and options count, which are not listed.
    """
    required = told(account.accountMaintMargin, positions)
    pool = MarginPool(
        currency="USD",
        equity=account.actualEquity,
        adjusted_equity=account.accountEquity,
        margin_equity=account.backing,
        maintenance_margin=required,
        available_balance=account.available,
        unrealized_pnl=_profit_usd(positions, prices),
        initial_margin=account.accountInitialMargin,
        withdrawable_balance=nothing_less(account.virtualMaxWithdrawAmount),
        liquidation_multiple=LIQUIDATED_AT,
        venue_margin_rate=LIQUIDATED_AT / account.uniMMR if account.uniMMR and account.uniMMR > 0.0 else None,
        unlisted=span,
    )
    modes = {"asset_mode": "multi", "margin_mode": "portfolio"}
    if sides:
        modes["position_mode"] = "hedge" if sides & {"LONG", "SHORT"} else "one_way"
    if account.accountStatus in STATES:
        modes["account_status"] = account.accountStatus.lower()
    assets = (_asset(row, positions, prices.get(row.asset), rates) for row in balances)
    return AccountSnapshot(
        pools=(pool,),
        positions=tuple(positions),
        assets=tuple(one for one in assets if one.equity != 0.0 or one.wallet_balance != 0.0),
        modes=modes,
        prices=prices,
    )


def _profit_usd(positions: Iterable[Position], prices: Mapping[str, float]) -> float | None:
    """The PnL of all positions at index prices, which the venue does not add up; None if one is unknown."""
    found = [(one.unrealized_pnl, prices.get(one.contract.settle)) for one in positions]
    return sum_of(*(None if pnl is None or price is None else pnl * price for pnl, price in found))


def _asset(
    row: Balance,
    positions: Iterable[Position],
    price: float | None,
    rates: Mapping[str, float | None] | None,
) -> Asset:
    """What there is of a coin, less what is owed; a coin without a collateral rate is no collateral."""
    settled = {one.contract.kind for one in positions if one.contract.settle == row.asset}
    owed = sum_of(row.crossMarginBorrowed, row.crossMarginInterest)
    wallet = sum_of(
        row.crossMarginFree,
        row.crossMarginLocked,
        None if owed is None else -owed,
        row.umWalletBalance,
        row.cmWalletBalance,
    )
    if row.optionWalletBalance or row.optionEquity:
        # What options add to a coin, and whether it is in another figure, is not documented.
        wallet = None
    linear = 0.0 if row.umUnrealizedPNL is None and "linear" not in settled else row.umUnrealizedPNL
    inverse = 0.0 if row.cmUnrealizedPNL is None and "inverse" not in settled else row.cmUnrealizedPNL
    rate = None if rates is None else rates.get(row.asset, 0.0)
    return Asset(
        asset=row.asset,
        wallet_balance=wallet,
        equity=sum_of(wallet, linear, inverse),
        collateral_price_usd=None if price is None or rate is None else price * rate,
        debt_price_usd=price,
    )
