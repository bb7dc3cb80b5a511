"""Bitget futures: classic accounts with one or several coins as margin, and unified accounts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from pydantic import Field, SecretStr

from exporter.account import ApiKeyConfig
from exporter.answers import A_DAY
from exporter.api import Api
from exporter.errors import VenueError
from exporter.gradually import Gradually
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, KeyRights, Marks, PublicPrice
from exporter.request import Request, SignedRequest
from exporter.signing import hmac_base64
from exporter.tasks import Ready, together
from exporter.venues._bitget import (
    ASSETS,
    CHANGING,
    CLASSIC_ACCOUNTS,
    CLASSIC_KEY,
    CLASSIC_POSITIONS,
    KEY,
    MARKS,
    NEITHER,
    POSITIONS,
    PRODUCTS,
    REFUSALS,
    SETTINGS,
    TIME,
    UNREAD,
    AccountRow,
    ClassicRow,
    Clock,
    MarkRow,
    PositionRow,
    Positions,
    Settings,
    Totals,
    of_the_other_kind,
)
from exporter.venues._bitget_account import (
    ClassicKey,
    Key,
    margin_coins,
    parse_classic,
    parse_unified,
)
from exporter.venues._bitget_contract import Held, Tiers, contract_of, index_coin
from exporter.venues._bitget_public import (
    choice_of,
    funding,
    haircuts_of,
    index_price,
    places,
    rows_of,
    tether_price,
    tiers_by_name,
)
from exporter.venues.base import Answer, Venue, said_of_key
from exporter.wire import listed

# Tiers that are asked for in one collection: ten may be in a second.
_AT_ONCE = 4
# For this long nobody notices which coins count as margin.
_CHOICE_MAX_AGE = 60.0


class BitgetConfig(ApiKeyConfig):
    """A Bitget account."""

    passphrase: SecretStr = Field(description="Passphrase of the API key.")
    simulated_trading: bool = Field(default=False, description="Whether the key is one of demo trading.")

    @property
    def market(self) -> str:
        return "simulated" if self.simulated_trading else ""


class Bitget(Venue[BitgetConfig]):
    """Source: the pages below https://www.bitget.com/api-doc ."""

    name = "bitget"
    title = "Bitget futures"
    documentation = "https://www.bitget.com/api-doc/contract/account/Get-Account-List"
    config_class = BitgetConfig
    base_url = "https://api.bitget.com"
    note = (
        "Classic accounts and unified ones; which it is, the venue's answer tells. A key reads one "
        "account: each sub-account needs one of its own.\n\n"
        "**Rate**: maintenance margin with the fee of closing / what backs the positions; the venue "
        "liquidates at 1 by the mark price. **Classic, one coin**: a pool for each margin coin; what it "
        "requires is the venue's ratio of its equity without isolated positions. **Classic, union mode**: "
        "one pool in USDT, after haircuts; what is owed requires something, too. **Unified**: one pool in "
        "USD, after haircuts; in isolated mode each position has its own rate alone.\n\n"
        "**Tiers**: of classic positions opened before 2025-11-10 08:00 UTC, and of unified accounts, all "
        "is at the rate of its tier; of later ones each slice at its own. Long and short of a symbol are "
        "in a tier together in cross mode. **Fee of closing**: what the ratio of an isolated classic "
        "position has in it, at most 0.06 %; of others 0.06 %. **Assumed**: without the venue's figure, "
        "long and short require the sum of both; a position of unknown age is an old one; USDT is worth "
        "what bitcoin's index in USD and in USDT say; coins count at their haircut by value, one that has "
        "none not at all; a contract margined in coins has the PnL of an inverse one of its value at "
        "entry; a size of it is in coins or in USD as its PnL or margin says, else unknown, as with "
        "another coin as margin. **Not told**: what each position requires in delta-neutral mode; copy "
        "trading, spot and bots are not read. **Kept**: tiers and haircuts for an hour, funding for 15 "
        "minutes, which coins count and places in the queue of auto-deleveraging for a minute.\n\n"
        "Demo trading: `simulated_trading: true`."
    )
    endpoints = tuple(UNREAD)
    budgets = (
        RequestBudget("bitget", (Limit(6000.0, 60.0),)),
        RequestBudget("bitget_public", (Limit(20.0, 1.0),), signed=False, each_endpoint=True),
        RequestBudget(
            "bitget_account", (Limit(20.0, 1.0),), scope="account", signed=True, each_endpoint=True
        ),
    )
    each_collection = (*(CLASSIC_ACCOUNTS for _ in PRODUCTS), *(CLASSIC_POSITIONS for _ in PRODUCTS))
    marks_endpoint = MARKS
    key_endpoint = KEY
    refusals = REFUSALS
    unread = UNREAD

    def __init__(self, config: BitgetConfig) -> None:
        super().__init__(config)
        self._tiers = Gradually(tiers_by_name, at_once=_AT_ONCE)
        self._classic = False

    def sign(self, request: Request) -> SignedRequest:
        """Signed are the time, the method, and path and query; the result is in Base64.

        Source: https://www.bitget.com/api-doc/common/signature
        """
        query = urlencode(request.params)
        headers = {"paptrading": "1"} if self.config.simulated_trading else {}
        if request.endpoint.signed:
            target = request.path + (f"?{query}" if query else "")
            text = f"{request.timestamp_ms}{request.endpoint.method}{target}"
            headers |= {
                "ACCESS-KEY": self.config.api_key.get_secret_value(),
                "ACCESS-PASSPHRASE": self.config.passphrase.get_secret_value(),
                "ACCESS-TIMESTAMP": str(request.timestamp_ms),
                "ACCESS-SIGN": hmac_base64(self.config.api_secret, text),
            }
        return SignedRequest(query=query, headers=headers)

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(TIME, Answer[Clock])).data.serverTime / 1000.0

    async def key_rights(self, api: Api) -> KeyRights:
        try:
            return said_of_key((await api.get(KEY, Answer[Key])).data.rights, self.place(KEY))
        except VenueError as error:
            if not of_the_other_kind(error):
                raise
        rights = (await api.get(CLASSIC_KEY, Answer[ClassicKey])).data.rights
        return said_of_key(rights, self.place(CLASSIC_KEY))

    async def fetch(self, api: Api) -> AccountSnapshot:
        """The kind of the account is not known before the first answer, and an upgrade changes it."""
        kinds = (self._fetch_unified, self._fetch_classic)
        try:
            return await kinds[self._classic](api)
        except VenueError as error:
            if not of_the_other_kind(error):
                raise
        try:
            found = await kinds[not self._classic](api)
        except VenueError as error:
            if of_the_other_kind(error):
                raise VenueError("unsupported", f"{error.message}{NEITHER}") from error
            raise
        self._classic = not self._classic
        return found

    async def _fetch_classic(self, api: Api) -> AccountSnapshot:
        accounts, rows = await together(
            together(*(rows_of(api, CLASSIC_ACCOUNTS, AccountRow, productType=one) for one in PRODUCTS)),
            together(*(rows_of(api, CLASSIC_POSITIONS, ClassicRow, productType=one) for one in PRODUCTS)),
        )
        coins = margin_coins(row for found in accounts for row in found)
        beside = sorted({coin for row in coins for coin in row.beside})
        others = bool(beside) or any(row.holds and row.coin != "USDT" for row in coins)
        haircuts, index, tether, known = await together(
            haircuts_of(api, classic=True, wanted=bool(beside)),
            together(*(api.optional(index_price(api, f"{coin}USDT")) for coin in beside)),
            api.optional(tether_price(api)) if others else Ready(None),
            self._known(api, rows, "classic", tiered=True),
        )
        prices = {coin: price for coin, price in zip(beside, index, strict=True) if price is not None}
        return parse_classic(coins, known, haircuts, prices, tether)

    async def _fetch_unified(self, api: Api) -> AccountSnapshot:
        settings = (await api.get(SETTINGS, Answer[Settings])).data
        if settings.changing:
            raise VenueError("exchange", f"{self.place(SETTINGS)}: {CHANGING}")
        totals, answers = await together(
            api.get(ASSETS, Answer[Totals]),
            together(
                *(api.get(POSITIONS, Answer[Positions | None], (("category", one),)) for one in PRODUCTS)
            ),
        )
        rows = [[] if answer.data is None else listed(answer.data.rows) for answer in answers]
        haircuts, choice, known = await together(
            haircuts_of(api, classic=False, wanted=not settings.isolated),
            Ready(None)
            if settings.isolated or settings.accountLevel == "BASIC"
            else api.optional(api.account_cached(choice_of, _CHOICE_MAX_AGE, grace=A_DAY)),
            self._known(api, rows, "unified", tiered=settings.accountLevel != "DELTA"),
        )
        return parse_unified(settings, totals.data, known, haircuts, choice)

    async def _known(
        self, api: Api, rows: Iterable[Sequence[PositionRow]], kind: str, *, tiered: bool
    ) -> list[Held]:
        """The open positions, by product, with what public calls say of their symbols."""
        parts = zip(PRODUCTS, rows, strict=True)
        open_ones = [(row, product) for product, found in parts for row in found if row.size]
        sizes: dict[tuple[str, str], float] = {}
        for row, product in open_ones:
            if not row.isolated:
                key = (product, row.symbol)
                sizes[key] = sizes.get(key, 0.0) + abs(row.size)
        names = {
            (product, row.symbol): f"{kind} {product} {row.symbol}" for row, product in open_ones if tiered
        }
        symbols: dict[str, list[str]] = {}
        for row, product in open_ones:
            symbols.setdefault(product, []).append(row.symbol)
        tiers, due, queue = await together(
            self._tiers.of(api, names.values()),
            funding(api, symbols),
            places(api, symbols, classic=kind == "classic"),
        )
        return [
            Held(
                row,
                contract_of(row, product),
                tiers.get(names.get((product, row.symbol), ""), Tiers()).of(row),
                abs(row.size) if row.isolated else sizes[product, row.symbol],
                tiered=tiered,
                funding=due.get((product, row.symbol)),
                adl=queue.get((row.symbol, row.side)),
            )
            for row, product in open_ones
        ]

    async def marks(self, api: Api) -> Marks:
        at = api.now()
        answers = await together(*(rows_of(api, MARKS, MarkRow, productType=one) for one in PRODUCTS))
        symbols, coins = {}, {}
        for product, rows in zip(PRODUCTS, answers, strict=True):
            for row in rows:  # those in USD last
                if row.markPrice is not None:
                    symbols[row.symbol] = PublicPrice(row.markPrice, at)
                found = index_coin(row.symbol, product)
                if found is not None and row.indexPrice is not None:
                    coins[found[0]] = PublicPrice(row.indexPrice, at, found[1])
        return Marks(symbols, coins)
