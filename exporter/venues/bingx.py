"""BingX perpetual swaps (current API): linear contracts settled in USDT and USDC, errors inside HTTP 200."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

from pydantic import Field

from exporter.account import ApiKeyConfig, Duration
from exporter.api import Api, together
from exporter.errors import VenueError, redact
from exporter.model import AccountSnapshot, Asset, MaintenanceTier, MarginPool, Position, Side
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
from exporter.wire import Number, Required, Wire, decode, liquidation_price, listed

T = TypeVar("T")

BALANCE = Endpoint("/openApi/swap/v3/user/balance")
BALANCE_V2 = Endpoint("/openApi/swap/v2/user/balance")
POSITIONS = Endpoint("/openApi/swap/v2/user/positions")
TIERS = Endpoint("/openApi/swap/v1/maintMarginRatio")
POSITION_MODE = Endpoint("/openApi/swap/v1/positionSide/dual")
ASSET_MODE = Endpoint("/openApi/swap/v1/trade/assetMode")
MARK_PRICES = Endpoint("/openApi/swap/v2/quote/premiumIndex", signed=False)
TIME = Endpoint("/openApi/swap/v2/server/time", signed=False)

_RARELY = 3600.0
# Modes can only be changed while there are no positions.
_MODES_MAX_AGE = 600.0

# The tiers are asked symbol by symbol. The documented limits of that call contradict each other; the lowest
# is 2 a second for an address, so accounts share the answers, too.
_TIERS_AT_ONCE = 2
_TIERS_RETRY = 60.0
# Tiers change every few months: where they cannot be read again, the ones read today still hold.
_TIERS_MAX_AGE = 24 * _RARELY

# Where the venue does not say when to come back: the window its limits count in, and the time after which
# it lifts a restriction ("recover after 5 minutes").
_LIMIT_WINDOW = 10.0
_RESTRICTION = 300.0

_UNBLOCKED_AT = re.compile(r"(?<!\d)(\d{13})(?!\d)")

# Coins with a fixed price, and the venue's demo money, which has none.
_MONEY = frozenset({"USD", "USDT", "USDC", "VST"})

_PERMISSION_DENIED = 100004
_UNKNOWN_PATH = frozenset({100400, 100404})
# Answers that are no failure: the venue has no such call (the demo environment, an older host), or tells
# the account's modes only to keys that may also trade, which a key for monitoring should not.
_UNTOLD = {
    BALANCE: _UNKNOWN_PATH,
    POSITION_MODE: _UNKNOWN_PATH | {_PERMISSION_DENIED},
    ASSET_MODE: _UNKNOWN_PATH | {_PERMISSION_DENIED},
}

_AUTH = {
    100001: "the signature is not valid: check the API secret",
    100412: "the request carries no signature",
    100413: "the API key is not known",
}
_PERMISSION = {
    _PERMISSION_DENIED: "the key lacks the permission to read this",
    80020: "the venue's risk control forbids it",
    100414: "the venue's risk control has restricted the account",
    100419: "this address is not on the key's list of addresses",
}
_MAYBE_CLOCK = frozenset({80014, 100400, 109400})

_B, _B2, _P, _T, _M = BALANCE.path, BALANCE_V2.path, POSITIONS.path, TIERS.path, MARK_PRICES.path
_IDENTITY = "identifies the account, which is never published"
_SUCCESS = "0 means success; anything else is an error of the collection"
_PRINTED = "when the answer was printed; the collection has its own time"
_MAINTENANCE = (
    "risk_position_maintenance_margin",
    "risk_account_maintenance_margin",
    "risk_account_maintenance_margin_rate",
)


def _balance_fields(path: str, row: str) -> tuple[FieldUse, ...]:
    return (
        FieldUse(path, "code", reason=_SUCCESS),
        FieldUse(path, f"{row}.userId", reason=_IDENTITY),
        FieldUse(path, f"{row}.shortUid", reason=_IDENTITY),
        FieldUse(path, f"{row}.balance", ("risk_account_wallet_balance", "risk_asset_wallet_balance")),
        FieldUse(
            path,
            f"{row}.equity",
            (
                "risk_account_equity",
                "risk_account_equity_usd",
                "risk_account_margin_equity",
                "risk_account_maintenance_margin_rate",
                "risk_asset_equity",
            ),
        ),
        FieldUse(path, f"{row}.unrealizedProfit", ("risk_account_unrealized_pnl",)),
        FieldUse(path, f"{row}.realisedProfit", reason="of the whole past; positions have their own"),
        FieldUse(path, f"{row}.availableMargin", ("risk_account_available_balance",)),
        FieldUse(path, f"{row}.usedMargin", ("risk_account_initial_margin",)),
        FieldUse(path, f"{row}.freezedMargin", ("risk_account_initial_margin",)),
    )


FIELDS = (
    *_balance_fields(_B, "data[]"),
    *_balance_fields(_B2, "data.balance"),
    FieldUse(_P, "code", reason=_SUCCESS),
    FieldUse(_P, "data[].positionId", reason="a label, where symbol, side and margin mode are not enough"),
    FieldUse(_P, "data[].positionAmt", ("risk_position_quantity", "risk_position_notional_usd")),
    FieldUse(_P, "data[].availableAmt", reason="what is not bound in closing orders; all of it can be lost"),
    FieldUse(_P, "data[].avgPrice", ("risk_position_entry_price",)),
    FieldUse(_P, "data[].initialMargin", ("risk_position_initial_margin",)),
    FieldUse(
        _P,
        "data[].margin",
        ("risk_position_margin", "risk_position_maintenance_margin_rate", "risk_account_margin_equity"),
    ),
    FieldUse(_P, "data[].leverage", ("risk_position_leverage_ratio",)),
    FieldUse(_P, "data[].unrealizedProfit", ("risk_position_unrealized_pnl", "risk_position_margin")),
    FieldUse(_P, "data[].realisedProfit", ("risk_position_realized_pnl",)),
    FieldUse(
        _P,
        "data[].liquidationPrice",
        ("risk_position_liquidation_price", "risk_position_liquidation_distance_ratio"),
    ),
    FieldUse(_P, "data[].pnlRatio", reason="unrealized PnL / initial margin; both are published"),
    FieldUse(_P, "data[].maxMarginReduction", reason="says what may be taken out, not how safe it is"),
    FieldUse(
        _P,
        "data[].riskRate",
        (
            "risk_account_venue_margin_rate",
            "risk_position_maintenance_margin",
            "risk_position_maintenance_margin_rate",
        ),
    ),
    FieldUse(_P, "data[].markPrice", ("risk_position_mark_price", "risk_position_notional_usd")),
    FieldUse(
        _P, "data[].positionValue", reason="quantity × mark price; computed from them for every venue alike"
    ),
    FieldUse(_P, "data[].updateTime", reason="time of the last change of the position, not of the figures"),
    FieldUse(_T, "code", reason=_SUCCESS),
    FieldUse(_T, "timestamp", reason=_PRINTED),
    FieldUse(_T, "data[].minPositionVal", _MAINTENANCE),
    FieldUse(_T, "data[].maxPositionVal", _MAINTENANCE),
    FieldUse(_T, "data[].maintMarginRatio", _MAINTENANCE),
    FieldUse(_T, "data[].maintAmount", _MAINTENANCE),
    FieldUse(_M, "code", reason=_SUCCESS),
    FieldUse(_M, "data[].markPrice", ("risk_position_mark_price", "risk_asset_price_usd")),
    FieldUse(_M, "data[].indexPrice", reason="positions are liquidated by the mark price"),
    FieldUse(_M, "data[].lastFundingRate", reason="a cost of holding, not a distance to liquidation"),
    FieldUse(_M, "data[].nextFundingTime", reason="a cost of holding, not a distance to liquidation"),
)


class BingxConfig(ApiKeyConfig):
    """A BingX account."""

    recv_window: Annotated[Duration, Field(le=5)] = Field(
        default=5.0, description="How old a request may be when it reaches the venue; at most 5s."
    )


class AssetRow(Wire):
    """Every amount of a currency that was never used is an empty string."""

    asset: str
    balance: Number
    equity: Number
    unrealizedProfit: Number
    availableMargin: Number = None
    usedMargin: Number = None  # of positions
    freezedMargin: Number = None  # of open orders
    frozenMargin: Number = None  # the same, as the documentation's tables spell it

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.asset and self.known:
            raise ValueError("`asset` is empty beside amounts")

    @property
    def known(self) -> bool:
        """True if the row says anything."""
        return self.balance is not None or self.equity is not None

    @property
    def holds(self) -> bool:
        """True if there is anything in the currency."""
        return bool(self.balance or self.equity or self.usedMargin or self.freezedMargin)


class Balances(Wire):
    data: list[AssetRow] | AssetRow


class BalanceObject(Wire):
    balance: AssetRow | list[AssetRow]


class BalancesV2(Wire):
    data: BalanceObject


class PositionRow(Wire):
    symbol: str
    positionSide: str  # LONG or SHORT; BOTH in one-way mode
    isolated: bool
    positionAmt: Required  # base units; unsigned, except perhaps beside BOTH
    avgPrice: Number
    liquidationPrice: Number  # a JSON number; 0 where there is none
    unrealizedProfit: Number
    leverage: Number = None
    currency: str | None = None
    positionId: str | int | None = None
    initialMargin: Number = None  # at the entry price
    margin: Number = None  # collateral + unrealized PnL; older rows lack this and what follows
    realisedProfit: Number = None
    realizedProfit: Number = None  # the same, as the documentation's tables spell it
    markPrice: Number = None
    riskRate: Number = None  # liquidation at 1
    onlyOnePosition: bool | None = None  # false: one of several separate isolated positions

    def __post_init__(self) -> None:
        super().__post_init__()
        self.positionSide = self.positionSide.upper()
        if self.positionSide not in {"LONG", "SHORT", "BOTH"}:
            raise ValueError("`positionSide` is none of LONG, SHORT and BOTH")


class Positions(Wire):
    data: list[PositionRow] | PositionRow | None


class TierRow(Wire):
    symbol: str
    minPositionVal: Required
    maxPositionVal: Required
    maintMarginRatio: Required
    maintAmount: Required


class Tiers(Wire):
    data: list[TierRow] | TierRow


class MarkPrice(Wire):
    symbol: str
    markPrice: Number


class MarkPrices(Wire):
    data: list[MarkPrice] | MarkPrice


class PositionMode(Wire):
    dualSidePosition: bool | str  # "true" or "false", as text

    def __post_init__(self) -> None:
        text = str(self.dualSidePosition).lower()
        if text not in {"true", "false"}:
            raise ValueError("`dualSidePosition` is neither true nor false")
        self.dualSidePosition = text == "true"


class PositionModeAnswer(Wire):
    data: PositionMode


class AssetMode(Wire):
    assetMode: str  # singleAssetMode or multiAssetsMode


class AssetModeAnswer(Wire):
    data: AssetMode


class Clock(Wire):
    serverTime: Required  # milliseconds


class ClockAnswer(Wire):
    data: Clock


def signature(secret: str, payload: str) -> str:
    """HMAC-SHA256 in lowercase hex over the parameters as they are sent, values not percent-encoded.

    Source: https://bingx-api.github.io/docs/#/en-us/swapV2/authentication.html
    """
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def bingx_error(
    response: Response, secrets: Iterable[str] = (), untold: frozenset[int] = frozenset()
) -> VenueError | None:
    """The failure an answer of BingX reports, or None; codes in `untold` are no failure.

    Failures come as a code other than 0 inside HTTP 200. Source:
    https://bingx-api.github.io/docs/#/en-us/swapV2/base-info.html (common error codes).
    """
    answered = 200 <= response.status < 300
    code, words = envelope(response.body) or (0, "")
    if code == 0 and answered:
        return None  # or not in the venue's form: decoding says so
    if code in untold and "timestamp" not in words.lower():
        return None
    if untold and response.status == 404 and code == 0:
        return None
    prefix = f"code {code}: " if answered else f"HTTP {response.status}, code {code}: "
    if (code == 100421 and "restrict" not in words.lower()) or (
        code in _MAYBE_CLOCK and "timestamp" in words.lower()
    ):
        return VenueError("clock", prefix + "the timestamp is outside the receive window")
    if code in _AUTH:
        return VenueError("auth", prefix + _AUTH[code])
    if code in _PERMISSION:
        return VenueError("permission", prefix + _PERMISSION[code])
    if code == 100421:
        return VenueError("permission", prefix + redact(words, secrets))
    now = response.received_at
    if response.status == 418 or code == 109403:
        return VenueError(
            "banned",
            prefix + "the venue has shut this address out for too many requests",
            blocked_until=retry_after(response) or now + _RESTRICTION,
        )
    if response.status == 429 or code == 109429 or (code == 100410 and "busy" not in words.lower()):
        told = _UNBLOCKED_AT.search(words)
        wait = _RESTRICTION if code == 109429 else _LIMIT_WINDOW
        until = int(told[1]) / 1000 if told else retry_after(response)
        return VenueError(
            "rate_limited",
            prefix + "the request limit is used up",
            # Read by our clock, the venue's moment may have passed already; asking at once is worse.
            blocked_until=max(until, now + 1.0) if until is not None else now + wait,
        )
    common = http_error(response)
    if common is not None and (common.reason != "exchange" or code == 0):
        return common
    return VenueError("exchange", prefix + (redact(words, secrets) or "the venue reports a failure"))


class Schedules:
    """The maintenance tiers of one account's symbols, a few asked anew at each collection."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, tuple[MaintenanceTier, ...]]] = {}
        self._asked_at: dict[str, float] = {}

    async def of(self, api: Api, symbols: Iterable[str]) -> Mapping[str, tuple[MaintenanceTier, ...]]:
        """The tiers of those symbols whose tiers are known."""
        now = api.now()
        symbols = list(dict.fromkeys(symbols))
        due = sorted((s for s in symbols if self._due(s, now)), key=lambda s: self._asked_at.get(s, 0.0))
        async with asyncio.TaskGroup() as group:
            asked = {
                symbol: group.create_task(api.optional(_shared_tiers(api, symbol)))
                for symbol in due[:_TIERS_AT_ONCE]
            }
        for symbol, task in asked.items():
            self._asked_at[symbol] = now
            tiers = task.result()
            if tiers is not None:
                self._kept[symbol] = (now, tiers)
        return {
            symbol: self._kept[symbol][1]
            for symbol in symbols
            if symbol in self._kept and now - self._kept[symbol][0] < _TIERS_MAX_AGE
        }

    def _due(self, symbol: str, now: float) -> bool:
        if symbol in self._kept and now - self._kept[symbol][0] < _RARELY:
            return False
        return symbol not in self._asked_at or now - self._asked_at[symbol] >= _TIERS_RETRY


class Bingx(Venue[BingxConfig]):
    """Source: the pages below https://bingx-api.github.io/docs-v3/#/en/Swap/ ."""

    name = "bingx"
    title = "BingX perpetual swaps"
    documentation = "https://bingx-api.github.io/docs-v3/#/en/Swap/Account%20Endpoints/Query%20account%20data"
    config_class = BingxConfig
    base_url = "https://open-api.bingx.com"
    simulator = "exporter.simulator.bingx:BingxSimulator"
    note = (
        "The venue gives no maintenance margin: it is computed from the venue's tiers, read anew every hour. "
        "Position and asset mode are told only to keys that may trade; with a read-only key they stay "
        "unknown, and single-asset mode is assumed. In multi-assets mode the venue does not give the "
        "collateral's value, so that the account's equity and rates are absent. Demo trading (VST): "
        "`base_url: https://open-api-vst.bingx.com`."
    )
    endpoints = (BALANCE, BALANCE_V2, POSITIONS, TIERS, POSITION_MODE, ASSET_MODE, MARK_PRICES, TIME)
    fields = FIELDS

    def __init__(self, config: BingxConfig) -> None:
        super().__init__(config)
        self._schedules = Schedules()
        self._balance_v2_until = -math.inf

    def sign(self, endpoint: Endpoint, params: Params, timestamp_ms: int) -> SignedRequest:
        """Sorted parameters with `signature` last, and the key's header; public calls want the time too."""
        if not endpoint.signed:
            return SignedRequest(query=urlencode((*params, ("timestamp", str(timestamp_ms)))))
        pairs = sorted(
            (
                *params,
                ("recvWindow", str(int(self.config.recv_window * 1000))),
                ("timestamp", str(timestamp_ms)),
            )
        )
        payload = "&".join(f"{name}={value}" for name, value in pairs)
        signed = signature(self.config.api_secret.get_secret_value(), payload)
        return SignedRequest(
            query=f"{urlencode(pairs, quote_via=quote)}&signature={signed}",
            headers={"X-BX-APIKEY": self.config.api_key.get_secret_value()},
        )

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:
        return bingx_error(response, self.config.secrets(), _UNTOLD.get(endpoint, frozenset()))

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(TIME, ClockAnswer)).data.serverTime / 1000

    async def fetch(self, api: Api) -> AccountSnapshot:
        balances, positions = await together(self._balances(api), api.get(POSITIONS, Positions))
        rows = open_rows(positions, balances)
        tiers, hedge, multi_asset, marks = await together(
            self._schedules.of(api, (row.symbol for row in rows)),
            api.optional(api.account_cached("position mode", _MODES_MAX_AGE, lambda: _hedge_mode(api))),
            api.optional(api.account_cached("asset mode", _MODES_MAX_AGE, lambda: _multi_asset(api))),
            self._marks(api, balances, rows),
        )
        return parse(
            balances,
            rows,
            hedge=hedge,
            multi_asset=multi_asset,
            tiers=tiers,
            marks=marks,
        )

    async def _balances(self, api: Api) -> list[AssetRow]:
        """The balance rows, of version 2 of the call for an hour where the venue lacks version 3."""
        if api.now() >= self._balance_v2_until:
            answer = await _told(api, BALANCE, Balances)
            if answer is not None:
                return listed(answer.data)
            self._balance_v2_until = api.now() + _RARELY
        return listed((await api.get(BALANCE_V2, BalancesV2)).data.balance)

    async def _marks(
        self, api: Api, balances: Iterable[AssetRow], rows: Iterable[PositionRow]
    ) -> Mapping[str, float]:
        """Mark price by symbol where something needs it: one answer for all symbols and accounts."""
        if all(row.markPrice for row in rows) and not any(_needs_price(row) for row in balances):
            return {}
        marks = await api.optional(api.venue_cached("mark prices", api.interval, lambda: _mark_prices(api)))
        return marks or {}


async def _told(api: Api, endpoint: Endpoint, type_: type[T]) -> T | None:
    """The answer, or None where the venue says that it has none for this key: see `_UNTOLD`."""
    response = await api.request(endpoint)
    found = envelope(response.body)
    if response.status == 404 or (found is not None and found[0] != 0):
        return None
    return decode(response.body, type_, f"{Bingx.name} {endpoint.method} {endpoint.path}")


async def _shared_tiers(api: Api, symbol: str) -> tuple[MaintenanceTier, ...]:
    """The schedule of a symbol is the same for every account."""
    return await api.venue_cached(f"tiers {symbol}", _RARELY, lambda: _tiers(api, symbol))


async def _tiers(api: Api, symbol: str) -> tuple[MaintenanceTier, ...]:
    return maintenance_tiers(listed((await api.get(TIERS, Tiers, (("symbol", symbol),))).data), symbol)


async def _hedge_mode(api: Api) -> bool | None:
    answer = await _told(api, POSITION_MODE, PositionModeAnswer)
    return None if answer is None else answer.data.dualSidePosition is True


async def _multi_asset(api: Api) -> bool | None:
    answer = await _told(api, ASSET_MODE, AssetModeAnswer)
    return None if answer is None else answer.data.assetMode.lower().startswith("multi")


async def _mark_prices(api: Api) -> Mapping[str, float]:
    rows = listed((await api.get(MARK_PRICES, MarkPrices)).data)
    return {row.symbol: row.markPrice for row in rows if row.markPrice}


def _needs_price(row: AssetRow) -> bool:
    return row.holds and row.asset not in _MONEY


def maintenance_tiers(rows: Iterable[TierRow], symbol: str) -> tuple[MaintenanceTier, ...]:
    """A symbol's schedule in ascending order; the last tier is open."""
    rows = sorted((row for row in rows if row.symbol == symbol), key=lambda row: row.minPositionVal)
    return tuple(
        MaintenanceTier(
            floor=row.minPositionVal,
            cap=row.maxPositionVal if row is not rows[-1] else math.inf,
            rate=row.maintMarginRatio,
            deduction=row.maintAmount,
        )
        for row in rows
    )


def open_rows(positions: Positions, balances: Iterable[AssetRow]) -> list[PositionRow]:
    """The rows with a size.

    Raises:
        VenueError: reason ``schema``, if the venue lists nothing although margin is in use. The requirement
            is the sum over the positions, and would look like 0.
    """
    if positions.data is None:
        if any(row.usedMargin or row.unrealizedProfit for row in balances):
            raise _schema_error("`data` is null although margin is in use")
        return []
    rows = [row for row in listed(positions.data) if row.positionAmt != 0.0]
    if not rows and any(row.unrealizedProfit for row in balances):
        raise _schema_error("`data` has no position although there is unrealized PnL")
    return rows


def _schema_error(text: str) -> VenueError:
    return VenueError("schema", f"{Bingx.name} {POSITIONS.method} {POSITIONS.path}: {text}")


def parse(
    balances: Sequence[AssetRow],
    rows: Sequence[PositionRow],
    *,
    hedge: bool | None,
    multi_asset: bool | None,
    tiers: Mapping[str, tuple[MaintenanceTier, ...]],
    marks: Mapping[str, float],
) -> AccountSnapshot:
    """The account from its messages; `hedge` and `multi_asset` are None where the venue does not tell."""
    balances = [row for row in balances if row.known]
    positions = _positions(rows, tiers, marks, "USD" if multi_asset else None)
    modes = {}
    if hedge is not None:
        modes["position_mode"] = "hedge" if hedge else "one_way"
    if multi_asset is not None:
        modes["asset_mode"] = "multi" if multi_asset else "single"
    return AccountSnapshot(
        pools=(_shared_pool(rows),) if multi_asset else _pools(balances, rows, positions),
        positions=positions,
        assets=tuple(
            Asset(asset=row.asset, wallet_balance=row.balance, equity=row.equity)
            for row in balances
            if row.holds
        )
        if multi_asset
        else (),
        modes=modes,
        prices={
            row.asset: marks[f"{row.asset}-USDT"]
            for row in balances
            if _needs_price(row) and f"{row.asset}-USDT" in marks
        },
    )


def _shared_pool(rows: Iterable[PositionRow]) -> MarginPool:
    """In multi-assets mode one pool backs everything, and its value (after haircuts) is not told."""
    return MarginPool(currency="USD", venue_margin_rate=_venue_margin_rate(rows))


def _pools(
    balances: Sequence[AssetRow], rows: Sequence[PositionRow], positions: Iterable[Position]
) -> tuple[MarginPool, ...]:
    """One pool for every coin that is held or traded in; for an empty account its first, with its 0."""
    by_coin = {row.asset: row for row in balances}
    settled = dict.fromkeys(position.contract.settle for position in positions)
    kept = [coin for coin, row in by_coin.items() if row.holds or coin in settled]
    kept += [coin for coin in settled if coin not in by_coin]
    if not kept and by_coin:
        kept = [next(iter(by_coin))]
    return tuple(_pool(coin, by_coin.get(coin), rows) for coin in kept)


def _pool(coin: str, row: AssetRow | None, rows: Iterable[PositionRow]) -> MarginPool:
    own = [r for r in rows if contract_of(r.symbol, r.currency).settle == coin]
    rate = _venue_margin_rate(own)
    if row is None:
        return MarginPool(currency=coin, venue_margin_rate=rate)
    orders = row.freezedMargin if row.freezedMargin is not None else row.frozenMargin
    return MarginPool(
        currency=coin,
        equity=row.equity,
        margin_equity=_margin_equity(row, own),
        wallet_balance=row.balance,
        available_balance=row.availableMargin,
        unrealized_pnl=row.unrealizedProfit,
        initial_margin=None if row.usedMargin is None else row.usedMargin + (orders or 0.0),
        venue_margin_rate=rate,
    )


def _margin_equity(row: AssetRow, rows: Iterable[PositionRow]) -> float | None:
    """The equity without the isolated positions' margins, in which the venue counts their PnL."""
    margins = [position.margin for position in rows if position.isolated]
    known = [margin for margin in margins if margin is not None]
    if row.equity is None or len(known) < len(margins):
        return None
    return row.equity - sum(known)


def _venue_margin_rate(rows: Iterable[PositionRow]) -> float | None:
    """The risk rate of the cross positions, where they agree.

    The venue prints it on positions and says only that 100 % liquidates. That on cross positions it is the
    pool's rate is an inference (a published row fits it); rows of one pool that differ contradict it.
    """
    rates = {row.riskRate for row in rows if not row.isolated}
    return next(iter(rates)) or None if len(rates) == 1 else None


def _positions(
    rows: Sequence[PositionRow],
    tiers: Mapping[str, tuple[MaintenanceTier, ...]],
    marks: Mapping[str, float],
    pool_currency: str | None,
) -> tuple[Position, ...]:
    sides = [side_of(row, row.markPrice or marks.get(row.symbol)) for row in rows]
    try:
        ids = position_ids(
            [(row.symbol, side, row.isolated, row.currency) for row, side in zip(rows, sides, strict=True)],
            [str(row.positionId or "") for row in rows],
            separate=[row.onlyOnePosition is False for row in rows],
        )
    except ValueError as error:
        raise _schema_error(str(error)) from None
    return tuple(
        _position(
            row,
            side,
            name,
            tiers=tiers.get(row.symbol, ()),
            mark=row.markPrice or marks.get(row.symbol),
            pool_currency=pool_currency,
        )
        for row, side, name in zip(rows, sides, ids, strict=True)
    )


def _position(
    row: PositionRow,
    side: Side,
    position_id: str,
    *,
    tiers: tuple[MaintenanceTier, ...],
    mark: float | None,
    pool_currency: str | None,
) -> Position:
    return Position(
        symbol=row.symbol,
        side=side,
        margin_mode="isolated" if row.isolated else "cross",
        quantity=abs(row.positionAmt),
        contract=contract_of(row.symbol, row.currency),
        entry_price=row.avgPrice or None,
        mark_price=mark,
        liquidation_price=liquidation_price(row.liquidationPrice, mark or row.avgPrice),
        unrealized_pnl=row.unrealizedProfit,
        realized_pnl=row.realisedProfit if row.realisedProfit is not None else row.realizedProfit,
        leverage=row.leverage or None,
        initial_margin=row.initialMargin,
        maintenance_margin=None if tiers else _isolated_maintenance_margin(row),
        margin=_collateral(row),
        position_id=position_id,
        maintenance_tiers=tiers,
        pool_currency=pool_currency,
    )


def _collateral(row: PositionRow) -> float | None:
    """Of an isolated position: its `margin` without the unrealized PnL that the venue counts into it."""
    if not row.isolated or row.margin is None or row.unrealizedProfit is None:
        return None
    return row.margin - row.unrealizedProfit


def _isolated_maintenance_margin(row: PositionRow) -> float | None:
    """Risk rate × margin of an isolated position, for symbols without tiers.

    The risk rate has four decimals, hence this is less exact than the tiers.
    """
    if not row.isolated or not row.riskRate or row.margin is None:
        return None
    product = row.riskRate * row.margin
    return product if product > 0.0 else None


# A PnL of less than this share of the position's value says nothing about its side: the mark may have
# been read a moment later.
_CLEAR_MOVE = 5e-4


def side_of(row: PositionRow, mark: float | None) -> Side:
    """Long or short.

    Rows say LONG or SHORT, with an unsigned amount. What they say in one-way mode is not documented; if
    it is BOTH, a negative amount is short, and a positive one is believed to be long only where PnL or
    liquidation price do not say otherwise.
    """
    if row.positionSide == "LONG":
        return "long"
    if row.positionSide == "SHORT" or row.positionAmt < 0.0:
        return "short"
    if mark and row.avgPrice and row.unrealizedProfit:
        gain_of_long = row.positionAmt * (mark - row.avgPrice)
        if abs(gain_of_long) > _CLEAR_MOVE * row.positionAmt * mark:
            return "long" if (gain_of_long > 0.0) == (row.unrealizedProfit > 0.0) else "short"
    reference = mark or row.avgPrice
    price = liquidation_price(row.liquidationPrice, reference)
    return "short" if price is not None and reference and price > reference else "long"
