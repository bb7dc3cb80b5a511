"""The switch that makes something go wrong at a stand-in.

::

    venue.faults.set(Status(503), requests=3)                         # the next three requests
    venue.faults.set(Hang(), at="/fapi/v1/assetIndex", seconds=60)    # one endpoint, for a minute
    venue.faults.set(RevokedKey(), account="usdm-hedged")             # one account, until it is ended
    venue.faults.clear()                                              # everything works again

What can go wrong is in `exporter.demo.faults`.
"""

from __future__ import annotations

import asyncio
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web


@dataclass(frozen=True)
class Met:
    """A request that met a fault."""

    request: web.Request
    answer: Callable[[], Awaitable[web.Response]]
    """Makes the venue's own answer, for faults that delay or change it."""
    remaining: float
    """Seconds until the fault is over; infinite where nobody said."""

    @property
    def transport(self) -> asyncio.Transport:
        """The connection.

        Raises:
            ConnectionResetError: The caller has hung up.
        """
        if self.request.transport is None:
            raise ConnectionResetError("the caller has hung up")
        return self.request.transport


NOWHERE = 503
"""The status of an answer whose connection is gone."""


class Fault(ABC):
    """Something that happens to a request."""

    @abstractmethod
    async def meet(self, met: Met) -> web.StreamResponse:
        """Answers in the venue's place."""


class Condition(ABC):
    """A state of the whole venue, whatever is asked."""

    @abstractmethod
    def begin(self, venue: Venue, account: str | None) -> Callable[[], None]:
        """Brings it about, for one account where there is a difference; gives what ends it."""


class Listener(Protocol):
    """The server that runs a venue."""

    def refuse(self) -> None:
        """From now on connections are refused, and those that there are break."""

    def accept(self) -> None:
        """Connections are taken again."""


class Venue(Protocol):
    """What a condition changes."""

    @property
    def faults(self) -> Faults: ...
    @property
    def credentials(self) -> dict[str, Any]:
        """Accepted keys, by what a request names; each knows its ``account``."""


class Injected:
    """A fault that was set. `end` ends it."""

    def __init__(
        self,
        fault: Fault | None,
        at: str | None,
        account: str | None,
        requests: int | None,
        lasts_until: float = math.inf,
    ) -> None:
        self.met = 0
        """Requests it has happened to."""
        self.over = False
        self.on_end: list[Callable[[], object]] = []
        """What is called when it ends."""
        self.fault = fault
        self._at = None if at is None else re.compile(re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(at)))
        self._account = account
        self._requests = requests
        self._lasts_until = lasts_until

    def end(self) -> None:
        """The venue works again, as far as this fault goes. Does nothing if it is over."""
        if not self.over:
            self.over = True
            for call in self.on_end:
                call()

    def hits(self, endpoint: str, account: str | None) -> bool:
        """Whether it happens to such a request."""
        return (
            self.fault is not None
            and (self._at is None or self._at.fullmatch(endpoint) is not None)
            and self._account in (None, account)
        )

    async def happen(
        self, request: web.Request, answer: Callable[[], Awaitable[web.Response]]
    ) -> web.StreamResponse:
        """Answers a request that it hits."""
        assert self.fault is not None  # noqa: S101 (a condition hits no request)
        self.met += 1
        if self.met == self._requests:
            self.end()
        remaining = self._lasts_until - asyncio.get_running_loop().time()
        try:
            return await self.fault.meet(Met(request, answer, remaining))
        except ConnectionError:  # the caller has hung up meanwhile
            return web.Response(status=NOWHERE)


class Faults:
    """The faults of one venue; none at first.

    Args:
        venue: Whose they are.
    """

    def __init__(self, venue: Venue) -> None:
        self.clock_skew = 0.0
        """Seconds the venue's clock is ahead of the real one (negative: behind)."""
        self.listener: Listener | None = None
        """The server that runs the venue; it says so itself."""
        self._venue = venue
        self._injected: list[Injected] = []

    def set(
        self,
        fault: Fault | Condition,
        *,
        at: str | None = None,
        account: str | None = None,
        requests: int | None = None,
        seconds: float | None = None,
    ) -> Injected:
        """From now on something goes wrong. Of several faults that hit a request, the first one happens.

        Args:
            fault: What.
            at: The endpoint, by its path unless its venue knows it by another name; a field in braces stands
                for anything. By default every endpoint.
            account: The account whose signed requests it happens to. By default every request.
            requests: How many requests it happens to. By default any number.
            seconds: How long it lasts; needs a running event loop. By default until it is ended.

        Raises:
            ValueError: A condition is of the whole venue and cannot be at one endpoint or for some requests.
        """
        if isinstance(fault, Condition):
            if at is not None or requests is not None:
                raise ValueError("this is a state of the venue, not of an endpoint or a request")
            injected = Injected(None, None, account, None)
            injected.on_end.append(fault.begin(self._venue, account))
        else:
            until = math.inf if seconds is None else asyncio.get_running_loop().time() + seconds
            injected = Injected(fault, at, account, requests, until)
        self._injected.append(injected)
        injected.on_end.append(lambda: self._injected.remove(injected))
        if seconds is not None:
            injected.on_end.append(asyncio.get_running_loop().call_later(seconds, injected.end).cancel)
        return injected

    def clear(self) -> None:
        """Everything works again."""
        for injected in list(self._injected):
            injected.end()
        self.clock_skew = 0.0

    async def meet(
        self,
        request: web.Request,
        endpoint: str,
        account: str | None,
        answer: Callable[[], Awaitable[web.Response]],
    ) -> web.StreamResponse:
        """The answer to a request: the venue's own, or what a fault makes of it."""
        hit = next((one for one in self._injected if one.hits(endpoint, account)), None)
        return await answer() if hit is None else await hit.happen(request, answer)
