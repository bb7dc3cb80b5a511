"""Deribit: futures and options, reversed and linear, in all four margin models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

from pydantic import Field, SecretStr

from exporter.account import ApiKeyConfig, Member, SubAccounts
from exporter.api import Api
from exporter.coins import STABLE_COINS
from exporter.errors import VenueError
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, KeyRights, Marks, PublicPrice
from exporter.request import Endpoint, Request, SignedRequest
from exporter.signing import hmac_hex
from exporter.tasks import together
from exporter.venues._deribit import (
    BOOKS,
    INDEX,
    KEY,
    MEMBERS,
    POSITIONS,
    SUMMARIES,
    TIME,
    UNREAD,
    Book,
    Clock,
    IndexPrice,
    Key,
    MemberRow,
    PositionRow,
    Refused,
    Result,
    Summaries,
    Summary,
    index_of,
    model_of,
    named,
)
from exporter.venues._deribit_account import Held, held_of, parse, prices_of
from exporter.venues.base import Refusal, Refusals, Venue, said_of_key, schema_error
from exporter.wire import Rows, listed

T = TypeVar("T")

_SETTLED_IN = ("BTC", "ETH", "USDC", "USDT")
"""The currencies that futures settle in: their marks come in one answer each."""

_LACKS_SCOPE = "the key lacks the scope to read this: it needs account:read and trade:read"

# Source: https://docs.deribit.com/articles/errors and the list of codes of the API. They differ in 10001 (a
# failure of any kind there), 10005, 13010 and 13011: these count with the first page's words alone. What a
# timestamp that is too old is refused as, no page says.
REFUSALS = Refusals(
    Refusal("clock", words=r"timestamp|nonce.*(old|expired)"),
    Refusal(
        "permission", "this address is not on the key's list of addresses", words="whitelist|ip.?address"
    ),
    Refusal("permission", _LACKS_SCOPE, codes=("13021",)),
    Refusal("permission", _LACKS_SCOPE, codes=("13009", "13403", "13011", "10005"), words="scope|forbidden"),
    Refusal("auth", "the client id or the secret is not valid", codes=("13004",)),
    Refusal("auth", "the client id or the secret is not valid", codes=("10001",), words="credential"),
    Refusal("auth", "the request is not accepted as signed", codes=("13009", "10000")),
    Refusal("auth", "the request is not accepted as signed", codes=("13010",), words="token"),
    Refusal("rate_limited", codes=("10028", "10066"), pause=5.0, scope="account"),
    Refusal("exchange", "the venue timed out", codes=("13888",)),
    envelope=Refused,
    success=frozenset(),
)


class DeribitConfig(ApiKeyConfig, SubAccounts):
    """A Deribit account."""

    api_key: SecretStr = Field(description="Client id of the API key, with account:read and trade:read.")
    api_secret: SecretStr = Field(description="Client secret of the API key.")


class Deribit(Venue[DeribitConfig]):
    """Source: https://docs.deribit.com ."""

    name = "deribit"
    title = "Deribit"
    documentation = "https://docs.deribit.com/api-reference/account-management/private-get_account_summaries"
    config_class = DeribitConfig
    base_url = "https://www.deribit.com"
    note = (
        "Futures and options, reversed (settled in their coin) and linear, in all four margin models. "
        "`api_key` is the client id; a key with the scopes account:read and trade:read is enough. With "
        "`sub_accounts: true` the key of a main account shows its sub-accounts, too, with their "
        "positions.\n\n"
        "**Rate**: maintenance margin / margin balance; the venue liquidates at 1, there is no fee in it. "
        "**Segregated models**: a pool for each currency. **Cross models**: one pool in USD, whose totals "
        "each row of the venue's answer repeats. **Liquidation prices**: the venue's where it has one, which "
        "is of futures in segregated standard margin; else computed. **Options**: what short ones require "
        "at other prices is the mark and the share of the underlying that the venue takes of them today; "
        "what portfolio margin would require at other prices is not computed.\n\n"
        "**Assumed**: what a future requires grows with its value, while it grows a little more with its "
        "size; one USDC is one dollar, where coins are valued by an index in USDC. **Not told**: what each "
        "position requires in portfolio margin; a leverage that is set, funding rates. **PnL** is since "
        "positions were opened; the balance has what was settled of it each day.\n\n"
        "Each request is signed; no session is opened. Test network: `base_url: https://test.deribit.com`."
    )
    endpoints = (SUMMARIES, POSITIONS, MEMBERS, KEY, BOOKS, INDEX, TIME)
    budgets = (
        RequestBudget("deribit", (Limit(20.0, 1.0),), signed=False),
        RequestBudget("deribit_account", (Limit(20.0, 1.0),), scope="account", signed=True),
    )
    each_collection = (SUMMARIES, POSITIONS)
    marks_endpoint = BOOKS
    listing_endpoint = MEMBERS
    key_endpoint = KEY
    refusals = REFUSALS
    unread = UNREAD

    def __init__(self, config: DeribitConfig, *, nonce: Callable[[], str] = lambda: uuid4().hex) -> None:
        super().__init__(config)
        self._nonce = nonce

    def sign(self, request: Request) -> SignedRequest:
        """Signed are time, nonce, method, path and query, and the body, each with a line feed behind it.

        Source: https://docs.deribit.com/articles/authentication , "Deribit signature credentials". What the
        key may do is told with a token; for that one, time and nonce alone are signed ("client_signature").
        """
        config, query, stamp = self.config, urlencode(request.params), str(request.timestamp_ms)
        if not request.endpoint.signed:
            return SignedRequest(query=query)
        name, nonce = config.api_key.get_secret_value(), self._nonce()
        if request.endpoint == KEY:
            proof = {
                "grant_type": "client_signature",
                "client_id": name,
                "timestamp": stamp,
                "nonce": nonce,
                "signature": hmac_hex(config.api_secret, f"{stamp}\n{nonce}\n"),
            }
            return SignedRequest(query=urlencode(proof))
        target = request.path + (f"?{query}" if query else "")
        text = f"{stamp}\n{nonce}\n{request.endpoint.method}\n{target}\n\n"
        signature = hmac_hex(config.api_secret, text)
        proof_text = f"deri-hmac-sha256 id={name},ts={stamp},sig={signature},nonce={nonce}"
        return SignedRequest(query=query, headers={"Authorization": proof_text})

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(TIME, Clock)).result

    async def key_rights(self, api: Api) -> KeyRights:
        return said_of_key((await _ask(api, KEY, Key)).rights, self.place(KEY))

    async def sub_accounts(self, api: Api) -> Sequence[Member]:
        own, rows = await together(
            _ask(api, SUMMARIES, Summaries, extended="true"), _rows(api, MEMBERS, MemberRow)
        )
        if own.type == "subaccount":
            # It would be listed as the only one below itself, and everything in it be shown twice.
            text = "the key is one of a sub-account: `sub_accounts` needs a key of the main account"
            raise VenueError("unsupported", text).within(self.place(MEMBERS))
        return [
            Member(row.username or row.system_name, str(row.id)) for row in rows if row.type == "subaccount"
        ]

    async def fetch(self, api: Api) -> AccountSnapshot:
        whose = {} if self.config.handle is None else {"subaccount_id": self.config.handle}
        account, positions = await together(
            _ask(api, SUMMARIES, Summaries, **whose),
            _rows(api, POSITIONS, PositionRow, currency="any", **whose),
        )
        rows = listed(account.summaries)
        try:
            model = model_of(rows)
        except VenueError as error:
            raise error.within(self.place(SUMMARIES)) from None
        # A coin that was bought is in the balance of its currency.
        opened = [row for row in positions if row.size and row.kind != "spot"]
        known = [(row, name) for row in opened if (name := named(row.kind, row.instrument_name)) is not None]
        books = await self._books(api, {name.contract.settle for _, name in known if name.option is not None})
        held = [held_of(row, name, books.get(row.instrument_name), api.now()) for row, name in known]
        prices = prices_of(rows, held)
        prices |= await self._indices(api, rows, held, prices)
        return parse(rows, held, model, prices, unlisted=len(held) < len(opened))

    async def _books(self, api: Api, coins: Iterable[str]) -> Mapping[str, Book]:
        """What is told to everybody of options that settle in some coins: volatilities and underlyings."""
        found = await together(
            *(
                api.optional(
                    api.venue_cached(
                        partial(_books, coin=coin, kind="option"), api.interval, name=f"options {coin}"
                    ),
                    {},
                )
                for coin in sorted(coins)
            )
        )
        return {name: book for books in found for name, book in books.items()}

    async def _indices(
        self, api: Api, rows: Iterable[Summary], held: Iterable[Held], known: Mapping[str, float]
    ) -> Mapping[str, float]:
        """The prices of coins that nothing else tells."""
        needed = {row.currency for row in rows if row.equity or row.balance} | {one.settle for one in held}
        coins = sorted(needed - known.keys() - STABLE_COINS)
        found = await together(
            *(
                api.optional(api.venue_cached(partial(_index, coin=coin), api.interval, name=f"index {coin}"))
                for coin in coins
            )
        )
        return {coin: price for coin, price in zip(coins, found, strict=True) if price is not None}

    async def marks(self, api: Api) -> Marks:
        at = api.now()
        answers = await together(*(_books(api, coin=coin, kind="future") for coin in _SETTLED_IN))
        books = [book for answer in answers for book in answer.values()]
        coins: dict[str, PublicPrice] = {}
        for book in books:
            found = named("future", book.instrument_name)
            if found is None or book.estimated_delivery_price is None:
                continue
            base, quote = found.contract.base, found.contract.quote
            if book.instrument_name.endswith("-PERPETUAL") and (quote == "USD" or base not in coins):
                coins[base] = PublicPrice(book.estimated_delivery_price, at, quote)
        symbols = {one.instrument_name: one.mark_price for one in books}
        return Marks(
            {name: PublicPrice(price, at) for name, price in symbols.items() if price is not None}, coins
        )


async def _ask(api: Api, endpoint: Endpoint, type_: type[T], **params: str) -> T:
    form: Any = Result[type_]  # type: ignore[valid-type]  # a type made at run time
    answer: Result[T] = await api.get(endpoint, form, tuple(params.items()))
    return answer.result


async def _rows(api: Api, endpoint: Endpoint, type_: type[T], **params: str) -> list[T]:
    form: Any = Rows[type_]  # type: ignore[misc, valid-type]  # the same
    rows: Rows[T] = await _ask(api, endpoint, form, **params)
    return listed(rows)


async def _books(api: Api, *, coin: str, kind: str) -> Mapping[str, Book]:
    rows = await _rows(api, BOOKS, Book, currency=coin, kind=kind)
    return {row.instrument_name: row for row in rows}


async def _index(api: Api, *, coin: str) -> float | None:
    found = await _ask(api, INDEX, IndexPrice, index_name=index_of(coin))
    if found.index_price is None:
        raise schema_error(INDEX, "`index_price` is missing")
    return found.index_price
