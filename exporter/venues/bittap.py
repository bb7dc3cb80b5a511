"""BitTap futures: linear contracts, string codes in every answer, positions told in two calls."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlencode
from uuid import uuid4

import msgspec
import structlog

from exporter.account import ApiKeyConfig
from exporter.api import Api, together
from exporter.errors import VenueError, redact
from exporter.model import (
    AccountSnapshot,
    Contract,
    ContractKind,
    MaintenanceTier,
    MarginPool,
    Position,
)
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

ACCOUNT_INFO = Endpoint("/ftapi/v1/account/info")
OPEN_POSITION = Endpoint("/ftapi/v1/openPosition")
EXCHANGE_INFO = Endpoint("/fmapi/v1/exchangeInfo", signed=False)

_RARELY = 3600.0
# Kinds and risk tiers change every few months: where they cannot be read again, today's still hold.
_CONTRACTS_GRACE = 24 * _RARELY

# The venue counts 10 requests a second and 600 a minute, and says neither which limit was hit nor when to
# come back.
_PAUSE = 10.0

# Where the list of contracts does not tell: what is quoted in these is settled in them.
_MONEY = frozenset({"USDT", "USDC"})

# How far the entry value may be from quantity × entry price: rounding, not a contract multiplier.
_ENTRY_VALUE_TOLERANCE = 0.01

_AUTH = {
    "410001": "the API key is not known",
    "410002": "the signature is not valid: check the API secret",
}
_PERMISSION = {"410006": "the key lacks the futures permission"}

log = structlog.get_logger(__name__)

_A, _P, _E = ACCOUNT_INFO.path, OPEN_POSITION.path, EXCHANGE_INFO.path
_SUCCESS = '"0" means success; anything else is an error of the collection'
_TOTAL = "over all coins, in a currency that is not documented; the row of each coin is used"
_ZERO = 'documented as "0" beside a cross position with margin; the locked margin is published'
_BONUS = "bonus money; whether it is part of the balance is not documented"
_MOVABLE = "says what may be moved out, not how safe the account is"
_IDENTITY = "identifies the account, which is never published"
_ID = "joins the rows of the two calls; a label where symbol, side and margin mode are not enough"
_FEES = "what trading costs; part of the realized PnL"
_ORDERS = "a count of orders"
_TRADING = "of the next order; each position has its own"


def _position_fields(path: str, row: str) -> tuple[FieldUse, ...]:
    return (
        FieldUse(path, f"{row}.positionId", reason=_ID),
        FieldUse(path, f"{row}.uid", reason=_IDENTITY),
        FieldUse(path, f"{row}.quantity", ("risk_position_quantity", "risk_position_notional_usd")),
        FieldUse(path, f"{row}.avgEntryPrice", ("risk_position_entry_price", "risk_position_mark_price")),
        FieldUse(
            path,
            f"{row}.entryValue",
            reason="at the entry price, not at the mark; checks that a contract is one base unit",
        ),
        FieldUse(path, f"{row}.markPrice", ("risk_position_mark_price", "risk_position_notional_usd")),
        FieldUse(path, f"{row}.lastPrice", reason="positions are liquidated by the mark price"),
        FieldUse(path, f"{row}.leverage", ("risk_position_leverage_ratio",)),
        FieldUse(
            path,
            f"{row}.margin",
            ("risk_position_initial_margin", "risk_position_margin", "risk_account_margin_equity"),
        ),
        FieldUse(
            path,
            f"{row}.profitUnreal",
            ("risk_position_unrealized_pnl", "risk_account_margin_equity"),
        ),
        FieldUse(path, f"{row}.profitUnrealRate", reason="unrealized PnL / margin; both are published"),
        FieldUse(path, f"{row}.realizedPnl", ("risk_position_realized_pnl",)),
        FieldUse(
            path,
            f"{row}.liquidPrice",
            ("risk_position_liquidation_price", "risk_position_liquidation_distance_ratio"),
        ),
        FieldUse(
            path,
            f"{row}.maintainMargin",
            ("risk_position_maintenance_margin", "risk_position_maintenance_margin_rate"),
        ),
        FieldUse(path, f"{row}.otherMaintainMargin", reason="of the account's other positions"),
        FieldUse(
            path,
            f"{row}.marginRate",
            reason="not documented of what; rates are computed for every venue alike",
        ),
        FieldUse(path, f"{row}.bkrFee", reason="what being liquidated would cost"),
        FieldUse(path, f"{row}.closedFee", reason="what closing would cost"),
        FieldUse(path, f"{row}.otherClosedFee", reason="what closing would cost"),
        FieldUse(path, f"{row}.feeAmount", reason=_FEES),
        FieldUse(path, f"{row}.frozenFee", reason=_FEES),
        FieldUse(path, f"{row}.fundAmount", reason="funding paid so far; part of the balance"),
        FieldUse(path, f"{row}.pnl", reason="of what was closed, without fees; the realized PnL has both"),
        FieldUse(path, f"{row}.deductFeeAmount", reason=_BONUS),
        FieldUse(path, f"{row}.deductFundingAmount", reason=_BONUS),
        FieldUse(path, f"{row}.deductLossAmount", reason=_BONUS),
        FieldUse(path, f"{row}.posTpSlSize", reason=_ORDERS),
        FieldUse(path, f"{row}.tpSlSize", reason=_ORDERS),
        FieldUse(path, f"{row}.ctime", reason="when the position was opened"),
        FieldUse(
            path,
            f"{row}.lastUpdateTime",
            reason="time of the last change of the position, not of the figures",
        ),
    )


FIELDS = (
    FieldUse(_A, "code", reason=_SUCCESS),
    FieldUse(
        _A,
        "data.assets[].equities",
        (
            "risk_account_equity",
            "risk_account_equity_usd",
            "risk_account_margin_equity",
            "risk_account_maintenance_margin_rate",
        ),
    ),
    FieldUse(_A, "data.assets[].balance", ("risk_account_wallet_balance",)),
    FieldUse(_A, "data.assets[].available", ("risk_account_available_balance",)),
    FieldUse(_A, "data.assets[].locked", ("risk_account_initial_margin",)),
    FieldUse(
        _A, "data.assets[].profitUnreal", ("risk_account_unrealized_pnl", "risk_position_unrealized_pnl")
    ),
    FieldUse(
        _A,
        "data.assets[].crossProfitUnreal",
        reason="part of the unrealized PnL; each position has its own",
    ),
    FieldUse(
        _A,
        "data.assets[].crossedMaintainMargin",
        ("risk_account_maintenance_margin", "risk_account_maintenance_margin_rate"),
    ),
    FieldUse(_A, "data.assets[].crossedMaintainMarginRate", ("risk_account_venue_margin_rate",)),
    FieldUse(_A, "data.assets[].canTransfer", reason=_MOVABLE),
    FieldUse(_A, "data.assets[].crossLocked", reason=_ZERO),
    FieldUse(_A, "data.assets[].crossMargin", reason=_ZERO),
    FieldUse(_A, "data.assets[].isolatedLocked", reason=_ZERO),
    FieldUse(_A, "data.assets[].isolatedMargin", reason=_ZERO),
    FieldUse(_A, "data.assets[].totalTrialFundBalance", reason=_BONUS),
    FieldUse(_A, "data.assets[].trialFundBalance", reason=_BONUS),
    *(
        FieldUse(_A, f"data.{name}", reason=_TOTAL)
        for name in (
            "available",
            "balance",
            "canTransfer",
            "crossLocked",
            "crossMargin",
            "crossProfitUnreal",
            "crossedMaintainMargin",
            "crossedMaintainMarginRate",
            "isolatedLocked",
            "isolatedMargin",
            "profitUnreal",
            "totalEquities",
            "totalLocked",
            "totalTrialFundBalance",
            "trialFundBalance",
        )
    ),
    *_position_fields(_A, "data.positions[]"),
    FieldUse(_P, "code", reason=_SUCCESS),
    *_position_fields(_P, "data[]"),
    FieldUse(_E, "code", reason=_SUCCESS),
    *(
        FieldUse(
            _E,
            f"data.symbols[].riskLimitConfigs[].{name}",
            (
                "risk_position_maintenance_margin",
                "risk_position_liquidation_price",
                "risk_account_liquidation_shock_ratio",
                "risk_account_stress_maintenance_margin_rate",
            ),
        )
        for name in ("maintainMarginRate", "minPositionValue", "maxPositionValue")
    ),
    FieldUse(_E, "data.symbols[].riskLimitConfigs[].level", reason="the number of a tier"),
    FieldUse(_E, "data.symbols[].riskLimitConfigs[].maxLeverage", reason=_TRADING),
    FieldUse(_E, "data.symbols[].defaultLeverage", reason=_TRADING),
    FieldUse(_E, "data.coins[].preciousShow", reason="decimal places for display"),
)


class AssetRow(Wire):
    coin: str
    balance: Required  # without unrealized PnL, isolated margin included
    equities: Required  # balance + profitUnreal
    profitUnreal: Number
    crossedMaintainMargin: Number
    available: Number = None  # equities - locked
    locked: Number = None
    crossedMaintainMarginRate: Number = None  # maintenance margin / (equities - cost of closing)

    @property
    def holds(self) -> bool:
        """True if there is anything in the coin."""
        return bool(self.balance or self.equities or self.locked)


class PositionRow(Wire):
    """A row of either call. That of the account lacks whatever depends on the mark price."""

    positionId: str | int
    symbolId: str
    side: str  # BUY or SELL
    marginMode: str  # CROSSED, ISOLATED; ISOLATION elsewhere in the documentation
    quantity: Required  # base units, unsigned
    avgEntryPrice: Number
    positionMode: str | None = None  # HEDGE, ONEWAY; ONE_WAY elsewhere in the documentation
    entryValue: Number = None  # quantity × entry price
    feeAssetId: str | None = None
    leverage: Number = None
    margin: Number = None  # entry value / leverage
    markPrice: Number = None
    profitUnreal: Number = None
    realizedPnl: Number = None  # net of fees
    maintainMargin: Number = None  # "0" in the account's rows
    liquidPrice: Number = None  # "0": none

    def __post_init__(self) -> None:
        super().__post_init__()
        self.side = self.side.upper()
        if self.side not in {"BUY", "SELL"}:
            raise ValueError("`side` is neither BUY nor SELL")
        self.marginMode = self.marginMode.upper()
        if self.marginMode not in {"CROSSED", "ISOLATED", "ISOLATION"}:
            raise ValueError("`marginMode` is neither CROSSED nor ISOLATED")
        if self.quantity < 0.0:
            raise ValueError("`quantity` is negative")

    @property
    def isolated(self) -> bool:
        return self.marginMode != "CROSSED"


class AccountData(Wire):
    assets: list[AssetRow] | AssetRow
    positions: list[PositionRow] | PositionRow | None


class AccountInfo(Wire):
    data: AccountData


class OpenPositions(Wire):
    data: list[PositionRow] | PositionRow | None


class RiskLimit(Wire):
    maintainMarginRate: Number = None
    minPositionValue: Number = None
    maxPositionValue: Number = None


class SymbolRow(Wire):
    symbolId: str
    contractSide: str  # FORWARD is linear, REVERSE is inverse
    riskLimitConfigs: list[RiskLimit] | None = None


class ExchangeData(Wire):
    symbols: list[SymbolRow]


class ExchangeInfo(Wire):
    data: ExchangeData


class Envelope(msgspec.Struct):
    """Around every answer, success or failure."""

    code: str | int
    msg: str | None = None
    success: bool | None = None


class Listing(msgspec.Struct, frozen=True):
    """What the venue publishes about one contract."""

    kind: ContractKind | None
    tiers: tuple[MaintenanceTier, ...] = ()


def string_to_sign(query: str, timestamp_ms: int, nonce: str) -> str:
    """What is signed of a GET: the query, and an ``&`` even where the query is empty.

    Source: https://developers.bittap.com/en/futures/authentication
    """
    return f"{query}&timestamp={timestamp_ms}&nonce={nonce}"


def signature(secret: str, text: str) -> str:
    """HMAC-SHA256 in lowercase hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


# Not documented: what the venue says of a timestamp outside its window, and of an unlisted address.
_TIME_WORDS = re.compile(r"time(?!d?\s*out)|expire", re.IGNORECASE)
_ADDRESS_WORDS = re.compile(r"\bip\b|whitelist", re.IGNORECASE)


def bittap_error(response: Response, secrets: Iterable[str] = ()) -> VenueError | None:
    """The failure an answer reports, or None.

    Codes are strings; those that begin with 41 are about the key. Source:
    https://developers.bittap.com/en/futures/api-reference
    """
    answered = 200 <= response.status < 300
    code, words, success = _envelope(response.body) or ("0", "", True)
    if answered and code == "0" and success:
        return None  # or not in the venue's form: decoding says so
    if response.status == 429:
        return VenueError(
            "rate_limited",
            "HTTP 429: the request limit is used up",
            blocked_until=retry_after(response) or response.received_at + _PAUSE,
        )
    # A code is any text: only one that looks like one is repeated.
    shown = f"code {code}" if re.fullmatch(r"-?[0-9]{1,8}", code) else "a failure"
    prefix = f"{shown}: " if answered else f"HTTP {response.status}, {shown}: "
    about_the_key = code.startswith("41") and len(code) == 6
    if "timestamp" in words.lower() or (about_the_key and _TIME_WORDS.search(words)):
        return VenueError("clock", prefix + "the timestamp is outside the venue's window")
    if code in _AUTH:
        return VenueError("auth", prefix + _AUTH[code])
    if code in _PERMISSION:
        return VenueError("permission", prefix + _PERMISSION[code])
    if about_the_key:
        reason: Literal["permission", "auth"] = "permission" if _ADDRESS_WORDS.search(words) else "auth"
        return VenueError(reason, prefix + (redact(words, secrets) or "the key is refused"))
    common = http_error(response)
    if common is not None and (common.reason != "exchange" or code == "0"):
        return common
    return VenueError("exchange", prefix + (redact(words, secrets) or "the venue reports a failure"))


def _envelope(body: bytes) -> tuple[str, str, bool] | None:
    """Code, words and success of an answer; None where it is not in the venue's form."""
    try:
        found = msgspec.json.decode(body, type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return str(found.code), found.msg or "", found.success is not False


def date_of(headers: Mapping[str, str]) -> float | None:
    """The moment an answer was made, Unix seconds, from its ``Date``; None where there is none.

    The header has whole seconds, of which the middle is off by half a second at most. An answer from a
    cache says in ``Age`` how long it lay there.
    """
    try:
        made_at = parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
    age = headers.get("Age", "")
    return made_at + 0.5 + (int(age) if age.isascii() and age.isdigit() else 0)


class Bittap(Venue[ApiKeyConfig]):
    """Source: https://developers.bittap.com/en/futures/trading/account-info and open-position beside it."""

    name = "bittap"
    title = "BitTap futures"
    documentation = "https://developers.bittap.com/en/futures/trading/account-info"
    config_class = ApiKeyConfig
    base_url = "https://openapi.bittap.com"
    simulator = "exporter.simulator.bittap:BittapSimulator"
    note = (
        "The key needs the futures permission: a new key has none. The venue's own margin rate counts the "
        "cost of closing (0.05 % of the notional) against the equity and so is a little above the computed "
        "one; where the venue gives no liquidation price, the computed one does not count it. The venue has "
        "no call for mark prices: they come from the position call, and of an account whose key may not use "
        "it only a single position's mark follows from the totals. Risk tiers are published without the "
        "deductions that other venues have; a price computed across a tier's border is therefore nearer "
        "than the venue's, if it has them. Units of coin-margined contracts are not documented: such "
        "positions are published without notional and without anything computed from it. The margin of an "
        "isolated position is read as its collateral without unrealized PnL. The venue's clock is read from "
        "the `Date` header, to half a second."
    )
    endpoints = (ACCOUNT_INFO, OPEN_POSITION, EXCHANGE_INFO)
    fields = FIELDS

    def __init__(self, config: ApiKeyConfig, *, nonce: Callable[[], str] = lambda: str(uuid4())) -> None:
        super().__init__(config)
        self._nonce = nonce
        self._unsized: set[str] = set()

    def sign(self, endpoint: Endpoint, params: Params, timestamp_ms: int) -> SignedRequest:
        """The query sorted, the rest in headers. The nonce comes from the generator given at the start."""
        query = urlencode(sorted(params))
        if not endpoint.signed:
            return SignedRequest(query=query)
        nonce = self._nonce()
        text = string_to_sign(query, timestamp_ms, nonce)
        return SignedRequest(
            query=query,
            headers={
                "X-BT-APIKEY": self.config.api_key.get_secret_value(),
                "X-BT-TS": str(timestamp_ms),
                "X-BT-NONCE": nonce,
                "X-BT-SIGN": signature(self.config.api_secret.get_secret_value(), text),
            },
        )

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:  # noqa: ARG002
        return bittap_error(response, self.config.secrets())

    async def server_time(self, api: Api) -> float | None:
        return date_of((await api.request(EXCHANGE_INFO)).headers)

    async def fetch(self, api: Api) -> AccountSnapshot:
        account, opened, listings = await together(
            api.get(ACCOUNT_INFO, AccountInfo),
            _open_positions(api),
            api.optional(
                api.venue_cached("contracts", _RARELY, lambda: _listings(api), grace=_CONTRACTS_GRACE)
            ),
        )
        snapshot = parse(account, opened, listings=listings or {})
        self._tell_unsized(snapshot.positions)
        return snapshot

    def _tell_unsized(self, positions: Iterable[Position]) -> None:
        """Logs once for each symbol that its contract size is not known."""
        for position in positions:
            if position.contract.size is None and position.symbol not in self._unsized:
                self._unsized.add(position.symbol)
                log.warning(
                    "contract size not known, notional and what follows from it are absent",
                    exchange=self.name,
                    account=self.config.name,
                    symbol=position.symbol,
                )


async def _open_positions(api: Api) -> OpenPositions | None:
    """The rows with mark prices; None, counted as a failure, if the key may not read them.

    A call that fails for another reason fails the collection: positions that lose their prices for one
    interval would silence alerts, whereas the last complete collection stays for its age.
    """
    try:
        return await api.get(OPEN_POSITION, OpenPositions)
    except VenueError as error:
        if error.reason != "permission":
            raise
        refusal = error

    async def refused() -> OpenPositions:
        raise refusal

    return await api.optional(refused())


async def _listings(api: Api) -> Mapping[str, Listing]:
    return listings_of((await api.get(EXCHANGE_INFO, ExchangeInfo)).data.symbols)


_KINDS: Mapping[str, ContractKind] = {"FORWARD": "linear", "REVERSE": "inverse"}


def listings_of(rows: Iterable[SymbolRow]) -> Mapping[str, Listing]:
    """Kind and risk tiers by symbol; no tiers of inverse contracts, whose units are not documented."""
    found = {}
    for row in rows:
        kind = _KINDS.get(row.contractSide.upper())
        tiers = () if kind == "inverse" else tiers_of(row.riskLimitConfigs or ())
        found[row.symbolId] = Listing(kind, tiers)
    return found


def tiers_of(limits: Sequence[RiskLimit]) -> tuple[MaintenanceTier, ...]:
    """A symbol's schedule in ascending order; the last tier is open.

    Empty where a floor or rate is missing: one symbol that is listed incompletely must not cost the
    others their tiers.
    """
    known = [
        (limit.minPositionValue, limit.maintainMarginRate, limit.maxPositionValue)
        for limit in limits
        if limit.minPositionValue is not None and limit.maintainMarginRate is not None
    ]
    if len(known) < len(limits):
        return ()
    known.sort(key=lambda tier: tier[0])
    return tuple(
        MaintenanceTier(
            floor=floor,
            cap=cap if cap is not None and place < len(known) else math.inf,
            rate=rate,
            deduction=0.0,
        )
        for place, (floor, rate, cap) in enumerate(known, start=1)
    )


def joined(account: Iterable[PositionRow], opened: Iterable[PositionRow]) -> list[PositionRow]:
    """The rows of both calls by their id: what the position call says, else what the account says.

    Zero-size rows are dropped after that: a position that one of the two calls no longer has is closed.
    """
    rows = {str(row.positionId): row for row in account}
    for row in opened:
        key = str(row.positionId)
        rows[key] = _merged(row, rows[key]) if key in rows else row
    return [row for row in rows.values() if row.quantity != 0.0]


def _merged(first: PositionRow, second: PositionRow) -> PositionRow:
    fields = PositionRow.__struct_fields__
    gaps = {name: getattr(second, name) for name in fields if getattr(first, name) is None}
    return msgspec.structs.replace(first, **gaps)


def parse(
    account: AccountInfo,
    opened: OpenPositions | None,
    *,
    listings: Mapping[str, Listing],
) -> AccountSnapshot:
    """The account from its messages; `opened` is None where the key may not read the position call.

    Raises:
        VenueError: reason ``schema``, if the venue lists nothing although something is at risk.
    """
    assets = listed(account.data.assets)
    of_account = listed(account.data.positions)
    rows = joined(of_account, listed(opened.data if opened else None))
    # The account's own rows and totals are of one moment: those of the position call may be later.
    if not rows and not any(row.quantity for row in of_account):
        at_risk = any(asset.profitUnreal or asset.crossedMaintainMargin for asset in assets)
        if at_risk:
            raise _schema_error("`positions` has none although margin is required")
    contracts = [contract_of(row, listings.get(row.symbolId)) for row in rows]
    repeated = Counter((row.symbolId, row.side, row.isolated) for row in rows)
    positions = tuple(
        _position(
            row,
            contract,
            listings.get(row.symbolId),
            str(row.positionId) if repeated[row.symbolId, row.side, row.isolated] > 1 else "",
        )
        for row, contract in zip(rows, contracts, strict=True)
    )
    return AccountSnapshot(
        pools=_pools(assets, positions),
        positions=positions,
        modes=_modes(rows),
    )


def _schema_error(text: str) -> VenueError:
    return VenueError("schema", f"{Bittap.name} {ACCOUNT_INFO.method} {ACCOUNT_INFO.path}: {text}")


_POSITION_MODES = {"HEDGE": "hedge", "ONEWAY": "one_way", "ONE_WAY": "one_way"}


def _modes(rows: Iterable[PositionRow]) -> Mapping[str, str]:
    """Position mode where the positions agree on it: the account itself does not say."""
    found = {_POSITION_MODES.get((row.positionMode or "").upper()) for row in rows}
    mode = next(iter(found)) if len(found) == 1 else None
    return {"position_mode": mode} if mode is not None else {}


def contract_of(row: PositionRow, listing: Listing | None) -> Contract:
    """The contract of a symbol such as ``XRP-USDT-M``.

    A linear contract is one base unit, as in the documented example, unless the row's entry value says
    otherwise; then its size is unknown. So is that of an inverse contract, whose units the venue does not
    document.

    Raises:
        VenueError: reason ``schema``, for a symbol in another form of which no money is known.
    """
    parts = row.symbolId.split("-")
    base, quote = parts[0], parts[1] if len(parts) > 1 else ""
    if not (base and quote):
        quote = row.feeAssetId or ""
        if not quote:
            raise _schema_error("`symbolId` is not in the form BASE-QUOTE-M")
    kind = listing.kind if listing is not None else None
    if kind is None:
        kind = "linear" if quote in _MONEY else "inverse"
    if kind == "inverse":
        return Contract("inverse", None, base, quote, base)
    size: float | None = 1.0
    value = row.quantity * row.avgEntryPrice if row.avgEntryPrice else None
    if value and row.entryValue and abs(row.entryValue / value - 1.0) > _ENTRY_VALUE_TOLERANCE:
        size = None
    return Contract("linear", size, base, quote, quote)


def _position(row: PositionRow, contract: Contract, listing: Listing | None, position_id: str) -> Position:
    mark = row.markPrice or None
    return Position(
        symbol=row.symbolId,
        side="long" if row.side == "BUY" else "short",
        margin_mode="isolated" if row.isolated else "cross",
        quantity=row.quantity,
        contract=contract,
        entry_price=row.avgEntryPrice or None,
        mark_price=mark,
        liquidation_price=liquidation_price(row.liquidPrice, mark or row.avgEntryPrice),
        unrealized_pnl=row.profitUnreal,
        realized_pnl=row.realizedPnl,
        leverage=row.leverage or None,
        # Collateral of an isolated position may have been added to.
        initial_margin=None if row.isolated else row.margin,
        maintenance_margin=row.maintainMargin or None,
        margin=row.margin if row.isolated else None,
        position_id=position_id,
        maintenance_tiers=listing.tiers if listing is not None and contract.size is not None else (),
    )


def _pools(assets: Sequence[AssetRow], positions: Sequence[Position]) -> tuple[MarginPool, ...]:
    """One pool for every coin that is held or traded in; for an empty account its first, with its 0."""
    settled = dict.fromkeys(position.contract.settle for position in positions)
    kept = [row for row in assets if row.holds or row.coin in settled] or assets[:1]
    # Positions that the account's rows do not back are shown, with nothing known of their pool.
    missing = settled.keys() - {row.coin for row in assets}
    unbacked = [MarginPool(currency=coin) for coin in settled if coin in missing]
    return (*(_pool(row, positions) for row in kept), *unbacked)


def _pool(row: AssetRow, positions: Iterable[Position]) -> MarginPool:
    own = [position for position in positions if position.contract.settle == row.coin]
    # "0" beside an open cross position is what the venue prints where it does not tell.
    cross = any(position.margin_mode == "cross" for position in own)
    return MarginPool(
        currency=row.coin,
        equity=row.equities,
        margin_equity=_margin_equity(row, own),
        maintenance_margin=(row.crossedMaintainMargin or None) if cross else row.crossedMaintainMargin,
        wallet_balance=row.balance,
        available_balance=row.available,
        unrealized_pnl=row.profitUnreal,
        initial_margin=row.locked,
        venue_margin_rate=(row.crossedMaintainMarginRate or None) if cross else row.crossedMaintainMarginRate,
    )


def _margin_equity(row: AssetRow, positions: Iterable[Position]) -> float | None:
    """Equity without the isolated positions' collateral and PnL; None where one of those is unknown.

    The rows' ``isolatedMargin`` and ``crossMargin`` are not used: both are documented as "0" beside a
    position with margin.
    """
    equity: float = row.equities
    for position in positions:
        if position.margin_mode == "isolated":
            if position.margin is None or position.unrealized_pnl is None:
                return None
            equity -= position.margin + position.unrealized_pnl
    return equity
