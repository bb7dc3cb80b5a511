"""OKX trading accounts of all four levels: perpetual and expiring contracts, linear and inverse."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import Field, SecretStr

from exporter.account import AccountConfig, ApiKeyConfig, Member, SubAccounts
from exporter.api import Api
from exporter.errors import VenueError
from exporter.gradually import Gradually
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, KeyRights, Marks, PublicPrice
from exporter.request import Endpoint, Request, SignedRequest
from exporter.signing import hmac_base64
from exporter.tasks import Ready, together
from exporter.venues._okx import (
    BALANCE,
    CONFIG,
    FUNDING,
    INSTRUMENTS,
    MARKS,
    MEMBER_BALANCE,
    MEMBERS,
    MOST_ROWS,
    POSITIONS,
    PUBLIC,
    READ,
    TIERS,
    TIME,
    UNREAD,
    Clock,
    Config,
    FundingRow,
    Instrument,
    MarkRow,
    MemberRow,
    PositionRow,
    Schedule,
    TierRow,
    Totals,
    contract_of,
    family_of,
    following,
    schedule_of,
)
from exporter.venues._okx_account import Held, member, parse
from exporter.venues.base import (
    Answer,
    Refusal,
    Refusals,
    Venue,
    contracts_by_symbol,
    funding_by_symbol,
    said_of_key,
    schema_error,
)
from exporter.wire import Rows, listed

T = TypeVar("T")

_KINDS = ("SWAP", "FUTURES", "MARGIN", "OPTION")
# Tiers that are asked for in one collection: ten may be in two seconds.
_AT_ONCE = 4

# Sources: https://www.okx.com/docs-v5/en/#error-code ; the wait after 50011 is the window of its limits.
REFUSALS = Refusals(
    Refusal("clock", codes=("50102", "50112")),
    Refusal("auth", "a key of the other market, demo or live; see `simulated_trading`", codes=("50101",)),
    Refusal("auth", "the passphrase is not that of the API key", codes=("50105",)),
    Refusal("auth", "the API key is not known here", codes=("50111", "50119")),
    Refusal("auth", "the signature is not valid: check the API secret", codes=("50113",)),
    Refusal("auth", "the API key is frozen", codes=("50100",)),
    Refusal("auth", "the request is not accepted as signed", codes=("5010[3467]", "50114")),
    Refusal("permission", "this address is not on the key's list of addresses", codes=("50110",)),
    Refusal("permission", "the key must be bound to addresses to read this", codes=("50035",)),
    Refusal("permission", "the venue does not serve this address", codes=("50121",)),
    Refusal("permission", "the key lacks the permission to read this", codes=("50030", "50120")),
    Refusal("exchange", "the venue timed out", codes=("50004",)),
    Refusal("exchange", codes=("50013",)),  # busy, whoever asks, although by HTTP too many requests
    Refusal("rate_limited", codes=("50011", "50040"), pause=2.0, scope="account"),
    success=frozenset({"0"}),
)


class OkxConfig(ApiKeyConfig, SubAccounts):
    """An OKX account."""

    passphrase: SecretStr = Field(description="Passphrase of the API key.")
    simulated_trading: bool = Field(default=False, description="Whether the key is one of demo trading.")

    @property
    def market(self) -> str:
        return "simulated" if self.simulated_trading else ""

    def secrets(self) -> tuple[str, ...]:
        """Without what a sub-account is called by: its owner chose that, and its account's name has it."""
        return AccountConfig.secrets(self)


class Okx(Venue[OkxConfig]):
    """Source: the pages below https://www.okx.com/docs-v5/en/ ."""

    name = "okx"
    title = "OKX"
    documentation = "https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-balance"
    config_class = OkxConfig
    base_url = "https://www.okx.com"
    note = (
        "Trading accounts of all levels. A key with read permission is enough. With `sub_accounts: true` the "
        "key of a main account shows its sub-accounts, too: **their figures only, never their positions**, "
        "so that there are no liquidation prices; one with isolated positions, whose risk is in no figure, "
        "is told as `unsupported`: give it a key of its own.\n\n"
        "**Rate**: (maintenance margin + fees of closing) / equity, the venue's margin ratio turned round; "
        "the venue liquidates at 1 by the mark price. **Futures mode**: each currency is a pool of its own. "
        "**Several currencies and portfolio margin**: one pool in USD, after haircuts, without isolated "
        "positions. **Spot mode**: what all coins are worth; a requirement only beside loans.\n\n"
        "**Fee of closing**: what the venue's ratio has in it besides the maintenance margin, at most 0.05 % "
        "of the value; where it would be more, the rest counts as requirement. **Tiers**: all of a position "
        "at the rate of its tier, which cross positions of a family reach together, longs and shorts. "
        "**Assumed**: that they do; a fee of 0.05 % where there is no ratio; coins count as margin at "
        "today's share of their value. **Options, leveraged spot, event contracts** count in the figures of "
        "their pool and are not among its positions; while there are some, nothing is computed of what other "
        "prices would do to it. Such a position with a margin of its own makes the account `unsupported`, "
        "unless it was paid in full. **Not told**: what each position requires in portfolio margin. "
        "**Kept**: contracts and tiers for an hour, funding for 15 minutes.\n\n"
        "Demo trading: `simulated_trading: true`. Other regions have hosts of their own: `base_url: "
        "https://eea.okx.com`, `https://us.okx.com`."
    )
    endpoints = (CONFIG, BALANCE, POSITIONS, MEMBERS, MEMBER_BALANCE, *PUBLIC)
    budgets = (
        RequestBudget("okx", (Limit(10.0, 2.0),), signed=False, each_endpoint=True),
        RequestBudget("okx_account", (Limit(10.0, 2.0),), scope="account", signed=True, each_endpoint=True),
    )
    each_collection = (CONFIG, BALANCE, POSITIONS)
    marks_endpoint = MARKS
    listing_endpoint = MEMBERS
    key_endpoint = CONFIG
    refusals = REFUSALS
    unread = UNREAD

    def __init__(self, config: OkxConfig) -> None:
        super().__init__(config)
        self._schedules = Gradually(_schedule, at_once=_AT_ONCE)

    def sign(self, request: Request) -> SignedRequest:
        """Signed are the time in UTC, the method, and path and query; the result is in Base64.

        Source: https://www.okx.com/docs-v5/en/#overview-rest-authentication
        """
        query = urlencode(request.params)
        headers = {"x-simulated-trading": "1"} if self.config.simulated_trading else {}
        if request.endpoint.signed:
            moment = datetime.fromtimestamp(request.timestamp_ms / 1000.0, UTC)
            stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            target = request.path + (f"?{query}" if query else "")
            headers |= {
                "OK-ACCESS-KEY": self.config.api_key.get_secret_value(),
                "OK-ACCESS-PASSPHRASE": self.config.passphrase.get_secret_value(),
                "OK-ACCESS-TIMESTAMP": stamp,
                "OK-ACCESS-SIGN": hmac_base64(
                    self.config.api_secret, f"{stamp}{request.endpoint.method}{target}"
                ),
            }
        return SignedRequest(query=query, headers=headers)

    async def server_time(self, api: Api) -> float | None:
        return (await _one(api, TIME, Clock)).ts / 1000.0

    async def key_rights(self, api: Api) -> KeyRights:
        return said_of_key((await _one(api, CONFIG, Config)).rights, self.place(CONFIG))

    async def sub_accounts(self, api: Api) -> Sequence[Member]:
        pages = await api.get_pages(MEMBERS, Answer[Rows[MemberRow]], (("limit", str(MOST_ROWS)),), following)
        names = dict.fromkeys(row.subAcct for page in pages for row in listed(page.data) if row.subAcct)
        return [Member(name, name) for name in names]

    async def fetch(self, api: Api) -> AccountSnapshot:
        if self.config.handle is not None:
            return member(await _one(api, MEMBER_BALANCE, Totals, subAcct=self.config.handle))
        config, totals, rows = await together(
            _one(api, CONFIG, Config), _one(api, BALANCE, Totals), _open_positions(api)
        )
        if config.acctLv not in {1.0, 2.0, 3.0, 4.0}:
            text = f"accounts of level {config.acctLv:g} are not known here"
            raise VenueError("unsupported", text).within(self.place(CONFIG))
        for row in rows:
            if row.isolated and row.instType not in READ and row.owes:
                text = "an isolated position in leveraged spot trading, or of a sold option, is not read"
                raise VenueError("unsupported", text).within(self.place(POSITIONS))
        held = await self._known(api, [row for row in rows if row.instType in READ], config)
        return parse(config, totals, held, [row for row in rows if row.instType not in READ])

    async def _known(self, api: Api, rows: Sequence[PositionRow], config: Config) -> list[Held]:
        """The positions with what public calls say of their symbols."""
        kinds: dict[str, set[str]] = {}
        for row in rows:
            kinds.setdefault(row.instType, set()).add(row.instId)
        asked = (api.optional(_instruments(api, *one), {}) for one in sorted(kinds.items()))
        lists = await together(*asked)
        instruments = {name: one for found in lists for name, one in found.items()}
        contracts: dict[str, float] = {}
        names = {}
        for row in rows:
            family = family_of(row.instId, instruments.get(row.instId))
            names[id(row)] = name = f"{row.instType} {row.mgnMode.lower()} {family}"
            contracts[name] = contracts.get(name, 0.0) + abs(row.pos)
        swaps = [row.instId for row in rows if row.instType == "SWAP"]
        schedules, funding = await together(
            self._schedules.of(api, names.values() if config.acctLv != 4.0 else ()),
            api.optional(
                funding_by_symbol(api, _funding, swaps, lambda row: row.fundingTime) if swaps else Ready({}),
                {},
            ),
        )
        return [
            Held(
                row,
                contract_of(row.instId, row.ccy, instruments.get(row.instId)),
                schedules.get(names[id(row)], Schedule()),
                abs(row.pos) if row.isolated else contracts[names[id(row)]],
                funding.get(row.instId),
            )
            for row in rows
        ]

    async def marks(self, api: Api) -> Marks:
        at = api.now()
        swaps, futures, coins = await together(
            *(_list(api, MARKS, MarkRow, instType=kind) for kind in (*READ, "MARGIN"))
        )
        symbols = {row.instId: PublicPrice(row.markPx, at) for row in (*swaps, *futures) if row.markPx}
        prices: dict[str, PublicPrice] = {}
        for row in coins:
            coin, _, quote = row.instId.partition("-")
            if row.markPx and (quote == "USD" or (quote == "USDT" and coin not in prices)):
                prices[coin] = PublicPrice(row.markPx, at, quote)
        return Marks(symbols, prices)


async def _list(api: Api, endpoint: Endpoint, type_: type[T], **params: str) -> list[T]:
    form: Any = Answer[Rows[type_]]  # type: ignore[valid-type]  # a type made at run time
    answer: Answer[Rows[T]] = await api.get(endpoint, form, tuple(params.items()))
    return listed(answer.data)


async def _one(api: Api, endpoint: Endpoint, type_: type[T], **params: str) -> T:
    rows = await _list(api, endpoint, type_, **params)
    if len(rows) != 1:
        raise schema_error(endpoint, f"`data` has {len(rows)} rows, expected one")
    return rows[0]


async def _open_positions(api: Api) -> list[PositionRow]:
    """All of them. As many as an answer has at most may be a part: then each kind is asked for by itself."""
    rows = await _list(api, POSITIONS, PositionRow)
    if len(rows) == MOST_ROWS:
        parts = await together(*(_list(api, POSITIONS, PositionRow, instType=kind) for kind in _KINDS))
        if any(len(part) == MOST_ROWS for part in parts):
            raise schema_error(POSITIONS, f"there are {MOST_ROWS} rows of one kind: the list may be cut off")
        rows = [row for part in parts for row in part]
    return [row for row in rows if row.pos]


def _instruments(api: Api, kind: str, symbols: Iterable[str]) -> Awaitable[Mapping[str, Instrument]]:
    async def ask(api: Api) -> Mapping[str, Instrument]:
        found = await _list(api, INSTRUMENTS, Instrument, instType=kind)
        if not found:
            raise schema_error(INSTRUMENTS, f"no contract of the kind {kind} is listed")
        return {row.instId: row for row in found}

    return contracts_by_symbol(api, ask, symbols, name=f"contracts {kind}")


async def _funding(api: Api) -> Mapping[str, FundingRow]:
    return {row.instId: row for row in await _list(api, FUNDING, FundingRow, instId="ANY")}


async def _schedule(api: Api, name: str) -> Schedule:
    kind, mode, family = name.split(" ", maxsplit=2)
    return schedule_of(await _list(api, TIERS, TierRow, instType=kind, tdMode=mode, instFamily=family))
