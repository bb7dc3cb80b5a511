"""Binance USD-M futures: linear contracts settled in USDT, USDC and others, single- and multi-asset mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exporter.api import Api, together
from exporter.errors import VenueError
from exporter.model import AccountSnapshot, Asset, Contract, MaintenanceTier, MarginPool, Position, Side
from exporter.venues._binance import (
    A_DAY,
    RARELY,
    AccountAsset,
    BinanceVenue,
    Brackets,
    adl_ratio,
    coin_pools,
    maintenance_tiers,
    required_margin,
)
from exporter.venues.base import Endpoint, FieldUse
from exporter.wire import Number, Required, Wire, liquidation_price

ACCOUNT = Endpoint("/fapi/v3/account", weight=5)
POSITION_RISK = Endpoint("/fapi/v3/positionRisk", weight=5)
ACCOUNT_CONFIG = Endpoint("/fapi/v1/accountConfig", weight=5)
SYMBOL_CONFIG = Endpoint("/fapi/v1/symbolConfig", weight=5)
LEVERAGE_BRACKET = Endpoint("/fapi/v1/leverageBracket", weight=1)
EXCHANGE_INFO = Endpoint("/fapi/v1/exchangeInfo", weight=1, signed=False)
ASSET_INDEX = Endpoint("/fapi/v1/assetIndex", weight=10, signed=False)
TIME = Endpoint("/fapi/v1/time", weight=1, signed=False)

# A person may change the leverage at any time, but only this gauge depends on it.
_SYMBOL_CONFIG_MAX_AGE = 60.0


_A, _P = ACCOUNT.path, POSITION_RISK.path
_OF_PARTS = "the sum of position and open-order margin is published as initial margin"
_WITHDRAWAL = "says what may be moved out, not how safe the account is"
_FROM_POSITION_RISK = "the position call has the same figure"
_ORDERS = "value of open orders, not of a position"
FIELDS = (
    FieldUse(_A, "totalInitialMargin", ("risk_account_initial_margin",)),
    FieldUse(
        _A, "totalMaintMargin", ("risk_account_maintenance_margin", "risk_account_maintenance_margin_rate")
    ),
    FieldUse(_A, "totalWalletBalance", ("risk_account_wallet_balance",)),
    FieldUse(_A, "totalUnrealizedProfit", ("risk_account_unrealized_pnl",)),
    FieldUse(_A, "totalMarginBalance", ("risk_account_equity", "risk_account_equity_usd")),
    FieldUse(_A, "totalPositionInitialMargin", reason=_OF_PARTS),
    FieldUse(_A, "totalOpenOrderInitialMargin", reason=_OF_PARTS),
    FieldUse(
        _A, "totalCrossWalletBalance", ("risk_account_margin_equity", "risk_account_maintenance_margin_rate")
    ),
    FieldUse(_A, "totalCrossUnPnl", ("risk_account_margin_equity", "risk_account_maintenance_margin_rate")),
    FieldUse(_A, "availableBalance", ("risk_account_available_balance",)),
    FieldUse(_A, "maxWithdrawAmount", reason=_WITHDRAWAL),
    FieldUse(_A, "assets[].walletBalance", ("risk_account_wallet_balance", "risk_asset_wallet_balance")),
    FieldUse(_A, "assets[].unrealizedProfit", ("risk_account_unrealized_pnl",)),
    FieldUse(_A, "assets[].marginBalance", ("risk_account_equity", "risk_asset_equity")),
    FieldUse(
        _A,
        "assets[].maintMargin",
        ("risk_account_maintenance_margin", "risk_account_maintenance_margin_rate"),
    ),
    FieldUse(_A, "assets[].initialMargin", ("risk_account_initial_margin",)),
    FieldUse(_A, "assets[].positionInitialMargin", reason=_OF_PARTS),
    FieldUse(_A, "assets[].openOrderInitialMargin", reason=_OF_PARTS),
    FieldUse(
        _A,
        "assets[].crossWalletBalance",
        ("risk_account_margin_equity", "risk_account_maintenance_margin_rate"),
    ),
    FieldUse(
        _A, "assets[].crossUnPnl", ("risk_account_margin_equity", "risk_account_maintenance_margin_rate")
    ),
    FieldUse(_A, "assets[].availableBalance", ("risk_account_available_balance",)),
    FieldUse(_A, "assets[].maxWithdrawAmount", reason=_WITHDRAWAL),
    FieldUse(_A, "assets[].updateTime", reason="time of the last transfer or trade, not of the figures"),
    FieldUse(_A, "positions[].positionAmt", ("risk_position_quantity",)),
    FieldUse(_A, "positions[].unrealizedProfit", reason=_FROM_POSITION_RISK),
    FieldUse(_A, "positions[].isolatedMargin", reason=_FROM_POSITION_RISK),
    FieldUse(_A, "positions[].notional", reason=_FROM_POSITION_RISK),
    FieldUse(_A, "positions[].isolatedWallet", reason=_FROM_POSITION_RISK),
    FieldUse(_A, "positions[].initialMargin", reason=_FROM_POSITION_RISK),
    FieldUse(_A, "positions[].maintMargin", reason=_FROM_POSITION_RISK),
    FieldUse(
        _A, "positions[].updateTime", reason="time of the last change of the position, not of the figures"
    ),
    FieldUse(_P, "positionAmt", ("risk_position_quantity",)),
    FieldUse(_P, "entryPrice", ("risk_position_entry_price",)),
    FieldUse(_P, "breakEvenPrice", reason="entry price with fees; liquidation does not depend on it"),
    FieldUse(_P, "markPrice", ("risk_position_mark_price", "risk_position_notional_usd")),
    FieldUse(_P, "unRealizedProfit", ("risk_position_unrealized_pnl",)),
    FieldUse(
        _P,
        "liquidationPrice",
        ("risk_position_liquidation_price", "risk_position_liquidation_distance_ratio"),
    ),
    FieldUse(_P, "isolatedMargin", reason="isolated wallet + unrealized PnL; both are published"),
    FieldUse(_P, "notional", reason="quantity × mark price; computed from them for every venue alike"),
    FieldUse(_P, "isolatedWallet", ("risk_position_margin", "risk_position_maintenance_margin_rate")),
    FieldUse(_P, "initialMargin", ("risk_position_initial_margin",)),
    FieldUse(
        _P, "maintMargin", ("risk_position_maintenance_margin", "risk_position_maintenance_margin_rate")
    ),
    FieldUse(_P, "positionInitialMargin", reason=_OF_PARTS),
    FieldUse(_P, "openOrderInitialMargin", reason=_OF_PARTS),
    FieldUse(_P, "adl", ("risk_position_adl_ratio",)),
    FieldUse(_P, "bidNotional", reason=_ORDERS),
    FieldUse(_P, "askNotional", reason=_ORDERS),
    FieldUse(_P, "updateTime", reason="time of the last change of the position, not of the figures"),
    FieldUse(SYMBOL_CONFIG.path, "leverage", ("risk_position_leverage_ratio",)),
    FieldUse(SYMBOL_CONFIG.path, "maxNotionalValue", reason="largest position the leverage allows"),
    FieldUse(ASSET_INDEX.path, "index", ("risk_asset_price_usd", "risk_account_equity_usd")),
    FieldUse(ASSET_INDEX.path, "bidRate", ("risk_account_liquidation_shock_ratio",)),
)


class AccountPosition(Wire):
    """A position as the account call shows it: without mark price or liquidation price."""

    symbol: str
    positionSide: str
    positionAmt: Required  # signed, base units
    entryPrice: Number = None  # of older versions of the call only
    unrealizedProfit: Number = None
    notional: Number = None  # signed
    isolatedMargin: Number = None
    isolatedWallet: Number = None
    initialMargin: Number = None
    maintMargin: Number = None


class Account(Wire):
    """Totals are of USDT alone in single-asset mode, and in USD over all assets in multi-assets mode."""

    totalInitialMargin: Required
    totalMaintMargin: Required
    totalWalletBalance: Required
    totalUnrealizedProfit: Required
    totalMarginBalance: Required
    totalCrossWalletBalance: Required
    totalCrossUnPnl: Required
    assets: list[AccountAsset]
    positions: list[AccountPosition]
    availableBalance: Number = None


class PositionRow(Wire):
    symbol: str
    positionSide: str
    positionAmt: Required  # signed, base units
    entryPrice: Number
    markPrice: Number
    unRealizedProfit: Number  # spelled with a capital R here, and without in the account call
    liquidationPrice: Number
    marginAsset: str
    isolatedMargin: Number = None
    isolatedWallet: Number = None
    notional: Number = None  # signed
    initialMargin: Number = None
    maintMargin: Number = None
    adl: Number = None


class AccountConfiguration(Wire):
    dualSidePosition: bool
    multiAssetsMargin: bool


class SymbolConfiguration(Wire):
    symbol: str
    marginType: str = ""  # CROSSED or ISOLATED
    leverage: Number = None


class Symbol(Wire):
    symbol: str
    baseAsset: str
    quoteAsset: str
    marginAsset: str


class ExchangeInformation(Wire):
    symbols: list[Symbol]


class AssetIndex(Wire):
    symbol: str  # the coin followed by USD
    index: Number = None
    bidRate: Number = None  # what a unit counts as collateral, after the haircut


class BinanceUsdm(BinanceVenue):
    """Source: the pages below https://developers.binance.com/docs/derivatives/usds-margined-futures ."""

    name = "binance_usdm"
    title = "Binance USDⓈ-M futures"
    documentation = (
        "https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/"
        "Account-Information-V3"
    )
    base_url = "https://fapi.binance.com"
    simulator = "exporter.simulator.binance_usdm:BinanceUsdmSimulator"
    endpoints = (
        ACCOUNT,
        POSITION_RISK,
        ACCOUNT_CONFIG,
        SYMBOL_CONFIG,
        LEVERAGE_BRACKET,
        EXCHANGE_INFO,
        ASSET_INDEX,
        TIME,
    )
    fields = FIELDS
    time_endpoint = TIME

    async def fetch(self, api: Api) -> AccountSnapshot:
        account, rows, configuration = await together(
            api.get(ACCOUNT, Account),
            api.get_rows(POSITION_RISK, PositionRow),
            api.get(ACCOUNT_CONFIG, AccountConfiguration),
        )
        symbols, contracts, brackets, indices = await together(
            api.optional(self._symbol_configuration(api, rows)),
            api.optional(api.venue_cached("contracts", RARELY, lambda: _contracts(api), grace=A_DAY)),
            api.optional(api.account_cached("brackets", RARELY, lambda: _brackets(api), grace=A_DAY)),
            api.optional(api.venue_cached("indices", api.interval, lambda: _indices(api))),
        )
        return parse(
            account,
            rows,
            configuration,
            symbols=symbols or {},
            contracts=contracts or {},
            brackets=brackets or {},
            indices=indices or {},
        )

    async def _symbol_configuration(
        self, api: Api, rows: Iterable[PositionRow]
    ) -> Mapping[str, SymbolConfiguration]:
        """Leverage and margin mode by symbol; asked anew where the kept answer does not fit the positions."""
        known = await api.account_cached(
            "symbols", _SYMBOL_CONFIG_MAX_AGE, lambda: _symbol_configurations(api)
        )
        if all(_fits(known.get(row.symbol), row) for row in rows if row.positionAmt != 0.0):
            return known
        return await api.account_cached("symbols", 0.0, lambda: _symbol_configurations(api))


async def _symbol_configurations(api: Api) -> Mapping[str, SymbolConfiguration]:
    return {item.symbol: item for item in await api.get_rows(SYMBOL_CONFIG, SymbolConfiguration)}


async def _contracts(api: Api) -> Mapping[str, Contract]:
    information = await api.get(EXCHANGE_INFO, ExchangeInformation)
    return {
        item.symbol: Contract("linear", 1.0, item.baseAsset, item.quoteAsset, item.marginAsset)
        for item in information.symbols
    }


async def _brackets(api: Api) -> Mapping[str, Brackets]:
    return {item.symbol: item for item in await api.get_rows(LEVERAGE_BRACKET, Brackets)}


async def _indices(api: Api) -> Mapping[str, AssetIndex]:
    answer = await api.get_rows(ASSET_INDEX, AssetIndex)
    return {item.symbol.removesuffix("USD"): item for item in answer if item.symbol.endswith("USD")}


def _fits(configuration: SymbolConfiguration | None, row: PositionRow) -> bool:
    return configuration is not None and (configuration.marginType == "ISOLATED") == _has_own_margin(row)


def _has_own_margin(row: PositionRow | AccountPosition) -> bool:
    return bool(row.isolatedWallet) or bool(row.isolatedMargin)


def parse(
    account: Account,
    rows: Iterable[PositionRow],
    configuration: AccountConfiguration,
    *,
    symbols: Mapping[str, SymbolConfiguration],
    contracts: Mapping[str, Contract],
    brackets: Mapping[str, Brackets],
    indices: Mapping[str, AssetIndex],
) -> AccountSnapshot:
    """The account from its messages.

    Raises:
        VenueError: reason ``schema``, where the coin of a position cannot be told from its symbol.
    """
    multi_asset = configuration.multiAssetsMargin
    pool_currency = "USD" if multi_asset else None
    positions = {
        (row.symbol, row.positionSide): _position(row, symbols, contracts, brackets, pool_currency)
        for row in rows
        if row.positionAmt != 0.0
    }
    # The two calls are answered at different moments: a position that only the account call shows was
    # opened in between. It is published with what is known of it rather than not at all.
    for item in account.positions:
        key = (item.symbol, item.positionSide)
        if item.positionAmt != 0.0 and key not in positions:
            positions[key] = _bare_position(item, symbols, contracts, brackets, pool_currency)
    found = tuple(positions.values())
    return AccountSnapshot(
        pools=(_usd_pool(account, found),) if multi_asset else coin_pools(account.assets, found, home="USDT"),
        positions=found,
        assets=tuple(_asset(asset, indices) for asset in account.assets if asset.holds)
        if multi_asset
        else (),
        modes={
            "position_mode": "hedge" if configuration.dualSidePosition else "one_way",
            "asset_mode": "multi" if multi_asset else "single",
        },
        prices={coin: item.index for coin, item in indices.items() if item.index},
    )


def _usd_pool(account: Account, positions: Iterable[Position]) -> MarginPool:
    cross = any(position.margin_mode == "cross" for position in positions)
    return MarginPool(
        currency="USD",
        equity=account.totalMarginBalance,
        margin_equity=account.totalCrossWalletBalance + account.totalCrossUnPnl,
        maintenance_margin=required_margin(account.totalMaintMargin, cross_positions=cross),
        wallet_balance=account.totalWalletBalance,
        available_balance=account.availableBalance,
        unrealized_pnl=account.totalUnrealizedProfit,
        initial_margin=account.totalInitialMargin,
    )


def _asset(asset: AccountAsset, indices: Mapping[str, AssetIndex]) -> Asset:
    index = indices.get(asset.asset)
    return Asset(
        asset=asset.asset,
        wallet_balance=asset.walletBalance,
        equity=asset.marginBalance,
        collateral_price_usd=index.bidRate if index is not None else None,
    )


def _position(
    row: PositionRow,
    symbols: Mapping[str, SymbolConfiguration],
    contracts: Mapping[str, Contract],
    brackets: Mapping[str, Brackets],
    pool_currency: str | None,
) -> Position:
    configuration = symbols.get(row.symbol)
    isolated = _has_own_margin(row)
    return Position(
        symbol=row.symbol,
        side=_side(row.positionAmt),
        margin_mode="isolated" if isolated else "cross",
        quantity=abs(row.positionAmt),
        contract=contracts.get(row.symbol) or _contract_of(row.symbol, row.marginAsset),
        entry_price=row.entryPrice or None,
        mark_price=row.markPrice or None,
        liquidation_price=liquidation_price(row.liquidationPrice, row.markPrice or row.entryPrice),
        unrealized_pnl=row.unRealizedProfit,
        leverage=configuration.leverage if configuration is not None else None,
        initial_margin=row.initialMargin,
        # 0 for a position is a placeholder: there is no contract without maintenance margin.
        maintenance_margin=row.maintMargin or None,
        margin=row.isolatedWallet if isolated else None,
        adl_ratio=adl_ratio(row.adl),
        maintenance_tiers=_tiers(brackets, row.symbol, row.notional, row.maintMargin),
        pool_currency=pool_currency,
    )


def _bare_position(
    item: AccountPosition,
    symbols: Mapping[str, SymbolConfiguration],
    contracts: Mapping[str, Contract],
    brackets: Mapping[str, Brackets],
    pool_currency: str | None,
) -> Position:
    contract = contracts.get(item.symbol) or _guess_contract(item.symbol)
    configuration = symbols.get(item.symbol)
    isolated = _has_own_margin(item)
    # A notional of 0 beside a size says that the row was not valued yet: its amounts are placeholders.
    valued = bool(item.notional)
    return Position(
        symbol=item.symbol,
        side=_side(item.positionAmt),
        margin_mode="isolated" if isolated else "cross",
        quantity=abs(item.positionAmt),
        contract=contract,
        entry_price=item.entryPrice or None,
        mark_price=abs(item.notional / item.positionAmt) if item.notional else None,
        unrealized_pnl=item.unrealizedProfit if valued else None,
        leverage=configuration.leverage if configuration is not None else None,
        initial_margin=item.initialMargin if valued else None,
        maintenance_margin=(item.maintMargin or None) if valued else None,
        margin=item.isolatedWallet if isolated else None,
        maintenance_tiers=_tiers(brackets, item.symbol, item.notional, item.maintMargin),
        pool_currency=pool_currency,
    )


def _side(quantity: float) -> Side:
    """Long or short from the sign; in hedge mode the SHORT row is negative too."""
    return "long" if quantity > 0.0 else "short"


def _contract_of(symbol: str, settle: str) -> Contract:
    """For a symbol that the kept exchange information does not list yet."""
    base = symbol.split("_", maxsplit=1)[0].removesuffix(settle) or symbol
    return Contract("linear", 1.0, base, settle, settle)


def _guess_contract(symbol: str) -> Contract:
    """The same where no row tells the settlement coin either."""
    pair = symbol.split("_", maxsplit=1)[0]
    coin = next((coin for coin in ("USDT", "USDC") if pair.endswith(coin)), None)
    if coin is None:
        raise VenueError(
            "schema",
            f"{BinanceUsdm.name} {ACCOUNT.method} {ACCOUNT.path}: `symbol` of a position is not listed and "
            "does not tell its settlement coin",
        )
    return _contract_of(symbol, coin)


def _tiers(
    brackets: Mapping[str, Brackets], symbol: str, notional: float | None, maintenance_margin: float | None
) -> tuple[MaintenanceTier, ...]:
    return maintenance_tiers(brackets.get(symbol), notional, maintenance_margin)
