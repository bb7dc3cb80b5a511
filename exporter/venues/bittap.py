"""BitTap futures: linear contracts, string codes in every answer, positions told in two calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from urllib.parse import urlencode
from uuid import uuid4

import msgspec
import structlog

from exporter.account import ApiKeyConfig
from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, Contract, ContractKind, MaintenanceTier, MarginPool, Position
from exporter.request import Endpoint, Request, SignedRequest
from exporter.signing import hmac_hex
from exporter.tasks import together
from exporter.venues.base import (
    Answer,
    Envelope,
    Refusal,
    Refusals,
    Venue,
    ascending_tiers,
    pools_by_coin,
    position_ids,
    schema_error,
    told,
)
from exporter.wire import Number, Positive, Required, Rows, Wire, listed, one_of

ACCOUNT_INFO = Endpoint("/ftapi/v1/account/info")
OPEN_POSITION = Endpoint("/ftapi/v1/openPosition")
EXCHANGE_INFO = Endpoint("/fmapi/v1/exchangeInfo", signed=False)

# Where the list of contracts does not tell: what is quoted in these is settled in them.
_MONEY = frozenset({"USDT", "USDC"})

# How far the entry value may be from quantity × entry price: rounding, not a contract multiplier.
_ENTRY_VALUE_TOLERANCE = 0.01

log = structlog.get_logger(__name__)


class Status(Envelope):
    """Around every answer, success or failure."""

    success: bool | None = None

    @property
    def failed(self) -> bool:
        return self.success is False


# The venue counts 10 requests a second and 600 a minute, and says neither which limit was hit nor when to
# come back. Codes of six digits that begin with 41 are about the key; what the venue says of a timestamp
# outside its window, and of an unlisted address, is not documented.
# Source: https://developers.bittap.com/en/futures/api-reference
_KEY = r"41\d{4}"
REFUSALS = Refusals(
    Refusal("rate_limited", statuses=(429,), pause=10.0),
    Refusal("banned", statuses=(418,), pause=300.0),
    Refusal("clock", words="timestamp"),
    Refusal("clock", codes=(_KEY,), words=r"time(?!d?\s*out)|expire"),
    Refusal("auth", "the API key is not known", codes=("410001",)),
    Refusal("auth", "the signature is not valid: check the API secret", codes=("410002",)),
    Refusal("permission", "the key lacks the futures permission", codes=("410006",)),
    Refusal("permission", codes=(_KEY,), words=r"\bip\b|whitelist"),
    Refusal("auth", codes=(_KEY,)),
    envelope=Status,
    success=frozenset({"0"}),
)

_OF_POSITIONS = {
    "identifies the account, which is never published": "uid",
    "what trading costs; part of the realized PnL": "feeAmount frozenFee",
    "funding paid so far; part of the balance": "fundAmount",
    "of what was closed, without fees; the realized PnL has both": "pnl",
    "what bonus money has paid for": "deductFeeAmount deductFundingAmount deductLossAmount",
    "a count of orders": "posTpSlSize tpSlSize",
    "when the position was opened or last changed, not the time of the figures": "ctime lastUpdateTime",
}
UNREAD = {
    ACCOUNT_INFO: {
        **_OF_POSITIONS,
        "over all coins, in a currency that is not documented; the rows of coins are used": "data.available "
        "data.balance data.crossedMaintainMargin data.crossedMaintainMarginRate data.profitUnreal "
        "data.totalEquities data.totalLocked",
        "part of the unrealized PnL; each position has its own": "crossProfitUnreal",
        "says what may be moved out, not how safe the account is": "canTransfer",
        'documented as "0" beside a cross position with margin': "crossLocked crossMargin isolatedLocked "
        "isolatedMargin",
        "bonus money; whether it is part of the balance is not documented": "totalTrialFundBalance "
        "trialFundBalance",
    },
    OPEN_POSITION: {
        **_OF_POSITIONS,
        "positions are liquidated by the mark price": "lastPrice",
        "unrealized PnL / margin; both are published": "profitUnrealRate",
        "of the account's other positions": "otherMaintainMargin",
        "not documented of what; rates are computed for every venue alike": "marginRate",
        "what being liquidated or closing would cost": "bkrFee closedFee otherClosedFee",
    },
    EXCHANGE_INFO: {
        "the floor of the next tier says the same": "maxPositionValue",
        "the number of a tier": "level",
        "of the next order; each position has its own": "maxLeverage defaultLeverage",
        "decimal places for display": "preciousShow",
    },
}


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
    avgEntryPrice: Positive
    positionMode: str | None = None  # HEDGE, ONEWAY; ONE_WAY elsewhere in the documentation
    entryValue: Number = None  # quantity × entry price
    feeAssetId: str | None = None
    leverage: Positive = None
    margin: Number = None  # entry value / leverage
    markPrice: Positive = None
    profitUnreal: Number = None
    realizedPnl: Number = None  # net of fees
    maintainMargin: Positive = None  # "0" in the account's rows
    liquidPrice: Number = None  # "0": none

    def __post_init__(self) -> None:
        super().__post_init__()
        self.side = one_of("side", self.side, "BUY", "SELL")
        self.marginMode = one_of("marginMode", self.marginMode, "CROSSED", "ISOLATED", "ISOLATION")
        if self.quantity < 0.0:
            raise ValueError("`quantity` is negative")

    @property
    def isolated(self) -> bool:
        return self.marginMode != "CROSSED"


class AccountInfo(Wire):
    assets: list[AssetRow] | AssetRow
    positions: Rows[PositionRow]


class RiskLimit(Wire):
    maintainMarginRate: Number = None
    minPositionValue: Number = None
    maxPositionValue: Number = None


class SymbolRow(Wire):
    symbolId: str
    contractSide: str  # FORWARD is linear, REVERSE is inverse
    riskLimitConfigs: list[RiskLimit] | None = None


class ExchangeInfo(Wire):
    symbols: list[SymbolRow]


class Listing(msgspec.Struct, frozen=True):
    """What the venue publishes about one contract."""

    kind: ContractKind | None = None
    tiers: tuple[MaintenanceTier, ...] = ()


class Bittap(Venue[ApiKeyConfig]):
    """Source: https://developers.bittap.com/en/futures/trading/account-info and open-position beside it."""

    name = "bittap"
    title = "BitTap futures"
    documentation = "https://developers.bittap.com/en/futures/trading/account-info"
    config_class = ApiKeyConfig
    base_url = "https://openapi.bittap.com"
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
    # The documentation does not say of whom: of an address is safe either way.
    budgets = (RequestBudget("bittap", (Limit(600.0, 60.0), Limit(10.0, 1.0))),)
    each_collection = (ACCOUNT_INFO, OPEN_POSITION)
    refusals = REFUSALS
    unread = UNREAD

    def __init__(self, config: ApiKeyConfig, *, nonce: Callable[[], str] = lambda: str(uuid4())) -> None:
        super().__init__(config)
        self._nonce = nonce
        self._unsized: set[str] = set()

    def sign(self, request: Request) -> SignedRequest:
        """The query sorted, the rest in headers. The nonce comes from the generator given at the start.

        Signed is the query, with an ``&`` behind it even where it is empty. Source:
        https://developers.bittap.com/en/futures/authentication
        """
        query = urlencode(sorted(request.params))
        if not request.endpoint.signed:
            return SignedRequest(query=query)
        nonce = self._nonce()
        text = f"{query}&timestamp={request.timestamp_ms}&nonce={nonce}"
        return SignedRequest(
            query=query,
            headers={
                "X-BT-APIKEY": self.config.api_key.get_secret_value(),
                "X-BT-TS": str(request.timestamp_ms),
                "X-BT-NONCE": nonce,
                "X-BT-SIGN": hmac_hex(self.config.api_secret, text),
            },
        )

    async def server_time(self, api: Api) -> float | None:
        return (await api.request(EXCHANGE_INFO)).sent_at

    async def fetch(self, api: Api) -> AccountSnapshot:
        account, opened, listings = await together(
            api.get(ACCOUNT_INFO, Answer[AccountInfo]),
            # A key that may not read this call costs the mark prices. Any other failure of it fails the
            # collection: positions that lose their prices for one interval would silence alerts, whereas
            # the last complete collection stays for its age.
            api.optional(_open_positions(api), [], only={"permission"}),
            api.optional(api.venue_cached(_listings, RARELY, grace=A_DAY), {}),
        )
        snapshot = parse(account.data, opened, listings)
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


async def _open_positions(api: Api) -> list[PositionRow]:
    return listed((await api.get(OPEN_POSITION, Answer[Rows[PositionRow]])).data)


async def _listings(api: Api) -> Mapping[str, Listing]:
    answer = await api.get(EXCHANGE_INFO, Answer[ExchangeInfo])
    return {row.symbolId: listing_of(row) for row in answer.data.symbols}


_KINDS: Mapping[str, ContractKind] = {"FORWARD": "linear", "REVERSE": "inverse"}


def listing_of(row: SymbolRow) -> Listing:
    """Kind and risk tiers of a symbol.

    No tiers of inverse contracts, whose units are not documented, nor where a floor or rate is missing:
    one symbol that is listed incompletely must not cost the others their tiers.
    """
    kind = _KINDS.get(row.contractSide.upper())
    limits = row.riskLimitConfigs or []
    tiers = [
        MaintenanceTier(
            floor=limit.minPositionValue,
            cap=inf if limit.maxPositionValue is None else limit.maxPositionValue,
            rate=limit.maintainMarginRate,
            deduction=0.0,
        )
        for limit in limits
        if limit.minPositionValue is not None and limit.maintainMarginRate is not None
    ]
    complete = kind != "inverse" and len(tiers) == len(limits)
    return Listing(kind, ascending_tiers(tiers) if complete else ())


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
    account: AccountInfo, opened: Sequence[PositionRow], listings: Mapping[str, Listing]
) -> AccountSnapshot:
    """The account from its messages; nothing is `opened` where the key may not read the position call.

    Raises:
        VenueError: reason ``schema``, if the venue lists nothing although something is at risk.
    """
    assets, of_account = listed(account.assets), listed(account.positions)
    rows = joined(of_account, opened)
    # The account's own rows and totals are of one moment: those of the position call may be later.
    at_risk = any(asset.profitUnreal or asset.crossedMaintainMargin for asset in assets)
    if at_risk and not rows and not any(row.quantity for row in of_account):
        raise schema_error(ACCOUNT_INFO, "`positions` has none although margin is required")
    ids = position_ids(
        [(row.symbolId, row.side, row.isolated) for row in rows],
        "positionId",
        [row.positionId for row in rows],
        OPEN_POSITION,
    )
    positions = tuple(
        _position(row, listings.get(row.symbolId, Listing()), position_id)
        for row, position_id in zip(rows, ids, strict=True)
    )
    return AccountSnapshot(
        pools=pools_by_coin(assets, positions, _pool), positions=positions, modes=_modes(rows)
    )


_POSITION_MODES = {"HEDGE": "hedge", "ONEWAY": "one_way", "ONE_WAY": "one_way"}


def _modes(rows: Iterable[PositionRow]) -> Mapping[str, str]:
    """Position mode where the positions agree on it: the account itself does not say."""
    found = {_POSITION_MODES.get((row.positionMode or "").upper()) for row in rows}
    mode = found.pop() if len(found) == 1 else None
    return {"position_mode": mode} if mode else {}


def contract_of(row: PositionRow, kind: ContractKind | None) -> Contract:
    """The contract of a symbol such as ``XRP-USDT-M``; `kind` is what the list of contracts says.

    A linear contract is one base unit, as in the documented example, unless the row's entry value says
    otherwise; then its size is unknown. So is that of an inverse contract, whose units the venue does not
    document.

    Raises:
        VenueError: reason ``schema``, for a symbol in another form of which no money is known.
    """
    base, _, rest = row.symbolId.partition("-")
    quote = rest.partition("-")[0] if base else ""
    quote = quote or row.feeAssetId or ""
    if not quote:
        raise schema_error(ACCOUNT_INFO, "`symbolId` is not in the form BASE-QUOTE-M")
    if (kind or ("linear" if quote in _MONEY else "inverse")) == "inverse":
        return Contract("inverse", None, base, quote, base)
    size: float | None = 1.0
    value = row.quantity * row.avgEntryPrice if row.avgEntryPrice else None
    if value and row.entryValue and abs(row.entryValue / value - 1.0) > _ENTRY_VALUE_TOLERANCE:
        size = None
    return Contract("linear", size, base, quote, quote)


def _position(row: PositionRow, listing: Listing, position_id: str) -> Position:
    contract = contract_of(row, listing.kind)
    return Position(
        symbol=row.symbolId,
        side="long" if row.side == "BUY" else "short",
        margin_mode="isolated" if row.isolated else "cross",
        quantity=row.quantity,
        contract=contract,
        entry_price=row.avgEntryPrice,
        mark_price=row.markPrice,
        liquidation_price=row.liquidPrice,
        unrealized_pnl=row.profitUnreal,
        realized_pnl=row.realizedPnl,
        leverage=row.leverage,
        # Collateral of an isolated position may have been added to.
        initial_margin=None if row.isolated else row.margin,
        maintenance_margin=row.maintainMargin,
        margin=row.margin if row.isolated else None,
        position_id=position_id,
        maintenance_tiers=listing.tiers if contract.size is not None else (),
    )


def _pool(row: AssetRow, positions: Sequence[Position]) -> MarginPool:
    """The pool of one coin.

    What backs the cross positions is computed: the rows' ``isolatedMargin`` and ``crossMargin`` are
    documented as "0" beside a position with margin. "0" beside an open cross position is what the venue
    prints where it does not tell.
    """
    return MarginPool(
        currency=row.coin,
        equity=row.equities,
        maintenance_margin=told(row.crossedMaintainMargin, positions),
        wallet_balance=row.balance,
        available_balance=row.available,
        unrealized_pnl=row.profitUnreal,
        initial_margin=row.locked,
        venue_margin_rate=told(row.crossedMaintainMarginRate, positions),
    )
