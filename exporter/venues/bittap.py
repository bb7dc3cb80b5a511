"""BitTap futures: linear contracts, string codes in every answer, positions told in two calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlencode
from uuid import uuid4

import msgspec
import structlog
from msgspec import UNSET

from exporter.account import ApiKeyConfig
from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, Contract, ContractKind, MarginPool, Position
from exporter.request import Request, SignedRequest
from exporter.signing import hmac_hex
from exporter.tasks import together
from exporter.venues._bittap import (
    ACCOUNT_INFO,
    EXCHANGE_INFO,
    OPEN_POSITION,
    UNREAD,
    AccountInfo,
    AssetRow,
    ExchangeInfo,
    Listing,
    PositionRow,
    listing_of,
)
from exporter.venues.base import (
    Answer,
    Envelope,
    Refusal,
    Refusals,
    Venue,
    nothing_less,
    pools_by_coin,
    position_ids,
    schema_error,
    told,
)
from exporter.wire import Rows, listed

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


class Bittap(Venue[ApiKeyConfig]):
    """Source: https://developers.bittap.com/en/futures/trading/account-info and open-position beside it."""

    name = "bittap"
    title = "BitTap futures"
    documentation = "https://developers.bittap.com/en/futures/trading/account-info"
    config_class = ApiKeyConfig
    base_url = "https://openapi.bittap.com"
    note = (
        "The key needs the futures permission: a new key has none.\n\n"
        "**Rate**: maintenance margin / equity, without fees. The venue's own rate counts the cost of "
        "closing (0.05 % of the notional) against the equity: when `risk_account_venue_margin_rate` is 1, "
        "the computed rate is 0.91 in a tier of 0.5 %, 0.95 in one of 1 % and 0.99 in one of 5 %. The "
        "computed liquidation price, where the venue gives none, does not count it either. "
        "**Liquidation**: the venue does not say by which price; its answers fit the mark price. It has "
        "no call for mark prices: they come from the position call, and of an account whose key may not "
        "use it only a single position's mark follows from the totals.\n\n"
        "**Assumed**: the margin of an isolated position is its collateral without unrealized PnL; risk "
        "tiers have no deductions, since none are published, so that a price computed across a tier's "
        "border is nearer than the venue's, if it has them. **Not told**: units of coin-margined "
        "contracts (such positions are published without notional and without anything computed from it), "
        "the sign of funding paid so far, margin of open orders. The venue's clock is read from the "
        "`Date` header, to half a second."
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
        # Whether the last collection showed positions; before the first one it is not known.
        self._held = True
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
        (account, opened), listings = await together(
            self._account_and_positions(api),
            api.optional(api.venue_cached(_listings, RARELY, grace=A_DAY), {}),
        )
        snapshot = parse(account, opened, listings)
        self._held = bool(snapshot.positions)
        self._tell_unsized(snapshot.positions)
        return snapshot

    async def _account_and_positions(self, api: Api) -> tuple[AccountInfo, list[PositionRow] | None]:
        """Account and positions, which are not asked for where the account shows none.

        Where the last collection had some, both are asked at once, so that they are of one moment.
        """
        account = api.get(ACCOUNT_INFO, Answer[AccountInfo])
        if self._held:
            answer, opened = await together(account, _open_positions(api))
            return answer.data, opened
        found = (await account).data
        return found, await _open_positions(api) if found.may_hold else []

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


async def _open_positions(api: Api) -> list[PositionRow] | None:
    """The position call's rows; None where the key may not read it, which costs the mark prices.

    Any other failure of it fails the collection: positions that lose their prices for one interval would
    silence alerts, whereas the last complete collection stays for its age.
    """
    answer = await api.optional(api.get(OPEN_POSITION, Answer[Rows[PositionRow]]), only={"permission"})
    return None if answer is None else listed(answer.data)


async def _listings(api: Api) -> Mapping[str, Listing]:
    answer = await api.get(EXCHANGE_INFO, Answer[ExchangeInfo])
    return {row.symbolId: listing_of(row) for row in answer.data.symbols}


def joined(account: Iterable[PositionRow], opened: Iterable[PositionRow]) -> list[PositionRow]:
    """The rows of both calls: what the position call says, else what the account says.

    Zero-size rows are dropped after that: a position that one of the two calls no longer has is closed.

    Raises:
        VenueError: reason ``schema``, where neither tells the side or the margin mode.
    """
    rest, found = list(account), []
    for row in opened:
        other = next((item for item in rest if row.is_of(item)), None)
        if other is not None:
            rest.remove(other)
        found.append(row if other is None else _merged(row, other))
    rows = [row for row in (*found, *rest) if row.quantity != 0.0]
    for row in rows:
        for name in ("side", "marginMode"):
            if getattr(row, name) is None:
                raise schema_error(OPEN_POSITION, f"`{name}` of a position is missing")
    return rows


def _merged(first: PositionRow, second: PositionRow) -> PositionRow:
    fields = PositionRow.__struct_fields__
    gaps = {name: getattr(second, name) for name in fields if getattr(first, name) is None}
    return msgspec.structs.replace(first, **gaps)


def parse(
    account: AccountInfo, opened: Sequence[PositionRow] | None, listings: Mapping[str, Listing]
) -> AccountSnapshot:
    """The account from its messages; `opened` is None where the key may not read the position call.

    Raises:
        VenueError: reason ``schema``, if the venue lists nothing although something is at risk, or does not
            list at all.
    """
    if account.positions is UNSET and opened is None:
        raise schema_error(ACCOUNT_INFO, "`positions` is missing")
    assets = listed(account.assets)
    of_account = [] if account.positions is UNSET else listed(account.positions)
    rows = joined(of_account, opened or [])
    # The account's own rows and totals are of one moment: those of the position call may be later.
    at_risk = any(asset.at_risk for asset in assets)
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
        largest_notional=listing.largest(row.leverage) if contract.size is not None else None,
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
        withdrawable_balance=nothing_less(row.canTransfer),
        venue_margin_rate=told(row.margin_rate, positions),
    )
