"""ZKX perpetuals: requests signed on the Stark curve, one account call, no mark prices. Discontinued."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Annotated
from urllib.parse import quote_plus
from uuid import uuid4

import msgspec
from pydantic import AfterValidator, Field, SecretStr

from exporter.account import AccountConfig
from exporter.api import Api
from exporter.errors import VenueError, redact
from exporter.model import AccountSnapshot, Contract, MarginPool, Position
from exporter.venues import _stark
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
from exporter.wire import Number, Required, Wire, liquidation_price, listed, number

ACCOUNT_INFO = Endpoint("/v1/private/account-info")

# "Exceeding it blocks all requests for 10 seconds."
_PAUSE = 10.0

_A = ACCOUNT_INFO.path
FIELDS = (
    FieldUse(_A, "collateralBalance", ("risk_account_wallet_balance",)),
    FieldUse(_A, "availableMargin", ("risk_account_available_balance",)),
    FieldUse(
        _A, "totalInvested", reason="entry notional of all positions; an empty list beside it is an error"
    ),
    FieldUse(
        _A,
        "totalMargin",
        (
            "risk_account_equity",
            "risk_account_equity_usd",
            "risk_account_margin_equity",
            "risk_account_maintenance_margin_rate",
        ),
    ),
    FieldUse(
        _A,
        "totalUnrealizedPnl",
        ("risk_account_unrealized_pnl", "risk_position_unrealized_pnl", "risk_position_mark_price"),
    ),
    FieldUse(_A, "positions", reason="a number in the generated sample, where the real answer has a list"),
    FieldUse(_A, "positions[].avgExecutionPrice", ("risk_position_entry_price", "risk_position_mark_price")),
    FieldUse(_A, "positions[].size", ("risk_position_quantity", "risk_position_notional_usd")),
    FieldUse(
        _A,
        "positions[].marginAmount",
        ("risk_position_initial_margin", "risk_account_initial_margin"),
    ),
    FieldUse(
        _A, "positions[].borrowedAmount", reason="entry notional less the initial margin, which is published"
    ),
    FieldUse(_A, "positions[].leverage", ("risk_position_leverage_ratio",)),
    FieldUse(_A, "positions[].realizedPnl", ("risk_position_realized_pnl",)),
    FieldUse(
        _A,
        "positions[].liquidationPrice",
        ("risk_position_liquidation_price", "risk_position_liquidation_distance_ratio"),
    ),
    FieldUse(
        _A,
        "positions[].maintenanceMargin",
        (
            "risk_position_maintenance_margin",
            "risk_account_maintenance_margin",
            "risk_account_maintenance_margin_rate",
        ),
    ),
)


def _header_text(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", value.get_secret_value()):
        raise ValueError("expected the id of a trading account, plain text without spaces")
    return value


class ZkxConfig(AccountConfig):
    """A ZKX trading account."""

    private_key: SecretStr = Field(
        description="Private trading key on the Stark curve, hexadecimal. It signs orders, too."
    )
    account_id: Annotated[SecretStr, AfterValidator(_header_text)] = Field(
        description="Trading account id, as the `x-account-id` header has it."
    )
    collateral_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,16}$")] = Field(
        default="USDC", description="Collateral whose account is read."
    )


class PositionRow(Wire):
    marketId: str
    direction: str  # LONG or SHORT; both can be held in one market
    size: Required  # base units, unsigned
    avgExecutionPrice: Number
    marginAmount: Number  # at the entry price
    liquidationPrice: Number
    maintenanceMargin: Number  # at the entry price
    leverage: Number = None
    realizedPnl: Number = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.direction = self.direction.upper()
        if self.direction not in {"LONG", "SHORT"}:
            raise ValueError("`direction` is neither LONG nor SHORT")
        if self.size < 0.0:
            raise ValueError("`size` is negative")
        if not self.marketId.strip():
            raise ValueError("`marketId` is empty")


class AccountInfo(Wire):
    """The operator's generated sample has numbers where the real example has text, even for `positions`."""

    collateralBalance: Number
    availableMargin: Number
    totalMargin: Required  # balance + unrealized PnL
    totalUnrealizedPnl: Number
    positions: list[PositionRow] | PositionRow | float | str | None
    totalInvested: Number = None  # Σ size × entry price
    collateralId: str | None = None


def canonical(params: Params) -> str:
    """Parameters sorted by name and written as ``URLSearchParams`` of JavaScript does, commas plain.

    Source: https://docs.zkx.fi/api/signing
    """
    pairs = sorted(params, key=lambda pair: pair[0])
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)


def _encoded(text: str) -> str:
    return quote_plus(text, safe="*,").replace("~", "%7E")


class Failure(msgspec.Struct):
    """Where the words of a failure usually are; the documentation shows none."""

    message: str | list[str] | None = None
    error: str | None = None


def zkx_error(response: Response, secrets: Iterable[str] = ()) -> VenueError | None:
    """The failure an answer reports, or None. Only HTTP 429 is documented; the rest is what words say."""
    error = http_error(response)
    if error is None:
        return None
    if error.reason == "rate_limited":
        return VenueError(
            "rate_limited",
            error.message,
            blocked_until=retry_after(response) or response.received_at + _PAUSE,
        )
    words = _words(response.body)
    lower = words.lower()
    if response.status in {400, 401, 403}:
        if "signature" in lower or "key" in lower:
            return VenueError("auth", f"HTTP {response.status}: the key or its signature is refused")
        if "timestamp" in lower:
            return VenueError(
                "clock", f"HTTP {response.status}: the timestamp is refused; check this machine's clock"
            )
    if error.reason == "exchange" and words:
        return VenueError("exchange", f"HTTP {response.status}: {redact(words, secrets)}")
    return error


def _words(body: bytes) -> str:
    """The venue's own words; empty where the answer is not in the usual form."""
    try:
        found = msgspec.json.decode(body, type=Failure)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    message = "; ".join(found.message) if isinstance(found.message, list) else found.message
    return message or found.error or ""


class Zkx(Venue[ZkxConfig]):
    """Source: https://docs.zkx.fi/api/rest-api/account/get-account-info ."""

    name = "zkx"
    title = "ZKX perpetuals (discontinued)"
    documentation = "https://docs.zkx.fi/api/rest-api/account/get-account-info"
    config_class = ZkxConfig
    base_url = None
    simulator = "exporter.simulator.zkx:ZkxSimulator"
    note = (
        "Discontinued by its operator in July 2024, and its host was never published: only for those who run "
        "one. Needs `pip install 'risk-exporter[zkx]'`. The maintenance margin is the venue's figure, at the "
        "entry price; the venue liquidates by the mark price. It tells no mark prices and no PnL of a single "
        "position: distance, notional and what follows from them are published only of an account with one "
        "position, whose mark follows from the account's PnL; its liquidation prices are published always. A "
        "total PnL of exactly 0 beside positions is what the venue says without prices, and is not "
        "published. The venue cannot be asked for its time: this machine's clock must be right."
    )
    endpoints = (ACCOUNT_INFO,)
    fields = FIELDS

    def __init__(self, config: ZkxConfig, *, request_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        super().__init__(config)
        self._request_id = request_id

    @classmethod
    def check(cls, config: ZkxConfig) -> str | None:
        missing = _stark.missing_packages()
        if missing:
            return f"ZKX needs {' and '.join(missing)}: pip install 'risk-exporter[zkx]'"
        try:
            _stark.private_key(config.private_key.get_secret_value())
        except ValueError as error:
            return str(error)
        return None

    @cached_property
    def _private_key(self) -> int:
        return _stark.private_key(self.config.private_key.get_secret_value())

    @cached_property
    def _public_key(self) -> str:
        return _stark.compressed(_stark.public_key(self._private_key))

    def sign(self, endpoint: Endpoint, params: Params, timestamp_ms: int) -> SignedRequest:  # noqa: ARG002
        """The signature covers the parameters and the timestamp, which is sent as a header only."""
        text = canonical((*params, ("timestamp", str(timestamp_ms))))
        r, s = _stark.sign(self._private_key, _stark.starknet_keccak(text.encode()))
        return SignedRequest(
            query=canonical(params),
            headers={
                "x-public-key": self._public_key,
                "x-account-id": self.config.account_id.get_secret_value(),
                "x-timestamp": str(timestamp_ms),
                "x-signature-1": hex(r),
                "x-signature-2": hex(s),
                "x-request-id": self._request_id(),
            },
        )

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:  # noqa: ARG002
        return zkx_error(response, self.config.secrets())

    # `server_time` stays None: there is a time endpoint, but its path is not published.

    async def fetch(self, api: Api) -> AccountSnapshot:
        collateral = self.config.collateral_id
        account = await api.get(ACCOUNT_INFO, AccountInfo, (("collateralId", collateral),))
        return parse(account, collateral=collateral)


def open_rows(account: AccountInfo) -> list[PositionRow]:
    """The rows with a size.

    Raises:
        VenueError: reason ``schema``, if the venue says that there are positions and does not list them
            (without them the requirement would look like 0), or lists one twice.
    """
    given = account.positions
    if isinstance(given, int | float | str):
        try:
            count = number(given, "positions")
        except ValueError as error:
            raise _schema_error(str(error)) from None
        if count:
            raise _schema_error("`positions` is a number, not a list")
        given = None
    rows = [row for row in listed(given) if row.size != 0.0]
    if not rows and (account.totalInvested or account.totalUnrealizedPnl):
        raise _schema_error("`positions` is empty although there is invested margin or unrealized PnL")
    # Nothing else tells positions apart: two of one kind would be one series with two values.
    if len({(row.marketId, row.direction) for row in rows}) < len(rows):
        raise _schema_error("`positions` has two rows of one `marketId` and `direction`")
    return rows


def _schema_error(text: str) -> VenueError:
    return VenueError("schema", f"{Zkx.name} {ACCOUNT_INFO.method} {ACCOUNT_INFO.path}: {text}")


def parse(account: AccountInfo, *, collateral: str) -> AccountSnapshot:
    """The account from its message: one cross pool in the collateral."""
    if account.collateralId and account.collateralId.casefold() != collateral.casefold():
        raise _schema_error("`collateralId` is not the one asked for")
    rows = open_rows(account)
    margins = [row.marginAmount for row in rows]
    known = [margin for margin in margins if margin is not None]
    # The venue counts a position that it cannot price as PnL 0 and margin 0: a total without it, or of
    # exactly 0, would give a wrong mark.
    priced = all(row.maintenanceMargin != 0.0 for row in rows) and bool(account.totalUnrealizedPnl)
    pnl = account.totalUnrealizedPnl if priced or not rows else None
    return AccountSnapshot(
        pools=(
            MarginPool(
                currency=collateral,
                equity=account.totalMargin,
                margin_equity=account.totalMargin,
                wallet_balance=account.collateralBalance,
                available_balance=account.availableMargin,
                unrealized_pnl=pnl,
                initial_margin=sum(known) if len(known) == len(margins) else None,
            ),
        ),
        positions=_positions(rows, collateral),
    )


def _positions(rows: Sequence[PositionRow], collateral: str) -> tuple[Position, ...]:
    return tuple(
        Position(
            symbol=row.marketId,
            side="long" if row.direction == "LONG" else "short",
            margin_mode="cross",
            quantity=row.size,
            contract=Contract("linear", 1.0, _base(row.marketId, collateral), collateral, collateral),
            entry_price=_positive(row.avgExecutionPrice),
            liquidation_price=liquidation_price(row.liquidationPrice, row.avgExecutionPrice),
            realized_pnl=row.realizedPnl,
            leverage=_positive(row.leverage),
            initial_margin=row.marginAmount,
            # 0 is what the venue requires of a market it cannot price.
            maintenance_margin=_positive(row.maintenanceMargin),
        )
        for row in rows
    )


def _base(market: str, collateral: str) -> str:
    """SOL of ``SOLUSDC``; a market named otherwise is settled in the collateral all the same."""
    return market.removesuffix(collateral).rstrip("-_/") or market


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0.0 else None
