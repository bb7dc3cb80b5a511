"""Binance COIN-M futures: inverse contracts, each backed by the coin whose price it follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.model import AccountSnapshot, Contract, Position
from exporter.request import Endpoint
from exporter.tasks import together
from exporter.venues._binance import (
    LARGEST,
    LAST_CHANGE,
    OF_PARTS,
    TRADING_RULE,
    UNREAD_RULES,
    WITH_FEES,
    WITHDRAWAL,
    AccountAsset,
    BinanceVenue,
    Brackets,
    ExchangeInformation,
    adl_ratio,
    joined,
    maintenance_tiers,
    pool_of,
    side_of,
)
from exporter.venues.base import pools_by_coin, schema_error
from exporter.wire import Number, Positive, Required, Wire

ACCOUNT = Endpoint("/dapi/v1/account", weight=5)
POSITION_RISK = Endpoint("/dapi/v1/positionRisk", weight=1)
LEVERAGE_BRACKET = Endpoint("/dapi/v2/leverageBracket", weight=2)
ADL_QUANTILE = Endpoint("/dapi/v1/adlQuantile", weight=5)
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
        OF_PARTS: "positionInitialMargin openOrderInitialMargin",
        WITHDRAWAL: "maxWithdrawAmount",
        WITH_FEES: "breakEvenPrice",
        LARGEST: "maxQty",
        _NOTIONAL: "notionalValue",
        LAST_CHANGE: "updateTime",
        "what trading costs, not how safe the account is": "feeTier",
    },
    POSITION_RISK: {
        WITH_FEES: "breakEvenPrice",
        LARGEST: "maxQty",
        _NOTIONAL: "notionalValue",
        LAST_CHANGE: "updateTime",
    },
    LEVERAGE_BRACKET: {LARGEST: "bracket initialLeverage"},
    ADL_QUANTILE: {"a sign without a value": "HEDGE"},
    EXCHANGE_INFO: {**UNREAD_RULES, TRADING_RULE: f"{UNREAD_RULES[TRADING_RULE]} equalQtyPrecision"},
    PREMIUM_INDEX: {
        "the position call has the mark price it was valued at": "markPrice",
        "only matters in the hour before settlement": "estimatedSettlePrice",
        "a cost of the next hours, not a risk now": "lastFundingRate interestRate nextFundingTime",
        "time of the prices, which are asked anew in every interval": "time",
    },
}


class AccountPosition(Wire):
    """A position as the account call shows it: without mark price and liquidation price.

    The size is missing in rows of the documented answer.
    """

    symbol: str
    positionSide: str
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
    positions: list[AccountPosition]


class PositionRow(Wire):
    """`notionalValue` is not read: documented answers have the mark price in it, or a tenth of the value."""

    symbol: str
    positionSide: str
    positionAmt: Required  # signed, contracts
    entryPrice: Positive
    markPrice: Positive
    unRealizedProfit: Number  # spelled with a capital R here, and without in the account call
    liquidationPrice: Number
    marginType: str = ""  # cross or isolated
    leverage: Positive = None
    isolatedMargin: Number = None
    isolatedWallet: Number = None

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position."""
        return self.positionAmt

    @property
    def isolated(self) -> bool:
        """Whether the position has margin of its own."""
        mode = self.marginType.lower()
        if mode in ("isolated", "cross", "crossed"):
            return mode == "isolated"
        return bool(self.isolatedWallet) or bool(self.isolatedMargin)

    @property
    def margin(self) -> float | None:
        """Collateral without unrealized PnL. Older rows have only the sum of both; 0 is a placeholder."""
        if self.isolatedWallet:
            return self.isolatedWallet
        if not self.isolatedMargin or self.unRealizedProfit is None:
            return None
        return self.isolatedMargin - self.unRealizedProfit


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


class BinanceCoinm(BinanceVenue):
    """Source: the pages below https://developers.binance.com/docs/derivatives/coin-margined-futures ."""

    name = "binance_coinm"
    title = "Binance COIN-M futures"
    documentation = (
        "https://developers.binance.com/docs/derivatives/coin-margined-futures/account/rest-api/"
        "Account-Information"
    )
    base_url = "https://dapi.binance.com"
    endpoints = (ACCOUNT, POSITION_RISK, LEVERAGE_BRACKET, ADL_QUANTILE, EXCHANGE_INFO, PREMIUM_INDEX, TIME)
    each_collection = (ACCOUNT, POSITION_RISK, PREMIUM_INDEX)
    unread = UNREAD
    time_endpoint = TIME
    bracket_endpoint = LEVERAGE_BRACKET

    async def fetch(self, api: Api) -> AccountSnapshot:
        account, rows = await together(api.get(ACCOUNT, Account), api.get_rows(POSITION_RISK, PositionRow))
        held = {row.symbol for row in rows if row.quantity}
        held |= {item.symbol for item in account.positions if item.quantity}
        indices = api.optional(api.venue_cached(_indices, api.interval), {})
        if not held:
            return parse(account, rows, Known(indices=await indices))
        contracts, brackets, quantiles, prices = await together(
            api.optional(_contracts(api, held), {}),
            api.optional(api.account_cached(self.brackets, RARELY, grace=A_DAY), {}),
            api.optional(api.account_cached(_quantiles, _ADL_MAX_AGE), {}),
            indices,
        )
        known = Known(contracts=contracts, brackets=brackets, quantiles=quantiles, indices=prices)
        return parse(account, rows, known)


async def _contracts(api: Api, symbols: Iterable[str]) -> Mapping[str, Contract]:
    """The venue's contracts; asked anew where the kept answer does not know one of `symbols`."""
    known = await api.venue_cached(_all_contracts, RARELY, grace=A_DAY)
    if all(symbol in known for symbol in symbols):
        return known
    return await api.optional(api.venue_cached(_all_contracts, _NEW_CONTRACTS_AFTER), known)


async def _all_contracts(api: Api) -> Mapping[str, Contract]:
    return (await api.get(EXCHANGE_INFO, ExchangeInformation)).contracts("inverse")


async def _quantiles(api: Api) -> Mapping[str, Quantile]:
    return {item.symbol: item.adlQuantile for item in await api.get_rows(ADL_QUANTILE, SymbolQuantile)}


async def _indices(api: Api) -> Mapping[str, float]:
    """Coin to USD from the perpetual of each coin."""
    return {
        item.symbol.removesuffix(_PERPETUAL): item.indexPrice
        for item in await api.get_rows(PREMIUM_INDEX, PremiumIndex)
        if item.symbol.endswith(_PERPETUAL) and item.indexPrice
    }


class Known(Struct, frozen=True, kw_only=True):
    """What besides the account's own answers says something about its positions, by symbol or coin."""

    contracts: Mapping[str, Contract] = {}
    brackets: Mapping[str, Brackets] = {}
    quantiles: Mapping[str, Quantile] = {}
    indices: Mapping[str, float] = {}


def parse(account: Account, rows: Iterable[PositionRow], known: Known) -> AccountSnapshot:
    """The account from its messages.

    Raises:
        VenueError: reason ``schema``, where the coin of a position cannot be told from its symbol.
    """
    rows = tuple(rows)
    of_account = {(item.symbol, item.positionSide): item for item in account.positions}
    listed = {(row.symbol, row.positionSide) for row in rows if row.quantity}
    positions = tuple(
        _position(
            row,
            of_account.get((row.symbol, row.positionSide)),
            known,
            POSITION_RISK if (row.symbol, row.positionSide) in listed else ACCOUNT,
        )
        for row in joined(rows, account.positions, _bare_row)
    )
    return AccountSnapshot(
        pools=pools_by_coin(account.assets, positions, pool_of, home="BTC"),
        positions=positions,
        modes=_modes({side for _, side in of_account} | {row.positionSide for row in rows}),
        prices=known.indices,
    )


def _modes(sides: set[str]) -> Mapping[str, str]:
    """Hedge mode lists LONG and SHORT rows of every symbol, held or not; one-way mode BOTH rows alone.

    Asking for the mode itself costs three times as much as all the rest of a collection.
    """
    if not sides:
        return {}
    return {"position_mode": "hedge" if sides & {"LONG", "SHORT"} else "one_way"}


def _position(row: PositionRow, item: AccountPosition | None, known: Known, source: Endpoint) -> Position:
    # A row of another size was answered before or after a trade: its margins are not this position's.
    if item is not None and item.positionAmt is not None and item.positionAmt != row.positionAmt:
        item = None
    maintenance_margin = item.maintMargin if item is not None else None
    contract = known.contracts.get(row.symbol) or _unlisted_contract(row.symbol, source)
    # Brackets are in the base coin, as is the notional of an inverse contract: contracts × size / mark.
    notional = None
    if row.markPrice is not None and contract.size is not None:
        notional = abs(row.quantity) * contract.size / row.markPrice
    quantile = known.quantiles.get(row.symbol)
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
        adl_ratio=quantile.of(row.positionSide) if quantile is not None else None,
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
        markPrice=None,
        unRealizedProfit=item.unrealizedProfit if item.maintMargin is not None else None,
        liquidationPrice=None,
        marginType="isolated" if isolated else "cross",
        leverage=item.leverage,
        isolatedWallet=item.isolatedWallet,
    )


def _unlisted_contract(symbol: str, source: Endpoint) -> Contract:
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
