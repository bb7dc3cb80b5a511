"""What every simulated venue has in common: accounts, a clock, and faults to inject."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from aiohttp import web

from exporter.demo.book import Book
from exporter.demo.market import Market

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Fault:
    """A response given instead of the venue's own, ``times`` times."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    times: int
    path: str | None


@dataclass
class Faults:
    """What goes wrong at a venue. Set the fields at any time; all are off at first.

    Attributes:
        down: Connections are dropped without an answer.
        delay: Seconds every answer waits.
        clock_skew: Seconds the venue's clock is ahead of the real one (negative: behind).
    """

    down: bool = False
    delay: float = 0.0
    clock_skew: float = 0.0
    _queue: list[Fault] = field(default_factory=list)

    def fail(
        self,
        status: int,
        body: bytes | str = b"",
        *,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        path: str | None = None,
    ) -> None:
        """The next ``times`` requests (of ``path``, if given) get this answer. Queued, first come."""
        content = body.encode() if isinstance(body, str) else body
        self._queue.append(Fault(status, content, dict(headers or {}), times, path))

    def clear(self) -> None:
        """Everything works again."""
        self.down, self.delay, self.clock_skew = False, 0.0, 0.0
        self._queue.clear()

    def take(self, path: str) -> Fault | None:
        """The fault due for a request of ``path``, used up by this call."""
        for fault in self._queue:
            if fault.path is None or fault.path == path:
                fault.times -= 1
                if fault.times <= 0:
                    self._queue.remove(fault)
                return fault
        return None


class VenueSimulator(ABC):
    """One venue as a local server in front of a market.

    A subclass fills ``self._accounts`` in its constructor, and builds its routes in `application` on top
    of `new_application`, which brings faults and the market's time with it.

    Args:
        market: Where prices come from; may be shared with other venues.
        clock: Unix seconds.
    """

    name: ClassVar[str]
    """That of the venue it stands in for: the ``exchange`` value in a configuration."""

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        self.market = market
        self.faults = Faults()
        self.requests: list[str] = []
        """Method and path of every request received, without query; the newest 10,000."""
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

    @abstractmethod
    def demo_accounts(self, base_url: str) -> list[dict[str, object]]:
        """Entries of a configuration's ``accounts`` list, fake secrets inline."""

    def now(self) -> float:
        """The venue's clock, Unix seconds."""
        return self._clock() + self.faults.clock_skew

    def tick(self) -> None:
        """Brings market and accounts up to the clock and liquidates what is due."""
        self.market.advance_to(self._clock())
        for book in self._accounts.values():
            book.settle(self.now())

    def new_application(self) -> web.Application:
        """An application whose every request meets `faults` first and then a market that is up to date."""
        return web.Application(middlewares=[self._frame])

    @web.middleware
    async def _frame(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        del self.requests[:-10_000]
        if self.faults.delay:
            await asyncio.sleep(self.faults.delay)
        if self.faults.down:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        fault = self.faults.take(request.path)
        if fault is not None:
            return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
        self.tick()
        return await handler(request)
