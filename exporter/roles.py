"""Whom the client works with: the adapter that it asks for, and the observer that it tells."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from exporter.account import AccountConfig
from exporter.errors import VenueError
from exporter.limits import RequestBudget
from exporter.request import Endpoint, Request, Response, SignedRequest
from exporter.session import Session

AskT_contra = TypeVar("AskT_contra", contravariant=True)


class Adapter(Protocol[AskT_contra]):
    """What the client asks of a venue's adapter: `exporter.venues.base.Venue`.

    `AskT_contra` is what the adapter asks its venue through: `exporter.api.Api`, which is unknown here.
    """

    @property
    def name(self) -> str: ...
    @property
    def base_url(self) -> str | None: ...
    @property
    def budgets(self) -> tuple[RequestBudget, ...]: ...
    @property
    def endpoints(self) -> tuple[Endpoint, ...]: ...
    @property
    def config(self) -> AccountConfig: ...
    def calls_of(self, config: Any) -> tuple[Endpoint, ...]: ...
    def sign(self, request: Request) -> SignedRequest: ...
    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None: ...
    async def server_time(self, api: AskT_contra) -> float | None: ...
    async def open_session(self, api: AskT_contra) -> Session | None: ...
    def weight_used(self, response: Response) -> float | None: ...


class Observer(Protocol):
    """Who counts the requests; `exporter.telemetry` in the program."""

    def request_finished(self, exchange: str, endpoint: str, status: str, seconds: float) -> None:
        """One request ended; `status` is the HTTP status or the reason it got none."""

    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        """The venue told how much of a request limit is used, 0 to 1."""

    def clock_offset(self, exchange: str, seconds: float) -> None:
        """The venue's clock minus ours was measured."""

    def blocked_until(self, exchange: str, timestamp: float) -> None:
        """The venue refuses requests of this address until then (Unix seconds)."""

    def optional_failed(self, exchange: str, account: str, error: VenueError) -> None:
        """A request failed that a collection can do without; some series will be absent."""
