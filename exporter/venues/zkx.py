"""ZKX perpetual futures: one collateral, one cross pool, requests signed on the Stark curve."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated
from urllib.parse import urlencode
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
from exporter.wire import Number, Required, Wire, liquidation_price, number

ACCOUNT = Endpoint("/v1/private/account-info")

# "On exceeding that value you will be blocked on 10 seconds": https://docs.zkx.fi/api/rest-api
_PAUSE = 10.0

_PRIVATE_KEY = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,64}")
_HEADER_TEXT = re.compile(r"[!-~]+")
_COLLATERAL = re.compile(r"[A-Za-z0-9]{1,32}")

_A = ACCOUNT.path
FIELDS = (
    FieldUse(_A, "collateralBalance", ("risk_account_wallet_balance",)),
    FieldUse(_A, "availableMargin", ("risk_account_available_balance",)),
    FieldUse(
        _A,
        "totalInvested",
        reason="size × entry price over all positions: a notional at the entry, not at the mark",
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
    FieldUse(
        _A, "positions", reason="a number in the schema's sample: 0 means no position, any other is an error"
    ),
    FieldUse(_A, "positions[].avgExecutionPrice", ("risk_position_entry_price", "risk_position_mark_price")),
    FieldUse(
        _A,
        "positions[].size",
        ("risk_position_quantity", "risk_position_mark_price", "risk_position_notional_usd"),
    ),
    FieldUse(_A, "positions[].marginAmount", ("risk_account_initial_margin", "risk_position_initial_margin")),
    FieldUse(
        _A,
        "positions[].borrowedAmount",
        reason="the part of the entry notional that `marginAmount` does not cover: size and entry tell it",
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
            "risk_account_maintenance_margin",
            "risk_account_maintenance_margin_rate",
            "risk_position_maintenance_margin",
        ),
    ),
)


def _felt(value: SecretStr) -> SecretStr:
    # The text of the error must not quote the key.
    text = value.get_secret_value()
    if not _PRIVATE_KEY.fullmatch(text) or not 0 < int(text, 16) < _stark.ORDER:
        raise ValueError(
            "expected a Stark private key: 0x and up to 64 hexadecimal digits, in the curve's range"
        )
    return value


def _header(value: SecretStr) -> SecretStr:
    if not _HEADER_TEXT.fullmatch(value.get_secret_value()):
        raise ValueError("expected the id of the trading account, without spaces")
    return value


def _collateral(value: str) -> str:
    if not _COLLATERAL.fullmatch(value):
        raise ValueError("expected a collateral id such as USDC")
    return value


class ZkxConfig(AccountConfig):
    """A trading account, which a Starknet account's private key signs for."""

    private_key: Annotated[SecretStr, AfterValidator(_felt)] = Field(
        description="Private key of the Starknet account, hexadecimal. The venue has no read-only keys: "
        "this one can trade and withdraw, too."
    )
    account_id: Annotated[SecretStr, AfterValidator(_header)] = Field(
        description="Id of the trading account, as the venue shows it."
    )
    collateral_id: Annotated[str, AfterValidator(_collateral)] = Field(
        default="USDC", description="The collateral whose account is read."
    )


class PositionRow(Wire):
    marketId: str
    direction: str  # LONG or SHORT; both can be open in one market
    avgExecutionPrice: Number
    size: Required  # unsigned, base units
    marginAmount: Number
    liquidationPrice: Number
    maintenanceMargin: Number  # of the notional at the entry price
    leverage: Number = None
    realizedPnl: Number = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.direction = self.direction.upper()
        if self.direction not in {"LONG", "SHORT"}:
            raise ValueError("`direction` is neither LONG nor SHORT")
        if self.size < 0.0:
            raise ValueError("`size` is negative, and the direction has a field of its own")
        if not self.marketId.strip():
            raise ValueError("`marketId` is empty")


class Account(Wire):
    collateralBalance: Number
    availableMargin: Number
    totalMargin: Required
    totalUnrealizedPnl: Number
    # The schema's sample has a number here, the documented example a list.
    positions: list[PositionRow] | PositionRow | float | str | None
    collateralId: str | None = None  # in the schema only
    totalInvested: Number = None


class Failure(msgspec.Struct):
    """Where the words of a failure usually are; the documentation shows none."""

    message: str | list[str] | None = None
    error: str | None = None


def signed_string(params: Params, timestamp_ms: int) -> str:
    """What is hashed and signed: sorted parameters and timestamp, as ``URLSearchParams`` writes them.

    Source: https://docs.zkx.fi/api/rest-api , which then turns ``%2C`` back into a comma.
    """
    pairs = sorted((*params, ("timestamp", str(timestamp_ms))))
    # urlencode keeps `~` and encodes `*`; the URL standard has it the other way round.
    return urlencode(pairs, safe="*").replace("~", "%7E").replace("%2C", ",")


def zkx_error(response: Response, secrets: Iterable[str] = ()) -> VenueError | None:
    """The failure an answer reports, or None. Only HTTP 429 is documented; the rest is what statuses mean."""
    common = http_error(response)
    if common is None:
        return None
    if response.status == 429:
        return VenueError(
            "rate_limited",
            "HTTP 429: more than 120 requests in 10 seconds",
            blocked_until=retry_after(response) or response.received_at + _PAUSE,
        )
    words = _words(response.body)
    lower = words.lower()
    if response.status in {400, 401, 403}:
        if "timestamp" in lower and "signature" not in lower:
            return VenueError(
                "clock", f"HTTP {response.status}: the timestamp is refused; check this machine's clock"
            )
        if "signature" in lower or "public key" in lower:
            return VenueError("auth", f"HTTP {response.status}: the key or its signature is refused")
    if common.reason == "exchange" and words:
        return VenueError("exchange", f"HTTP {response.status}: {redact(words, secrets)}")
    return common


def _words(body: bytes) -> str:
    """The venue's own words; empty where the answer is not JSON of the usual form."""
    try:
        found = msgspec.json.decode(body, type=Failure)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    message = "; ".join(found.message) if isinstance(found.message, list) else found.message
    return message or found.error or ""


class Zkx(Venue[ZkxConfig]):
    """Source: https://docs.zkx.fi/api/rest-api/account/get-account-info ."""

    name = "zkx"
    title = "ZKX perpetual futures (discontinued)"
    documentation = "https://docs.zkx.fi/api/rest-api/account/get-account-info"
    config_class = ZkxConfig
    base_url = None
    simulator = "exporter.simulator.zkx:ZkxSimulator"
    note = (
        "Discontinued by its operator in July 2024; for whoever runs the software elsewhere. Needs "
        "`pip install risk-exporter[zkx]`. The maintenance margin is the venue's figure, 3 % of the notional "
        "at the entry price, while it liquidates by the notional at the mark. Marks are not told: with one "
        "position the account's PnL gives its mark, with several their marks, notionals and distances are "
        "absent. The venue cannot be asked for its time, so this machine's clock must be right."
    )
    endpoints = (ACCOUNT,)
    fields = FIELDS

    @classmethod
    def check(cls, config: ZkxConfig) -> str | None:  # noqa: ARG003 (the same for every account)
        missing = _stark.missing_packages()
        if not missing:
            return None
        return (
            f"signatures for {cls.name} need {' and '.join(missing)}, not installed or not working here: "
            "pip install risk-exporter[zkx]"
        )

    @cached_property
    def _private_key(self) -> int:
        return int(self.config.private_key.get_secret_value(), 16)

    @cached_property
    def _public_key(self) -> str:
        return _stark.compressed_public_key(self._private_key)

    def sign(self, endpoint: Endpoint, params: Params, timestamp_ms: int) -> SignedRequest:  # noqa: ARG002
        """Everything but the query goes into headers. The request id is random and not signed."""
        message = _stark.starknet_keccak(signed_string(params, timestamp_ms).encode())
        r, s = _stark.sign(self._private_key, message)
        return SignedRequest(
            query=urlencode(params),
            headers={
                "x-public-key": self._public_key,
                "x-account-id": self.config.account_id.get_secret_value(),
                "x-timestamp": str(timestamp_ms),
                "x-signature-1": hex(r),
                "x-signature-2": hex(s),
                "x-request-id": str(uuid4()),
            },
        )

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:  # noqa: ARG002
        return zkx_error(response, self.config.secrets())

    # `server_time` stays None: the path of the time endpoint is not published.

    async def fetch(self, api: Api) -> AccountSnapshot:
        taken_at = api.now()
        collateral = self.config.collateral_id
        account = await api.get(ACCOUNT, Account, (("collateralId", collateral),))
        return parse(account, collateral, taken_at=taken_at)


def _schema_error(text: str) -> VenueError:
    return VenueError("schema", f"{Zkx.name} {ACCOUNT.method} {ACCOUNT.path}: {text}")


def open_rows(account: Account) -> list[PositionRow]:
    """The rows with a size.

    Raises:
        VenueError: reason ``schema``, if the venue says there are positions and does not list them, or
            lists one twice.
    """
    listed = account.positions
    if isinstance(listed, PositionRow):
        listed = [listed]
    if not isinstance(listed, list):
        try:
            count = number(listed, "positions")
        except ValueError as error:
            raise _schema_error(str(error)) from None
        if count:
            raise _schema_error("`positions` is a number and not the list of positions")
        if account.totalInvested or account.totalUnrealizedPnl:
            raise _schema_error("`positions` is empty although there is unrealized PnL or invested margin")
        return []
    rows = [row for row in listed if row.size != 0.0]
    if len({(row.marketId, row.direction) for row in rows}) < len(rows):
        raise _schema_error("`positions` has two rows of one `marketId` and `direction`")
    return rows


def parse(account: Account, collateral: str, *, taken_at: float) -> AccountSnapshot:
    """The account from its message; `collateral` is the id that was asked for.

    Maintenance margins of 0 or less are not taken: the venue's engine counts a market without a mark price
    as PnL 0 and margin 0 (https://github.com/udayj/zkxsubstrate), which means that it does not know. The
    account's PnL then lacks that position's and is not told either.

    Raises:
        VenueError: reason ``schema``.
    """
    if account.collateralId is not None and account.collateralId.casefold() != collateral.casefold():
        raise _schema_error("`collateralId` is not the collateral that was asked for")
    rows = open_rows(account)
    priced = all(row.maintenanceMargin != 0.0 for row in rows)
    return AccountSnapshot(
        pools=(
            MarginPool(
                currency=collateral,
                equity=account.totalMargin,
                margin_equity=account.totalMargin,
                maintenance_margin=_total(_positive(row.maintenanceMargin) for row in rows),
                wallet_balance=account.collateralBalance,
                available_balance=account.availableMargin,
                unrealized_pnl=account.totalUnrealizedPnl if priced else None,
                initial_margin=_total(row.marginAmount for row in rows),
            ),
        ),
        positions=tuple(_position(row, collateral) for row in rows),
        taken_at=taken_at,
    )


def _total(values: Iterable[float | None]) -> float | None:
    """The sum; None if one of the values is not known."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0.0 else None


def _position(row: PositionRow, collateral: str) -> Position:
    # "SOLUSDC" is SOL quoted in USDC; a market named otherwise is settled in the collateral all the same.
    base = row.marketId.removesuffix(collateral).rstrip("-_/") or row.marketId
    return Position(
        symbol=row.marketId,
        side="long" if row.direction == "LONG" else "short",
        margin_mode="cross",
        quantity=row.size,
        contract=Contract("linear", 1.0, base, collateral, collateral),
        entry_price=_positive(row.avgExecutionPrice),
        liquidation_price=liquidation_price(row.liquidationPrice, row.avgExecutionPrice),
        realized_pnl=row.realizedPnl,
        leverage=_positive(row.leverage),
        initial_margin=row.marginAmount,
        maintenance_margin=_positive(row.maintenanceMargin),
    )
