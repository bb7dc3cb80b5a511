"""A small venue for the tests of the client, which asks whatever a test wants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from exporter.account import ApiKeyConfig
from exporter.api import Api, Client
from exporter.errors import VenueError
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot
from exporter.request import Endpoint, Request, Response, SignedRequest
from exporter.venues.base import Venue, http_error
from exporter.wire import Required, Wire
from tests.venues.harness import VenueServer

SECRET = "s3cret-of-the-desk"


SIGNED = Endpoint("/signed")


OPEN = Endpoint("/open", signed=False)


UNDECLARED = Endpoint("/order", method="POST")


COIN = Endpoint("/coins/{coin}/time", signed=False)


INFO = Endpoint("/info", signed=False, method="POST", name="/info clock")


OPEN_PAGES = Endpoint("/pages", signed=False)


class Time(Wire):
    time: Required


class Toy(Venue[ApiKeyConfig]):
    """Signs with its secret in the query, as careless venues do, so that leaks would show."""

    name = "toy"
    title = "Toy"
    documentation = "https://example.com"
    config_class = ApiKeyConfig
    base_url = None
    endpoints = (SIGNED, OPEN, COIN, INFO, OPEN_PAGES)
    budgets = (RequestBudget("toy", (Limit(6000.0, 60.0),)),)

    async def fetch(self, api: Api) -> AccountSnapshot:
        raise NotImplementedError

    def sign(self, request: Request) -> SignedRequest:
        if not request.endpoint.signed:
            return SignedRequest(query=urlencode(request.params), body=request.body)
        assert request.params == ()
        return SignedRequest(query=f"timestamp={request.timestamp_ms}&signature={SECRET}%2B")

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:
        assert endpoint in self.endpoints
        if response.status == 400:
            return VenueError("clock", "the timestamp is off")
        return http_error(response)

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(OPEN, Time)).time

    def weight_used(self, response: Response) -> float | None:
        used = response.headers.get("x-used")
        return float(used) if used else None


class Recorder:
    """Keeps what the client reports."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str]] = []
        self.used: list[float] = []
        self.offsets: list[float] = []
        self.blocked: list[float] = []
        self.optional: list[VenueError] = []

    def request_finished(self, exchange: str, endpoint: str, status: str, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((exchange, endpoint, status))

    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        assert exchange == "toy"
        self.used.append(ratio)

    def clock_offset(self, exchange: str, seconds: float) -> None:
        assert exchange == "toy"
        self.offsets.append(seconds)

    def blocked_until(self, exchange: str, timestamp: float) -> None:
        assert exchange == "toy"
        self.blocked.append(timestamp)

    def optional_failed(self, exchange: str, account: str, error: VenueError) -> None:
        assert (exchange, account) == ("toy", "desk")
        self.optional.append(error)


class FakeClock:
    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def toy(base_url: str, **config: Any) -> Toy:
    entry = {"name": "desk", "exchange": "toy", "api_key": "k", "api_secret": SECRET, "base_url": base_url}
    return Toy(ApiKeyConfig.model_validate({**entry, **config}))


Ask = Callable[[Api], Awaitable[Any]]


Handler = Callable[[web.Request], web.Response | Awaitable[web.Response]]


async def ask(
    handler: Callable[[web.Request], web.Response | Awaitable[web.Response]],
    question: Ask,
    *,
    clock: FakeClock | None = None,
    recorder: Recorder | None = None,
    route: str = "/open",
    **config: Any,
) -> Any:
    routes = {"/signed": handler, "/open": handler, route: handler}
    client = Client(recorder or Recorder(), wall=clock or FakeClock())
    async with VenueServer(routes) as server, client:
        return await question(client.account(toy(server.base_url, **config)))


def json(value: Any, **options: Any) -> Callable[[web.Request], web.Response]:
    return lambda _: web.json_response(value, **options)
