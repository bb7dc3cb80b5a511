"""Binance COIN-M futures: inverse contracts, each backed by the coin whose price it follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exporter.api import Api, together
from exporter.errors import VenueError
from exporter.model import AccountSnapshot, Contract, MaintenanceTier, Position, Side
from exporter.venues._binance import (
    A_DAY,
    RARELY,
    AccountAsset,
    BinanceVenue,
    Brackets,
    adl_ratio,
    coin_pools,
    maintenance_tiers,
)
from exporter.venues.base import Endpoint, FieldUse
from exporter.wire import Number, Required, Wire, liquidation_price

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

_PERPETUAL = "USD_PERP"
"""How the symbol of a coin's perpetual contract ends."""

_A, _P = ACCOUNT.path, POSITION_RISK.path
_OF_PARTS = "the sum of position and open-order margin is published as initial margin"
_WITHDRAWAL = "says what may be moved out, not how safe the account is"
_FROM_POSITION_RISK = "the position call has the same figure"
_LAST_CHANGE = "time of the last change of the position, not of the figures"
_LARGEST = "largest position the leverage allows"
_NOTIONAL = "documented with wrong values; notional is contracts × contract size for every symbol alike"
_RATE = ("risk_account_maintenance_margin", "risk_account_maintenance_margin_rate")
_CROSS = ("risk_account_margin_equity", "risk_account_maintenance_margin_rate")
_TIERS = ("risk_position_maintenance_margin", "risk_account_stress_maintenance_margin_rate")
_QUEUE = ("risk_position_adl_ratio",)
_TRADING_RULE = "rule for orders or trading, not part of the account"
FIELDS = (
    FieldUse(_A, "assets[].walletBalance", ("risk_account_wallet_balance",)),
    FieldUse(_A, "assets[].unrealizedProfit", ("risk_account_unrealized_pnl",)),
    FieldUse(_A, "assets[].marginBalance", ("risk_account_equity", "risk_account_equity_usd")),
    FieldUse(_A, "assets[].maintMargin", _RATE),
    FieldUse(_A, "assets[].initialMargin", ("risk_account_initial_margin",)),
    FieldUse(_A, "assets[].positionInitialMargin", reason=_OF_PARTS),
    FieldUse(_A, "assets[].openOrderInitialMargin", reason=_OF_PARTS),
    FieldUse(_A, "assets[].maxWithdrawAmount", reason=_WITHDRAWAL),
    FieldUse(_A, "assets[].crossWalletBalance", _CROSS),
    FieldUse(_A, "assets[].crossUnPnl", _CROSS),
    FieldUse(_A, "assets[].availableBalance", ("risk_account_available_balance",)),
    FieldUse(_A, "assets[].updateTime", reason="time of the last transfer or trade, not of the figures"),
    FieldUse(_A, "positions[].positionAmt", ("risk_position_quantity",)),
    FieldUse(_A, "positions[].initialMargin", ("risk_position_initial_margin",)),
    FieldUse(
        _A,
        "positions[].maintMargin",
        ("risk_position_maintenance_margin", "risk_position_maintenance_margin_rate", *_RATE),
    ),
    FieldUse(_A, "positions[].unrealizedProfit", reason=_FROM_POSITION_RISK),
    FieldUse(_A, "positions[].positionInitialMargin", reason=_OF_PARTS),
    FieldUse(_A, "positions[].openOrderInitialMargin", reason=_OF_PARTS),
    FieldUse(_A, "positions[].leverage", reason=_FROM_POSITION_RISK),
    FieldUse(_A, "positions[].entryPrice", reason=_FROM_POSITION_RISK),
    FieldUse(
        _A, "positions[].breakEvenPrice", reason="entry price with fees; liquidation does not depend on it"
    ),
    FieldUse(_A, "positions[].maxQty", reason=_LARGEST),
    FieldUse(_A, "positions[].notionalValue", reason=_NOTIONAL),
    FieldUse(_A, "positions[].isolatedWallet", reason=_FROM_POSITION_RISK),
    FieldUse(_A, "positions[].updateTime", reason=_LAST_CHANGE),
    FieldUse(_A, "feeTier", reason="what trading costs, not how safe the account is"),
    FieldUse(_A, "updateTime", reason="always 0"),
    FieldUse(_P, "positionAmt", ("risk_position_quantity", "risk_position_notional_usd")),
    FieldUse(_P, "entryPrice", ("risk_position_entry_price",)),
    FieldUse(_P, "breakEvenPrice", reason="entry price with fees; liquidation does not depend on it"),
    FieldUse(_P, "markPrice", ("risk_position_mark_price", "risk_position_liquidation_distance_ratio")),
    FieldUse(_P, "unRealizedProfit", ("risk_position_unrealized_pnl",)),
    FieldUse(
        _P,
        "liquidationPrice",
        ("risk_position_liquidation_price", "risk_position_liquidation_distance_ratio"),
    ),
    FieldUse(_P, "leverage", ("risk_position_leverage_ratio",)),
    FieldUse(_P, "maxQty", reason=_LARGEST),
    FieldUse(_P, "isolatedMargin", ("risk_position_margin",)),
    FieldUse(_P, "isolatedWallet", ("risk_position_margin", "risk_position_maintenance_margin_rate")),
    FieldUse(_P, "notionalValue", reason=_NOTIONAL),
    FieldUse(_P, "updateTime", reason=_LAST_CHANGE),
    FieldUse(LEVERAGE_BRACKET.path, "notionalCoef", _TIERS),
    FieldUse(LEVERAGE_BRACKET.path, "brackets[].bracket", reason="number of the bracket"),
    FieldUse(LEVERAGE_BRACKET.path, "brackets[].initialLeverage", reason=_LARGEST),
    FieldUse(LEVERAGE_BRACKET.path, "brackets[].qtyCap", _TIERS),
    FieldUse(LEVERAGE_BRACKET.path, "brackets[].qtylFloor", _TIERS),
    FieldUse(LEVERAGE_BRACKET.path, "brackets[].maintMarginRatio", _TIERS),
    FieldUse(LEVERAGE_BRACKET.path, "brackets[].cum", _TIERS),
    FieldUse(ADL_QUANTILE.path, "adlQuantile.LONG", _QUEUE),
    FieldUse(ADL_QUANTILE.path, "adlQuantile.SHORT", _QUEUE),
    FieldUse(ADL_QUANTILE.path, "adlQuantile.BOTH", _QUEUE),
    FieldUse(ADL_QUANTILE.path, "adlQuantile.HEDGE", reason="a sign without a value"),
    FieldUse(
        PREMIUM_INDEX.path, "indexPrice", ("risk_account_equity_usd", "risk_account_gross_notional_usd")
    ),
    FieldUse(PREMIUM_INDEX.path, "markPrice", reason="the position call has the mark price it was valued at"),
    FieldUse(PREMIUM_INDEX.path, "estimatedSettlePrice", reason="only matters in the hour before settlement"),
    FieldUse(PREMIUM_INDEX.path, "lastFundingRate", reason="a cost of the next hours, not a risk now"),
    FieldUse(PREMIUM_INDEX.path, "interestRate", reason="part of the funding rate"),
    FieldUse(PREMIUM_INDEX.path, "nextFundingTime", reason="time of the next funding"),
    FieldUse(PREMIUM_INDEX.path, "time", reason="time of the prices, which are asked anew in every interval"),
    FieldUse(
        EXCHANGE_INFO.path,
        "symbols[].contractSize",
        ("risk_position_notional_usd", "risk_account_gross_notional_usd", "risk_account_leverage_ratio"),
    ),
    *(
        FieldUse(EXCHANGE_INFO.path, field, reason=_TRADING_RULE)
        for field in (
            "rateLimits[].intervalNum",
            "rateLimits[].limit",
            "serverTime",
            "symbols[].deliveryDate",
            "symbols[].onboardDate",
            "symbols[].liquidationFee",
            "symbols[].marketTakeBound",
            "symbols[].triggerProtect",
            "symbols[].pricePrecision",
            "symbols[].quantityPrecision",
            "symbols[].baseAssetPrecision",
            "symbols[].quotePrecision",
            "symbols[].equalQtyPrecision",
            "symbols[].filters[].maxPrice",
            "symbols[].filters[].minPrice",
            "symbols[].filters[].tickSize",
            "symbols[].filters[].maxQty",
            "symbols[].filters[].minQty",
            "symbols[].filters[].stepSize",
            "symbols[].filters[].limit",
            "symbols[].filters[].multiplierUp",
            "symbols[].filters[].multiplierDown",
            "symbols[].filters[].multiplierDecimal",
        )
    ),
    FieldUse(EXCHANGE_INFO.path, "symbols[].maintMarginPercent", reason="documented as not in use"),
    FieldUse(EXCHANGE_INFO.path, "symbols[].requiredMarginPercent", reason="documented as not in use"),
    FieldUse(TIME.path, "serverTime", reason="sets the clock of signed requests, not part of the account"),
)


class AccountPosition(Wire):
    """A position as the account call shows it: without mark price and liquidation price.

    The size is missing in rows of the documented answer.
    """

    symbol: str
    positionSide: str
    positionAmt: Number = None  # signed, contracts
    initialMargin: Number = None
    maintMargin: Number = None
    unrealizedProfit: Number = None
    leverage: Number = None
    isolated: bool | str | None = None
    isolatedWallet: Number = None
    entryPrice: Number = None


class Account(Wire):
    """All coins and all symbols, those with nothing in them included. There are no totals."""

    assets: list[AccountAsset]
    positions: list[AccountPosition]


class PositionRow(Wire):
    """`notionalValue` is not read: documented answers have the mark price in it, or a tenth of the value."""

    symbol: str
    positionSide: str
    positionAmt: Required  # signed, contracts
    entryPrice: Number
    markPrice: Number
    unRealizedProfit: Number  # spelled with a capital R here, and without in the account call
    liquidationPrice: Number
    marginType: str = ""  # cross or isolated
    leverage: Number = None
    isolatedMargin: Number = None
    isolatedWallet: Number = None


class Quantile(Wire):
    """Place in the queue by position side. `HEDGE` only says that both sides share one."""

    LONG: Number = None
    SHORT: Number = None
    BOTH: Number = None


class SymbolQuantile(Wire):
    symbol: str
    adlQuantile: Quantile


class Symbol(Wire):
    symbol: str
    baseAsset: str
    quoteAsset: str
    marginAsset: str
    contractSize: Number = None  # value of a contract in the quote coin


class ExchangeInformation(Wire):
    symbols: list[Symbol]


class PremiumIndex(Wire):
    symbol: str
    indexPrice: Number = None


class BinanceCoinm(BinanceVenue):
    """Source: the pages below https://developers.binance.com/docs/derivatives/coin-margined-futures ."""

    name = "binance_coinm"
    title = "Binance COIN-M futures"
    documentation = (
        "https://developers.binance.com/docs/derivatives/coin-margined-futures/account/rest-api/"
        "Account-Information"
    )
    base_url = "https://dapi.binance.com"
    simulator = "exporter.simulator.binance_coinm:BinanceCoinmSimulator"
    endpoints = (
        ACCOUNT,
        POSITION_RISK,
        LEVERAGE_BRACKET,
        ADL_QUANTILE,
        EXCHANGE_INFO,
        PREMIUM_INDEX,
        TIME,
    )
    fields = FIELDS
    time_endpoint = TIME

    async def fetch(self, api: Api) -> AccountSnapshot:
        account, rows = await together(
            api.get(ACCOUNT, Account),
            api.get_rows(POSITION_RISK, PositionRow),
        )
        held = {row.symbol for row in rows if row.positionAmt}
        held |= {item.symbol for item in account.positions if item.positionAmt}
        indices = api.venue_cached("indices", api.interval, lambda: _indices(api))
        if not held:
            return parse(account, rows, indices=await api.optional(indices) or {})
        contracts, brackets, quantiles, prices = await together(
            api.optional(_contracts(api, held)),
            api.optional(api.account_cached("brackets", RARELY, lambda: _brackets(api), grace=A_DAY)),
            api.optional(api.account_cached("quantiles", _ADL_MAX_AGE, lambda: _quantiles(api))),
            api.optional(indices),
        )
        return parse(
            account,
            rows,
            contracts=contracts or {},
            brackets=brackets or {},
            quantiles=quantiles or {},
            indices=prices or {},
        )


async def _contracts(api: Api, symbols: Iterable[str]) -> Mapping[str, Contract]:
    """The venue's contracts; asked anew where the kept answer does not know one of `symbols`."""
    known = await api.venue_cached("contracts", RARELY, lambda: _all_contracts(api), grace=A_DAY)
    if all(symbol in known for symbol in symbols):
        return known
    newer = await api.optional(
        api.venue_cached("contracts", _NEW_CONTRACTS_AFTER, lambda: _all_contracts(api))
    )
    return known if newer is None else newer


async def _all_contracts(api: Api) -> Mapping[str, Contract]:
    information = await api.get(EXCHANGE_INFO, ExchangeInformation)
    return {
        item.symbol: Contract(
            "inverse",
            item.contractSize,
            item.baseAsset,
            item.quoteAsset,
            item.marginAsset,
        )
        for item in information.symbols
    }


async def _brackets(api: Api) -> Mapping[str, Brackets]:
    return {item.symbol: item for item in await api.get_rows(LEVERAGE_BRACKET, Brackets)}


async def _quantiles(api: Api) -> Mapping[str, Quantile]:
    return {item.symbol: item.adlQuantile for item in await api.get_rows(ADL_QUANTILE, SymbolQuantile)}


async def _indices(api: Api) -> Mapping[str, float]:
    """Coin to USD from the perpetual of each coin."""
    return {
        item.symbol.removesuffix(_PERPETUAL): item.indexPrice
        for item in await api.get_rows(PREMIUM_INDEX, PremiumIndex)
        if item.symbol.endswith(_PERPETUAL) and item.indexPrice
    }


def parse(
    account: Account,
    rows: Iterable[PositionRow],
    *,
    contracts: Mapping[str, Contract] = {},
    brackets: Mapping[str, Brackets] = {},
    quantiles: Mapping[str, Quantile] = {},
    indices: Mapping[str, float] = {},
) -> AccountSnapshot:
    """The account from its messages.

    Raises:
        VenueError: reason ``schema``, where the coin of a position cannot be told from its symbol.
    """
    rows = tuple(rows)
    of_account = {(item.symbol, item.positionSide): item for item in account.positions}
    positions = {
        (row.symbol, row.positionSide): _position(
            row,
            of_account.get((row.symbol, row.positionSide)),
            contracts.get(row.symbol) or _unlisted_contract(row.symbol, POSITION_RISK),
            brackets.get(row.symbol),
            quantiles.get(row.symbol),
        )
        for row in rows
        if row.positionAmt != 0.0
    }
    # The two calls are answered at different moments: a position that only the account call shows was
    # opened in between. It is published with what is known of it rather than not at all.
    for key, item in of_account.items():
        if item.positionAmt and key not in positions:
            positions[key] = _bare_position(
                item,
                item.positionAmt,
                contracts.get(item.symbol) or _unlisted_contract(item.symbol, ACCOUNT),
                brackets.get(item.symbol),
                quantiles.get(item.symbol),
            )
    found = tuple(positions.values())
    return AccountSnapshot(
        pools=coin_pools(account.assets, found, home="BTC"),
        positions=found,
        modes=_modes({side for _, side in of_account} | {row.positionSide for row in rows}),
        prices=indices,
    )


def _modes(sides: set[str]) -> Mapping[str, str]:
    """Hedge mode lists LONG and SHORT rows of every symbol, held or not; one-way mode BOTH rows alone.

    Asking for the mode itself costs three times as much as all the rest of a collection.
    """
    if not sides:
        return {}
    return {"position_mode": "hedge" if sides & {"LONG", "SHORT"} else "one_way"}


def _position(
    row: PositionRow,
    item: AccountPosition | None,
    contract: Contract,
    brackets: Brackets | None,
    quantile: Quantile | None,
) -> Position:
    # A row of another size was answered before or after a trade: its margins are not this position's.
    if item is not None and item.positionAmt is not None and item.positionAmt != row.positionAmt:
        item = None
    mark = _positive(row.markPrice)
    # 0 for a position is a placeholder: there is no contract without maintenance margin.
    maintenance_margin = _positive(item.maintMargin) if item is not None else None
    isolated = _is_isolated(row)
    return Position(
        symbol=row.symbol,
        side=_side(row.positionAmt),
        margin_mode="isolated" if isolated else "cross",
        quantity=abs(row.positionAmt),
        contract=contract,
        entry_price=_positive(row.entryPrice),
        mark_price=mark,
        liquidation_price=liquidation_price(row.liquidationPrice, mark or _positive(row.entryPrice)),
        unrealized_pnl=row.unRealizedProfit,
        leverage=_positive(row.leverage),
        initial_margin=item.initialMargin if item is not None and maintenance_margin is not None else None,
        maintenance_margin=maintenance_margin,
        margin=_isolated_margin(row) if isolated else None,
        adl_ratio=_adl_ratio(quantile, row.positionSide),
        maintenance_tiers=_tiers(brackets, contract, row.positionAmt, mark, maintenance_margin),
    )


def _bare_position(
    item: AccountPosition,
    quantity: float,
    contract: Contract,
    brackets: Brackets | None,
    quantile: Quantile | None,
) -> Position:
    # A maintenance margin of 0 says that the row was not valued yet: its amounts are placeholders.
    maintenance_margin = _positive(item.maintMargin)
    valued = maintenance_margin is not None
    isolated = item.isolated in (True, "true") or bool(item.isolatedWallet)
    return Position(
        symbol=item.symbol,
        side=_side(quantity),
        margin_mode="isolated" if isolated else "cross",
        quantity=abs(quantity),
        contract=contract,
        entry_price=_positive(item.entryPrice),
        unrealized_pnl=item.unrealizedProfit if valued else None,
        leverage=_positive(item.leverage),
        initial_margin=item.initialMargin if valued else None,
        maintenance_margin=maintenance_margin,
        margin=(item.isolatedWallet or None) if isolated else None,
        adl_ratio=_adl_ratio(quantile, item.positionSide),
        maintenance_tiers=_tiers(brackets, contract, quantity, None, maintenance_margin),
    )


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0.0 else None


def _side(quantity: float) -> Side:
    """Long or short from the sign; in hedge mode the SHORT row is negative too."""
    return "long" if quantity > 0.0 else "short"


def _is_isolated(row: PositionRow) -> bool:
    match row.marginType.lower():
        case "isolated":
            return True
        case "cross" | "crossed":
            return False
        case _:
            return bool(row.isolatedWallet) or bool(row.isolatedMargin)


def _isolated_margin(row: PositionRow) -> float | None:
    """Collateral without unrealized PnL. Older rows have only the sum of both; 0 is a placeholder."""
    if row.isolatedWallet:
        return row.isolatedWallet
    if not row.isolatedMargin or row.unRealizedProfit is None:
        return None
    return row.isolatedMargin - row.unRealizedProfit


def _adl_ratio(quantile: Quantile | None, position_side: str) -> float | None:
    if quantile is None or position_side not in ("LONG", "SHORT", "BOTH"):
        return None
    value: float | None = getattr(quantile, position_side)
    return adl_ratio(value)


def _tiers(
    brackets: Brackets | None,
    contract: Contract,
    quantity: float,
    mark: float | None,
    maintenance_margin: float | None,
) -> tuple[MaintenanceTier, ...]:
    """Brackets are in the base coin, as is the notional of an inverse contract: contracts × size / mark."""
    notional = None if mark is None or contract.size is None else abs(quantity) * contract.size / mark
    return maintenance_tiers(brackets, notional, maintenance_margin)


def _unlisted_contract(symbol: str, endpoint: Endpoint) -> Contract:
    """For a symbol that the exchange information does not list, or while there is none.

    The coins are in the symbol (``BTCUSD_PERP``, ``BTCUSD_270625``); the size is not, and 100 or 10 USD
    a contract would be a guess that is wrong by a factor of ten.
    """
    base, separator, _ = symbol.partition("USD_")
    if not base or not separator:
        raise VenueError(
            "schema",
            f"{BinanceCoinm.name} {endpoint.method} {endpoint.path}: `symbol` of a position is not listed "
            "and does not have the form of a contract margined in a coin",
        )
    return Contract("inverse", None, base, "USD", base)
