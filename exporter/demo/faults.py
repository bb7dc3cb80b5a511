"""What can go wrong at a venue: with its requests (`Fault`), or as a whole (`Condition`).

They know HTTP and nothing of the venue they happen to; `exporter.demo.switch` sets them.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from random import Random
from typing import Any

from aiohttp import web

from exporter.demo._damage import MISSING, bomb, changed, places
from exporter.demo.switch import NOWHERE, Condition, Fault, Met, Venue


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
        return web.Response(status=NOWHERE)


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
        return web.Response(status=NOWHERE)


@dataclass(frozen=True)
class NotHttp(Fault):
    """These bytes come back, whatever they are, and the connection ends."""

    raw: bytes = field(default=b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", repr=False)

    async def meet(self, met: Met) -> web.StreamResponse:
        met.transport.write(self.raw)
        met.transport.close()
        return web.Response(status=NOWHERE)


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
    """The venue's own answer as a cache on the way gives it that had kept it for so many seconds at first.

    As RFC 9111 has it, the date of the answer stays and its age is told; not every cache tells it.
    """

    age: int
    told: bool = True
    _made_at: dict[str, float] = field(default_factory=dict)
    """Of the answer that is kept, by its path."""

    async def meet(self, met: Met) -> web.StreamResponse:
        response = await met.answer()
        now = parsedate_to_datetime(response.headers["Date"]).timestamp()
        made_at = self._made_at.setdefault(met.request.path, now - self.age)
        response.headers["Date"] = formatdate(made_at, usegmt=True)
        if self.told:
            response.headers["Age"] = str(round(now - made_at))
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
        document = json.loads(_body(response))
        if self.raw:
            mark = "the place of the raw value"
            text = json.dumps(changed(document, self.name, mark))
            text = text.replace(json.dumps(mark), str(self.value))
        else:
            text = json.dumps(changed(document, self.name, self.value))
        response.body = text.encode()
        return response


@dataclass(frozen=True)
class Garbled(Fault):
    """The venue's own JSON answer with nonsense in one place, each time another."""

    random: Random

    async def meet(self, met: Met) -> web.StreamResponse:
        response = await met.answer()
        document = json.loads(_body(response))
        choice = list(places(document))
        if choice:
            node, key = self.random.choice(choice)
            node[key] = self.random.choice((None, "", "?", -1, 0, 1e300, [], {}, True))
        response.body = json.dumps(document).encode()
        return response


async def _begun(met: Met) -> tuple[web.StreamResponse, bytes]:
    """The venue's own answer with nothing sent but its head, and the body."""
    own = await met.answer()
    body = _body(own)
    response = web.StreamResponse(status=own.status, headers=own.headers)
    response.content_length = len(body)
    await response.prepare(met.request)
    return response, body


def _body(response: web.Response) -> bytes:
    """What a stand-in wrote."""
    if not isinstance(response.body, bytes):
        raise TypeError("a stand-in's answer is not bytes")
    return response.body


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
