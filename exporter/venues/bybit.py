"""Bybit unified accounts: linear contracts in USDT and USDC and inverse ones, which all coins back."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from msgspec.structs import replace
from pydantic import Field, SecretStr

from exporter.account import ApiKeyConfig, Duration
from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.errors import VenueError
from exporter.gradually import Gradually
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, KeyRights, Marks, PublicPrice
from exporter.request import Endpoint, Request, Response, SignedRequest
from exporter.signing import signer
from exporter.tasks import Ready, then, together
from exporter.venues._bybit import (
    COLLATERAL,
    INFO,
    KEY,
    PAGE,
    POSITIONS,
    RISK_LIMIT,
    TICKERS,
    TIME,
    UNREAD,
    WALLET,
    Answer,
    Clock,
    CollateralRow,
    Info,
    Listing,
    Page,
    PositionRow,
    RiskLimit,
    TickerRow,
    Wallet,
    contract_of,
    following,
    index_coin,
    schedule_of,
)
from exporter.venues._bybit_account import NOT_UNIFIED, REFUSALS, ApiKey, Held, option_of, parse
from exporter.venues._schedule import Schedule
from exporter.venues.base import Venue, funding_by_symbol, schema_error
from exporter.wire import listed

T = TypeVar("T")

_KINDS = (("linear", "USDT"), ("linear", "USDC"), ("inverse", ""))
"""The categories of contracts, and the coin that those of one are settled in; an inverse one in its own."""

# For this long nobody notices that an account has its first option, or none any more.
_OPTIONS_MAX_AGE = 60.0
# Tiers that are asked for in one collection: public calls are counted by address alone, 120 a second.
_AT_ONCE = 5


class BybitConfig(ApiKeyConfig):
    """A Bybit account."""

    api_secret: SecretStr = Field(
        description="Secret of the API key, or the PEM private key of an RSA key pair."
    )
    recv_window: Annotated[Duration, Field(le=60)] = Field(
        default=5.0, description="How old a request may be when it reaches the venue; at most 60s."
    )


class Bybit(Venue[BybitConfig]):
    """Source: the pages below https://bybit-exchange.github.io/docs/v5 ."""

    name = "bybit"
    title = "Bybit unified accounts"
    documentation = "https://bybit-exchange.github.io/docs/v5/account/wallet-balance"
    config_class = BybitConfig
    base_url = "https://api.bybit.com"
    note = (
        "Unified trading accounts of version 1 and 2; a classic account is told as `unsupported`. A key "
        "reads one account: each sub-account needs one of its own.\n\n"
        "**Rate**: maintenance margin / (margin balance − haircuts) in cross mode, / (equity − haircuts) in "
        "portfolio margin, all coins and options in one pool in USD; the maintenance margin contains closing "
        "fees, loans and open orders, and 1 is liquidation by the mark price. **Isolated mode**: the "
        "account's figures do not apply; its pool has what all coins are worth, each position its own margin "
        "and rate. **Version 1**: inverse contracts are apart, a pool a coin.\n\n"
        "**Options** are valued with the tickers of their coin; in portfolio margin only the value at other "
        "prices is known. **Assumed**: that a short option requires a share of its underlying beside its "
        "mark (cross mode); a closing fee of 0.055 % in the tiers, which are used where the venue gives no "
        "maintenance margin and to move it with the mark; coins count at their collateral ratio by tier; "
        "margin that is added to an isolated position automatically is not counted; a key that may not see "
        "options has some if its coins are worth more or less than their balances and PnL. **Not told**: "
        "what each position requires in portfolio margin, so that of several no liquidation price is known. "
        "**Kept**: risk limits and collateral ratios for an hour, funding for 15 minutes, that there are no "
        "options for one.\n\n"
        "Demo trading: `base_url: https://api-demo.bybit.com`; other regions have hosts of their own, too."
    )
    endpoints = (INFO, WALLET, POSITIONS, RISK_LIMIT, COLLATERAL, TICKERS, TIME, KEY)
    budgets = (
        RequestBudget("bybit", (Limit(600.0, 5.0),)),
        RequestBudget("bybit_account", (Limit(50.0, 1.0),), scope="account", signed=True, each_endpoint=True),
    )
    each_collection = (INFO, WALLET, *(POSITIONS for _ in _KINDS))
    marks_endpoint = TICKERS
    key_endpoint = KEY
    refusals = REFUSALS
    unread = UNREAD

    def __init__(self, config: BybitConfig) -> None:
        super().__init__(config)
        self._sign = signer(config.api_secret, "Bybit", elliptic=False)
        self._schedules = Gradually(_schedule, at_once=_AT_ONCE)

    @classmethod
    def check(cls, config: BybitConfig) -> str | None:
        try:
            signer(config.api_secret, "Bybit", elliptic=False)
        except ValueError as error:
            return str(error)
        return None

    def sign(self, request: Request) -> SignedRequest:
        """Signed are time, key, window and query; HMAC in hex, RSA in Base64.

        Source: https://bybit-exchange.github.io/docs/v5/guide
        """
        query = urlencode(request.params)
        if not request.endpoint.signed:
            return SignedRequest(query=query)
        key, window = self.config.api_key.get_secret_value(), int(self.config.recv_window * 1000)
        return SignedRequest(
            query=query,
            headers={
                "X-BAPI-API-KEY": key,
                "X-BAPI-TIMESTAMP": str(request.timestamp_ms),
                "X-BAPI-RECV-WINDOW": str(window),
                "X-BAPI-SIGN": self._sign(f"{request.timestamp_ms}{key}{window}{query}".encode()),
            },
        )

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:
        reset = response.header_number("X-Bapi-Limit-Reset-Timestamp")
        read = partial(self.refusals.read, response, self.secrets, signed=endpoint.signed)
        found = read(until=None if reset is None else reset / 1000.0)
        # Then the account may ask again; an address that is shut out is so for longer.
        return read() if found is not None and found.reason == "banned" else found

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(TIME, Answer[Clock])).result.timeNano / 1e9

    async def key_rights(self, api: Api) -> KeyRights:
        return (await api.get(KEY, Answer[ApiKey])).result.rights

    async def fetch(self, api: Api) -> AccountSnapshot:
        info = (await api.get(INFO, Answer[Info])).result
        if not info.unified:
            raise VenueError("unsupported", f"{self.place(INFO)}: the account is {NOT_UNIFIED}")
        wallet, apart, positions, options = await together(
            _wallet(api, "UNIFIED"),
            _wallet(api, "CONTRACT") if info.apart else _nothing(),
            together(*(_rows(api, category, coin) for category, coin in _KINDS)),
            # There are none in isolated mode, and no coin counts as margin for anything else.
            _nothing() if info.isolated else _options(api),
        )
        held = [
            Held(row, contract_of(row.symbol, coin))
            for (_, coin), rows in zip(_KINDS, positions, strict=True)
            for row in rows
        ]
        collateral, held = await together(
            _nothing() if info.isolated else api.optional(api.venue_cached(_collateral, RARELY, grace=A_DAY)),
            self._known(api, held, info),
        )
        found = [one for one in map(option_of, options or ()) if one is not None]
        held += await _with_tickers(api, found)
        unlisted = wallet.unexplained if options is None else len(found) < len(options)
        return parse(info, wallet, apart, held, collateral or {}, unlisted=unlisted)

    async def _known(self, api: Api, held: Sequence[Held], info: Info) -> list[Held]:
        """The positions with what public calls say of their symbols."""
        kinds, symbols = sorted({one.contract.kind for one in held}), [one.row.symbol for one in held]
        # Portfolio margin has no tiers; inverse contracts that are apart are never in it.
        tiered = [
            one for one in held if info.mode != "portfolio" or (info.apart and one.contract.kind == "inverse")
        ]
        schedules, tickers = await together(
            self._schedules.of(api, [one.name for one in tiered]),
            together(*(api.optional(_funding(api, kind, symbols), {}) for kind in kinds)),
        )
        rows = {symbol: row for found in tickers for symbol, row in found.items()}
        return [
            replace(one, schedule=schedules.get(one.name, one.schedule), ticker=rows.get(one.row.symbol))
            for one in held
        ]

    async def marks(self, api: Api) -> Marks:
        at = api.now()
        linear, inverse = await together(_tickers(api, "linear"), _tickers(api, "inverse"))
        rows = {**linear, **inverse}
        coins = {}
        for symbol, row in rows.items():  # inverse ones last: of a coin that both tell, the price in USD
            found = index_coin(symbol, inverse=symbol in inverse)
            if found is not None and row.indexPrice is not None:
                coins[found[0]] = PublicPrice(row.indexPrice, at, found[1])
        return Marks(
            {symbol: PublicPrice(row.markPrice, at) for symbol, row in rows.items() if row.markPrice}, coins
        )


async def _nothing() -> None:
    """What is not asked."""


async def _list(api: Api, endpoint: Endpoint, type_: type[T], **params: str) -> list[T]:
    form: Any = Answer[Listing[type_]]  # type: ignore[valid-type]  # a type made at run time
    answer: Answer[Listing[T]] = await api.get(endpoint, form, tuple(params.items()))
    return listed(answer.result.rows)


async def _wallet(api: Api, account_type: str) -> Wallet:
    wallets = await _list(api, WALLET, Wallet, accountType=account_type)
    if len(wallets) != 1:
        raise schema_error(WALLET, f"`list` has {len(wallets)} accounts, expected one")
    return wallets[0]


async def _rows(api: Api, category: str, coin: str = "") -> list[PositionRow]:
    """The open positions of a category, each once: a list that changes may show one on two pages."""
    params = (("category", category), *((("settleCoin", coin),) if coin else ()), ("limit", str(PAGE)))
    pages = await api.get_pages(POSITIONS, Answer[Page], params, following())
    rows = {(row.symbol, row.side): row for page in pages for row in listed(page.result.rows) if row.size}
    return list(rows.values())


def _options(api: Api) -> Awaitable[list[PositionRow] | None]:
    """None where the key may not see them."""

    def rows_of(has_some: bool | None) -> Awaitable[list[PositionRow] | None]:
        if has_some:
            return _rows(api, "option")
        return Ready(None if has_some is None else [])

    return then(api.account_cached(_has_options, _OPTIONS_MAX_AGE), rows_of)


async def _has_options(api: Api) -> bool | None:
    """None where the key may not see them."""
    try:
        return bool(await _rows(api, "option"))
    except VenueError as error:
        if error.reason != "permission":
            raise
        return None


async def _schedule(api: Api, name: str) -> Schedule:
    category, _, symbol = name.partition(" ")
    return schedule_of(await _list(api, RISK_LIMIT, RiskLimit, category=category, symbol=symbol), symbol)


async def _tickers(api: Api, category: str, base: str = "") -> Mapping[str, TickerRow]:
    of_base = {"baseCoin": base} if base else {}
    return {row.symbol: row for row in await _list(api, TICKERS, TickerRow, category=category, **of_base)}


async def _with_tickers(api: Api, held: Sequence[Held]) -> list[Held]:
    """Options with what is told to everybody of them, by the coin that they are on."""
    rows: dict[str, TickerRow] = {}
    for base in sorted({one.contract.base for one in held}):
        ask = partial(_tickers, category="option", base=base)
        rows |= await api.optional(api.venue_cached(ask, api.interval, name=f"options {base}"), {})
    return [replace(one, ticker=rows.get(one.row.symbol)) for one in held]


def _funding(api: Api, category: str, symbols: Iterable[str]) -> Awaitable[Mapping[str, TickerRow]]:
    ask, name = partial(_tickers, category=category), f"tickers {category}"
    return funding_by_symbol(api, ask, symbols, lambda row: row.nextFundingTime, name=name)


async def _collateral(api: Api) -> Mapping[str, CollateralRow]:
    return {row.currency: row for row in await _list(api, COLLATERAL, CollateralRow)}
