"""Deribit's calls and messages, and what they mean by themselves: names of instruments, rights of a key.

Source: the pages below https://docs.deribit.com/api-reference ; of names
https://docs.deribit.com/articles/naming-conventions .
"""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar

from msgspec import Struct

from exporter.errors import VenueError
from exporter.model import Contract, KeyRights, OptionTerms, Side
from exporter.request import Endpoint
from exporter.venues._expiry import expiry_of
from exporter.venues.base import Envelope
from exporter.wire import Millis, Number, Positive, Required, Rows, Wire, one_of

T = TypeVar("T")

# Each call takes the same credits.
SUMMARIES = Endpoint("/api/v2/private/get_account_summaries")
POSITIONS = Endpoint("/api/v2/private/get_positions")
MEMBERS = Endpoint("/api/v2/private/get_subaccounts")
KEY = Endpoint("/api/v2/public/auth", apart=True)
BOOKS = Endpoint("/api/v2/public/get_book_summary_by_currency", signed=False)
INDEX = Endpoint("/api/v2/public/get_index_price", signed=False)
TIME = Endpoint("/api/v2/public/get_time", signed=False)

_WRITTEN = {"when it was asked and answered, and the form of answers": "usIn usOut usDiff jsonrpc"}
UNREAD = {
    SUMMARIES: {
        **_WRITTEN,
        "names the account": "id",
        "when the account was made": "creation_timestamp",
        "request limits and fees of orders": "limits.* fees.*",
        "since the last settlement; the PnL since positions were opened is published": "futures_session_upl "
        "options_session_upl session_upl futures_session_rpl options_session_rpl session_rpl",
        "part of the PnL, which is published": "futures_pl options_pl",
        "after the next expiry": "projected_initial_margin projected_maintenance_margin "
        "projected_delta_total",
        "the positions have their own": "options_delta options_gamma options_vega options_theta "
        "options_gamma_map.* options_vega_map.* options_theta_map.*",
        "follows from the positions": "delta_total delta_total_map.*",
        "the positions have liquidation prices": "estimated_liquidation_ratio "
        "estimated_liquidation_ratio_map.*",
        "part of the balance, which is published": "spot_reserve additional_reserve locked_balance "
        "fee_balance",
    },
    POSITIONS: {
        **_WRITTEN,
        "the highest that the size allows, not one that is set": "leverage",
        "since the last settlement; the PnL since it was opened is published": "floating_profit_loss "
        "settlement_price",
        "of orders, and not of those without a position": "open_orders_margin",
        "how the venue computes funding": "interest_value",
        "its price and PnL in USD; in the settle coin they are published": "average_price_usd "
        "floating_profit_loss_usd",
    },
    MEMBERS: _WRITTEN,
    KEY: {**_WRITTEN, "of the token, which is thrown away": "expires_in"},
    BOOKS: {
        **_WRITTEN,
        "of live marks": "mark_price",
        "of trades and orders": "bid_price ask_price mid_price last high low price_change volume volume_usd "
        "volume_notional open_interest bid_iv ask_iv",
        "when it was made": "creation_timestamp",
        "of a call that accounts with options make, and no others": "funding_8h current_funding",
        "a rate of 0 but for old expiries": "interest_rate",
    },
    INDEX: {**_WRITTEN, "what is delivered at the end": "estimated_delivery_price"},
    TIME: _WRITTEN,
}

MODELS = {
    "segregated_sm": (False, False),
    "segregated_pm": (False, True),
    "cross_sm": (True, False),
    "cross_pm": (True, True),
}
"""Margin models: whether all currencies back all positions, and whether scenarios say what is required."""


class Result(Wire, Generic[T]):
    """Around every answer."""

    result: T


class Complaint(Struct):
    """What is wrong with a request."""

    code: str | int | None = None
    message: str | None = None
    data: Any = None


class Refused(Envelope):
    """Around a failure."""

    error: Complaint | None = None

    def __post_init__(self) -> None:
        if self.error is not None:
            self.code = self.error.code
            reason = self.error.data.get("reason") if isinstance(self.error.data, dict) else None
            words = (self.error.message, reason if isinstance(reason, str) else None)
            self.msg = ": ".join(word for word in words if word)

    @property
    def failed(self) -> bool:
        return self.error is not None


class Summary(Wire):
    """A currency of an account, in units of it.

    In the cross models the margins of each row are those of the whole account, converted to its currency.
    """

    currency: str
    margin_model: str = ""
    equity: Number = None  # these are the currency's own in every model
    balance: Number = None
    total_pl: Number = None
    options_value: Number = None
    margin_balance: Number = None
    initial_margin: Number = None
    maintenance_margin: Number = None
    available_funds: Number = None
    available_withdrawal_funds: Number = None
    total_equity_usd: Number = None  # these are in the cross models only
    total_margin_balance_usd: Number = None
    total_initial_margin_usd: Number = None
    total_maintenance_margin_usd: Number = None

    @property
    def coin(self) -> str:
        return self.currency

    @property
    def holds(self) -> bool:
        """Whether there is anything in it; the margins of an open order are something."""
        return bool(self.equity or self.balance or self.initial_margin or self.maintenance_margin)

    @property
    def price(self) -> float | None:
        """USD a unit, by which the venue converts the account's total; None in the segregated models.

        None also of an account so small that the last digits of its total would show.
        """
        total, own = self.total_margin_balance_usd, self.margin_balance
        if not total or not own or abs(total) < _LEAST_USD:
            return None
        return total / own if total / own > 0.0 else None


_LEAST_USD = 1.0


class Summaries(Wire):
    summaries: Rows[Summary]
    type: str = ""  # main or subaccount, where it is asked for


class PositionRow(Wire):
    instrument_name: str
    size: Required  # USD of reversed futures, base of all others; negative is short
    kind: str = ""
    direction: str = ""  # buy, sell, or zero of one that is closed
    size_currency: Number = None  # of a future, in base
    average_price: Positive = None
    mark_price: Number = None  # of an option it may be 0
    index_price: Positive = None
    estimated_liquidation_price: Number = None
    total_profit_loss: Number = None
    realized_profit_loss: Number = None
    realized_funding: Number = None
    initial_margin: Number = None
    maintenance_margin: Number = None
    delta: Number = None  # these four of all of it
    gamma: Number = None
    vega: Number = None
    theta: Number = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size:
            self.direction = one_of("direction", self.direction, "BUY", "SELL")
            self.kind = self.kind.lower()
            if not self.kind:
                raise ValueError("`kind` is empty")

    @property
    def side(self) -> Side:
        return "long" if self.direction == "BUY" else "short"


class Book(Wire):
    """What is told to everybody of an instrument."""

    instrument_name: str
    mark_price: Positive = None
    mark_iv: Positive = None  # percent
    underlying_price: Positive = None
    estimated_delivery_price: Positive = None  # the index, until the last half hour

    def moved_to(self, index: float | None) -> float | None:
        """The underlying price when the index is there: positions are newer, by up to one collection."""
        told, before = self.underlying_price, self.estimated_delivery_price
        if told is None or before is None or index is None:
            return told
        move = index / before
        return told * move if 1.0 / _LARGEST_MOVE < move < _LARGEST_MOVE else told


_LARGEST_MOVE = 2.0
"""What is further from an index is another index."""


class IndexPrice(Wire):
    index_price: Positive = None


class Clock(Wire):
    result: Millis = None


class MemberRow(Wire):
    id: int
    type: str = ""
    username: str = ""
    system_name: str = ""


class Key(Wire):
    """What is read of the answer with a token. The token is not."""

    scope: str | None = None

    @property
    def rights(self) -> KeyRights:
        """What the scope of the key says, such as ``account:read trade:read_write wallet:none``.

        Source: https://docs.deribit.com/articles/access-scope . Money is moved, inside the venue and out of
        it, with ``wallet``; ``custody`` moves it, too.
        """
        words = dict(word.partition(":")[::2] for word in (self.scope or "").split())
        if not words.keys() & {"account", "trade", "wallet"}:
            return KeyRights()

        def may(*names: str) -> bool:
            return any(words.get(name) == "read_write" for name in names)

        moves = may("wallet", "custody")
        return KeyRights(
            read=all(words.get(name, "").startswith("read") for name in ("account", "trade")),
            trade=may("trade", "block_trade", "block_rfq"),
            transfer=moves,
            withdraw=moves,
            ip_restricted=True if "ip" in words else None,
        )


class Named(Struct, frozen=True):
    """What the name of an instrument says."""

    contract: Contract
    option: OptionTerms | None = None


_NAME = re.compile(
    r"(?P<base>[A-Z0-9]+)(_(?P<quote>[A-Z0-9]+))?"
    r"-(PERPETUAL|(?P<date>\d{1,2}[A-Z]{3}\d\d)(-(?P<strike>\d+(d\d+)?)-(?P<right>[CP]))?)",
    re.ASCII,
)


def named(kind: str, name: str) -> Named | None:
    """The contract of a name such as ``BTC-PERPETUAL``, ``XRP_USDC-30JUN25-0d625-C``; None of another kind.

    One currency in front is a reversed contract: quoted in USD, settled in its base. Two are a linear one,
    settled in the second. The size of a position is an amount, never a number of contracts.
    """
    found = _NAME.fullmatch(name)
    if found is None or kind not in {"future", "option"} or (kind == "option") != bool(found["strike"]):
        return None
    base, quote = found["base"], found["quote"]
    if kind == "future":
        if quote is None:
            return Named(Contract("inverse", 1.0, base, "USD", base))
        return Named(Contract("linear", 1.0, base, quote, quote))
    expires_at = expiry_of(found["date"])
    strike = float(found["strike"].replace("d", "."))
    if expires_at is None or strike <= 0.0:
        return None
    terms = OptionTerms(
        strike=strike, expires_at=expires_at, right="call" if found["right"] == "C" else "put"
    )
    return Named(Contract("option", 1.0, base, quote or "USD", quote or base), terms)


def index_of(coin: str) -> str:
    """The name of the index that a coin has a price in."""
    return f"{coin.lower()}_{'usd' if coin in {'BTC', 'ETH'} else 'usdc'}"


def model_of(rows: list[Summary]) -> tuple[bool, bool]:
    """See `MODELS`.

    Raises:
        VenueError: reason ``unsupported``, if the model is not one of them; ``schema`` if rows differ.
    """
    models = {row.margin_model.lower() for row in rows}
    if len(models) != 1:
        raise VenueError("schema", f"`margin_model` has {len(models)} values in one account, expected one")
    (model,) = models
    if model not in MODELS:
        known = ", ".join(MODELS)
        raise VenueError("unsupported", f"`margin_model` is none of those that are known here: {known}")
    return MODELS[model]
