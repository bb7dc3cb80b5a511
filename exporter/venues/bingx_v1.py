"""BingX perpetual swaps, version 1 of the API: reads by POST, Base64 signatures, JSON numbers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, urlencode

from exporter.account import ApiKeyConfig
from exporter.api import Api, together
from exporter.errors import VenueError, redact
from exporter.model import AccountSnapshot, MarginPool, Position
from exporter.venues._bingx import contract_of, envelope, position_ids
from exporter.venues.base import (
    Endpoint,
    FieldUse,
    Params,
    Response,
    SignedRequest,
    Venue,
    http_error,
    retry_after,
)
from exporter.wire import Number, Required, Wire, liquidation_price, listed

BALANCE = Endpoint("/api/v1/user/getBalance", method="POST")
POSITIONS = Endpoint("/api/v1/user/getPositions", method="POST")
PRICE = Endpoint("/api/v1/market/getLatestPrice", signed=False)
TIME = Endpoint("/api/v1/common/server/time", signed=False)

# The only collateral of this API.
_CURRENCY = "USDT"

# Public calls are limited to 20 a second for an address; the marks of further symbols are derived.
_PRICES_AT_ONCE = 20

# Where the venue does not say when to come back.
_PAUSE = 10.0
_BAN = 300.0

_B, _P, _M = BALANCE.path, POSITIONS.path, PRICE.path
_SUCCESS = "0 means success; anything else is an error of the collection"
FIELDS = (
    FieldUse(_B, "code", reason=_SUCCESS),
    FieldUse(_B, "data.userId", reason="identifies the account, which is never published"),
    FieldUse(_B, "data.balance", ("risk_account_wallet_balance",)),
    FieldUse(
        _B,
        "data.equity",
        ("risk_account_equity", "risk_account_equity_usd", "risk_account_margin_equity"),
    ),
    FieldUse(_B, "data.unrealisedPNL", ("risk_account_unrealized_pnl",)),
    FieldUse(_B, "data.realisedPNL", reason="of the whole past; positions have their own"),
    FieldUse(_B, "data.availableMargin", ("risk_account_available_balance",)),
    FieldUse(_B, "data.usedMargin", ("risk_account_initial_margin",)),
    FieldUse(_B, "data.freezedMargin", ("risk_account_initial_margin",)),
    FieldUse(_B, "data.longLeverage", reason="of the next order; each position has its own"),
    FieldUse(_B, "data.shortLeverage", reason="of the next order; each position has its own"),
    FieldUse(_P, "code", reason=_SUCCESS),
    FieldUse(
        _P,
        "data.positions[].positionId",
        reason="a label, where symbol, side and margin mode are not enough",
    ),
    FieldUse(
        _P,
        "data.positions[].volume",
        ("risk_position_quantity", "risk_position_notional_usd", "risk_position_mark_price"),
    ),
    FieldUse(
        _P,
        "data.positions[].availableVolume",
        reason="what is not bound in closing orders; all of it can be lost",
    ),
    FieldUse(
        _P,
        "data.positions[].unrealisedPNL",
        ("risk_position_unrealized_pnl", "risk_position_mark_price"),
    ),
    FieldUse(_P, "data.positions[].realisedPNL", ("risk_position_realized_pnl",)),
    FieldUse(
        _P,
        "data.positions[].margin",
        reason="the venue does not say whether initial margin, added margin or unrealized PnL are in it",
    ),
    FieldUse(_P, "data.positions[].avgPrice", ("risk_position_entry_price", "risk_position_mark_price")),
    FieldUse(
        _P,
        "data.positions[].liquidatedPrice",
        ("risk_position_liquidation_price", "risk_position_liquidation_distance_ratio"),
    ),
    FieldUse(_P, "data.positions[].leverage", ("risk_position_leverage_ratio",)),
    FieldUse(_M, "code", reason=_SUCCESS),
    FieldUse(_M, "data.fairPrice", ("risk_position_mark_price", "risk_position_notional_usd")),
    FieldUse(_M, "data.tradePrice", reason="positions are liquidated by the mark price"),
    FieldUse(_M, "data.indexPrice", reason="positions are liquidated by the mark price"),
)


class BalanceRow(Wire):
    currency: str
    balance: Number
    equity: Required
    unrealisedPNL: Number
    availableMargin: Number = None
    usedMargin: Number = None  # of positions
    freezedMargin: Number = None  # of open orders


class Balance(Wire):
    data: BalanceRow


class PositionRow(Wire):
    symbol: str
    currency: str
    positionSide: str  # Long or Short
    marginMode: str  # Cross or Isolated
    volume: Required  # unsigned
    unrealisedPNL: Number
    avgPrice: Number
    liquidatedPrice: Number
    positionId: str | int | None = None  # missing in the second row of the documented example
    realisedPNL: Number = None
    leverage: Number = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.positionSide = self.positionSide.lower()
        if self.positionSide not in {"long", "short"}:
            raise ValueError("`positionSide` is neither Long nor Short")
        self.marginMode = self.marginMode.lower()
        if self.marginMode not in {"cross", "isolated"}:
            raise ValueError("`marginMode` is neither Cross nor Isolated")


class PositionList(Wire):
    positions: list[PositionRow] | PositionRow | None


class Positions(Wire):
    data: PositionList | None


class Price(Wire):
    fairPrice: Required


class PriceAnswer(Wire):
    data: Price


class Clock(Wire):
    currentTime: Required  # milliseconds; not under `data` like everything else


def signature(secret: str, method: str, path: str, parameters: str) -> str:
    """Base64 of HMAC-SHA256 over method, path and sorted parameters, nothing between them.

    Source: https://bingx-api.github.io/docs/swap/authentication.html . The page's prose appends the
    secret to the text; its own example, which this reproduces, does not.
    """
    text = f"{method}{path}{parameters}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def bingx_v1_error(response: Response, secrets: Iterable[str] = ()) -> VenueError | None:
    """The failure an answer reports, or None.

    The documentation lists HTTP statuses and says only that a code other than 0 is a failure. What kind
    it is, its words tell.
    """
    answered = 200 <= response.status < 300
    code, words = envelope(response.body) or (0, "")
    if code == 0 and answered:
        return None  # or not in the venue's form: decoding says so
    prefix = f"code {code}: " if answered else f"HTTP {response.status}, code {code}: "
    lower = words.lower()
    if response.status == 418:
        return VenueError(
            "banned",
            prefix + "the venue has shut this address out for too many requests",
            blocked_until=retry_after(response) or response.received_at + _BAN,
        )
    if response.status == 429 or "too many" in lower or "frequen" in lower or "rate limit" in lower:
        return VenueError(
            "rate_limited",
            prefix + "the request limit is used up",
            blocked_until=retry_after(response) or response.received_at + _PAUSE,
        )
    if "timestamp" in lower:
        return VenueError("clock", prefix + "the timestamp is outside the receive window")
    if "permission" in lower or "whitelist" in lower:
        return VenueError("permission", prefix + "the key may not read this, or not from this address")
    if "sign" in lower or "apikey" in lower or "api key" in lower:
        return VenueError("auth", prefix + "the key or its signature is refused")
    common = http_error(response)
    if common is not None and (common.reason != "exchange" or code == 0):
        return common
    return VenueError("exchange", prefix + (redact(words, secrets) or "the venue reports a failure"))


class BingxV1(Venue[ApiKeyConfig]):
    """Source: https://bingx-api.github.io/docs/swap/account-api.html (withdrawn by the operator)."""

    name = "bingx_v1"
    title = "BingX perpetual swaps, version 1 (legacy)"
    documentation = "https://bingx-api.github.io/docs/swap/account-api.html"
    config_class = ApiKeyConfig
    base_url = "https://api-swap-rest.bingbon.pro"
    simulator = "exporter.simulator.bingx_v1:BingxV1Simulator"
    note = (
        "Legacy: the operator withdrew this documentation in August 2023 and it is not known whether the API "
        "still answers; use `bingx` for new accounts. It gives no maintenance margin, hence no maintenance "
        "margin rate. The volume of a position is read as base units, as the operator's own example trades."
    )
    endpoints = (BALANCE, POSITIONS, PRICE, TIME)
    fields = FIELDS

    def sign(self, endpoint: Endpoint, params: Params, timestamp_ms: int) -> SignedRequest:
        """Everything in the query, as in the documentation's own example; the body stays empty."""
        if not endpoint.signed:
            return SignedRequest(query=urlencode(params))
        pairs = sorted(
            (
                *params,
                ("apiKey", self.config.api_key.get_secret_value()),
                ("timestamp", str(timestamp_ms)),
            )
        )
        signed = signature(
            self.config.api_secret.get_secret_value(),
            endpoint.method,
            endpoint.path,
            "&".join(f"{name}={value}" for name, value in pairs),
        )
        return SignedRequest(
            query=f"{urlencode(pairs, quote_via=quote)}&sign={quote(signed, safe='')}",
            headers={"Content-Type": "application/json"},
        )

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:  # noqa: ARG002
        return bingx_v1_error(response, self.config.secrets())

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(TIME, Clock)).currentTime / 1000

    async def fetch(self, api: Api) -> AccountSnapshot:
        balance, positions = await together(
            api.get(BALANCE, Balance, (("currency", _CURRENCY),)),
            # Empty means all symbols, but the parameter is required.
            api.get(POSITIONS, Positions, (("symbol", ""),)),
        )
        rows = open_rows(positions, balance.data)
        symbols = list(dict.fromkeys(row.symbol for row in rows))[:_PRICES_AT_ONCE]
        marks = await asyncio.gather(*(api.optional(_shared_mark(api, symbol)) for symbol in symbols))
        return parse(
            balance.data,
            rows,
            marks={symbol: mark for symbol, mark in zip(symbols, marks, strict=True) if mark},
        )


async def _shared_mark(api: Api, symbol: str) -> float:
    return await api.venue_cached(f"mark price {symbol}", api.interval, lambda: _mark(api, symbol))


async def _mark(api: Api, symbol: str) -> float:
    return (await api.get(PRICE, PriceAnswer, (("symbol", symbol),))).data.fairPrice


def open_rows(positions: Positions, balance: BalanceRow) -> list[PositionRow]:
    """The rows with a size.

    Raises:
        VenueError: reason ``schema``, if the venue lists nothing although margin is in use.
    """
    given = positions.data.positions if positions.data is not None else None
    if given is None:
        if balance.usedMargin or balance.unrealisedPNL:
            raise _schema_error("`positions` is null although margin is in use")
        return []
    rows = [row for row in listed(given) if row.volume != 0.0]
    if not rows and balance.unrealisedPNL:
        raise _schema_error("`positions` is empty although there is unrealized PnL")
    return rows


def _schema_error(text: str) -> VenueError:
    return VenueError("schema", f"{BingxV1.name} {POSITIONS.method} {POSITIONS.path}: {text}")


def parse(balance: BalanceRow, rows: Sequence[PositionRow], *, marks: Mapping[str, float]) -> AccountSnapshot:
    """The account from its messages. A mark that is missing follows from entry price, PnL and volume."""
    try:
        ids = position_ids(
            [(row.symbol, row.positionSide, row.marginMode, row.currency) for row in rows],
            [str(row.positionId or "") for row in rows],
            separate=[False] * len(rows),
        )
    except ValueError as error:
        raise _schema_error(str(error)) from None
    return AccountSnapshot(
        pools=(
            MarginPool(
                currency=balance.currency or _CURRENCY,
                equity=balance.equity,
                # What an isolated position has taken out of it, the venue does not say.
                margin_equity=balance.equity if all(row.marginMode == "cross" for row in rows) else None,
                wallet_balance=balance.balance,
                available_balance=balance.availableMargin,
                unrealized_pnl=balance.unrealisedPNL,
                initial_margin=None
                if balance.usedMargin is None
                else balance.usedMargin + (balance.freezedMargin or 0.0),
            ),
        ),
        positions=tuple(
            _position(row, name, marks.get(row.symbol)) for row, name in zip(rows, ids, strict=True)
        ),
    )


def _position(row: PositionRow, position_id: str, mark: float | None) -> Position:
    return Position(
        symbol=row.symbol,
        side="long" if row.positionSide == "long" else "short",
        margin_mode="isolated" if row.marginMode == "isolated" else "cross",
        quantity=abs(row.volume),
        contract=contract_of(row.symbol, row.currency),
        entry_price=row.avgPrice or None,
        mark_price=mark,
        liquidation_price=liquidation_price(row.liquidatedPrice, mark or row.avgPrice),
        unrealized_pnl=row.unrealisedPNL,
        realized_pnl=row.realisedPNL,
        leverage=row.leverage or None,
        position_id=position_id,
    )
