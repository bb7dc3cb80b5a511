"""Binance USD-M futures: linear contracts settled in USDT, USDC and others, single- and multi-asset mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.model import AccountSnapshot, Asset, Contract, MarginPool, Position
from exporter.request import Endpoint
from exporter.tasks import together
from exporter.venues._binance import (
    LARGEST,
    LAST_CHANGE,
    OF_PARTS,
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
from exporter.venues.base import pools_by_coin, schema_error, told
from exporter.wire import Number, Positive, Required, Wire

ACCOUNT = Endpoint("/fapi/v3/account", weight=5)
POSITION_RISK = Endpoint("/fapi/v3/positionRisk", weight=5)
ACCOUNT_CONFIG = Endpoint("/fapi/v1/accountConfig", weight=5)
SYMBOL_CONFIG = Endpoint("/fapi/v1/symbolConfig", weight=5)
LEVERAGE_BRACKET = Endpoint("/fapi/v1/leverageBracket", weight=1)
EXCHANGE_INFO = Endpoint("/fapi/v1/exchangeInfo", weight=1, signed=False)
ASSET_INDEX = Endpoint("/fapi/v1/assetIndex", weight=10, signed=False)
TIME = Endpoint("/fapi/v1/time", weight=1, signed=False)

_ORDERS = "value of open orders, not of a position"
# A person may change the leverage at any time, but only this gauge depends on it.
_SYMBOL_CONFIG_MAX_AGE = 60.0

UNREAD = {
    ACCOUNT: {
        OF_PARTS: "totalPositionInitialMargin totalOpenOrderInitialMargin positionInitialMargin "
        "openOrderInitialMargin",
        WITHDRAWAL: "maxWithdrawAmount",
        LAST_CHANGE: "updateTime",
        LARGEST: "maxNotional",
        "of older versions of the call; the symbol's configuration has it": "leverage",
        _ORDERS: "bidNotional askNotional",
    },
    POSITION_RISK: {
        WITH_FEES: "breakEvenPrice",
        OF_PARTS: "positionInitialMargin openOrderInitialMargin",
        _ORDERS: "bidNotional askNotional",
        LAST_CHANGE: "updateTime",
    },
    ACCOUNT_CONFIG: {
        "what trading costs, not how safe the account is": "feeTier",
        LAST_CHANGE: "updateTime",
        "a group of accounts, not a figure": "tradeGroupId",
    },
    SYMBOL_CONFIG: {LARGEST: "maxNotionalValue"},
    LEVERAGE_BRACKET: {LARGEST: "bracket initialLeverage"},
    EXCHANGE_INFO: {
        **UNREAD_RULES,
        "a rule for exchanging one collateral into another": "autoAssetExchange settlePlan",
    },
    ASSET_INDEX: {
        "already in the bid rate": "bidBuffer",
        "collateral counts at the bid rate": "askBuffer askRate",
        "for exchanging one collateral into another": "autoExchangeAskBuffer autoExchangeAskRate "
        "autoExchangeBidBuffer autoExchangeBidRate",
        "time of the prices, which are asked anew in every interval": "time",
    },
}


class AccountPosition(Wire):
    """A position as the account call shows it: without mark price or liquidation price."""

    symbol: str
    positionSide: str
    positionAmt: Required  # signed, base units
    entryPrice: Positive = None  # of older versions of the call only
    unrealizedProfit: Number = None
    notional: Number = None  # signed
    isolatedMargin: Number = None
    isolatedWallet: Number = None
    initialMargin: Number = None
    maintMargin: Number = None

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position."""
        return self.positionAmt


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
    entryPrice: Positive
    markPrice: Positive
    unRealizedProfit: Number  # spelled with a capital R here, and without in the account call
    liquidationPrice: Number
    marginAsset: str
    isolatedMargin: Number = None
    isolatedWallet: Number = None
    notional: Number = None  # signed
    initialMargin: Number = None
    # 0 for a position is a placeholder: there is no contract without maintenance margin.
    maintMargin: Positive = None
    adl: Number = None

    @property
    def quantity(self) -> float:
        """Signed; 0 of a closed position."""
        return self.positionAmt

    @property
    def isolated(self) -> bool:
        """Whether the position has margin of its own; no field says so."""
        return bool(self.isolatedWallet) or bool(self.isolatedMargin)


class AccountConfiguration(Wire):
    dualSidePosition: bool
    multiAssetsMargin: bool


class SymbolConfiguration(Wire):
    symbol: str
    marginType: str = ""  # CROSSED or ISOLATED
    leverage: Number = None


class AssetIndex(Wire):
    symbol: str  # the coin followed by USD
    index: Positive = None
    bidRate: Number = None  # what a unit counts as collateral, after the haircut


class Known(Struct, frozen=True, kw_only=True):
    """What besides the account's own answers says something about its positions, by symbol or coin."""

    symbols: Mapping[str, SymbolConfiguration]
    contracts: Mapping[str, Contract]
    brackets: Mapping[str, Brackets]
    indices: Mapping[str, AssetIndex]


class BinanceUsdm(BinanceVenue):
    """Source: the pages below https://developers.binance.com/docs/derivatives/usds-margined-futures ."""

    name = "binance_usdm"
    title = "Binance USDⓈ-M futures"
    documentation = (
        "https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/"
        "Account-Information-V3"
    )
    base_url = "https://fapi.binance.com"
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
    each_collection = (ACCOUNT, POSITION_RISK, ACCOUNT_CONFIG, ASSET_INDEX)
    unread = UNREAD
    time_endpoint = TIME
    bracket_endpoint = LEVERAGE_BRACKET

    async def fetch(self, api: Api) -> AccountSnapshot:
        account, rows, configuration = await together(
            api.get(ACCOUNT, Account),
            api.get_rows(POSITION_RISK, PositionRow),
            api.get(ACCOUNT_CONFIG, AccountConfiguration),
        )
        symbols, contracts, brackets, indices = await together(
            api.optional(_symbols(api, rows), {}),
            api.optional(api.venue_cached(_contracts, RARELY, grace=A_DAY), {}),
            api.optional(api.account_cached(self.brackets, RARELY, grace=A_DAY), {}),
            api.optional(api.venue_cached(_indices, api.interval), {}),
        )
        known = Known(symbols=symbols, contracts=contracts, brackets=brackets, indices=indices)
        return parse(account, rows, configuration, known)


async def _symbols(api: Api, rows: Iterable[PositionRow]) -> Mapping[str, SymbolConfiguration]:
    """Leverage and margin mode by symbol; asked anew where the kept answer does not fit the positions."""
    known = await api.account_cached(_symbol_configurations, _SYMBOL_CONFIG_MAX_AGE)
    if all(_fits(known.get(row.symbol), row) for row in rows if row.quantity):
        return known
    return await api.account_cached(_symbol_configurations, 0.0)


def _fits(configuration: SymbolConfiguration | None, row: PositionRow) -> bool:
    return configuration is not None and (configuration.marginType == "ISOLATED") == row.isolated


async def _symbol_configurations(api: Api) -> Mapping[str, SymbolConfiguration]:
    return {item.symbol: item for item in await api.get_rows(SYMBOL_CONFIG, SymbolConfiguration)}


async def _contracts(api: Api) -> Mapping[str, Contract]:
    return (await api.get(EXCHANGE_INFO, ExchangeInformation)).contracts("linear")


async def _indices(api: Api) -> Mapping[str, AssetIndex]:
    answer = await api.get_rows(ASSET_INDEX, AssetIndex)
    return {item.symbol.removesuffix("USD"): item for item in answer if item.symbol.endswith("USD")}


def parse(
    account: Account, rows: Iterable[PositionRow], configuration: AccountConfiguration, known: Known
) -> AccountSnapshot:
    """The account from its messages.

    Raises:
        VenueError: reason ``schema``, where the coin of a position cannot be told from its symbol.
    """
    multi_asset = configuration.multiAssetsMargin
    positions = tuple(
        _position(row, known, "USD" if multi_asset else None)
        for row in joined(rows, account.positions, lambda item: _bare_row(item, known.contracts))
    )
    held = [asset for asset in account.assets if asset.holds]
    return AccountSnapshot(
        pools=(_usd_pool(account, positions),)
        if multi_asset
        else pools_by_coin(account.assets, positions, pool_of, home="USDT"),
        positions=positions,
        assets=tuple(_asset(asset, known.indices.get(asset.coin)) for asset in held) if multi_asset else (),
        modes={
            "position_mode": "hedge" if configuration.dualSidePosition else "one_way",
            "asset_mode": "multi" if multi_asset else "single",
        },
        prices={coin: item.index for coin, item in known.indices.items() if item.index},
    )


def _usd_pool(account: Account, positions: Iterable[Position]) -> MarginPool:
    return MarginPool(
        currency="USD",
        equity=account.totalMarginBalance,
        margin_equity=account.totalCrossWalletBalance + account.totalCrossUnPnl,
        maintenance_margin=told(account.totalMaintMargin, positions),
        wallet_balance=account.totalWalletBalance,
        available_balance=account.availableBalance,
        unrealized_pnl=account.totalUnrealizedProfit,
        initial_margin=account.totalInitialMargin,
    )


def _asset(asset: AccountAsset, index: AssetIndex | None) -> Asset:
    return Asset(
        asset=asset.coin,
        wallet_balance=asset.walletBalance,
        equity=asset.marginBalance,
        collateral_price_usd=index.bidRate if index is not None else None,
    )


def _position(row: PositionRow, known: Known, pool_currency: str | None) -> Position:
    configuration = known.symbols.get(row.symbol)
    return Position(
        symbol=row.symbol,
        side=side_of(row.quantity),
        margin_mode="isolated" if row.isolated else "cross",
        quantity=abs(row.quantity),
        contract=known.contracts.get(row.symbol) or _unlisted_contract(row.symbol, row.marginAsset),
        entry_price=row.entryPrice,
        mark_price=row.markPrice,
        liquidation_price=row.liquidationPrice,
        unrealized_pnl=row.unRealizedProfit,
        leverage=configuration.leverage if configuration is not None else None,
        initial_margin=row.initialMargin,
        maintenance_margin=row.maintMargin,
        margin=row.isolatedWallet if row.isolated else None,
        adl_ratio=adl_ratio(row.adl),
        maintenance_tiers=maintenance_tiers(known.brackets.get(row.symbol), row.notional, row.maintMargin),
        pool_currency=pool_currency,
    )


def _bare_row(item: AccountPosition, contracts: Mapping[str, Contract]) -> PositionRow:
    """The row of a position that only the account call shows."""
    # A notional of 0 beside a size says that the row was not valued yet: its amounts are placeholders.
    valued = bool(item.notional)
    contract = contracts.get(item.symbol)
    return PositionRow(
        symbol=item.symbol,
        positionSide=item.positionSide,
        positionAmt=item.positionAmt,
        entryPrice=item.entryPrice,
        markPrice=abs(item.notional / item.positionAmt) if item.notional else None,
        unRealizedProfit=item.unrealizedProfit if valued else None,
        liquidationPrice=None,
        marginAsset=contract.settle if contract is not None else _settle_of(item.symbol),
        isolatedMargin=item.isolatedMargin,
        isolatedWallet=item.isolatedWallet,
        notional=item.notional,
        initialMargin=item.initialMargin if valued else None,
        maintMargin=item.maintMargin if valued else None,
    )


def _unlisted_contract(symbol: str, settle: str) -> Contract:
    """For a symbol that the kept exchange information does not list yet."""
    base = symbol.split("_", maxsplit=1)[0].removesuffix(settle) or symbol
    return Contract("linear", 1.0, base, settle, settle)


def _settle_of(symbol: str) -> str:
    """The settlement coin of such a symbol, where no row tells it either."""
    pair = symbol.split("_", maxsplit=1)[0]
    coin = next((coin for coin in ("USDT", "USDC") if pair.endswith(coin)), None)
    if coin is None:
        raise schema_error(
            ACCOUNT, "`symbol` of a position is not listed and does not tell its settlement coin"
        )
    return coin
