"""ZKX perpetuals: requests signed on the Stark curve, one account call, no mark prices. Discontinued."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Annotated
from urllib.parse import quote_plus
from uuid import uuid4

from pydantic import AfterValidator, Field, SecretStr

from exporter.account import AccountConfig
from exporter.api import Api
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot, Contract, MarginPool, Position
from exporter.request import Endpoint, Params, Request, SignedRequest
from exporter.venues import _stark
from exporter.venues.base import Envelope, Refusal, Refusals, Venue, schema_error
from exporter.wire import Number, Positive, Required, Rows, Wire, listed, number, one_of

ACCOUNT_INFO = Endpoint("/v1/private/account-info")


class Words(Envelope):
    """Where the words of a failure usually are; the documentation shows none."""

    message: str | list[str] | None = None
    error: str | None = None

    @property
    def words(self) -> str:
        message = "; ".join(self.message) if isinstance(self.message, list) else self.message
        return message or self.error or ""


# Only HTTP 429 is documented, and that it "blocks all requests for 10 seconds"; the rest is what words say.
_KEY = (400, 401, 403)
REFUSALS = Refusals(
    Refusal("rate_limited", statuses=(429,), pause=10.0),
    Refusal("banned", statuses=(418,), pause=300.0),
    Refusal("auth", "the key or its signature is refused", statuses=_KEY, words="signature|key"),
    Refusal(
        "clock", "the timestamp is refused; check this machine's clock", statuses=_KEY, words="timestamp"
    ),
    envelope=Words,
)

UNREAD = {
    ACCOUNT_INFO: {
        "entry notional less the initial margin, which is published": "positions[].borrowedAmount",
    },
}


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
    avgExecutionPrice: Positive = None
    marginAmount: Number = None  # at the entry price
    liquidationPrice: Number = None
    maintenanceMargin: Positive = None  # at the entry price; 0 of a market that the venue cannot price
    leverage: Positive = None
    realizedPnl: Number = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.direction = one_of("direction", self.direction, "LONG", "SHORT")
        if self.size < 0.0:
            raise ValueError("`size` is negative")
        if not self.marketId.strip():
            raise ValueError("`marketId` is empty")


class AccountInfo(Wire):
    """The operator's generated sample has numbers where the real example has text, even for `positions`."""

    totalMargin: Required  # balance + unrealized PnL
    positions: Rows[PositionRow] | float | str
    collateralBalance: Number = None
    availableMargin: Number = None
    totalUnrealizedPnl: Number = None
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


class Zkx(Venue[ZkxConfig]):
    """Source: https://docs.zkx.fi/api/rest-api/account/get-account-info ."""

    name = "zkx"
    title = "ZKX perpetuals (discontinued)"
    documentation = "https://docs.zkx.fi/api/rest-api/account/get-account-info"
    config_class = ZkxConfig
    base_url = None
    note = (
        "Discontinued by its operator in July 2024, and its host was never published: only for those who "
        "run one. Needs `pip install 'risk-exporter[zkx]'`.\n\n"
        "**Rate**: maintenance margin / (balance + unrealized PnL), without fees; the margin is the "
        "venue's figure, at the entry price. **Liquidation**: by the mark price, with the requirement at "
        "the mark price, so that a rate of 1 is not exactly where it happens. The venue tells no mark "
        "prices and no PnL of a single position: distance, notional and what follows from them are "
        "published only of an account with one position, whose mark follows from the account's PnL; its "
        "liquidation prices are published always. A total PnL of exactly 0 beside positions is what the "
        "venue says without prices, and is not published.\n\n"
        "**Assumed**: all positions are cross. **Not told**: funding, margin of open orders, the venue's "
        "time: this machine's clock must be right."
    )
    endpoints = (ACCOUNT_INFO,)
    budgets = (RequestBudget("zkx", (Limit(120.0, 10.0),)),)
    each_collection = (ACCOUNT_INFO,)
    refusals = REFUSALS
    unread = UNREAD

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

    def sign(self, request: Request) -> SignedRequest:
        """The signature covers the parameters and the timestamp, which is sent as a header only."""
        text = canonical((*request.params, ("timestamp", str(request.timestamp_ms))))
        r, s = _stark.sign(self._private_key, _stark.starknet_keccak(text.encode()))
        return SignedRequest(
            query=canonical(request.params),
            headers={
                "x-public-key": self._public_key,
                "x-account-id": self.config.account_id.get_secret_value(),
                "x-timestamp": str(request.timestamp_ms),
                "x-signature-1": hex(r),
                "x-signature-2": hex(s),
                "x-request-id": self._request_id(),
            },
        )

    # `server_time` stays None: there is a time endpoint, but its path is not published.

    async def fetch(self, api: Api) -> AccountSnapshot:
        collateral = self.config.collateral_id
        account = await api.get(ACCOUNT_INFO, AccountInfo, (("collateralId", collateral),))
        return parse(account, collateral)


def open_rows(account: AccountInfo) -> list[PositionRow]:
    """The rows with a size.

    Raises:
        VenueError: reason ``schema``, if the venue says that there are positions and does not list them
            (without them the requirement would look like 0).
    """
    given = account.positions
    found: list[PositionRow] = []
    if not isinstance(given, int | float | str):
        found = listed(given)
    elif _count(given):
        raise schema_error(ACCOUNT_INFO, "`positions` is a number, not a list")
    rows = [row for row in found if row.size != 0.0]
    if not rows and (account.totalInvested or account.totalUnrealizedPnl):
        raise schema_error(
            ACCOUNT_INFO, "`positions` is empty although there is invested margin or unrealized PnL"
        )
    return rows


def _count(given: float | str) -> float | None:
    try:
        return number(given, "positions")
    except ValueError as error:
        raise schema_error(ACCOUNT_INFO, str(error)) from None


def parse(account: AccountInfo, collateral: str) -> AccountSnapshot:
    """The account from its message: one cross pool in the collateral."""
    if account.collateralId and account.collateralId.casefold() != collateral.casefold():
        raise schema_error(ACCOUNT_INFO, "`collateralId` is not the one asked for")
    rows = open_rows(account)
    margins = [row.marginAmount for row in rows]
    known = [margin for margin in margins if margin is not None]
    # The venue counts a position that it cannot price as PnL 0 and margin 0: a total without it, or of
    # exactly 0, would give a wrong mark.
    priced = all(row.maintenanceMargin is not None for row in rows) and bool(account.totalUnrealizedPnl)
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
            entry_price=row.avgExecutionPrice,
            liquidation_price=row.liquidationPrice,
            realized_pnl=row.realizedPnl,
            leverage=row.leverage,
            initial_margin=row.marginAmount,
            maintenance_margin=row.maintenanceMargin,
        )
        for row in rows
    )


def _base(market: str, collateral: str) -> str:
    """SOL of ``SOLUSDC``; a market named otherwise is settled in the collateral all the same."""
    return market.removesuffix(collateral).rstrip("-_/") or market
