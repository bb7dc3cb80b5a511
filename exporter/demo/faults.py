"""What can go wrong at a venue, and the switch that makes it go wrong at a stand-in.

::

    venue.faults.set(Status(503), requests=3)                         # the next three requests
    venue.faults.set(Hang(), at="/fapi/v1/assetIndex", seconds=60)    # one endpoint, for a minute
    venue.faults.set(RevokedKey(), account="usdm-hedged")              # one account, until it is ended
    venue.faults.clear()                                              # everything works again

A `Fault` happens to requests, a `Condition` is a state of the whole venue. Both know HTTP and nothing of the
venue they happen to.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, Protocol

from aiohttp import web

from exporter.demo._damage import MISSING, bomb, changed


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


class Fault(ABC):
    """Something that happens to a request."""

    @abstractmethod
    async def meet(self, met: Met) -> web.StreamResponse:
        """Answers in the venue's place."""


_NOWHERE = 503
"""The status of an answer whose connection is gone."""


@dataclass(frozen=True)
class Latency(Fault):
    """The venue's own answer, late."""

    seconds: float

    async def meet(self, met: Met) -> web.StreamResponse:
        await asyncio.sleep(self.seconds)
        return await met.answer()


@dataclass(frozen=True)
class Hang(Fault):
    """The request is taken and never answered."""

    async def meet(self, met: Met) -> web.StreamResponse:
        # Until the caller hangs up: the server cancels it then.
        await asyncio.Event().wait()
        return await met.answer()


@dataclass(frozen=True)
class Drip(Fault):
    """The head of the answer at once, its body in drops over so many seconds."""

    seconds: float
    drops: int = 20

    async def meet(self, met: Met) -> web.StreamResponse:
        response, body = await _begun(met)
        size = max(1, math.ceil(len(body) / self.drops))
        for begin in range(0, len(body), size):
            await asyncio.sleep(self.seconds / self.drops)
            await response.write(body[begin : begin + size])
        return response


@dataclass(frozen=True)
class Truncation(Fault):
    """The head of the answer promises all of it; the connection ends after this share."""

    share: float = 0.5

    async def meet(self, met: Met) -> web.StreamResponse:
        response, body = await _begun(met)
        await response.write(body[: int(len(body) * self.share)])
        met.transport.close()
        return response


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset in the place of an answer."""

    async def meet(self, met: Met) -> web.StreamResponse:
        # With unsent data thrown away, the peer sees a reset and not an orderly end.
        met.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        met.transport.abort()
        return web.Response(status=_NOWHERE)


@dataclass(frozen=True)
class ClosesKept(Fault):
    """Each connection ends when a second request comes over it.

    So a venue looks that closes a kept connection at the moment at which the next request is sent.
    """

    _used: set[object] = field(default_factory=set, repr=False)

    async def meet(self, met: Met) -> web.StreamResponse:
        peer = met.transport.get_extra_info("peername")
        if peer not in self._used:
            self._used.add(peer)
            return await met.answer()
        self._used.discard(peer)
        met.transport.abort()
        return web.Response(status=_NOWHERE)


@dataclass(frozen=True)
class NotHttp(Fault):
    """These bytes come back, whatever they are, and the connection ends."""

    raw: bytes = field(default=b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", repr=False)

    async def meet(self, met: Met) -> web.StreamResponse:
        met.transport.write(self.raw)
        met.transport.close()
        return web.Response(status=_NOWHERE)


@dataclass(frozen=True)
class Status(Fault):
    """An answer of this status. A body that is neither bytes nor text is written as JSON."""

    status: int
    body: Any = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def meet(self, met: Met) -> web.StreamResponse:  # noqa: ARG002 (the form of all faults)
        body = self.body
        if not isinstance(body, bytes):
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        return web.Response(status=self.status, body=body, headers=self.headers)


@dataclass(frozen=True)
class Ban(Fault):
    """The address is shut out; each answer says for how many more seconds."""

    status: int = 418
    body: bytes = field(default=b"", repr=False)

    async def meet(self, met: Met) -> web.StreamResponse:
        headers = {"Retry-After": str(math.ceil(met.remaining))} if math.isfinite(met.remaining) else {}
        return web.Response(status=self.status, body=self.body, headers=headers)


@dataclass(frozen=True)
class Headers(Fault):
    """The venue's own answer with these headers."""

    headers: Mapping[str, str]

    async def meet(self, met: Met) -> web.StreamResponse:
        response = await met.answer()
        response.headers.update(self.headers)
        return response


@dataclass(frozen=True)
class Cached(Fault):
    """The venue's own answer as a cache on the way gives it that has kept it for so many seconds.

    As RFC 9111 has it, the date of the answer stays and its age is told; not every cache tells it.
    """

    age: int
    told: bool = True

    async def meet(self, met: Met) -> web.StreamResponse:
        response = await met.answer()
        made_at = parsedate_to_datetime(response.headers["Date"]).timestamp()
        response.headers["Date"] = formatdate(made_at - self.age, usegmt=True)
        if self.told:
            response.headers["Age"] = str(self.age)
        return response


@dataclass(frozen=True)
class Compressed(Fault):
    """An answer that is small on the wire and so many bytes of nothing once it is inflated."""

    size: int = 64 * 1024 * 1024

    async def meet(self, met: Met) -> web.StreamResponse:  # noqa: ARG002 (the form of all faults)
        return web.Response(body=bomb(self.size), headers={"Content-Encoding": "gzip"})


@dataclass(frozen=True)
class Changed(Fault):
    """The venue's own JSON answer with another value in every field of this name.

    With `raw`, the value is text that stands there as it is, such as a number that no float can hold.
    """

    name: str
    value: Any = MISSING
    raw: bool = False

    async def meet(self, met: Met) -> web.StreamResponse:
        response = await met.answer()
        if not isinstance(response.body, bytes):
            raise TypeError("a stand-in's answer is not bytes")
        document = json.loads(response.body)
        if self.raw:
            mark = "the place of the raw value"
            text = json.dumps(changed(document, self.name, mark))
            text = text.replace(json.dumps(mark), str(self.value))
        else:
            text = json.dumps(changed(document, self.name, self.value))
        response.body = text.encode()
        return response


async def _begun(met: Met) -> tuple[web.StreamResponse, bytes]:
    """The venue's own answer with nothing sent but its head, and the body."""
    own = await met.answer()
    if not isinstance(own.body, bytes):
        raise TypeError("a stand-in's answer is not bytes")
    response = web.StreamResponse(status=own.status, headers=own.headers)
    response.content_length = len(own.body)
    await response.prepare(met.request)
    return response, own.body


class Condition(ABC):
    """A state of the whole venue, whatever is asked."""

    @abstractmethod
    def begin(self, venue: Venue, account: str | None) -> Callable[[], None]:
        """Brings it about, for one account where there is a difference; gives what ends it."""


@dataclass(frozen=True)
class Skew(Condition):
    """The venue's clock is so many seconds ahead (negative: behind)."""

    seconds: float

    def begin(self, venue: Venue, account: str | None) -> Callable[[], None]:
        if account is not None:
            raise ValueError("all accounts of a venue have one clock")
        faults = venue.faults
        faults.clock_skew += self.seconds

        def end() -> None:
            faults.clock_skew -= self.seconds

        return end


@dataclass(frozen=True)
class RevokedKey(Condition):
    """The venue does not know the keys any longer."""

    def begin(self, venue: Venue, account: str | None) -> Callable[[], None]:
        credentials = venue.credentials
        revoked = {key: one for key, one in credentials.items() if account in (None, one.account)}
        for key in revoked:
            del credentials[key]
        return lambda: credentials.update(revoked)


@dataclass(frozen=True)
class Outage(Condition):
    """Connections are refused; those that there are break."""

    def begin(self, venue: Venue, account: str | None) -> Callable[[], None]:
        if account is not None:
            raise ValueError("nobody knows who is about to connect")
        listener = venue.faults.listener
        if listener is None:
            raise RuntimeError("no server runs this venue")
        listener.refuse()
        return listener.accept


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
        self._path = None if at is None else re.compile(re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(at)))
        self._account = account
        self._requests = requests
        self._lasts_until = lasts_until

    def end(self) -> None:
        """The venue works again, as far as this fault goes. Does nothing if it is over."""
        if not self.over:
            self.over = True
            for call in self.on_end:
                call()

    def hits(self, path: str, account: str | None) -> bool:
        """Whether it happens to such a request."""
        return (
            self.fault is not None
            and (self._path is None or self._path.fullmatch(path) is not None)
            and self._account in (None, account)
        )

    async def happen(self, request: web.Request, answer: Callable[[], Awaitable[web.Response]]) -> Any:
        """Answers a request that it hits."""
        assert self.fault is not None  # noqa: S101 (a condition hits no request)
        self.met += 1
        if self.met == self._requests:
            self.end()
        remaining = self._lasts_until - asyncio.get_running_loop().time()
        return await self.fault.meet(Met(request, answer, remaining))


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
            at: Path of the endpoint; a field in braces stands for anything. By default every endpoint.
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
        self, request: web.Request, account: str | None, answer: Callable[[], Awaitable[web.Response]]
    ) -> web.StreamResponse:
        """The answer to a request: the venue's own, or what a fault makes of it."""
        hit = next((one for one in self._injected if one.hits(request.path, account)), None)
        response: web.StreamResponse = await (answer() if hit is None else hit.happen(request, answer))
        return response
