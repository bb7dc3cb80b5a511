"""What every simulated venue has in common: accounts, a clock, and faults to inject."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Any, ClassVar, TypeVar

from aiohttp import web

from exporter.demo.book import Book
from exporter.demo.market import Market
from exporter.demo.switch import Faults

ResponseT = TypeVar("ResponseT", bound=web.StreamResponse)
CredentialT = TypeVar("CredentialT")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def fake_secret(venue: str, account: str, purpose: str) -> str:
    """64 hexadecimal digits, always the same for the same words."""
    return hashlib.sha256(f"simulated {venue} {account} {purpose}".encode()).hexdigest()


class VenueSimulator(ABC):
    """One venue as a local server in front of a market.

    A subclass makes accounts known with `know` in its constructor, and answers in what it gives to
    `new_application`, which brings faults and the market's time with it.

    Args:
        market: Where prices come from; may be shared with other venues.
        clock: Unix seconds.
    """

    name: ClassVar[str]
    """That of the venue it stands in for: the ``exchange`` value in a configuration."""

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        self.market = market
        self.credentials: dict[str, Any] = {}
        """Accepted keys, by the text that a request names; each knows its ``account``."""
        self.faults = Faults(self)
        self.requests: list[str] = []
        """Method and path of every request received, without query; the newest 10,000."""
        self.below: dict[str, dict[str, Any]] = {}
        """The books of sub-accounts, by the main account's name and what the venue calls them."""
        self._clock = clock
        self._accounts: dict[str, Book] = {}
        market.advance_to(clock())

    @property
    def accounts(self) -> Mapping[str, Book]:
        """Account name to its book; tests open, close and deposit through it."""
        return self._accounts

    @abstractmethod
    def application(self) -> web.Application:
        """A fresh application; called each time a server starts."""

    def know(self, book: Book, key: str, credential: CredentialT) -> CredentialT:
        """Adds an account, and its credential by the text with which a request names it."""
        self._accounts[book.name] = book
        self.credentials[key] = credential
        return credential

    def settings(self, credential: Any) -> dict[str, object]:
        """What a configuration says of a key's account besides its name, exchange and base URL."""
        return {"api_key": credential.api_key, "api_secret": credential.api_secret}

    def demo_accounts(self, base_url: str) -> list[dict[str, object]]:
        """Entries of a configuration's ``accounts`` list, fake secrets inline."""
        return [
            {
                "name": credential.account,
                "exchange": self.name,
                "base_url": base_url,
                **self.settings(credential),
            }
            for credential in self.credentials.values()
        ]

    def now(self) -> float:
        """The venue's clock, Unix seconds."""
        return self._clock() + self.faults.clock_skew

    def server_time(self) -> int:
        """Milliseconds since 1970 by the venue's clock."""
        return int(self.now() * 1000)

    def tick(self) -> None:
        """Brings market and accounts up to the clock and liquidates what is due."""
        self.market.advance_to(self._clock())
        for books in (self._accounts, *self.below.values()):
            for book in books.values():
                book.settle(self.now())

    def new_application(self, handler: Handler) -> web.Application:
        """An application whose every request meets `faults` first and then a market that is up to date."""
        application = web.Application(middlewares=[self._frame])
        application.router.add_route("*", "/{path:.*}", handler)
        return application

    def account_of(self, request: web.Request) -> str | None:
        """The account whose key a request names; None for a public one."""
        named = {*request.headers.values(), *request.query.values()}
        return next((one.account for key, one in self.credentials.items() if key in named), None)

    async def endpoint_of(self, request: web.Request) -> str:
        """What a fault knows the endpoint of a request by; another than its path where calls share one."""
        return request.path

    @web.middleware
    async def _frame(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        del self.requests[:-10_000]

        async def answer() -> web.Response:
            self.tick()
            response = await handler(request)
            assert isinstance(response, web.Response)  # noqa: S101 (what a handler here makes)
            return self._dated(response)

        endpoint, account = await self.endpoint_of(request), self.account_of(request)
        response = await self.faults.meet(request, endpoint, account, answer)
        return response if response.prepared else self._dated(response)

    def _dated(self, response: ResponseT) -> ResponseT:
        """The same with the time of the venue's clock."""
        response.headers.setdefault("Date", formatdate(self.now(), usegmt=True))
        return response
