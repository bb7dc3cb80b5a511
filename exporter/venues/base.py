"""What a venue's adapter is: one module that says how to sign, what to ask, and what the answers mean.

An adapter is a subclass of `Venue` in a module of this package, or in somebody else's package under the
entry-point group ``risk_exporter.venues``. Its ``fetch`` asks through `exporter.api.Api` and hands the
decoded messages to pure parse functions beside it; it never opens a connection of its own. Below the class
stands what most adapters need. ``docs/new-venue.md`` writes one step by step.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from exporter.account import AccountConfig
from exporter.api import Api
from exporter.errors import Reason, Scope, VenueError, redact
from exporter.model import AccountSnapshot, MaintenanceTier, MarginPool, Position
from exporter.request import Endpoint, Request, Response, SignedRequest
from exporter.session import Session
from exporter.wire import Wire

ConfigT = TypeVar("ConfigT", bound=AccountConfig)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


_TEXTS: Mapping[Reason, str] = {
    "clock": "the timestamp is outside the receive window",
    "rate_limited": "the request limit is used up",
    "banned": "the venue has shut this address out for too many requests",
}
"""What failures of these kinds mean at every venue, where its table has no words of its own."""


class Envelope(Struct):
    """Where the code and the words of a failure stand in an answer. A subclass renames or adds fields."""

    code: str | int | None = None
    msg: str | None = None

    @property
    def words(self) -> str:
        """What the venue says to people."""
        return self.msg or ""

    @property
    def failed(self) -> bool:
        """Whether the answer says that it is a failure in another way than by its code."""
        return False


class Answer(Wire, Generic[T]):
    """The envelope of a success, where its content stands under ``data``."""

    data: T


class Refusal(Struct, frozen=True):
    """One row of a venue's table of failures: what it is recognised by, and what it means.

    A row matches if the answer has one of `codes` (regular expressions of a whole code) or of `statuses`
    (any, if both are empty), and its words contain the regular expression `words` and not `unless`, whatever
    their case.
    """

    reason: Reason
    text: str = ""
    """What the desk should know; empty: what is usual for the reason, else the venue's words, redacted."""
    codes: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    words: str = ""
    unless: str = ""
    pause: float | None = None
    """Seconds in which nothing is asked, where the venue does not say for how long."""
    scope: Scope = "address"
    """Whom that pause is for."""

    def matches(self, status: int, code: str, words: str) -> bool:
        """Whether this row is about an answer."""
        named = status in self.statuses or any(re.fullmatch(pattern, code) for pattern in self.codes)
        if (self.codes or self.statuses) and not named:
            return False
        if self.words and not re.search(self.words, words, re.IGNORECASE):
            return False
        return not (self.unless and re.search(self.unless, words, re.IGNORECASE))


class Refusals:
    """A venue's table of failures; the first row that matches decides.

    Args:
        rows: The table.
        envelope: Where code and words stand.
        success: The codes that mean success inside a successful HTTP status; None where the venue reports
            failures by status alone.
    """

    def __init__(
        self,
        *rows: Refusal,
        envelope: type[Envelope] = Envelope,
        success: frozenset[str] | None = None,
    ) -> None:
        self._rows = rows
        self._envelope = envelope
        self._success = success

    def read(
        self,
        response: Response,
        secrets: Iterable[str] = (),
        *,
        signed: bool = True,
        until: float | None = None,
    ) -> VenueError | None:
        """The failure an answer reports, or None if it is a success.

        An answer that is not in the venue's form, such as the page of a firewall, is judged by its status;
        a success that is not in its form is none of this table's business: decoding says so.

        Args:
            response: The answer.
            secrets: What is taken out of the venue's words.
            signed: Whether the request was; one that names no user is counted by address alone.
            until: When the venue says that it answers again, Unix seconds, where a header of its own does.
        """
        if response.succeeded and self._success is None:
            return None
        code, words, failed = self._code(response.body)
        if response.succeeded and not failed:
            return None
        row = next((row for row in self._rows if row.matches(response.status, code, words)), None)
        if row is None:
            common = http_error(response)
            if common is not None and (common.reason != "exchange" or not (code or words)):
                return common
            row = Refusal("exchange")
        text = row.text or _TEXTS.get(row.reason) or redact(words, secrets) or "the venue reports a failure"
        blocked_until = None
        if row.pause is not None:
            blocked_until = _end_of_pause(response, words, until, row.pause)
        return VenueError(
            row.reason,
            _place(response, code) + text,
            blocked_until=blocked_until,
            scope=row.scope if signed else "address",
        )

    def _code(self, body: bytes) -> tuple[str, str, bool]:
        """Code (empty where there is none), words, and whether they mean a failure."""
        try:
            found = msgspec.json.decode(body, type=self._envelope)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return "", "", False
        code = "" if found.code is None else str(found.code)
        success = self._success or frozenset()
        return code, found.words, found.failed or (code != "" and code not in success)


# A code is any text: only one that looks like one is repeated.
_CODE = re.compile(r"-?\d{1,8}|[A-Za-z_]{1,40}")
# A moment in the venue's words, Unix milliseconds: "banned until 1719999999999".
_MOMENT = re.compile(r"(?<!\d)(\d{13})(?!\d)")


def _place(response: Response, code: str) -> str:
    shown = f"code {code}" if _CODE.fullmatch(code) else "a failure" if code else ""
    status = "" if response.succeeded else f"HTTP {response.status}"
    text = ", ".join(part for part in (status, shown) if part)
    return f"{text}: " if text else ""


def _end_of_pause(response: Response, words: str, until: float | None, pause: float) -> float:
    """When to ask again, Unix seconds: as the venue says, unless that has passed by our clock already."""
    said = _MOMENT.search(words)
    told = max(until or 0.0, int(said[1]) / 1000 if said else 0.0, retry_after(response) or 0.0)
    return told if told > response.received_at else response.received_at + pause


def retry_after(response: Response) -> float | None:
    """When the ``Retry-After`` header (seconds) of an answer says to come back, in Unix seconds."""
    seconds = response.header_number("Retry-After")
    return None if seconds is None else response.received_at + seconds


def http_error(response: Response) -> VenueError | None:
    """The failure an HTTP status alone reports: what is common to all venues."""
    status = response.status
    if response.succeeded:
        return None
    if status == 401:
        return VenueError("auth", "HTTP 401: the key was refused")
    if status == 403:
        return VenueError("permission", "HTTP 403: access was refused")
    if status == 408:
        return VenueError("timeout", "HTTP 408: the venue timed out")
    if status == 418:
        return VenueError(
            "banned", "HTTP 418: this address is banned for a while", blocked_until=retry_after(response)
        )
    if status == 429:
        return VenueError("rate_limited", "HTTP 429: too many requests", blocked_until=retry_after(response))
    if status == 451:
        return VenueError("permission", "HTTP 451: the venue does not serve this location")
    return VenueError("exchange", f"HTTP {status}")


class Venue(ABC, Generic[ConfigT]):
    """One account at one venue."""

    name: ClassVar[str]
    """The `exchange` value in the configuration and in every label."""
    title: ClassVar[str]
    """For people."""
    documentation: ClassVar[str]
    """URL of the venue's API documentation."""
    config_class: ClassVar[type[AccountConfig]]
    base_url: ClassVar[str | None]
    """The venue's own host; None where the configuration must name one."""
    endpoints: ClassVar[tuple[Endpoint, ...]]
    """Every call `fetch`, `server_time` and `open_session` may make."""
    refusals: ClassVar[Refusals] = Refusals()
    """What the venue's failures mean."""
    unread: ClassVar[Mapping[Endpoint, Mapping[str, str]]] = {}
    """The numbers of documented answers that feed no metric: for each endpoint, reason to field names.

    Names are separated by spaces; each is the end of a path such as ``assets[].walletBalance``. A test
    moves every number of every documented answer and holds what it sees against this.
    """
    budget: ClassVar[str | None] = None
    """Venues that name the same budget share one request limit per address; None means one of its own."""
    note: ClassVar[str] = ""
    """A sentence for the documentation, for example that the venue is discontinued."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @classmethod
    def check(cls, config: ConfigT) -> str | None:  # noqa: ARG003 (for subclasses)
        """Why this configuration cannot work here, in one sentence, or None. Called at start; no I/O."""
        return None

    @abstractmethod
    async def fetch(self, api: Api) -> AccountSnapshot:
        """Ask the venue and return what it said.

        Raises:
            VenueError: with the reason.
        """

    def sign(self, request: Request) -> SignedRequest:
        """What to send. The default is unsigned. Pure: time and token come in with the request."""
        return SignedRequest(query=urlencode(request.params), body=request.body)

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:
        """The failure this answer reports, or None if it is a success: what `refusals` say.

        The HTTP client puts venue and endpoint in front of the text.
        """
        return self.refusals.read(response, self.config.secrets(), signed=endpoint.signed)

    async def server_time(self, api: Api) -> float | None:  # noqa: ARG002
        """The venue's clock in Unix seconds; None if it cannot be asked."""
        return None

    async def open_session(self, api: Api) -> Session | None:  # noqa: ARG002
        """A session, at a venue that gives a token for the credentials; None where there are none.

        Called before the first signed request, again when `renew_at` has come, and once when a request is
        refused for its key. The token is in every `Request` that `sign` gets. What is asked here must be an
        endpoint that is not signed.
        """
        return None

    def rate_limit_used(self, response: Response) -> float | None:  # noqa: ARG002
        """The used share of the request budget (0 to 1) if this answer tells it."""
        return None


def schema_error(endpoint: Endpoint, text: str) -> VenueError:
    """The failure of an answer that contradicts the venue's documentation; `text` names the field."""
    return VenueError("schema", f"{endpoint.method} {endpoint.label}: {text}")


class CoinRow(Protocol):
    """A venue's row about one coin of collateral."""

    @property
    def coin(self) -> str: ...
    @property
    def holds(self) -> bool: ...


RowT = TypeVar("RowT", bound=CoinRow)


def pools_by_coin(
    rows: Iterable[RowT],
    positions: Sequence[Position],
    pool: Callable[[RowT, list[Position]], MarginPool],
    *,
    home: str = "",
) -> tuple[MarginPool, ...]:
    """The pools of a venue at which every coin backs its own positions.

    One for each coin that is held or traded in; for an empty account that of the coin `home` (else its
    first row), with its 0. A coin that positions are settled in and no row is about becomes a pool of which
    nothing is known, so that its positions are shown.
    """
    rows = list(rows)
    of_coin: dict[str, list[Position]] = {}
    for position in positions:
        of_coin.setdefault(position.contract.settle, []).append(position)
    kept = [row for row in rows if row.holds or row.coin in of_coin]
    if not kept:
        kept = [row for row in rows if row.coin == home][:1] or rows[:1]
    listed = {row.coin for row in rows}
    return (
        *(pool(row, of_coin.get(row.coin, [])) for row in kept),
        *(MarginPool(currency=coin) for coin in of_coin if coin not in listed),
    )


def told(amount: float | None, positions: Iterable[Position]) -> float | None:
    """A pool's requirement; 0 beside cross positions is a placeholder, or older than they are: unknown."""
    cross = any(position.margin_mode == "cross" for position in positions)
    return None if amount == 0.0 and cross else amount


def ascending_tiers(tiers: Iterable[MaintenanceTier]) -> tuple[MaintenanceTier, ...]:
    """A symbol's schedule in ascending order; the last tier is open."""
    found = sorted(tiers, key=lambda tier: tier.floor)
    if found:
        found[-1] = msgspec.structs.replace(found[-1], cap=math.inf)
    return tuple(found)


def position_ids(
    keys: Sequence[Hashable],
    field: str,
    ids: Iterable[str | int | None],
    endpoint: Endpoint,
    *,
    separate: Sequence[bool] = (),
) -> list[str]:
    """The identity of each position, empty where its labels identify it.

    An id is needed where labels (`keys`) are not unique, and it is always given to a position that the
    venue keeps `separate` from others of its symbol: its series must not change their labels when a
    second one is opened. `field` is where the venue gives the `ids`.

    Raises:
        VenueError: reason ``schema``, if positions cannot be told apart.
    """
    count = Counter(keys)
    apart = separate or [False] * len(keys)
    found = [
        str(one or "") if count[key] > 1 or alone else ""
        for key, one, alone in zip(keys, ids, apart, strict=True)
    ]
    if len(set(zip(keys, found, strict=True))) < len(found):
        raise schema_error(
            endpoint, f"`{field}` does not tell positions of one symbol, side and margin mode apart"
        )
    return found
