"""Binance COIN-M futures: inverse contracts, each backed by the coin whose price it follows."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping

from msgspec import Struct

from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.model import AccountSnapshot, Contract, Marks, Position
from exporter.request import Endpoint
from exporter.tasks import Ready, then, together
from exporter.venues._binance import (
    LAST_CHANGE,
    NOT_PORTFOLIO_MARGIN,
    OF_A_BRACKET,
    OF_ORDERS,
    OF_PARTS,
    TIME_OF_PRICES,
    TRADING_RULE,
    UNREAD_RULES,
    WITH_FEES,
    AccountAsset,
    BinanceFutures,
    ExchangeInformation,
    MarkRow,
    adl_ratio,
    by_symbol,
    joined,
    marks_of,
    match,
    newest,
    pool_of,
    side_of,
    sum_of,
    true,
)
from exporter.venues._binance_brackets import Brackets, maintenance_tiers
from exporter.venues._binance_keys import KEY_RESTRICTIONS, UNREAD_OF_KEY
from exporter.venues.base import pools_by_coin, schema_error
from exporter.wire import Millis, Number, Positive, Required, Wire

ACCOUNT = Endpoint("/dapi/v1/account", weight=5)
POSITION_RISK = Endpoint("/dapi/v1/positionRisk", weight=1)
LEVERAGE_BRACKET = Endpoint("/dapi/v2/leverageBracket", weight=2)
ADL_QUANTILE = Endpoint("/dapi/v1/adlQuantile", weight=5)
PORTFOLIO_MARGIN = Endpoint("/dapi/v1/pmAccountInfo", weight=5)
EXCHANGE_INFO = Endpoint("/dapi/v1/exchangeInfo", weight=1, signed=False)
PREMIUM_INDEX = Endpoint("/dapi/v1/premiumIndex", weight=10, signed=False)
TIME = Endpoint("/dapi/v1/time", weight=1, signed=False)

# A contract may be listed within the hour, but a symbol the venue does not list must not cost a request
# in every collection.
_NEW_CONTRACTS_AFTER = 60.0
# The venue renews the queue every 30 seconds.
_ADL_MAX_AGE = 30.0
# How the perpetual contract of a coin is named.
_PERPETUAL = "USD_PERP"

_NOTIONAL = "documented with wrong values; notional is contracts × contract size for every symbol alike"
UNREAD = {
    ACCOUNT: {
        OF_PARTS: "positionInitialMargin",
        OF_ORDERS: "positions[].openOrderInitialMargin",
        WITH_FEES: "breakEvenPrice",
        "the position call has the same figure": "maxQty",
        _NOTIONAL: "notionalValue",
        LAST_CHANGE: "updateTime",
        "what trading costs, not how safe the account is": "feeTier",
    },
    POSITION_RISK: {
        WITH_FEES: "breakEvenPrice",
        _NOTIONAL: "notionalValue",
        LAST_CHANGE: "updateTime",
    },
    LEVERAGE_BRACKET: {OF_A_BRACKET: "bracket initialLeverage"},
    ADL_QUANTILE: {"a sign without a value": "HEDGE"},
    KEY_RESTRICTIONS: UNREAD_OF_KEY,
    EXCHANGE_INFO: {**UNREAD_RULES, TRADING_RULE: f"{UNREAD_RULES[TRADING_RULE]} equalQtyPrecision"},
    PREMIUM_INDEX: {
        "the position call has the mark price it was valued at; of live marks": "markPrice",
        "only matters in the hour before settlement": "estimatedSettlePrice",
        "part of the funding rate": "interestRate",
        TIME_OF_PRICES: "time",
    },
}


class AccountPosition(Wire):
    """A position as the account call shows it: without mark price and liquidation price.

    The size is missing in rows of the documented answer.
    """

    symbol: str
    positionSide: str | None = None
    positionAmt: Number = None  # signed, contracts
    initialMargin: Number = None
    # 0 says that the row was not valued yet: there is no contract without maintenance margin.
    maintMargin: Positive = None
    unrealizedProfit: Number = None
    leverage: Positive = None
    isolated: bool | str | None = None
    isolatedWallet: Number = None
    entryPrice: Positive = None

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position."""
        return self.positionAmt or 0.0


class Account(Wire):
    """All coins and all symbols, those with nothing in them included. There are no totals."""

    assets: list[AccountAsset]
    positions: list[AccountPosition] | None = None


class PositionRow(Wire):
    """`notionalValue` is not read: documented answers have the mark price in it, or a tenth of the value."""

    symbol: str
    positionAmt: Required  # signed, contracts
    positionSide: str | None = None
    entryPrice: Positive = None
    markPrice: Positive = None
    unRealizedProfit: Number = None  # with a capital R here, and without in the account call
    liquidationPrice: Number = None
    marginType: str | None = None  # cross or isolated
    leverage: Positive = None
    maxQty: Positive = None  # the largest notional at the leverage, in the base coin
    isolatedMargin: Number = None
    isolatedWallet: Number = None
    isAutoAddMargin: bool | str | None = None

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position."""
        return self.positionAmt

    @property
    def isolated(self) -> bool:
        """Whether the position has margin of its own."""
        mode = (self.marginType or "").lower()
        if mode in ("isolated", "cross", "crossed"):
            return mode == "isolated"
        return bool(self.isolatedWallet) or bool(self.isolatedMargin)

    @property
    def margin(self) -> float | None:
        """Collateral without unrealized PnL. Older rows have only the sum of both; 0 is a placeholder."""
        if self.isolatedWallet:
            return self.isolatedWallet
        pnl = self.unRealizedProfit
        return sum_of(self.isolatedMargin or None, None if pnl is None else -pnl)


class Quantile(Wire):
    """Place in the queue by position side. `HEDGE` only says that both sides share one."""

    LONG: Number = None
    SHORT: Number = None
    BOTH: Number = None

    def of(self, position_side: str) -> float | None:
        """From 0 (last) to 1 (first)."""
        places = {"LONG": self.LONG, "SHORT": self.SHORT, "BOTH": self.BOTH}
        return adl_ratio(places.get(position_side))


class SymbolQuantile(Wire):
    symbol: str
    adlQuantile: Quantile


class PremiumIndex(Wire):
    symbol: str
    indexPrice: Positive = None
    lastFundingRate: Number = None  # of the next funding; empty of a delivery contract
    nextFundingTime: Millis = None
    time: Millis = None  # of the row


class BinanceCoinm(BinanceFutures):
    """Source: the pages below https://developers.binance.com/docs/derivatives/coin-margined-futures ."""

    name = "binance_coinm"
    title = "Binance COIN-M futures"
    documentation = (
        "https://developers.binance.com/docs/derivatives/coin-margined-futures/account/rest-api/"
        "Account-Information"
    )
    base_url = "https://dapi.binance.com"
    note = (
        f"{NOT_PORTFOLIO_MARGIN}\n\n"
        "**Rate**: maintenance margin / margin balance of the cross positions of each coin, like the "
        "venue's own margin ratio; neither contains fees. **Liquidation**: by the mark price alone, when "
        "that rate is 1, or that of an isolated position with its own collateral. Coins are valued in USD "
        "at the index price of their perpetual contract.\n\n"
        "**Assumed**: an isolated position to which margin is added automatically draws on the whole "
        "cross wallet of its coin; of brackets with a coefficient the reading is right that gives the "
        "position's own margin; the position mode is that of the rows which the venue lists. **Kept**: "
        "the place in the auto-deleveraging queue for 30 seconds. **Not told**: funding paid so far; the "
        "venue's own notional is documented with wrong values and is not read."
    )
    endpoints = (
        ACCOUNT,
        POSITION_RISK,
        LEVERAGE_BRACKET,
        ADL_QUANTILE,
        PORTFOLIO_MARGIN,
        KEY_RESTRICTIONS,
        EXCHANGE_INFO,
        PREMIUM_INDEX,
        TIME,
    )
    each_collection = (ACCOUNT, POSITION_RISK, PREMIUM_INDEX)
    marks_endpoint = PREMIUM_INDEX
    unread = UNREAD
    time_endpoint = TIME
    bracket_endpoint = LEVERAGE_BRACKET
    account_endpoint = ACCOUNT
    portfolio_margin_endpoint = PORTFOLIO_MARGIN
    home = "BTC"

    async def fetch(self, api: Api) -> AccountSnapshot:
        account, rows = await together(self.account(api, Account), api.get_rows(POSITION_RISK, PositionRow))
        held = {row.symbol for row in rows if row.quantity}
        held |= {item.symbol for item in account.positions or () if item.quantity}
        premiums = api.optional(api.venue_cached(_premiums, api.interval), {})
        if not held:
            return parse(account, rows, Known(premiums=await premiums))
        contracts, brackets, quantiles, prices = await together(
            api.optional(_contracts(api, held), {}),
            api.optional(api.account_cached(self.brackets, RARELY, grace=A_DAY), {}),
            api.optional(api.account_cached(_quantiles, _ADL_MAX_AGE), {}),
            premiums,
        )
        known = Known(contracts=contracts, brackets=brackets, quantiles=quantiles, premiums=prices)
        return parse(account, rows, known)

    async def marks(self, api: Api) -> Marks:
        at = api.moments()
        return marks_of(await api.get_rows(PREMIUM_INDEX, MarkRow), coin_of, "USD", at)


def coin_of(symbol: str) -> str:
    """BTC of ``BTCUSD_PERP``; nothing of a delivery contract."""
    return symbol.removesuffix(_PERPETUAL) if symbol.endswith(_PERPETUAL) else ""


def _contracts(api: Api, symbols: Iterable[str]) -> Awaitable[Mapping[str, Contract]]:
    """The venue's contracts; asked anew where the kept answer does not know one of `symbols`."""

    def unless_new(known: Mapping[str, Contract]) -> Awaitable[Mapping[str, Contract]]:
        if all(symbol in known for symbol in symbols):
            return Ready(known)
        return api.optional(api.venue_cached(_all_contracts, _NEW_CONTRACTS_AFTER), known)

    return then(api.venue_cached(_all_contracts, RARELY, grace=A_DAY), unless_new)


async def _all_contracts(api: Api) -> Mapping[str, Contract]:
    return (await api.get(EXCHANGE_INFO, ExchangeInformation)).contracts("inverse")


async def _quantiles(api: Api) -> Mapping[str, Quantile]:
    return {item.symbol: item.adlQuantile for item in await api.get_rows(ADL_QUANTILE, SymbolQuantile)}


async def _premiums(api: Api) -> Mapping[str, PremiumIndex]:
    answer = await api.get_rows(PREMIUM_INDEX, PremiumIndex)
    api.made_at(PREMIUM_INDEX, newest(answer))
    return {item.symbol: item for item in answer}


class Known(Struct, frozen=True, kw_only=True):
    """What besides the account's own answers says something about its positions, by symbol or coin."""

    contracts: Mapping[str, Contract] = {}
    brackets: Mapping[str, Brackets] = {}
    quantiles: Mapping[str, Quantile] = {}
    premiums: Mapping[str, PremiumIndex] = {}

    @property
    def indices(self) -> Mapping[str, float]:
        """Coin to USD from the perpetual of each coin."""
        return {
            coin: item.indexPrice
            for symbol, item in self.premiums.items()
            if item.indexPrice and (coin := coin_of(symbol))
        }


def parse(account: Account, rows: Iterable[PositionRow], known: Known) -> AccountSnapshot:
    """The account from its messages.

    Raises:
        VenueError: reason ``schema``, where the coin of a position cannot be told from its symbol.
    """
    rows, items = tuple(rows), account.positions or []
    of_account = by_symbol(items)
    positions = tuple(
        _position(row, match(row, of_account), known, POSITION_RISK if row in rows else ACCOUNT)
        for row in joined(rows, items, _bare_row)
    )
    return AccountSnapshot(
        pools=pools_by_coin(account.assets, positions, pool_of, home="BTC"),
        positions=positions,
        modes=_modes({row.positionSide for row in rows} | {item.positionSide for item in items}),
        prices=known.indices,
    )


def _modes(sides: set[str | None]) -> Mapping[str, str]:
    """Hedge mode lists LONG and SHORT rows of every symbol, held or not; one-way mode BOTH rows alone.

    Asking for the mode itself costs three times as much as all the rest of a collection.
    """
    if sides & {"LONG", "SHORT"}:
        return {"position_mode": "hedge"}
    return {"position_mode": "one_way"} if "BOTH" in sides else {}


def _position(row: PositionRow, item: AccountPosition | None, known: Known, source: Endpoint) -> Position:
    # A row of another size was answered before or after a trade: its margins are not this position's.
    if item is not None and item.positionAmt is not None and item.positionAmt != row.positionAmt:
        item = None
    maintenance_margin = item.maintMargin if item is not None else None
    contract = known.contracts.get(row.symbol) or unlisted_contract(row.symbol, source)
    # Brackets are in the base coin, as is the notional of an inverse contract: contracts × size / mark.
    notional = None
    if row.markPrice is not None and contract.size is not None:
        notional = abs(row.quantity) * contract.size / row.markPrice
    quantile, premium = known.quantiles.get(row.symbol), known.premiums.get(row.symbol)
    return Position(
        symbol=row.symbol,
        side=side_of(row.quantity),
        margin_mode="isolated" if row.isolated else "cross",
        quantity=abs(row.quantity),
        contract=contract,
        entry_price=row.entryPrice,
        mark_price=row.markPrice,
        liquidation_price=row.liquidationPrice,
        unrealized_pnl=row.unRealizedProfit,
        leverage=row.leverage,
        initial_margin=item.initialMargin if item is not None and maintenance_margin is not None else None,
        maintenance_margin=maintenance_margin,
        margin=row.margin if row.isolated else None,
        auto_add_margin=row.isolated and true(row.isAutoAddMargin),
        largest_notional=row.maxQty,
        funding_rate=None if premium is None else premium.lastFundingRate,
        next_funding_at=None if premium is None else premium.nextFundingTime,
        adl_ratio=quantile.of(row.positionSide or "BOTH") if quantile is not None else None,
        maintenance_tiers=maintenance_tiers(known.brackets.get(row.symbol), notional, maintenance_margin),
    )


def _bare_row(item: AccountPosition) -> PositionRow:
    """The row of a position that only the account call shows."""
    isolated = item.isolated in (True, "true") or bool(item.isolatedWallet)
    return PositionRow(
        symbol=item.symbol,
        positionSide=item.positionSide,
        positionAmt=item.quantity,
        entryPrice=item.entryPrice,
        unRealizedProfit=item.unrealizedProfit if item.maintMargin is not None else None,
        marginType="isolated" if isolated else "cross",
        leverage=item.leverage,
        isolatedWallet=item.isolatedWallet,
    )


def unlisted_contract(symbol: str, source: Endpoint) -> Contract:
    """For a symbol that the exchange information does not list, or while there is none.

    The coins are in the symbol (``BTCUSD_PERP``, ``BTCUSD_270625``); the size is not, and 100 or 10 USD
    a contract would be a guess that is wrong by a factor of ten.
    """
    base, separator, _ = symbol.partition("USD_")
    if not base or not separator:
        raise schema_error(
            source,
            "`symbol` of a position is not listed and is not named like a contract margined in a coin",
        )
    return Contract("inverse", None, base, "USD", base)
