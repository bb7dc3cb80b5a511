"""BingX perpetual swaps (current API): linear contracts settled in USDT and USDC, errors inside HTTP 200."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

from pydantic import Field

from exporter.account import ApiKeyConfig, Duration
from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.errors import Reason, VenueError
from exporter.gradually import Gradually
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, KeyRights, MaintenanceTier, Marks, PublicPrice
from exporter.request import Endpoint, Params, Request, Response, SignedRequest
from exporter.signing import hmac_hex
from exporter.tasks import Ready, then, together
from exporter.venues._bingx import (
    ASSET_MODE,
    BALANCE,
    BALANCE_V2,
    COMMISSION,
    CONTRACTS,
    DEFAULT_TAKER_RATE,
    LEVERAGE,
    MARGIN_ASSETS,
    MARK_PRICES,
    POSITION_MODE,
    POSITIONS,
    RULES,
    TIERS,
    TIME,
    AssetMode,
    AssetRow,
    BalanceV2,
    Clock,
    Commission,
    ContractRow,
    Leverage,
    MarginAsset,
    MarkRow,
    PositionMode,
    PositionRow,
    PriceRow,
    Quote,
    Rule,
    TierRow,
    quote_of,
)
from exporter.venues._bingx_account import Symbols, modes_of, open_rows, positions_of, snapshot_of
from exporter.venues._bingx_keys import KEY_PERMISSIONS, UNREAD_OF_KEY, KeyAnswer
from exporter.venues._bingx_margin import coin_of, is_multi_assets, may_be_multi_assets, multi_assets_of
from exporter.venues.base import Answer, Refusal, Refusals, Venue, ascending_tiers, said_of_key
from exporter.wire import Rows, listed

T = TypeVar("T")

# Modes can only be changed while there are no positions; without a newer answer they are what they were.
_MODES_MAX_AGE = 600.0

# Rates of the next funding change slowly, and only few rows need the marks that come with them.
_FUNDING_MAX_AGE = 60.0

# Seconds after which the newer balance call is asked again where the venue says that it lacks it: at the next
# collection the first time, for that may have been a proxy on the way, then twice as many each time.
_LACKING_AGAIN = 60.0

# The documented limits of calls by symbol contradict each other; the lowest is 2 a second for an address.
_AT_ONCE = 2

# Codes of limits are answers to one user id; what the address asked too much is an HTTP status. The pauses
# are the window in which limits are counted, and the time after which a restriction is lifted ("recover
# after 5 minutes"). Source: https://bingx-api.github.io/docs/#/en-us/swapV2/base-info.html
_TABLE = (
    Refusal("clock", codes=("100421",), unless="restrict"),
    Refusal("clock", codes=("80014", "100400", "109400"), words="timestamp"),
    Refusal("auth", "the signature is not valid: check the API secret", codes=("100001",)),
    Refusal("auth", "the request carries no signature", codes=("100412",)),
    Refusal("auth", "the API key is not known", codes=("100413",)),
    Refusal("permission", "the key lacks the permission to read this", codes=("100004",)),
    Refusal("permission", "the venue's risk control forbids it", codes=("80020",)),
    Refusal("permission", "the venue's risk control has restricted the account", codes=("100414",)),
    Refusal("permission", "this address is not on the key's list of addresses", codes=("100419",)),
    Refusal("permission", codes=("100421",)),
    Refusal("banned", statuses=(418,), pause=300.0),
    Refusal("banned", "the venue has shut this user out", codes=("109403",), pause=300.0, scope="account"),
    Refusal("rate_limited", statuses=(429,), pause=10.0),
    Refusal("rate_limited", codes=("109429",), pause=300.0, scope="account"),
    Refusal("rate_limited", codes=("100410",), unless="busy", pause=10.0, scope="account"),
)
REFUSALS = Refusals(*_TABLE, success=frozenset({"0"}))

# The demo environment and older hosts lack these calls, and some are told only to keys that may also trade,
# which a key for monitoring should not.
_MAY_LACK = frozenset(
    {
        *(BALANCE, LEVERAGE, POSITION_MODE, ASSET_MODE, COMMISSION, CONTRACTS, RULES, MARGIN_ASSETS),
        KEY_PERMISSIONS,
    }
)
_LACKING = Refusals(
    *_TABLE[:2],
    Refusal("unsupported", "the venue has no such call here", codes=("100400", "100404"), statuses=(404,)),
    *_TABLE[2:],
    success=frozenset({"0"}),
)

_PAST = {"of the whole past; positions have their own": "realisedProfit"}
UNREAD = {
    BALANCE: {**_PAST, "identifies the account, which is never published": "userId shortUid"},
    BALANCE_V2: _PAST,
    POSITIONS: {
        "what is not bound in closing orders; all of it can be lost": "availableAmt",
        "unrealized PnL / initial margin; both are published": "pnlRatio",
        "says what may be taken out, not how safe it is": "maxMarginReduction",
        "quantity × mark price; computed from them for every venue alike": "positionValue",
        "time of the last change of the position, not of the figures": "updateTime",
    },
    TIERS: {
        "when the answer was printed; the collection has its own time": "timestamp",
        "a tier ends where the next one begins": "maxPositionVal",
    },
    LEVERAGE: {
        "the venue's limit, not the one that is set": "maxLongLeverage maxShortLeverage",
        "what may be added; the pool's available balance says it": "availableLongVol availableShortVol "
        "availableLongVal availableShortVal",
    },
    MARK_PRICES: {"positions are liquidated by the mark price; of live marks": "indexPrice"},
    COMMISSION: {"a liquidation takes": "makerCommissionRate"},
    CONTRACTS: {
        "of orders": "quantityPrecision pricePrecision tradeMinLimit tradeMinQuantity tradeMinUSDT",
        "a liquidation takes": "feeRate makerFeeRate",
        "positions have their own leverage": "maxLongLeverage maxShortLeverage",
        "names the contract": "contractId",
        "whether it is traded": "status",
        "amounts are in base units": "size",
    },
    RULES: {"of transfers": "maxTransfer"},
    MARGIN_ASSETS: {
        "changes with each transfer of another coin: their sum says nothing": "availableTransfer",
        "not documented in what unit and for what": "latestMortgageAmount",
    },
    KEY_PERMISSIONS: UNREAD_OF_KEY,
}


class BingxConfig(ApiKeyConfig):
    """A BingX account."""

    recv_window: Annotated[Duration, Field(le=5)] = Field(
        default=5.0, description="How old a request may be when it reaches the venue; at most 5s."
    )


class Bingx(Venue[BingxConfig]):
    """Source: the pages below https://bingx-api.github.io/docs-v3/#/en/Swap/ ."""

    name = "bingx"
    title = "BingX perpetual swaps"
    documentation = "https://bingx-api.github.io/docs-v3/#/en/Swap/Account%20Endpoints/Query%20account%20data"
    config_class = BingxConfig
    base_url = "https://open-api.bingx.com"
    note = (
        "Liquidation is where (maintenance margins + closing fees) / (balance − isolated margins − frozen "
        "assets + PnL of cross positions) is 1 at the mark price, and only if it is at the last price, too. "
        "The venue gives no maintenance margin: it follows from the venue's tiers, read anew every hour, and "
        "has no fees in it. Assumed: a closing fee at the account's taker rate where the key may trade, else "
        "at the one in the public list of contracts, else at 0.05 %; all margin of open orders frozen. Where "
        "the risk rate printed on the positions says otherwise, it is followed. Position and asset mode are "
        "told only to keys that may trade. With a read-only key, multi-assets mode is recognised by coins "
        "that are collateral only, by a coin that is used up, and by the risk rate. In that mode a coin "
        "counts at its index price × its collateral value ratio, a debt at the index price; amounts are "
        "absent where a read-only key may not be shown all coins and their sum does not give the risk rate. "
        "Not told: whether margin is added to an isolated position automatically, which is taken to stand "
        "alone. "
        "Demo trading (VST): `base_url: https://open-api-vst.bingx.com`."
    )
    endpoints = (
        BALANCE,
        BALANCE_V2,
        POSITIONS,
        TIERS,
        LEVERAGE,
        POSITION_MODE,
        ASSET_MODE,
        MARK_PRICES,
        COMMISSION,
        CONTRACTS,
        RULES,
        MARGIN_ASSETS,
        KEY_PERMISSIONS,
        TIME,
    )
    budgets = (
        # Of the limits that the documentation gives, some of which contradict each other, the lowest.
        RequestBudget("bingx", (Limit(3.0, 1.0),), signed=True, each_endpoint=True),
        RequestBudget("bingx_market", (Limit(1.0, 1.0),), signed=False, each_endpoint=True),
    )
    each_collection = (BALANCE, POSITIONS)
    marks_endpoint = MARK_PRICES
    key_endpoint = KEY_PERMISSIONS
    refusals = REFUSALS
    unread = UNREAD

    def __init__(self, config: BingxConfig) -> None:
        super().__init__(config)
        self._tiers = Gradually(_tiers, at_once=_AT_ONCE)
        self._leverages = Gradually(_leverage, at_once=_AT_ONCE, public=False)
        self._lacking_until = -math.inf
        self._lacking_again = 0.0

    def sign(self, request: Request) -> SignedRequest:
        """Sorted parameters with `signature` last, and the key's header; public calls want the time too.

        Signed are the parameters as they are sent, values not percent-encoded. Source:
        https://bingx-api.github.io/docs/#/en-us/swapV2/authentication.html
        """
        pairs = [*request.params, ("timestamp", str(request.timestamp_ms))]
        if not request.endpoint.signed:
            return SignedRequest(query=urlencode(pairs))
        pairs = sorted([*pairs, ("recvWindow", str(int(self.config.recv_window * 1000)))])
        payload = "&".join(f"{name}={value}" for name, value in pairs)
        signature = hmac_hex(self.config.api_secret, payload)
        return SignedRequest(
            query=f"{urlencode(pairs, quote_via=quote)}&signature={signature}",
            headers={"X-BX-APIKEY": self.config.api_key.get_secret_value()},
        )

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:
        table = _LACKING if endpoint in _MAY_LACK else REFUSALS
        return table.read(response, self.secrets, signed=endpoint.signed)

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(TIME, Answer[Clock])).data.serverTime

    async def fetch(self, api: Api) -> AccountSnapshot:
        balances, answer = await together(self._balances(api), api.get(POSITIONS, Answer[Rows[PositionRow]]))
        rows = open_rows(answer.data, balances)
        symbols, hedge, multi_assets = await together(
            self._symbols(api, balances, rows),
            api.optional(api.account_cached(_hedge_mode, _MODES_MAX_AGE, grace=RARELY)),
            api.optional(api.account_cached(_multi_assets, _MODES_MAX_AGE, grace=RARELY)),
        )
        positions = positions_of(rows, symbols, now=api.now())
        coins = [coin_of(row, rows, positions) for row in balances]
        found = None
        if multi_assets or (multi_assets is None and may_be_multi_assets(coins, positions)):
            rules, held = await together(
                api.optional(api.venue_cached(_rules, api.interval), {}),
                # What a key is refused again and again, the venue punishes.
                api.optional(_margin_assets(api)) if multi_assets else Ready(None),
            )
            found = multi_assets_of(balances, rows, positions, rules or {}, held)
            if multi_assets is None and (found.explained or is_multi_assets(coins, positions)):
                multi_assets = True
        return snapshot_of(
            coins,
            positions,
            symbols.quotes,
            multi_assets=found if multi_assets else None,
            modes=modes_of(hedge, multi_assets),
        )

    async def marks(self, api: Api) -> Marks:
        asked_at = api.now()
        rows = listed((await api.get(MARK_PRICES, Answer[Rows[MarkRow]])).data)
        symbols = {
            row.symbol: PublicPrice(row.markPrice, asked_at) for row in rows if row.markPrice is not None
        }
        coins = {
            row.symbol.removesuffix("-USDT"): PublicPrice(row.indexPrice, asked_at, "USDT")
            for row in rows
            if row.symbol.endswith("-USDT") and row.indexPrice
        }
        return Marks(symbols, coins)

    async def key_rights(self, api: Api) -> KeyRights:
        rights = (await api.get(KEY_PERMISSIONS, KeyAnswer)).told.rights
        return said_of_key(rights, self.place(KEY_PERMISSIONS))

    def _symbols(
        self, api: Api, balances: Iterable[AssetRow], rows: Sequence[PositionRow]
    ) -> Awaitable[Symbols]:
        names = list(dict.fromkeys(row.symbol for row in rows))
        found = together(
            self._tiers.of(api, names),
            self._leverages.of(api, names),
            _quotes(api, balances, rows),
            _taker_rates(api, names),
        )
        return then(found, lambda found: Ready(Symbols(*found)))

    async def _balances(self, api: Api) -> list[AssetRow]:
        """The rows that say anything, of version 2 of the call where the venue lacks version 3."""
        if 0.0 < self._lacking_until - api.now() <= RARELY:
            older = await api.optional(api.get(BALANCE_V2, Answer[BalanceV2]))
            if older is not None:
                return _known(older.data.balance)
        answer = await _told(api, BALANCE, Answer[Rows[AssetRow]], "unsupported")
        if answer is not None:
            self._lacking_until, self._lacking_again = -math.inf, 0.0
            return _known(answer.data)
        self._lacking_until = api.now() + self._lacking_again
        self._lacking_again = min(max(2.0 * self._lacking_again, _LACKING_AGAIN), RARELY)
        return _known((await api.get(BALANCE_V2, Answer[BalanceV2])).data.balance)


def _known(rows: Rows[AssetRow]) -> list[AssetRow]:
    return [row for row in listed(rows) if row.known]


async def _told(
    api: Api, endpoint: Endpoint, type_: type[T], *untold: Reason, params: Params = ()
) -> T | None:
    """The answer, or None where the venue says that it has none for this key."""
    try:
        return await api.get(endpoint, type_, params)
    except VenueError as error:
        if error.reason not in untold:
            raise
        return None


async def _tiers(api: Api, symbol: str) -> tuple[MaintenanceTier, ...]:
    answer = await api.get(TIERS, Answer[Rows[TierRow]], (("symbol", symbol),))
    return ascending_tiers(
        MaintenanceTier(
            row.minPositionVal, row.maxPositionVal or math.inf, row.maintMarginRatio, row.maintAmount
        )
        for row in listed(answer.data)
        if row.symbol in (None, symbol)
    )


async def _leverage(api: Api, symbol: str) -> Leverage:
    answer = await _told(api, LEVERAGE, Answer[Leverage], "unsupported", params=(("symbol", symbol),))
    return Leverage() if answer is None else answer.data


async def _hedge_mode(api: Api) -> bool | None:
    answer = await _told(api, POSITION_MODE, Answer[PositionMode], "unsupported", "permission")
    return None if answer is None else answer.data.dualSidePosition


async def _multi_assets(api: Api) -> bool | None:
    """Whether the account is in multi-assets mode."""
    answer = await _told(api, ASSET_MODE, Answer[AssetMode], "unsupported", "permission")
    mode = "" if answer is None else answer.data.assetMode.lower()
    return True if mode.startswith("multi") else False if mode.startswith("single") else None


async def _rules(api: Api) -> Mapping[str, Rule]:
    """By coin; empty where the venue has no such mode."""
    answer = await _told(api, RULES, Answer[Rows[Rule]], "unsupported")
    return {} if answer is None else {row.coin: row for row in listed(answer.data)}


async def _margin_assets(api: Api) -> list[MarginAsset] | None:
    answer = await _told(api, MARGIN_ASSETS, Answer[Rows[MarginAsset]], "unsupported", "permission")
    return None if answer is None else listed(answer.data)


def _taker_rates(api: Api, symbols: Sequence[str]) -> Awaitable[Mapping[str, float]]:
    """What closing costs, by symbol: the account's own rate, else the contracts', else the usual one."""
    if not symbols:
        return Ready({})

    def of_symbols(own: float | None) -> Awaitable[Mapping[str, float]]:
        if own is not None:
            return Ready(dict.fromkeys(symbols, own))
        public = api.optional(api.venue_cached(_contract_rates, RARELY, grace=A_DAY), {})
        return then(
            public,
            lambda rates: Ready({symbol: rates.get(symbol, DEFAULT_TAKER_RATE) for symbol in symbols}),
        )

    return then(api.optional(api.account_cached(_own_taker_rate, RARELY, grace=A_DAY)), of_symbols)


async def _own_taker_rate(api: Api) -> float | None:
    answer = await _told(api, COMMISSION, Answer[Commission], "unsupported", "permission")
    rate = None if answer is None else answer.data.taker
    return rate if rate is not None and rate >= 0.0 else None


async def _contract_rates(api: Api) -> Mapping[str, float]:
    answer = await _told(api, CONTRACTS, Answer[Rows[ContractRow]], "unsupported")
    rates = {} if answer is None else {row.symbol: row.takerFeeRate for row in listed(answer.data)}
    return {symbol: rate for symbol, rate in rates.items() if rate is not None and rate >= 0.0}


def _quotes(
    api: Api, balances: Iterable[AssetRow], rows: Sequence[PositionRow]
) -> Awaitable[Mapping[str, Quote]]:
    """Mark price and funding by symbol: one answer for all symbols and accounts."""
    marks = not all(row.markPrice for row in rows) or any(row.needs_price for row in balances)
    if not rows and not marks:
        return Ready({})
    max_age = api.interval if marks else max(api.interval, _FUNDING_MAX_AGE)
    return api.optional(api.venue_cached(_premium_index, max_age), {})


async def _premium_index(api: Api) -> Mapping[str, Quote]:
    rows = listed((await api.get(MARK_PRICES, Answer[Rows[PriceRow]])).data)
    return {row.symbol: quote_of(row, api.now()) for row in rows}
