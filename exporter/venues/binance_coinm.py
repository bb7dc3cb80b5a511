"""Binance COIN-M futures: inverse contracts, each backed by the coin whose price it follows."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable, Mapping

from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.model import AccountSnapshot, Contract, Marks
from exporter.tasks import Ready, together
from exporter.venues import _binance_members as members
from exporter.venues._binance import NOT_PORTFOLIO_MARGIN, ExchangeInformation, MarkRow, marks_of, timed_rows
from exporter.venues._binance_coinm import (
    ACCOUNT,
    ADL_QUANTILE,
    EXCHANGE_INFO,
    LEVERAGE_BRACKET,
    PORTFOLIO_MARGIN,
    POSITION_RISK,
    PREMIUM_INDEX,
    TIME,
    UNREAD,
    Account,
    PositionRow,
    PremiumIndex,
    Quantile,
    SymbolQuantile,
    coin_of,
)
from exporter.venues._binance_coinm_account import Known, parse
from exporter.venues._binance_coinm_members import KIND, AccountAnswer, PositionsAnswer
from exporter.venues._binance_futures import BinanceFutures
from exporter.venues._binance_keys import KEY_RESTRICTIONS
from exporter.venues.base import contracts_by_symbol

# The venue renews the queue every 30 seconds.
_ADL_MAX_AGE = 30.0


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
        f"{members.NOTE} **The venue tells less of them**: no liquidation prices, which are computed, not "
        "what each position requires, which follows from the brackets, and no place in the "
        "auto-deleveraging queue.\n\n"
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
        *members.ENDPOINTS,
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
        if self.config.handle is not None:
            return await self._member(api, self.config.handle)
        account, rows = await together(self.account(api, Account), api.get_rows(POSITION_RISK, PositionRow))
        held = {row.symbol for row in rows if row.quantity}
        held |= {item.symbol for item in account.positions or () if item.quantity}
        quantiles = api.account_cached(_quantiles, _ADL_MAX_AGE) if held else Ready({})
        return parse(account, rows, await self._known(api, held, quantiles))

    async def _member(self, api: Api, email: str) -> AccountSnapshot:
        """A sub-account, which the key of its master reads at another host."""
        answer, positions = await members.told_of(api, email, KIND, AccountAnswer, PositionsAnswer)
        rows = positions.rows
        known = await self._known(api, {row.symbol for row in rows if row.quantity}, Ready({}))
        return parse(answer.account, rows, known, members.POSITIONS)

    async def _known(
        self, api: Api, held: Collection[str], quantiles: Awaitable[Mapping[str, Quantile]]
    ) -> Known:
        """What is asked besides; of positions in the symbols `held`, if there are some."""
        premiums = api.optional(api.venue_cached(_premiums, api.interval), {})
        if not held:
            return Known(premiums=await premiums)
        contracts, brackets, places, prices = await together(
            api.optional(_contracts(api, held), {}),
            api.optional(api.account_cached(self.brackets, RARELY, grace=A_DAY), {}),
            api.optional(quantiles, {}),
            premiums,
        )
        return Known(contracts=contracts, brackets=brackets, quantiles=places, premiums=prices)

    async def marks(self, api: Api) -> Marks:
        at = api.moments()
        return marks_of(await api.get_rows(PREMIUM_INDEX, MarkRow), coin_of, "USD", at)


def _contracts(api: Api, symbols: Iterable[str]) -> Awaitable[Mapping[str, Contract]]:
    return contracts_by_symbol(api, _all_contracts, symbols)


async def _all_contracts(api: Api) -> Mapping[str, Contract]:
    return (await api.get(EXCHANGE_INFO, ExchangeInformation)).contracts("inverse")


async def _quantiles(api: Api) -> Mapping[str, Quantile]:
    return {item.symbol: item.adlQuantile for item in await api.get_rows(ADL_QUANTILE, SymbolQuantile)}


async def _premiums(api: Api) -> Mapping[str, PremiumIndex]:
    return {item.symbol: item for item in await timed_rows(api, PREMIUM_INDEX, PremiumIndex)}
