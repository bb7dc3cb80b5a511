"""Hyperliquid: its own exchange and those built upon it, read by address, without a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from exporter.account import Member, SubAccounts
from exporter.answers import A_DAY
from exporter.api import Api
from exporter.errors import VenueError
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, Marks, PublicPrice
from exporter.request import Endpoint, Request, SignedRequest
from exporter.tasks import together
from exporter.venues._hyperliquid import (
    BALANCES,
    CONTEXTS,
    METAS,
    MODE,
    NAMES,
    REFUSALS,
    ROLE,
    STATE,
    SUB_ACCOUNTS,
    TIME,
    TOKENS,
    UNREAD,
    USDC,
    Clock,
    Context,
    Exchange,
    ExchangeName,
    Meta,
    PairContext,
    Role,
    SpotMeta,
    Symbols,
    Tokens,
    address_of,
    check_mode,
    contexts_of,
    exchanges_of,
    nothing_held,
    question,
    tokens_of,
)
from exporter.venues._hyperliquid_account import (
    Balances,
    Family,
    Held,
    State,
    check_age,
    family_of,
    portfolio,
    separate,
    unified,
)
from exporter.venues.base import Venue, schema_error
from exporter.wire import decode

_MODE_MAX_AGE, _MODE_GRACE = 300.0, 600.0
_DOUBTED_MAX_AGE = 60.0
"""Of a mode that is not the one that the figures look like: another one gives all of them another meaning."""
_EXCHANGES_MAX_AGE = 300.0
"""For so long positions at an exchange that is new are not seen."""
_PRICES_MAX_AGE = 60.0
_FUNDING_MAX_AGE = 900.0
_ROLE_MAX_AGE = 600.0
_LIST_MAX_AGE = 30.0  # of the answer about all sub-accounts, for who only wants to know which there are


class HyperliquidConfig(SubAccounts):
    """A Hyperliquid account, by its public address."""

    # No secret in the configuration's sense: another address is another account.
    address: Annotated[str, BeforeValidator(address_of)] = Field(
        description="Public address of the account: 0x and 40 hexadecimal digits. Not that of an agent (API) "
        "wallet, and never a private key.",
        examples=['"0x0000000000000000000000000000000000000001"'],
    )

    def secrets(self) -> tuple[str, ...]:
        """Also the address: it says whose the account is."""
        return (*super().secrets(), self.address)


class Hyperliquid(Venue[HyperliquidConfig]):
    """Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint ."""

    name = "hyperliquid"
    title = "Hyperliquid"
    documentation = "https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint"
    config_class = HyperliquidConfig
    base_url = "https://api.hyperliquid.xyz"
    note = (
        "Read by the public address alone, no key: its own exchange and those that others built upon it "
        "(HIP-3), which are found by themselves. An agent wallet's address, one that the venue does not "
        "know, and one that holds nothing are told as failures. `sub_accounts: true` collects those of a "
        "master address with one request.\n\n"
        "**Rate**: cross maintenance margin / what backs it, by the mark price; 1 is liquidation, there is "
        "no fee in it. **Separate balances** (`disabled`, `default`): a pool for each exchange, such as "
        "`xyz:USDC`. **Unified**: a pool for each coin; its balance, with the PnL, less isolated margins, "
        "backs the positions of all exchanges in that coin; other coins are not shown. `default` is read "
        "as unified where the venue tells what balances leave beside positions. **Portfolio margin**: one "
        "pool in USD, the venue's ratio / 0.95, where it liquidates. DEX abstraction is `unsupported`.\n\n"
        "**Tiers**: half of the margin at the highest leverage, progressive. **Assumed**: one USDC is one "
        "dollar; in portfolio margin a coin counts with 0.5 + 0.5 × LTV, without caps. **Not told**: what "
        "each cross position requires, which follows from the tiers; with loans nothing is computed of "
        "what other prices would do. **Kept**: the mode, exchanges and tiers for 5 minutes, spot "
        "prices for one, funding for 15. Live marks are those of its own exchange.\n\n"
        "Test network: `base_url: https://api.hyperliquid-testnet.xyz`."
    )
    endpoints = (MODE, STATE, BALANCES, ROLE, SUB_ACCOUNTS, NAMES, METAS, TOKENS, CONTEXTS, TIME)
    budgets = (RequestBudget("hyperliquid", (Limit(1200.0, 60.0),)),)
    each_collection = (*(STATE for _ in range(8)), BALANCES)
    marks_endpoint = CONTEXTS
    listing_endpoint = SUB_ACCOUNTS
    refusals = REFUSALS
    unread = UNREAD

    def sign(self, request: Request) -> SignedRequest:
        """Nothing is signed: a question is a document."""
        return SignedRequest(headers={"Content-Type": "application/json"}, body=request.body)

    async def server_time(self, api: Api) -> float | None:
        clock: Clock = await _ask(api, TIME, Clock)
        return clock.time

    async def sub_accounts(self, api: Api) -> Sequence[Member]:
        family = await self._family(api, _LIST_MAX_AGE)
        if family.nameless is not None:
            raise family.nameless
        return [Member(named.name or "", named.subAccountUser.lower()) for named, _ in family.rows]

    async def fetch(self, api: Api) -> AccountSnapshot:
        if self.config.handle is not None:
            return await self._member(api, self.config.handle)
        user = self.config.address
        mode, exchanges = await together(
            api.account_cached(self._mode, _MODE_MAX_AGE, grace=_MODE_GRACE),
            api.venue_cached(_exchanges, _EXCHANGES_MAX_AGE, grace=A_DAY),
        )
        check_mode(mode)
        balances, states = await together(
            _ask(api, BALANCES, Balances, user=user),
            together(*(self._state(api, one.name) for one in exchanges)),
        )
        if not (balances.holds or any(state.holds for state in states)):
            role = await api.account_cached(self._role, _ROLE_MAX_AGE)
            if not self.config.sub_accounts or role in {"missing", "agent"}:
                raise nothing_held(role).within(self.place(ROLE))
        mode = await self._sure(api, mode, balances)
        return await self._snapshot(api, mode, balances, list(zip(exchanges, states, strict=True)))

    async def _member(self, api: Api, handle: str) -> AccountSnapshot:
        """One of the sub-accounts, of which the venue tells all at once."""
        family, exchanges = await together(
            self._family(api, api.interval),
            api.venue_cached(_exchanges, _EXCHANGES_MAX_AGE, grace=A_DAY),
        )
        row = family.row(handle, self.place(SUB_ACCOUNTS))
        if row is None:
            raise VenueError("exchange", "the sub-account is not listed any more").within(
                self.place(SUB_ACCOUNTS)
            )
        balances, mode = row.spotState or Balances(balances=None), row.abstraction
        if mode is None:
            mode = await api.account_cached(self._mode, _MODE_MAX_AGE, grace=_MODE_GRACE)
            mode = await self._sure(api, mode, balances)
        states = dict(row.dexToClearinghouseState)
        check_age(family.response, states.values(), self.config.age_limit)
        known = {one.name for one in exchanges}
        if any(state.holds and name not in known for name, state in states.items()):
            raise schema_error(SUB_ACCOUNTS, f"an exchange that is not in {NAMES.label}")
        if "" not in states:
            raise schema_error(SUB_ACCOUNTS, "the venue's own exchange is missing")
        pairs = [(one, states[one.name]) for one in exchanges if one.name in states]
        return await self._snapshot(api, mode, balances, pairs)

    async def _snapshot(
        self, api: Api, mode: str | None, balances: Balances, pairs: Sequence[tuple[Exchange, State]]
    ) -> AccountSnapshot:
        check_mode(mode)
        if mode in {None, "default"}:
            mode = balances.mode
        if any(exchange.token is None and state.holds for exchange, state in pairs):
            raise schema_error(METAS, "`collateralToken` of an exchange with positions is missing")
        pairs = [(exchange, state) for exchange, state in pairs if exchange.token is not None]
        tokens, contexts = await together(
            self._tokens(api, mode, balances, pairs),
            together(*(self._contexts(api, exchange, state) for exchange, state in pairs)),
        )
        held = [
            Held(exchange, state, known) for (exchange, state), known in zip(pairs, contexts, strict=True)
        ]
        if mode == "portfolioMargin":
            return portfolio(held, balances, tokens)
        if mode == "unifiedAccount":
            return unified(held, balances, tokens)
        return separate(held, tokens)

    async def _tokens(
        self, api: Api, mode: str | None, balances: Balances, pairs: Sequence[tuple[Exchange, State]]
    ) -> Tokens:
        """Names and prices of coins, where others than USDC matter."""
        others = any(
            exchange.token != USDC and (state.holds or balances.row(exchange.token) is not None)
            for exchange, state in pairs
        )
        if mode != "portfolioMargin" and not others:
            return Tokens({USDC: "USDC"}, {})
        # Names do not change, and are worth more than prices that are late.
        names, now = await together(
            api.venue_cached(_tokens, _EXCHANGES_MAX_AGE, grace=A_DAY, name="names of tokens"),
            api.optional(api.venue_cached(_tokens, _PRICES_MAX_AGE)),
        )
        return Tokens(names.names, {}) if now is None else now

    async def _contexts(self, api: Api, exchange: Exchange, state: State) -> Mapping[str, Context]:
        """What is told of the symbols of an exchange; nothing where there are no positions."""
        if not state.rows:
            return {}
        return await api.optional(
            api.venue_cached(
                lambda api: _contexts(api, exchange.name),
                _FUNDING_MAX_AGE,
                name=f"contexts {exchange.name}",
            ),
            {},
        )

    async def _mode(self, api: Api) -> str | None:
        user = self.config.handle or self.config.address
        mode: str | None = await _ask(api, MODE, str | None, user=user)
        return mode

    async def _sure(self, api: Api, mode: str | None, balances: Balances) -> str | None:
        """The mode; asked for again if it was kept and the figures look like another one's."""
        if mode in {None, "default", balances.mode}:
            return mode
        return await api.account_cached(self._mode, _DOUBTED_MAX_AGE, name="doubted mode")

    async def _family(self, api: Api, max_age: float) -> Family:
        async def asked(api: Api) -> Family:
            document = question(SUB_ACCOUNTS, user=self.config.address)
            return family_of(await api.request(SUB_ACCOUNTS, document=document), self.place(SUB_ACCOUNTS))

        return await api.family_cached("sub-accounts", asked, max_age)

    async def _state(self, api: Api, exchange: str) -> State:
        document = question(STATE, dex=exchange, user=self.config.address)
        response = await api.request(STATE, document=document)
        state = decode(response.body, State, self.place(STATE))
        check_age(response, [state], self.config.age_limit)
        return state

    async def _role(self, api: Api) -> str:
        role: Role = await _ask(api, ROLE, Role, user=self.config.address)
        return role.role

    async def marks(self, api: Api) -> Marks:
        at = api.now()
        contexts = await _contexts(api, "")
        coins = {
            name: PublicPrice(context.oraclePx, at, "USDC")
            for coin, context in contexts.items()
            if context.oraclePx is not None
            # Bitcoin and others come as tokens with a U in front.
            for name in (coin, f"U{coin}")
        }
        return Marks(
            {name: PublicPrice(one.markPx, at) for name, one in contexts.items() if one.markPx is not None},
            coins,
        )


async def _ask(api: Api, endpoint: Endpoint, type_: Any, **document: str) -> Any:
    return await api.get(endpoint, type_, document=question(endpoint, **document))


async def _exchanges(api: Api) -> Sequence[Exchange]:
    return exchanges_of(
        *await together(_ask(api, NAMES, list[ExchangeName | None]), _ask(api, METAS, list[Meta | None]))
    )


async def _contexts(api: Api, exchange: str) -> Mapping[str, Context]:
    return contexts_of(*await _ask(api, CONTEXTS, tuple[Symbols, list[Context | None]], dex=exchange))


async def _tokens(api: Api) -> Tokens:
    return tokens_of(*await _ask(api, TOKENS, tuple[SpotMeta, list[PairContext | None]]))
