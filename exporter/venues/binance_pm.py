"""Binance Portfolio Margin: USD-M and COIN-M positions that all coins of an account back together."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from functools import partial

from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.errors import VenueError
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, Contract, Marks
from exporter.request import Request, SignedRequest
from exporter.tasks import Ready, then, together
from exporter.venues._binance import (
    BUDGET,
    FAILURES,
    BinanceConfig,
    BinanceVenue,
    ExchangeInformation,
    MarkRow,
    by_symbol,
    marks_of,
    timed_rows,
)
from exporter.venues._binance_brackets import TABLES, Brackets
from exporter.venues._binance_coinm import coin_of as coin_of_inverse
from exporter.venues._binance_keys import KEY_RESTRICTIONS, SAPI_BUDGET
from exporter.venues._binance_pm import (
    ACCOUNT,
    BALANCE,
    CM,
    COLLATERAL_RATE,
    INDEX_PRICE,
    TIME,
    UM,
    Account,
    Balance,
    CollateralRate,
    IndexPrice,
    Known,
    MarginRow,
    Margins,
    PositionRow,
    Product,
    parse,
    parse_positions,
)
from exporter.venues._binance_pm_pro import ENDPOINTS, PROGRAMS, STANDARD, UNREAD, Program
from exporter.venues._binance_usdm import PremiumIndex, coin_of
from exporter.venues.base import Refusal, Refusals, contracts_by_symbol, funding_by_symbol, schema_error

# How long it is believed which calls answer an account, once those that did before refuse it.
_PROGRAM_MAX_AGE = 600.0


class BinancePm(BinanceVenue[BinanceConfig]):
    """Source: the pages below https://developers.binance.com/docs/derivatives/portfolio-margin ."""

    name = "binance_pm"
    title = "Binance Portfolio Margin"
    documentation = (
        "https://developers.binance.com/docs/derivatives/portfolio-margin/account/Account-Information"
    )
    base_url = "https://papi.binance.com"
    note = (
        "Accounts in Portfolio Margin mode; a classic one is told as `unsupported`. Keys made before the "
        "mode was switched on are refused by the venue for good. It answers at several hosts: `papi`, and "
        "for what is public `fapi`, `dapi` and `api.binance.com`; a `base_url` stands for all of them.\n\n"
        "**Rate**: 1.05 × maintenance margin / equity after collateral rates, which is 1.05 / `uniMMR`: the "
        "venue liquidates at a `uniMMR` of 1.05. It calls for margin at 1.5 (here 0.70) and takes only "
        "reducing orders from 1.2 (0.875). Where `uniMMR` tells of less equity than `accountEquity`, by "
        "losses of open orders, it decides. No fees are in it. All coins, loans and positions are one pool "
        "in USD.\n\n"
        "**Equity**: `actualEquity`; the adjusted one counts coins at their collateral rate, debts in full. "
        "**Liquidation prices** are the venue's, which are indicative: what counts is the account's rate.\n\n"
        "**Assumed**: the collateral rate holds for all that there is of a coin, and a coin that has none is "
        "no collateral; what loans and open orders require stands still when prices move; of brackets with a "
        "coefficient the reading is right that gives the position's own margin. **Kept**: collateral rates, "
        "brackets and contracts for an hour, funding for 15 minutes. **Not told**: the place in the "
        "auto-deleveraging queue, options, funding paid so far.\n\n"
        "**Portfolio Margin Pro** is found by itself and read by its own calls, at `sapi` and those of "
        "the futures, by the same thresholds. Where scenarios find what is required (SPAN), nothing is "
        "computed of what other prices would do: neither single requirements nor options are told."
    )
    endpoints = (
        ACCOUNT,
        BALANCE,
        *(UM.positions, UM.account, UM.brackets),
        *(CM.positions, CM.account, CM.brackets),
        KEY_RESTRICTIONS,
        COLLATERAL_RATE,
        INDEX_PRICE,
        *(UM.exchange_info, UM.premium_index),
        *(CM.exchange_info, CM.premium_index),
        TIME,
        *ENDPOINTS,
    )
    budgets = (RequestBudget("binance_papi", (Limit(6000.0, 60.0),), paths=("/papi/",)), BUDGET, SAPI_BUDGET)
    each_collection = (ACCOUNT, BALANCE, UM.positions, UM.account, CM.positions, CM.account, INDEX_PRICE)
    marks_endpoint = UM.premium_index
    refusals = Refusals(
        Refusal(
            "unsupported",
            "the account is not in Portfolio Margin mode: configure it as `binance_usdm` or `binance_coinm`",
            codes=("-21001",),
        ),
        Refusal(
            "auth",
            "the key, this address or the key's permissions are refused (the venue does not say which; keys "
            "made before Portfolio Margin mode was switched on are refused for good)",
            codes=("-2015",),
        ),
        *FAILURES,
    )
    unread = UNREAD
    time_endpoint = TIME

    def __init__(self, config: BinanceConfig) -> None:
        super().__init__(config)
        self._program = STANDARD

    async def fetch(self, api: Api) -> AccountSnapshot:
        try:
            return await self._read(api, self._program)
        except VenueError as error:
            if error.reason not in {"unsupported", "auth"}:
                raise
            program = await api.optional(api.account_cached(_program, _PROGRAM_MAX_AGE), only={"exchange"})
            if program is None or program == self._program:
                raise
        self._program = program
        return await self._read(api, program)

    async def _read(self, api: Api, program: Program) -> AccountSnapshot:
        account, balances, linear, inverse = await together(
            api.get(program.account, Account),
            api.get_rows(program.balance, Balance),
            api.get_rows(program.um.positions, PositionRow),
            api.get_rows(program.cm.positions, PositionRow),
        )
        span = program.span or account.accountType == "PM_3"
        of_um, of_cm, prices, rates = await together(
            self._known(api, linear, program.um, span=span),
            self._known(api, inverse, program.cm, span=span),
            api.optional(api.venue_cached(_prices, api.interval), {}),
            api.optional(api.venue_cached(_rates, RARELY, grace=A_DAY)),
        )
        positions = (
            *parse_positions(linear, program.um, of_um),
            *parse_positions(inverse, program.cm, of_cm),
        )
        sides = {row.positionSide for row in (*linear, *inverse) if row.quantity}
        return parse(account, balances, positions, sides=sides, prices=prices, rates=rates, span=span)

    async def marks(self, api: Api) -> Marks:
        at = api.moments()
        linear, inverse = await together(
            api.get_rows(UM.premium_index, MarkRow), api.get_rows(CM.premium_index, MarkRow)
        )
        of_um, of_cm = marks_of(linear, coin_of, "USDT", at), marks_of(inverse, coin_of_inverse, "USD", at)
        # Of a coin that both tell, the price in USD.
        return Marks({**of_um.symbols, **of_cm.symbols}, {**of_um.coins, **of_cm.coins})

    def sign(self, request: Request) -> SignedRequest:
        """As at the futures; the collateral rates want the key, and no signature."""
        signed = super().sign(request)
        if request.endpoint == COLLATERAL_RATE:
            key = {"X-MBX-APIKEY": self.config.api_key.get_secret_value()}
            return SignedRequest(query=signed.query, headers=key)
        return signed

    def _known(
        self, api: Api, rows: Iterable[PositionRow], product: Product, *, span: bool
    ) -> Awaitable[Known]:
        """What is asked about positions besides; by scenarios, none of them requires something by itself."""
        held = {row.symbol for row in rows if row.quantity}
        if not held:
            return Ready(Known())

        async def brackets(api: Api) -> Mapping[str, Brackets]:
            return await self.table(api, product.brackets, TABLES)

        found = together(
            Ready({}) if span else api.optional(_margins(api, product), {}),
            api.optional(_contracts(api, product, held), {}),
            Ready({})
            if span
            else api.optional(api.account_cached(brackets, RARELY, grace=A_DAY, name=product.kind), {}),
            api.optional(_funding(api, product, held), {}),
        )
        return then(found, lambda found: Ready(Known(*found)))


async def _program(api: Api) -> Program | None:
    """By which calls the account is answered; None where all of them refuse it.

    Raises:
        VenueError: reason ``exchange``, if none answers and one fails so: what is not known must not be kept.
    """
    failure = None
    for program in PROGRAMS:
        try:
            await api.get(program.account, Account)
        except VenueError as error:
            if error.reason not in {"unsupported", "auth", "permission", "exchange"}:
                raise
            if error.reason == "exchange":
                failure = error
        else:
            return program
    if failure is not None:
        raise failure
    return None


async def _margins(api: Api, product: Product) -> Mapping[str, list[MarginRow]]:
    return by_symbol((await api.get(product.account, Margins)).positions)


def _contracts(api: Api, product: Product, symbols: Iterable[str]) -> Awaitable[Mapping[str, Contract]]:
    async def ask(api: Api) -> Mapping[str, Contract]:
        return (await api.get(product.exchange_info, ExchangeInformation)).contracts(product.kind)

    return contracts_by_symbol(api, ask, symbols, name=f"contracts {product.kind}")


def _funding(api: Api, product: Product, symbols: Iterable[str]) -> Awaitable[Mapping[str, PremiumIndex]]:
    ask, name = partial(_premiums, product=product), f"funding {product.kind}"
    return funding_by_symbol(api, ask, symbols, lambda item: item.nextFundingTime, name=name)


async def _premiums(api: Api, product: Product) -> Mapping[str, PremiumIndex]:
    return {item.symbol: item for item in await timed_rows(api, product.premium_index, PremiumIndex)}


async def _prices(api: Api) -> Mapping[str, float]:
    answer = await timed_rows(api, INDEX_PRICE, IndexPrice)
    if not answer:
        raise schema_error(INDEX_PRICE, "no coin is listed")
    return {item.asset: item.price for item in answer if item.price}


async def _rates(api: Api) -> Mapping[str, float | None]:
    answer = await api.get_rows(COLLATERAL_RATE, CollateralRate)
    if not answer:  # else no coin would be collateral, and none missed when it falls
        raise schema_error(COLLATERAL_RATE, "no coin is listed")
    return {item.asset: item.collateralRate for item in answer}
