"""What a venue's adapter is: one module that says how to sign, what to ask, and what the answers mean.

An adapter is a subclass of `Venue` in a module of this package, or in somebody else's package under the
entry-point group ``risk_exporter.venues``. Its ``fetch`` asks through `exporter.api.Api` and hands the
decoded messages to pure parse functions beside it; it never opens a connection of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar
from urllib.parse import urlencode

from msgspec import Struct

from exporter.account import AccountConfig
from exporter.errors import VenueError
from exporter.model import AccountSnapshot

if TYPE_CHECKING:
    from exporter.api import Api

ConfigT = TypeVar("ConfigT", bound=AccountConfig)
Params = tuple[tuple[str, str], ...]


class Endpoint(Struct, frozen=True):
    """One read-only call of a venue. The HTTP client refuses whatever a venue did not declare."""

    path: str
    weight: float = 1.0
    """What it takes from the venue's request budget."""
    signed: bool = True
    method: Literal["GET", "POST"] = "GET"
    """POST only where the venue reads by POST."""


class SignedRequest(Struct, frozen=True):
    """What goes over the wire: the query string and body exactly as they were signed."""

    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes | None = None


class Response(Struct, frozen=True):
    """A venue's answer. `headers` is case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: float
    """Unix seconds, the exporter's clock."""


class FieldUse(Struct, frozen=True):
    """One field of a documented response: the metrics it feeds, or why it feeds none.

    `field` is a path such as ``assets[].walletBalance``; `metrics` are family names. Either `metrics` or
    `reason` is given. The tables in the documentation are generated from these, and a test holds them
    against the documented responses.
    """

    endpoint: str
    field: str
    metrics: tuple[str, ...] = ()
    reason: str = ""


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
    """Every call `fetch` and `server_time` may make."""
    fields: ClassVar[tuple[FieldUse, ...]]
    budget: ClassVar[str | None] = None
    """Venues that name the same budget share one request limit per address; None means one of its own."""
    simulator: ClassVar[str | None] = None
    """``module:Class`` of the local stand-in, for the demo."""
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

    def sign(self, endpoint: Endpoint, params: Params, timestamp_ms: int) -> SignedRequest:  # noqa: ARG002
        """The request to send. The default is unsigned. Pure: the clock comes in as an argument."""
        return SignedRequest(query=urlencode(params))

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:  # noqa: ARG002
        """The failure this answer reports, or None if it is a success.

        Texts are the adapter's own; a venue's words go through `exporter.errors.redact` first. The HTTP
        client puts venue and endpoint in front.
        """
        return http_error(response)

    async def server_time(self, api: Api) -> float | None:  # noqa: ARG002
        """The venue's clock in Unix seconds; None if it cannot be asked."""
        return None

    def rate_limit_used(self, response: Response) -> float | None:  # noqa: ARG002
        """The used share of the request budget (0 to 1) if this answer tells it."""
        return None


def retry_after(response: Response) -> float | None:
    """When the ``Retry-After`` header (seconds) of an answer says to come back, in Unix seconds."""
    text = response.headers.get("Retry-After", "")
    return response.received_at + int(text) if text.isascii() and text.isdigit() else None


def http_error(response: Response) -> VenueError | None:
    """The failure an HTTP status alone reports: what is common to all venues."""
    status = response.status
    if 200 <= status < 300:
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
