"""BingX perpetual swaps, version 1 of the API: reads by POST, Base64 signatures, JSON numbers."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from urllib.parse import quote, urlencode

from exporter.account import ApiKeyConfig
from exporter.api import Api
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, MarginPool, Position
from exporter.request import Endpoint, Request, SignedRequest
from exporter.signing import hmac_base64
from exporter.tasks import together
from exporter.venues._bingx import contract_of
from exporter.venues.base import Answer, Envelope, Refusal, Refusals, Venue, position_ids, schema_error
from exporter.wire import Millis, Number, Positive, Required, Rows, Wire, listed, one_of

BALANCE = Endpoint("/api/v1/user/getBalance", method="POST")
POSITIONS = Endpoint("/api/v1/user/getPositions", method="POST")
PRICE = Endpoint("/api/v1/market/getLatestPrice", signed=False)
TIME = Endpoint("/api/v1/common/server/time", signed=False)

# The only collateral of this API.
_CURRENCY = "USDT"

# Public calls are limited to 20 a second for an address; the marks of further symbols are derived.
_PRICES_AT_ONCE = 20


class Words(Envelope):
    """Around every answer; some say ``message``."""

    message: str | None = None

    @property
    def words(self) -> str:
        return self.msg or self.message or ""


# The documentation lists HTTP statuses and says only that a code other than 0 is a failure. What kind it is,
# its words tell. Signed calls are limited by user id.
REFUSALS = Refusals(
    Refusal("banned", statuses=(418,), pause=300.0),
    Refusal("rate_limited", statuses=(429,), pause=10.0, scope="account"),
    Refusal("rate_limited", words="too many|frequen|rate limit", pause=10.0, scope="account"),
    Refusal("clock", words="timestamp"),
    Refusal(
        "permission",
        "the key may not read this, or not from this address",
        words="permission|whitelist",
    ),
    Refusal("auth", "the key or its signature is refused", words="sign|api ?key"),
    envelope=Words,
    success=frozenset({"0"}),
)

_LIQUIDATED_BY_MARK = "positions are liquidated by the mark price"
UNREAD = {
    BALANCE: {
        "identifies the account, which is never published": "userId",
        "of the whole past; positions have their own": "realisedPNL",
        "of the next order; each position has its own": "longLeverage shortLeverage",
    },
    POSITIONS: {
        "what is not bound in closing orders; all of it can be lost": "availableVolume",
        "the venue does not say whether initial margin, added margin or unrealized PnL are in it": "margin",
    },
    PRICE: {_LIQUIDATED_BY_MARK: "tradePrice indexPrice"},
}


class BalanceRow(Wire):
    currency: str = _CURRENCY
    balance: Number = None
    equity: Number = None
    unrealisedPNL: Number = None
    availableMargin: Number = None
    usedMargin: Number = None  # of positions
    freezedMargin: Number = None  # of open orders

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.equity is None and self.balance is not None and self.unrealisedPNL is not None:
            self.equity = self.balance + self.unrealisedPNL


class PositionRow(Wire):
    symbol: str
    positionSide: str  # Long or Short
    marginMode: str  # Cross or Isolated
    volume: Required  # unsigned
    currency: str | None = None
    unrealisedPNL: Number = None
    avgPrice: Positive = None
    liquidatedPrice: Number = None
    positionId: str | int | None = None  # missing in the second row of the documented example
    realisedPNL: Number = None
    leverage: Positive = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.positionSide = one_of("positionSide", self.positionSide, "LONG", "SHORT")
        self.marginMode = one_of("marginMode", self.marginMode, "CROSS", "ISOLATED")


class PositionList(Wire):
    positions: Rows[PositionRow]


class Price(Wire):
    fairPrice: Required


class Clock(Wire):
    currentTime: Millis  # not under `data` like everything else


class BingxV1(Venue[ApiKeyConfig]):
    """Source: https://bingx-api.github.io/docs/swap/account-api.html (withdrawn by the operator)."""

    name = "bingx_v1"
    title = "BingX perpetual swaps, version 1 (legacy)"
    documentation = "https://bingx-api.github.io/docs/swap/account-api.html"
    config_class = ApiKeyConfig
    base_url = "https://api-swap-rest.bingbon.pro"
    note = (
        "Legacy: the operator withdrew this documentation in August 2023 and it is not known whether the API "
        "still answers; use `bingx` for new accounts. The venue liquidates where what backs the positions is "
        "no more than their maintenance margin and the fees of closing them. This API gives neither, hence "
        "no maintenance margin rate, and only the liquidation prices that the venue prints. Assumed: the "
        "volume of a position is in base units, as the operator's own example trades."
    )
    endpoints = (BALANCE, POSITIONS, PRICE, TIME)
    budgets = (
        RequestBudget("bingx_v1", (Limit(20.0, 1.0),), signed=False),
        RequestBudget("bingx_v1_account", (Limit(10.0, 1.0),), scope="account", signed=True),
    )
    each_collection = (BALANCE, POSITIONS, PRICE)
    refusals = REFUSALS
    unread = UNREAD

    def sign(self, request: Request) -> SignedRequest:
        """Everything in the query, as in the documentation's own example; the body stays empty.

        The signature is over method, path and sorted parameters, nothing between them. Source:
        https://bingx-api.github.io/docs/swap/authentication.html . The page's prose appends the secret to
        the text; its own example, which this reproduces, does not.
        """
        endpoint = request.endpoint
        if not endpoint.signed:
            return SignedRequest(query=urlencode(request.params))
        key = self.config.api_key.get_secret_value()
        pairs = sorted((*request.params, ("apiKey", key), ("timestamp", str(request.timestamp_ms))))
        text = "&".join(f"{name}={value}" for name, value in pairs)
        signature = hmac_base64(self.config.api_secret, f"{endpoint.method}{request.path}{text}")
        return SignedRequest(
            query=f"{urlencode(pairs, quote_via=quote)}&sign={quote(signature, safe='')}",
            headers={"Content-Type": "application/json"},
        )

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(TIME, Clock)).currentTime

    async def fetch(self, api: Api) -> AccountSnapshot:
        balance, positions = await together(
            api.get(BALANCE, Answer[BalanceRow], (("currency", _CURRENCY),)),
            # Empty means all symbols, but the parameter is required.
            api.get(POSITIONS, Answer[PositionList | None], (("symbol", ""),)),
        )
        rows = open_rows(positions.data, balance.data)
        symbols = list(dict.fromkeys(row.symbol for row in rows))[:_PRICES_AT_ONCE]
        marks = await together(*(api.optional(_shared_mark(api, symbol)) for symbol in symbols))
        found = {symbol: mark for symbol, mark in zip(symbols, marks, strict=True) if mark}
        return parse(balance.data, rows, found)


def _shared_mark(api: Api, symbol: str) -> Awaitable[float]:
    return api.venue_cached(lambda api: _mark(api, symbol), api.interval, name=f"mark price {symbol}")


async def _mark(api: Api, symbol: str) -> float:
    return (await api.get(PRICE, Answer[Price], (("symbol", symbol),))).data.fairPrice


def open_rows(given: PositionList | None, balance: BalanceRow) -> list[PositionRow]:
    """The rows with a size.

    Raises:
        VenueError: reason ``schema``, if the venue lists nothing although margin is in use.
    """
    if given is None or given.positions is None:
        if balance.usedMargin or balance.unrealisedPNL:
            raise schema_error(POSITIONS, "`positions` is null although margin is in use")
        return []
    rows = [row for row in listed(given.positions) if row.volume != 0.0]
    if not rows and balance.unrealisedPNL:
        raise schema_error(POSITIONS, "`positions` is empty although there is unrealized PnL")
    return rows


def parse(balance: BalanceRow, rows: Sequence[PositionRow], marks: Mapping[str, float]) -> AccountSnapshot:
    """The account from its messages. A mark that is missing follows from entry price, PnL and volume."""
    ids = position_ids(
        [(row.symbol, row.positionSide, row.marginMode, row.currency) for row in rows],
        "positionId",
        [row.positionId for row in rows],
        POSITIONS,
    )
    pool = MarginPool(
        currency=balance.currency or _CURRENCY,
        equity=balance.equity,
        wallet_balance=balance.balance,
        available_balance=balance.availableMargin,
        unrealized_pnl=balance.unrealisedPNL,
        initial_margin=None
        if balance.usedMargin is None
        else balance.usedMargin + (balance.freezedMargin or 0.0),
        open_order_margin=balance.freezedMargin,
    )
    return AccountSnapshot(
        pools=(pool,),
        positions=tuple(
            _position(row, name, marks.get(row.symbol)) for row, name in zip(rows, ids, strict=True)
        ),
    )


def _position(row: PositionRow, position_id: str, mark: float | None) -> Position:
    return Position(
        symbol=row.symbol,
        side="long" if row.positionSide == "LONG" else "short",
        # What an isolated position has taken out of the equity, the venue does not say.
        margin_mode="isolated" if row.marginMode == "ISOLATED" else "cross",
        quantity=abs(row.volume),
        contract=contract_of(row.symbol, row.currency),
        entry_price=row.avgPrice,
        mark_price=mark,
        liquidation_price=row.liquidatedPrice,
        unrealized_pnl=row.unrealisedPNL,
        realized_pnl=row.realisedPNL,
        leverage=row.leverage,
        position_id=position_id,
    )
