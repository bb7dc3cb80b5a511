"""Gate futures in USDT and bitcoin: classic accounts, and unified ones in each of their modes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from msgspec import field

from exporter.account import ApiKeyConfig
from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.errors import VenueError
from exporter.gradually import Gradually
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, KeyRights, Marks, PublicPrice
from exporter.request import Endpoint, Request, Response, SignedRequest
from exporter.tasks import Ready, together
from exporter.venues._gate import (
    ACCOUNT,
    CONTRACTS,
    DISCOUNTS,
    KEYS,
    MODE,
    NO_ACCOUNT,
    OPTIONS,
    PAGE,
    POSITIONS,
    PUBLIC,
    TABLE,
    TICKERS,
    TIERS,
    TIME,
    UNIFIED,
    UNREAD,
    Account,
    Clock,
    ContractRow,
    Discount,
    Mode,
    OptionRow,
    PositionRow,
    RiskLimit,
    TickerRow,
    Unified,
    coin_prices,
    contract_of,
    following,
    schedule_of,
)
from exporter.venues._gate_account import Held, Known, Wallet, mode_of, parse
from exporter.venues._gate_keys import KeyRow, own_key
from exporter.venues._schedule import Schedule
from exporter.venues.base import Envelope, Refusal, Refusals, Venue, said_of_key, schema_error
from exporter.wire import listed

_Page: Any = list[PositionRow] | PositionRow
_SETTLES = ("usdt", "btc")
# For this long nobody notices that an account has its first option, or none any more.
_OPTIONS_MAX_AGE = 60.0
# Tiers that are asked for in one collection: 200 may be in ten seconds.
_AT_ONCE = 10
_MILLISECONDS = 1e11  # what a moment is in that is beyond this


class Words(Envelope):
    """A failure: a label for programs, and words."""

    code: str | int | None = field(default=None, name="label")
    msg: str | None = field(default=None, name="message")


_NONE_YET = "there is no account for this yet"
# Failures come with their HTTP status. Source: https://www.gate.com/docs/developers/apiv4/en/#error-handling
REFUSALS = Refusals(
    Refusal("clock", codes=("REQUEST_EXPIRED",)),
    Refusal("auth", "the API key is not known here: it may be of the test network", codes=("INVALID_KEY",)),
    Refusal("auth", "the signature is not valid: check the API secret", codes=("INVALID_SIGNATURE",)),
    Refusal(
        "auth",
        "the request is not accepted as signed",
        codes=("INVALID_CREDENTIALS", "MISSING_REQUIRED_HEADER"),
    ),
    Refusal("permission", "this address is not on the key's list of addresses", codes=("IP_FORBIDDEN",)),
    Refusal("permission", "the key lacks the permission to read this", codes=("FORBIDDEN", "READ_ONLY")),
    Refusal("permission", "the venue has locked this account", codes=("ACCOUNT_LOCKED",)),
    Refusal("unsupported", _NONE_YET, codes=(NO_ACCOUNT,)),
    Refusal("rate_limited", codes=("TOO_MANY_REQUESTS", "TOO_FAST"), pause=10.0, scope="account"),
    envelope=Words,
)


class Gate(Venue[ApiKeyConfig]):
    """Source: the pages below https://www.gate.com/docs/developers/apiv4/en/ ."""

    name = "gate"
    title = "Gate futures"
    documentation = "https://www.gate.com/docs/developers/apiv4/en/#futures"
    config_class = ApiKeyConfig
    base_url = "https://api.gateio.ws"
    note = (
        "Perpetual contracts settled in USDT and in bitcoin. The key needs to read `futures`, `unified`, "
        "`account` and, where there are some, `options`; each sub-account needs one of its own. An account "
        "that never had money for futures is an empty one.\n\n"
        "**Rate**: (maintenance margin + fee of closing) / margin balance; 1 is liquidation, by the mark "
        "price. **Classic** accounts and **single-currency** mode: a pool for each settle currency. "
        "**Multi-currency** and **portfolio** mode: one pool in USD, after haircuts, loans and options "
        "included; contracts in bitcoin stay in a pool of their own, `futures:BTC`. Isolated positions stand "
        "alone everywhere. **Hedge mode**: of a contract's two sides in cross only the larger one requires "
        "margin.\n\n"
        "**Fee of closing**: 0.075 %, or what the list of contracts has; the venue's margins contain it, and "
        "it is added where they are computed. **Options** count in a unified account's figures and are not "
        "among its positions; while there are some, nothing is computed of what other prices would do to it. "
        "**Assumed**: a contract settled in bitcoin is worth 1 USD; equities of unified accounts do not "
        "contain isolated positions; coins count as margin by tiers of their amount; an account whose key "
        "may not see options has none. **Not told**: what positions require in portfolio mode, where it "
        "prints none, and what other prices would require in it. **Not read**: delivery contracts, "
        "options of classic accounts, sub-accounts. **Kept**: contracts, risk limits and haircuts for an "
        "hour, the sight of options for a minute.\n\n"
        "Test network: `base_url: https://api-testnet.gateapi.io`."
    )
    endpoints = (MODE, ACCOUNT, POSITIONS, UNIFIED, OPTIONS, KEYS, *PUBLIC)
    budgets = (
        RequestBudget("gate", (Limit(200.0, 10.0),), signed=False, each_endpoint=True),
        RequestBudget(
            "gate_account", (Limit(200.0, 10.0),), scope="account", signed=True, each_endpoint=True
        ),
    )
    each_collection = (MODE, ACCOUNT, ACCOUNT, POSITIONS, UNIFIED)
    marks_endpoint = TICKERS
    key_endpoint = KEYS
    refusals = REFUSALS
    unread = UNREAD

    def __init__(self, config: ApiKeyConfig) -> None:
        super().__init__(config)
        self._schedules = Gradually(_schedule, at_once=_AT_ONCE)

    def sign(self, request: Request) -> SignedRequest:
        """Signed are method, path, query before it is encoded, a digest of the body, and the time in seconds.

        Source: https://www.gate.com/docs/developers/apiv4/en/#api-signature-string-generation
        """
        headers = {"X-Gate-Size-Decimal": "1"} if "/futures/" in request.path else {}
        if request.endpoint.signed:
            stamp = str(request.timestamp_ms // 1000)
            plain = "&".join(f"{name}={value}" for name, value in request.params)
            digest = hashlib.sha512(request.body or b"").hexdigest()
            text = f"{request.endpoint.method}\n{request.path}\n{plain}\n{digest}\n{stamp}"
            secret = self.config.api_secret.get_secret_value().encode()
            headers |= {
                "KEY": self.config.api_key.get_secret_value(),
                "Timestamp": stamp,
                "SIGN": hmac.digest(secret, text.encode(), hashlib.sha512).hex(),
            }
        return SignedRequest(query=urlencode(request.params), headers=headers)

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:
        until = response.header_number("X-Gate-RateLimit-Reset-Timestamp")
        found = self.refusals.read(
            response,
            self.secrets,
            signed=endpoint.signed,
            until=None if until is None else until / 1000.0 if until > _MILLISECONDS else float(until),
        )
        if found is not None and endpoint in {ACCOUNT, OPTIONS} and found.message.endswith(_NONE_YET):
            return None  # an answer, and no failure
        return found

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(TIME, Clock)).server_time / 1000.0

    async def key_rights(self, api: Api) -> KeyRights:
        found = own_key(await api.get_rows(KEYS, KeyRow), self.config.api_key.get_secret_value())
        return said_of_key(KeyRights() if found is None else found.rights, self.place(KEYS))

    async def fetch(self, api: Api) -> AccountSnapshot:
        mode, accounts = await together(
            api.optional(api.get(MODE, Mode), only={"permission"}),
            together(*(api.get(ACCOUNT, Account, path={"settle": settle}) for settle in _SETTLES)),
        )
        mode = mode_of(mode, accounts)
        wallets = [
            Wallet(settle.upper(), account, mode)
            for settle, account in zip(_SETTLES, accounts, strict=True)
            if account.exists
        ]
        unified, rows, options, discounts = await together(
            api.get(UNIFIED, Unified) if mode.unified else Ready(None),
            together(*(_positions(api, wallet) for wallet in wallets)),
            api.account_cached(_has_options, _OPTIONS_MAX_AGE) if mode.may_have_options else Ready(False),
            api.optional(api.venue_cached(_discounts, RARELY, grace=A_DAY)) if mode.shared else Ready(None),
        )
        positions = [(wallet, row) for wallet, found in zip(wallets, rows, strict=True) for row in found]
        priced = mode.unified or any(wallet.coin != "USDT" for wallet in wallets) or positions
        known = await self._known(api, positions, discounts) if priced else Known()
        return parse(mode, wallets, unified, known, unlisted=options, now=api.now())

    async def _known(
        self,
        api: Api,
        rows: Sequence[tuple[Wallet, PositionRow]],
        discounts: Mapping[str, Discount] | None,
    ) -> Known:
        settles = sorted({wallet.coin.lower() for wallet, _ in rows})
        names = [_table_of(wallet, row) for wallet, row in rows]
        schedules, lists, tickers = await together(
            self._schedules.of(api, names),
            together(*(api.optional(_contracts(api, settle), {}) for settle in settles)),
            together(*(api.optional(_prices(api, settle), {}) for settle in _SETTLES)),
        )
        listings = {name: one for found in lists for name, one in found.items()}
        told = {name: one for found in tickers for name, one in found.items()}
        held = [
            Held(
                row,
                wallet,
                contract_of(row, wallet.coin, listings.get(row.contract)),
                schedules.get(name, Schedule()),
                listings.get(row.contract),
                told.get(row.contract),
            )
            for (wallet, row), name in zip(rows, names, strict=True)
        ]
        return Known(held, coin_prices(*tickers), discounts or None)  # by an empty list no coin would count

    async def marks(self, api: Api) -> Marks:
        at = api.now()
        found = await together(*(_tickers(api, settle) for settle in _SETTLES))
        marks = {
            name: PublicPrice(row.mark_price, at)
            for rows in found
            for name, row in rows.items()
            if row.mark_price is not None
        }
        return Marks(marks, {coin: PublicPrice(price, at) for coin, price in coin_prices(*found).items()})


async def _positions(api: Api, wallet: Wallet) -> list[PositionRow]:
    """The open positions, each once: a list that changes may show one on two pages."""
    pages = await api.get_pages(
        POSITIONS,
        _Page,
        (("holding", "true"), ("limit", str(PAGE))),
        following(),
        path={"settle": wallet.coin.lower()},
    )
    rows = {row.identity: row for page in pages for row in listed(page) if row.size}
    if not rows and wallet.account.unrealised_pnl:
        raise schema_error(POSITIONS, "no position is listed, but the account's `unrealised_pnl` is not 0")
    return list(rows.values())


def _table_of(wallet: Wallet, row: PositionRow) -> str:
    """What a position's tiers are asked by: the table that it names, else its contract."""
    kind = f"table {row.risk_limit_table}" if row.risk_limit_table else f"contract {row.contract}"
    return f"{wallet.coin.lower()} {kind}"


async def _schedule(api: Api, name: str) -> Schedule:
    settle, kind, which = name.split(" ", maxsplit=2)
    endpoint, parameter = (TABLE, "table_id") if kind == "table" else (TIERS, "contract")
    rows = await api.get_rows(endpoint, RiskLimit, ((parameter, which),), path={"settle": settle})
    return schedule_of(rows, which)


def _contracts(api: Api, settle: str) -> Awaitable[Mapping[str, ContractRow]]:
    async def ask(api: Api) -> Mapping[str, ContractRow]:
        rows = await api.get_rows(CONTRACTS, ContractRow, path={"settle": settle})
        return {row.name: row for row in rows}

    return api.venue_cached(ask, RARELY, grace=A_DAY, name=f"contracts {settle}")


def _prices(api: Api, settle: str) -> Awaitable[Mapping[str, TickerRow]]:
    return api.venue_cached(partial(_tickers, settle=settle), api.interval, name=f"tickers {settle}")


async def _tickers(api: Api, settle: str) -> Mapping[str, TickerRow]:
    rows = await api.get_rows(TICKERS, TickerRow, path={"settle": settle})
    return {row.contract: row for row in rows}


async def _discounts(api: Api) -> Mapping[str, Discount]:
    """By coin. The list comes inside of another one, as it is documented."""
    found = await api.get(DISCOUNTS, list[list[Discount] | Discount])
    return {row.currency: row for rows in found for row in listed(rows)}


async def _has_options(api: Api) -> bool:
    try:
        return any(row.size for row in await api.get_rows(OPTIONS, OptionRow))
    except VenueError as error:
        if error.reason != "permission":
            raise
        return False
