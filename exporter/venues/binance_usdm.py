"""Binance USD-M futures: linear contracts settled in USDT, USDC and others, single- and multi-asset mode."""

from __future__ import annotations

from collections.abc import Awaitable, Hashable, Iterable, Mapping

from msgspec import Struct, structs

from exporter.alike import Tables
from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.coins import STABLE_COINS
from exporter.model import AccountSnapshot, Contract, Marks
from exporter.tasks import Ready, then, together
from exporter.venues import _binance_members as members
from exporter.venues._binance import (
    NOT_PORTFOLIO_MARGIN,
    ExchangeInformation,
    MarkRow,
    marks_of,
    timed_rows,
)
from exporter.venues._binance_futures import BinanceFutures
from exporter.venues._binance_keys import KEY_RESTRICTIONS
from exporter.venues._binance_members import FuturesConfig
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
    AssetIndex,
    PositionRow,
    PremiumIndex,
    SymbolConfiguration,
    coin_of,
)
from exporter.venues._binance_usdm_account import Known, hedged_of, multi_assets_of, parse
from exporter.venues._binance_usdm_members import KIND, AccountAnswer, PositionsAnswer, parse_member
from exporter.venues.base import funding_by_symbol, schema_error

# Account and positions are asked in every collection, 10 of weight; all else together may take half a unit
# of weight more. Settings are kept for long because the account itself shows when they have changed: see
# `Settings`. An account without positions does not.
_SETTINGS_MAX_AGE = 1800.0
_SETTINGS_MAX_AGE_AT_REST = 300.0
# Margin is added to isolated positions, or not, without a trace; and a person may change the leverage.
_SETTINGS_MAX_AGE_OF_ISOLATED = 300.0
_LEVERAGE_MAX_AGE = 60.0
# Coins that are worth a dollar, while nothing but dollars is counted in them.
_STABLE_PRICE_MAX_AGE = 1800.0

_SYMBOL_TABLES = Tables(SymbolConfiguration, "symbol")


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
        f"{members.NOTE} **The venue tells less of them**: no asset mode, no margin mode, and not what each "
        "position requires, which follows from the brackets. The asset mode is read from the totals, which "
        "must fit one of both. A position is taken as isolated where its liquidation price says that less "
        "stands behind it than the coin has left; where prices fit no such reading the account is "
        "`unsupported`, and where brackets are not known all are taken as cross. Place in the "
        "auto-deleveraging queue and available balance are not told.\n\n"
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
        *members.ENDPOINTS,
    )
    each_collection = (ACCOUNT, POSITION_RISK)
    marks_endpoint = PREMIUM_INDEX
    unread = UNREAD
    time_endpoint = TIME
    bracket_endpoint = LEVERAGE_BRACKET
    account_endpoint = ACCOUNT
    portfolio_margin_endpoint = PORTFOLIO_MARGIN
    home = "USDT"

    def __init__(self, config: FuturesConfig) -> None:
        super().__init__(config)
        # Whether the last collection showed positions; before the first one it is not known.
        self._held = True

    async def fetch(self, api: Api) -> AccountSnapshot:
        if self.config.handle is not None:
            return await self._member(api, self.config.handle)
        account, rows = await self._account_and_rows(api)
        held = [row for row in (*rows, *(account.positions or ())) if row.quantity]
        self._held = bool(held)
        hedged = hedged_of(row.positionSide for row in held)
        (configuration, indices), known = await together(
            together(
                api.optional(_configuration(api, account, hedged), AccountConfiguration()),
                api.optional(api.venue_cached(_indices, _price_max_age(api, account)), {}),
            ),
            _known(self, api, rows, _symbols(self, api, rows)) if held else Ready(Known()),
        )
        multi_assets = multi_assets_of(configuration, account, indices)
        if multi_assets is None:
            # Once more, for its failure: without the mode the account's figures cannot be read.
            configuration = await _configuration(api, account, hedged)
            multi_assets = multi_assets_of(configuration, account, indices)
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

    async def _member(self, api: Api, email: str) -> AccountSnapshot:
        """A sub-account, which the key of its master reads at another host."""
        answer, positions = await members.told_of(api, email, KIND, AccountAnswer, PositionsAnswer)
        account, held = answer.futureAccountResp, positions.open
        rows = [row.row for row in held]
        indices, known = await together(
            api.optional(api.venue_cached(_indices, _price_max_age(api, account)), {}),
            _known(self, api, rows, Ready({})) if held else Ready(Known()),
        )
        return parse_member(account, held, structs.replace(known, indices=indices))

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


def _price_max_age(api: Api, account: Account) -> float:
    """How old the prices of coins may be: in single-asset mode dollars are not valued in anything else."""
    stable = all(asset.coin in STABLE_COINS for asset in account.assets if asset.holds)
    return _STABLE_PRICE_MAX_AGE if stable and account.of_usdt else api.interval


def _known(
    venue: BinanceUsdm,
    api: Api,
    rows: Iterable[PositionRow],
    symbols: Awaitable[Mapping[str, SymbolConfiguration]],
) -> Awaitable[Known]:
    """What is asked about positions besides, with the configuration of their symbols."""
    found = together(
        api.optional(symbols, {}),
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
    answer = await timed_rows(api, ASSET_INDEX, AssetIndex)
    return {item.symbol.removesuffix("USD"): item for item in answer if item.symbol.endswith("USD")}


def _funding(api: Api, rows: Iterable[PositionRow]) -> Awaitable[Mapping[str, PremiumIndex]]:
    held = [row.symbol for row in rows if row.quantity]
    return funding_by_symbol(api, _premiums, held, lambda item: item.nextFundingTime)


async def _premiums(api: Api) -> Mapping[str, PremiumIndex]:
    return {item.symbol: item for item in await timed_rows(api, PREMIUM_INDEX, PremiumIndex)}
