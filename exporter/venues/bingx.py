"""BingX perpetual swaps (current API): linear contracts settled in USDT and USDC, errors inside HTTP 200."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

from pydantic import Field

from exporter.account import ApiKeyConfig, Duration
from exporter.answers import RARELY
from exporter.api import Api
from exporter.errors import Reason, VenueError
from exporter.gradually import Gradually
from exporter.limits import Limit, RequestBudget
from exporter.model import (
    AccountSnapshot,
    Asset,
    MaintenanceTier,
    MarginPool,
    Position,
    Side,
)
from exporter.request import Endpoint, Request, Response, SignedRequest
from exporter.signing import hmac_hex
from exporter.tasks import together
from exporter.venues._bingx import (
    AssetMode,
    AssetRow,
    BalanceV2,
    Clock,
    MarkPrice,
    PositionMode,
    PositionRow,
    TierRow,
    contract_of,
    side_of,
)
from exporter.venues.base import (
    Answer,
    Refusal,
    Refusals,
    Venue,
    ascending_tiers,
    pools_by_coin,
    position_ids,
    schema_error,
)
from exporter.wire import Rows, listed

T = TypeVar("T")

BALANCE = Endpoint("/openApi/swap/v3/user/balance")
BALANCE_V2 = Endpoint("/openApi/swap/v2/user/balance")
POSITIONS = Endpoint("/openApi/swap/v2/user/positions")
TIERS = Endpoint("/openApi/swap/v1/maintMarginRatio", weight=1.5)  # two a second where others are three
POSITION_MODE = Endpoint("/openApi/swap/v1/positionSide/dual")
ASSET_MODE = Endpoint("/openApi/swap/v1/trade/assetMode")
MARK_PRICES = Endpoint("/openApi/swap/v2/quote/premiumIndex", signed=False)
TIME = Endpoint("/openApi/swap/v2/server/time", signed=False)

# Modes can only be changed while there are no positions.
_MODES_MAX_AGE = 600.0

# The documented limits of that call contradict each other; the lowest is 2 a second for an address.
_TIERS_AT_ONCE = 2

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

# The demo environment and older hosts lack these calls, and the account's modes are told only to keys that
# may also trade, which a key for monitoring should not.
_MAY_LACK = frozenset({BALANCE, POSITION_MODE, ASSET_MODE})
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
    TIERS: {"when the answer was printed; the collection has its own time": "timestamp"},
    MARK_PRICES: {
        "positions are liquidated by the mark price": "indexPrice",
        "a cost of holding, not a distance to liquidation": "lastFundingRate nextFundingTime",
    },
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
        "The venue gives no maintenance margin: it is computed from the venue's tiers, read anew every hour. "
        "Position and asset mode are told only to keys that may trade; with a read-only key they stay "
        "unknown, and single-asset mode is assumed. In multi-assets mode the venue does not give the "
        "collateral's value, so that the account's equity and rates are absent. Demo trading (VST): "
        "`base_url: https://open-api-vst.bingx.com`."
    )
    endpoints = (BALANCE, BALANCE_V2, POSITIONS, TIERS, POSITION_MODE, ASSET_MODE, MARK_PRICES, TIME)
    budgets = (
        # Of the limits that the documentation gives, some of which contradict each other, the lowest.
        RequestBudget("bingx", (Limit(3.0, 1.0),), signed=True, each_endpoint=True),
        RequestBudget("bingx_market", (Limit(1.0, 1.0),), signed=False, each_endpoint=True),
    )
    each_collection = (BALANCE, POSITIONS, MARK_PRICES)
    refusals = REFUSALS
    unread = UNREAD

    def __init__(self, config: BingxConfig) -> None:
        super().__init__(config)
        self._tiers = Gradually(_tiers, at_once=_TIERS_AT_ONCE)
        self._balance_v2_until = -math.inf

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
        return table.read(response, self.config.secrets(), signed=endpoint.signed)

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(TIME, Answer[Clock])).data.serverTime

    async def fetch(self, api: Api) -> AccountSnapshot:
        balances, positions = await together(
            self._balances(api), api.get(POSITIONS, Answer[Rows[PositionRow]])
        )
        rows = open_rows(positions.data, balances)
        tiers, hedge, multi_asset, marks = await together(
            self._tiers.of(api, (row.symbol for row in rows)),
            api.optional(api.account_cached(_hedge_mode, _MODES_MAX_AGE)),
            api.optional(api.account_cached(_multi_asset, _MODES_MAX_AGE)),
            _marks(api, balances, rows),
        )
        return parse(balances, rows, hedge=hedge, multi_asset=multi_asset, tiers=tiers, marks=marks)

    async def _balances(self, api: Api) -> list[AssetRow]:
        """The balance rows, of version 2 of the call for an hour where the venue lacks version 3."""
        if api.now() >= self._balance_v2_until:
            answer = await _told(api, BALANCE, Answer[Rows[AssetRow]], "unsupported")
            if answer is not None:
                return listed(answer.data)
            self._balance_v2_until = api.now() + RARELY
        return listed((await api.get(BALANCE_V2, Answer[BalanceV2])).data.balance)


async def _told(api: Api, endpoint: Endpoint, type_: type[T], *untold: Reason) -> T | None:
    """The answer, or None where the venue says that it has none for this key."""
    try:
        return await api.get(endpoint, type_)
    except VenueError as error:
        if error.reason not in untold:
            raise
        return None


async def _tiers(api: Api, symbol: str) -> tuple[MaintenanceTier, ...]:
    answer = await api.get(TIERS, Answer[Rows[TierRow]], (("symbol", symbol),))
    return ascending_tiers(
        MaintenanceTier(row.minPositionVal, row.maxPositionVal, row.maintMarginRatio, row.maintAmount)
        for row in listed(answer.data)
        if row.symbol == symbol
    )


async def _hedge_mode(api: Api) -> bool | None:
    answer = await _told(api, POSITION_MODE, Answer[PositionMode], "unsupported", "permission")
    return None if answer is None else answer.data.dualSidePosition


async def _multi_asset(api: Api) -> bool | None:
    answer = await _told(api, ASSET_MODE, Answer[AssetMode], "unsupported", "permission")
    return None if answer is None else answer.data.assetMode.lower().startswith("multi")


async def _marks(api: Api, balances: Iterable[AssetRow], rows: Iterable[PositionRow]) -> Mapping[str, float]:
    """Mark price by symbol where something needs it: one answer for all symbols and accounts."""
    if all(row.markPrice for row in rows) and not any(row.needs_price for row in balances):
        return {}
    return await api.optional(api.venue_cached(_mark_prices, api.interval), {})


async def _mark_prices(api: Api) -> Mapping[str, float]:
    rows = listed((await api.get(MARK_PRICES, Answer[Rows[MarkPrice]])).data)
    return {row.symbol: row.markPrice for row in rows if row.markPrice}


def open_rows(given: Rows[PositionRow], balances: Iterable[AssetRow]) -> list[PositionRow]:
    """The rows with a size.

    Raises:
        VenueError: reason ``schema``, if the venue lists nothing although margin is in use. The requirement
            is the sum over the positions, and would look like 0.
    """
    if given is None and any(row.usedMargin or row.unrealizedProfit for row in balances):
        raise schema_error(POSITIONS, "`data` is null although margin is in use")
    rows = [row for row in listed(given) if row.positionAmt != 0.0]
    if not rows and any(row.unrealizedProfit for row in balances):
        raise schema_error(POSITIONS, "`data` has no position although there is unrealized PnL")
    return rows


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
    prices = {row.coin: marks.get(f"{row.coin}-USDT") for row in balances if row.needs_price}
    held = [row for row in balances if row.holds]
    # In multi-assets mode one pool backs everything, and its value (after haircuts) is not told.
    pools = (
        (MarginPool(currency="USD", venue_margin_rate=_venue_margin_rate(rows)),)
        if multi_asset
        else pools_by_coin(balances, positions, lambda row, _: _pool(row, rows))
    )
    return AccountSnapshot(
        pools=pools,
        positions=positions,
        assets=tuple(Asset(asset=row.coin, wallet_balance=row.balance, equity=row.equity) for row in held)
        if multi_asset
        else (),
        modes=modes,
        prices={coin: price for coin, price in prices.items() if price is not None},
    )


def _pool(row: AssetRow, rows: Iterable[PositionRow]) -> MarginPool:
    own = [one for one in rows if contract_of(one.symbol, one.currency).settle == row.coin]
    return MarginPool(
        currency=row.coin,
        equity=row.equity,
        margin_equity=_margin_equity(row, own),
        wallet_balance=row.balance,
        available_balance=row.availableMargin,
        unrealized_pnl=row.unrealizedProfit,
        initial_margin=row.initial_margin,
        venue_margin_rate=_venue_margin_rate(own),
    )


def _margin_equity(row: AssetRow, rows: Iterable[PositionRow]) -> float | None:
    """The equity without the isolated positions' margins, in which the venue counts their PnL."""
    margins = [position.margin for position in rows if position.isolated]
    known = [margin for margin in margins if margin is not None]
    return None if row.equity is None or len(known) < len(margins) else row.equity - sum(known)


def _venue_margin_rate(rows: Iterable[PositionRow]) -> float | None:
    """The risk rate of the cross positions, where they agree.

    The venue prints it on positions and says only that 100 % liquidates. That on cross positions it is the
    pool's rate is an inference (a published row fits it); rows of one pool that differ contradict it.
    """
    rates = {row.riskRate for row in rows if not row.isolated}
    return next(iter(rates)) if len(rates) == 1 else None


def _positions(
    rows: Sequence[PositionRow],
    tiers: Mapping[str, tuple[MaintenanceTier, ...]],
    marks: Mapping[str, float],
    pool_currency: str | None,
) -> tuple[Position, ...]:
    sides = [side_of(row, row.markPrice or marks.get(row.symbol)) for row in rows]
    ids = position_ids(
        [(row.symbol, side, row.isolated, row.currency) for row, side in zip(rows, sides, strict=True)],
        "positionId",
        [row.positionId for row in rows],
        POSITIONS,
        separate=[row.onlyOnePosition is False for row in rows],
    )
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
        entry_price=row.avgPrice,
        mark_price=mark,
        liquidation_price=row.liquidationPrice,
        unrealized_pnl=row.unrealizedProfit,
        realized_pnl=row.realisedProfit if row.realisedProfit is not None else row.realizedProfit,
        leverage=row.leverage,
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
