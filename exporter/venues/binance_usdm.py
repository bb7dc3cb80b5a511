"""Binance USD-M futures: linear contracts settled in USDT, USDC and others, single- and multi-asset mode."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Hashable, Iterable, Mapping

from msgspec import Struct, structs

from exporter.alike import Tables
from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.coins import STABLE_COINS
from exporter.model import AccountSnapshot, Asset, Contract, MarginPool, Marks, Position
from exporter.request import Endpoint
from exporter.tasks import Ready, then, together
from exporter.venues._binance import (
    NOT_PORTFOLIO_MARGIN,
    AccountAsset,
    BinanceConfig,
    BinanceFutures,
    ExchangeInformation,
    MarkRow,
    adl_ratio,
    joined,
    marks_of,
    newest,
    pool_of,
    side_of,
    sum_of,
    true,
)
from exporter.venues._binance_brackets import Brackets, maintenance_tiers
from exporter.venues._binance_keys import KEY_RESTRICTIONS
from exporter.venues._binance_usdm import (
    ACCOUNT,
    ACCOUNT_CONFIG,
    ASSET_INDEX,
    EXCHANGE_INFO,
    LEVERAGE_BRACKET,
    PORTFOLIO_MARGIN,
    POSITION_RISK,
    PREMIUM_INDEX,
    SYMBOL_CONFIG,
    TIME,
    UNREAD,
    Account,
    AccountConfiguration,
    AccountPosition,
    AssetIndex,
    PositionRow,
    PremiumIndex,
    SymbolConfiguration,
)
from exporter.venues.base import nothing_less, pools_by_coin, schema_error, told

# Account and positions are asked in every collection, 10 of weight; all else together may take half a unit
# of weight more. Settings are kept for long because the account itself shows when they have changed: see
# `Settings`. An account without positions does not.
_SETTINGS_MAX_AGE = 1800.0
_SETTINGS_MAX_AGE_AT_REST = 300.0
# Margin is added to isolated positions, or not, without a trace; and a person may change the leverage.
_SETTINGS_MAX_AGE_OF_ISOLATED = 300.0
_LEVERAGE_MAX_AGE = 60.0
# A rate of funding is an average over hours.
_FUNDING_MAX_AGE = 900.0
_FUNDING_MAX_AGE_WHEN_DUE = 60.0
# Coins that are worth a dollar, while nothing but dollars is counted in them.
_STABLE_PRICE_MAX_AGE = 1800.0

_SYMBOL_TABLES = Tables(SymbolConfiguration, "symbol")

# How near the totals must be to the sum of the wallets, whose prices are of another moment.
_SAME_WORTH = 0.01


class Settings(Struct, frozen=True):
    """Settings that a person may change, and what the account showed when they were asked.

    They are kept for long and asked anew, whatever their age, once the account shows that they are others.
    """

    answer: AccountConfiguration
    of_usdt: bool | None
    hedged: bool | None


class SymbolSettings(Struct, frozen=True):
    """The same for each symbol."""

    answer: Mapping[str, SymbolConfiguration]
    unfit: frozenset[Hashable] = frozenset()
    """Positions that it did not fit when it was asked for them: it does not get better by asking."""


class Known(Struct, frozen=True):
    """What besides the account's own answers says something about its positions, by symbol or coin."""

    symbols: Mapping[str, SymbolConfiguration] = {}
    contracts: Mapping[str, Contract] = {}
    brackets: Mapping[str, Brackets] = {}
    funding: Mapping[str, PremiumIndex] = {}
    indices: Mapping[str, AssetIndex] = {}


class BinanceUsdm(BinanceFutures):
    """Source: the pages below https://developers.binance.com/docs/derivatives/usds-margined-futures ."""

    name = "binance_usdm"
    title = "Binance USDⓈ-M futures"
    documentation = (
        "https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/"
        "Account-Information-V3"
    )
    base_url = "https://fapi.binance.com"
    note = (
        f"{NOT_PORTFOLIO_MARGIN}\n\n"
        "**Rate**: maintenance margin / margin balance of the cross positions, like the venue's own "
        "margin ratio; neither contains fees. **Liquidation**: by the mark price alone, when that rate is "
        "1, or that of an isolated position with its own collateral. **Multi-assets mode**: collateral "
        "counts at the bid rate (the index price less a haircut), requirements at the ask rate; the "
        "equity is at index prices, the adjusted equity and all other totals are the venue's, after "
        "haircuts; a coin that is no margin counts nothing.\n\n"
        "**Assumed**: a debt counts at the ask rate; an isolated position to which margin is added "
        "automatically draws on the whole cross wallet of its coin; of brackets with a coefficient the "
        "reading is right that gives the position's own margin. **Kept**: modes and leverage until the "
        "account shows that they have changed, the leverage for another minute; automatic addition of "
        "margin for 5 minutes, funding for 15, prices of dollar coins in single-asset mode for 30. **Not "
        "told**: funding paid so far."
    )
    endpoints = (
        ACCOUNT,
        POSITION_RISK,
        ACCOUNT_CONFIG,
        SYMBOL_CONFIG,
        LEVERAGE_BRACKET,
        PORTFOLIO_MARGIN,
        KEY_RESTRICTIONS,
        EXCHANGE_INFO,
        ASSET_INDEX,
        PREMIUM_INDEX,
        TIME,
    )
    each_collection = (ACCOUNT, POSITION_RISK)
    marks_endpoint = PREMIUM_INDEX
    unread = UNREAD
    time_endpoint = TIME
    bracket_endpoint = LEVERAGE_BRACKET
    account_endpoint = ACCOUNT
    portfolio_margin_endpoint = PORTFOLIO_MARGIN
    home = "USDT"

    def __init__(self, config: BinanceConfig) -> None:
        super().__init__(config)
        # Whether the last collection showed positions; before the first one it is not known.
        self._held = True

    async def fetch(self, api: Api) -> AccountSnapshot:
        account, rows = await self._account_and_rows(api)
        held = [row for row in (*rows, *(account.positions or ())) if row.quantity]
        self._held = bool(held)
        hedged = _hedged(row.positionSide for row in held)
        (configuration, indices), known = await together(
            together(
                api.optional(_configuration(api, account, hedged), AccountConfiguration()),
                api.optional(api.venue_cached(_indices, _price_max_age(api, account)), {}),
            ),
            _known(self, api, rows) if held else Ready(Known()),
        )
        multi_assets = _multi_assets(configuration, account, indices)
        if multi_assets is None:
            # Once more, for its failure: without the mode the account's figures cannot be read.
            configuration = await _configuration(api, account, hedged)
            multi_assets = _multi_assets(configuration, account, indices)
        if multi_assets is None:
            raise schema_error(
                ACCOUNT_CONFIG, "`multiAssetsMargin` is missing, and nothing else tells the mode"
            )
        if configuration.dualSidePosition is not None:
            hedged = configuration.dualSidePosition
        modes = {"asset_mode": "multi" if multi_assets else "single"}
        if hedged is not None:
            modes["position_mode"] = "hedge" if hedged else "one_way"
        return parse(account, rows, modes, structs.replace(known, indices=indices))

    async def marks(self, api: Api) -> Marks:
        at = api.moments()
        return marks_of(await api.get_rows(PREMIUM_INDEX, MarkRow), coin_of, "USDT", at)

    async def _account_and_rows(self, api: Api) -> tuple[Account, list[PositionRow]]:
        """Account and positions, which are not asked for where the account shows none.

        Where the last collection had some, both are asked at once, so that they are of one moment.
        """
        if self._held:
            return await together(self.account(api, Account), api.get_rows(POSITION_RISK, PositionRow))
        account = await self.account(api, Account)
        return account, await api.get_rows(POSITION_RISK, PositionRow) if account.may_hold else []


def coin_of(symbol: str) -> str:
    """BTC of ``BTCUSDT``; nothing of a delivery contract, and of one in another coin."""
    coin = symbol.removesuffix("USDT")
    return coin if coin != symbol and "_" not in coin else ""


def _hedged(sides: Iterable[str]) -> bool | None:
    """Whether open positions are those of hedge mode; None without any that tells it."""
    found = set(sides)
    return True if found & {"LONG", "SHORT"} else False if "BOTH" in found else None


def _configuration(api: Api, account: Account, hedged: bool | None) -> Awaitable[AccountConfiguration]:
    """The account's modes; asked anew where the account shows that they are no longer the kept ones."""

    async def ask(api: Api) -> Settings:
        return Settings(await api.get(ACCOUNT_CONFIG, AccountConfiguration), account.of_usdt, hedged)

    def unless_changed(kept: Settings) -> Awaitable[Settings]:
        changed = account.of_usdt != kept.of_usdt
        if changed or hedged not in {None, kept.hedged, kept.answer.dualSidePosition}:
            return api.account_cached(ask, 0.0, name="modes")
        return Ready(kept)

    shown = hedged is not None and account.of_usdt is not None
    max_age = _SETTINGS_MAX_AGE if shown else _SETTINGS_MAX_AGE_AT_REST
    kept = api.account_cached(ask, max_age, grace=A_DAY, name="modes")
    return then(then(kept, unless_changed), lambda settings: Ready(settings.answer))


def _multi_assets(
    configuration: AccountConfiguration, account: Account, indices: Mapping[str, AssetIndex]
) -> bool | None:
    """Whether the account is in multi-assets mode: as the venue says, else as its totals say."""
    if configuration.multiAssetsMargin is not None:
        return configuration.multiAssetsMargin
    if account.of_usdt:
        return False
    worth, total = _worth(account, indices), account.totalWalletBalance
    if worth and total and math.isclose(worth, total, rel_tol=_SAME_WORTH):
        return True
    return None


def _worth(account: Account, indices: Mapping[str, AssetIndex]) -> float | None:
    """What the wallets are worth together, as multi-assets mode counts them."""
    amounts = []
    for asset in account.assets:
        if asset.walletBalance:
            index = indices.get(asset.coin)
            rate = None if index is None else index.bidRate if asset.walletBalance > 0.0 else index.askRate
            amounts.append(None if rate is None else asset.walletBalance * rate)
    return sum_of(*amounts)


def _price_max_age(api: Api, account: Account) -> float:
    """How old the prices of coins may be: in single-asset mode dollars are not valued in anything else."""
    stable = all(asset.coin in STABLE_COINS for asset in account.assets if asset.holds)
    return _STABLE_PRICE_MAX_AGE if stable and account.of_usdt else api.interval


def _known(venue: BinanceUsdm, api: Api, rows: Iterable[PositionRow]) -> Awaitable[Known]:
    found = together(
        api.optional(_symbols(venue, api, rows), {}),
        api.optional(api.venue_cached(_contracts, RARELY, grace=A_DAY), {}),
        api.optional(api.account_cached(venue.brackets, RARELY, grace=A_DAY), {}),
        api.optional(_funding(api, rows), {}),
    )
    return then(found, lambda found: Ready(Known(*found)))


def _symbols(
    venue: BinanceUsdm, api: Api, rows: Iterable[PositionRow]
) -> Awaitable[Mapping[str, SymbolConfiguration]]:
    """The configuration of every symbol; asked anew where the kept one does not fit the positions."""
    held = [row for row in rows if row.quantity]
    isolated = any(row.isolated for row in held)
    max_age = _SETTINGS_MAX_AGE_OF_ISOLATED if isolated else _SETTINGS_MAX_AGE

    async def ask(api: Api) -> SymbolSettings:
        return SymbolSettings(await venue.table(api, SYMBOL_CONFIG, _SYMBOL_TABLES))

    def unless_unfit(kept: SymbolSettings) -> Awaitable[SymbolSettings]:
        found = [(row, kept.answer.get(row.symbol)) for row in held]
        unfit = frozenset(
            (row.symbol, row.isolated) for row, item in found if item is None or not item.fits(row)
        )

        async def again(api: Api) -> SymbolSettings:
            return structs.replace(await ask(api), unfit=unfit)

        if not unfit <= kept.unfit:
            return api.account_cached(again, 0.0, name="symbols")
        if any(item is not None and not item.has_leverage_of(row) for row, item in found):
            return api.account_cached(again, _LEVERAGE_MAX_AGE, name="symbols")
        return Ready(kept)

    kept = api.account_cached(ask, max_age, grace=RARELY, name="symbols")
    return then(then(kept, unless_unfit), lambda settings: Ready(settings.answer))


async def _contracts(api: Api) -> Mapping[str, Contract]:
    return (await api.get(EXCHANGE_INFO, ExchangeInformation)).contracts("linear")


async def _indices(api: Api) -> Mapping[str, AssetIndex]:
    answer = await api.get_rows(ASSET_INDEX, AssetIndex)
    api.made_at(ASSET_INDEX, newest(answer))
    return {item.symbol.removesuffix("USD"): item for item in answer if item.symbol.endswith("USD")}


def _funding(api: Api, rows: Iterable[PositionRow]) -> Awaitable[Mapping[str, PremiumIndex]]:
    """Funding of every symbol; asked anew once that of a position has taken place."""

    def unless_due(kept: Mapping[str, PremiumIndex]) -> Awaitable[Mapping[str, PremiumIndex]]:
        due = (item.nextFundingTime for row in rows if row.quantity and (item := kept.get(row.symbol)))
        now = api.now()
        if any(time is not None and time <= now for time in due):
            return api.venue_cached(_premiums, _FUNDING_MAX_AGE_WHEN_DUE)
        return Ready(kept)

    return then(api.venue_cached(_premiums, _FUNDING_MAX_AGE), unless_due)


async def _premiums(api: Api) -> Mapping[str, PremiumIndex]:
    answer = await api.get_rows(PREMIUM_INDEX, PremiumIndex)
    api.made_at(PREMIUM_INDEX, newest(answer))
    return {item.symbol: item for item in answer}


def parse(
    account: Account, rows: Iterable[PositionRow], modes: Mapping[str, str], known: Known
) -> AccountSnapshot:
    """The account from its messages.

    Raises:
        VenueError: reason ``schema``, where the coin of a position cannot be told from its symbol.
    """
    multi_assets = modes["asset_mode"] == "multi"
    positions = tuple(
        _position(row, known, "USD" if multi_assets else None)
        for row in joined(rows, account.positions or (), lambda item: _bare_row(item, known.contracts))
    )
    held = [asset for asset in account.assets if asset.holds]
    return AccountSnapshot(
        pools=(_usd_pool(account, positions),)
        if multi_assets
        else pools_by_coin(account.assets, positions, pool_of, home="USDT"),
        positions=positions,
        assets=tuple(_asset(asset, known.indices.get(asset.coin)) for asset in held) if multi_assets else (),
        modes=modes,
        prices={coin: item.index for coin, item in known.indices.items() if item.index},
    )


def _usd_pool(account: Account, positions: Iterable[Position]) -> MarginPool:
    """The totals, which count collateral at the bid rate; what it is worth at market the assets tell."""
    return MarginPool(
        currency="USD",
        adjusted_equity=account.totalMarginBalance,
        margin_equity=sum_of(account.totalCrossWalletBalance, account.totalCrossUnPnl),
        maintenance_margin=told(account.totalMaintMargin, positions),
        wallet_balance=account.totalWalletBalance,
        available_balance=account.availableBalance,
        unrealized_pnl=account.totalUnrealizedProfit,
        initial_margin=account.totalInitialMargin,
        open_order_margin=account.totalOpenOrderInitialMargin,
        withdrawable_balance=nothing_less(account.maxWithdrawAmount),
    )


def _asset(asset: AccountAsset, index: AssetIndex | None) -> Asset:
    """Collateral counts at the bid rate; what is owed or required, at the ask rate."""
    bid = None if index is None else index.bidRate
    return Asset(
        asset=asset.coin,
        wallet_balance=asset.walletBalance,
        equity=asset.marginBalance,
        collateral_price_usd=0.0 if asset.marginAvailable is False else bid,
        debt_price_usd=None if index is None else index.askRate,
        margin_price_usd=None if index is None else index.askRate,
    )


def _position(row: PositionRow, known: Known, pool_currency: str | None) -> Position:
    configuration = known.symbols.get(row.symbol)
    isolated = row.isolated
    if isolated is None:
        isolated = configuration is not None and configuration.isolated
    funding = known.funding.get(row.symbol)
    contract = known.contracts.get(row.symbol)
    if contract is None:
        contract = unlisted_contract(row.symbol, row.marginAsset or settle_of(row.symbol, POSITION_RISK))
    return Position(
        symbol=row.symbol,
        side=side_of(row.quantity),
        margin_mode="isolated" if isolated else "cross",
        quantity=abs(row.quantity),
        contract=contract,
        entry_price=row.entryPrice,
        mark_price=row.markPrice,
        liquidation_price=row.liquidationPrice,
        unrealized_pnl=row.unRealizedProfit,
        leverage=None if configuration is None else configuration.leverage,
        initial_margin=row.initialMargin,
        maintenance_margin=row.maintMargin,
        margin=row.margin if isolated else None,
        auto_add_margin=isolated and configuration is not None and true(configuration.isAutoAddMargin),
        largest_notional=None if configuration is None else configuration.maxNotionalValue,
        funding_rate=None if funding is None else funding.lastFundingRate,
        next_funding_at=None if funding is None else funding.nextFundingTime,
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
        positionAmt=item.quantity,
        entryPrice=item.entryPrice,
        markPrice=abs(item.notional / item.quantity) if item.notional else None,
        unRealizedProfit=item.unrealizedProfit if valued else None,
        marginAsset=contract.settle if contract is not None else settle_of(item.symbol, ACCOUNT),
        isolatedMargin=item.isolatedMargin,
        isolatedWallet=item.isolatedWallet,
        notional=item.notional,
        initialMargin=item.initialMargin if valued else None,
        maintMargin=item.maintMargin if valued else None,
    )


def unlisted_contract(symbol: str, settle: str) -> Contract:
    """For a symbol that the kept exchange information does not list yet."""
    base = symbol.split("_", maxsplit=1)[0].removesuffix(settle) or symbol
    return Contract("linear", 1.0, base, settle, settle)


def settle_of(symbol: str, source: Endpoint) -> str:
    """The settlement coin of such a symbol, where no row tells it either."""
    pair = symbol.split("_", maxsplit=1)[0]
    coin = next((coin for coin in ("USDT", "USDC") if pair.endswith(coin)), None)
    if coin is None:
        raise schema_error(
            source, "`symbol` of a position is not listed and does not tell its settlement coin"
        )
    return coin
