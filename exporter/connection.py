"""One caller of the web server: what is let through of what he sends, and what he may hold for how long.

Whoever reaches the port may send what he likes, as slowly as he likes. None of that may take from the
collections: a request has no body, its head an end, its answer a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Literal

import structlog
from aiohttp import web
from msgspec import Struct

from exporter.locks.door import Door
from exporter.seldom import Seldom

HEADERS = {
    "Server": "risk-exporter",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
"""Of every answer, unless the file of the web server has another. The first takes the place of a line that
names aiohttp and Python with their versions."""

Stage = Literal["head", "answer", "idle"]

log = structlog.get_logger(__name__)
_seldom = Seldom()


class Limits(Struct, frozen=True, kw_only=True):
    """What callers may hold; times in seconds."""

    connections: int
    head_bytes: int = 32 * 1024
    """Request line and headers; one header alone may have 8 KiB."""
    head_seconds: float = 10.0
    """From the first byte of a request, or the opening of a connection, to the end of the headers."""
    idle_seconds: float = 120.0
    """Between two requests of one connection: Prometheus scrapes every minute by default."""
    answer_seconds: float = 30.0
    """From the end of the headers to the last byte of the answer."""
    settle_seconds: float = 0.25
    """What a new connection has to send a request before it makes room for another one."""
    slow_seconds: float = 5.0
    """What an answer may take before its connection makes room for another one."""


class Connection(web.RequestHandler):
    """One caller. Lets one request at a time through to aiohttp, and of each the head alone.

    No request has a body, so what follows a head is another head, and it waits until the answer to the first
    is out. A body is thus never kept, never unpacked, and not even read.

    Args:
        handlers: aiohttp's side of all connections.
        limits: What it may hold.
        door: What it came in by.
        loopback: Whether only this machine reaches the address it came in at.
        ended: Called once it has ended.
    """

    def __init__(
        self,
        handlers: web.Server,
        limits: Limits,
        *,
        door: Door,
        loopback: bool,
        ended: Callable[[Connection], None],
    ) -> None:
        self._clock = asyncio.get_running_loop().time
        # A request with a body keeps its connection for a moment after the answer, so that its sender, who
        # is still busy with the body, sees the answer before the connection breaks.
        super().__init__(
            handlers,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # aiohttp's gap; it would hold the addresses of callers
            keepalive_timeout=limits.idle_seconds,
            lingering_time=0.2,
        )
        self.loopback = loopback
        self._door = door
        self._tls = door.tls
        """As it was when the caller came; None is without."""
        self.stage: Stage = "head"
        self._since = self._clock()
        self._limits = limits
        self._ended = ended
        # aiohttp forgets its transport as soon as it wants to close it, sent or not.
        self._wire: asyncio.Transport | None = None
        self._aborted = False
        self._head_bytes = 0
        self._seen_last = b""
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wire = self.transport
        if self._aborted:
            self.abort()
        elif self._tls is not None:
            certificate = transport.get_extra_info("ssl_object").getpeercert(True)
            if not self._door.knows(certificate):
                _seldom.tell(log.warning, "a client's certificate has none of client_allowed_sans")
                self.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._wire = None
        self._ended(self)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Ends the connection at once, whatever is still to be sent."""
        self._aborted = True
        if self._wire is not None:
            self._wire.abort()

    def data_received(self, data: bytes) -> None:
        if not data:  # aiohttp's way to look again at what it has
            super().data_received(data)
            return
        if self.stage == "answer":
            self._early += data  # reading has been stopped; this was on its way
            return
        if not self._head_bytes:
            data = data.lstrip(b"\r\n")  # RFC 9112, 2.2: empty lines before a request are passed over
            if not data:
                return
        if self.stage == "idle":
            self._enter("head")
        seen = self._seen_last + data
        end = seen.find(b"\r\n\r\n")
        head = data if end < 0 else data[: end + 4 - len(self._seen_last)]
        self._seen_last = seen[-3:]
        self._head_bytes += len(head)
        if self._head_bytes > self._limits.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        if end >= 0:
            self._enter("answer")
            self._early = data[len(head) :]
            if self._wire is not None:
                self._wire.pause_reading()
        super().data_received(head)

    def answered(self) -> None:
        """The answer is sent; the next request may come."""
        self._enter("idle")
        self._head_bytes, self._seen_last = 0, b""
        early, self._early = self._early, b""
        if self._wire is None or self._wire.is_closing():
            return
        self._wire.resume_reading()
        if early:
            asyncio.get_running_loop().call_soon(self.data_received, early)

    @property
    def headers(self) -> dict[str, str]:
        """Of every answer."""
        return {**HEADERS, **self._door.config.headers}

    @property
    def outdated(self) -> bool:
        """Whether TLS is another one now than when this caller came: he has to come again."""
        return self._tls is not self._door.tls

    @property
    def caller(self) -> str:
        """The address at the other end; empty if it has gone."""
        name = None if self._wire is None else self._wire.get_extra_info("peername")
        return str(name[0]) if name else ""

    @property
    def since(self) -> float:
        """When its stage began, on the clock of the event loop."""
        return self._since

    def overdue(self, now: float) -> bool:
        """Whether its time is over."""
        limits = self._limits
        seconds = {"head": limits.head_seconds, "answer": limits.answer_seconds, "idle": limits.idle_seconds}
        return now - self._since >= seconds[self.stage]

    def idle(self, now: float) -> bool:
        """Whether it does nothing, or so little that it makes room where another one waits."""
        limits = self._limits
        seconds = {"head": limits.settle_seconds, "answer": limits.slow_seconds, "idle": 0.0}
        return now - self._since >= seconds[self.stage]

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 (it repeats what the caller sent)
    ) -> web.StreamResponse:
        """The answer to what is no HTTP, and to what failed outside of `exporter.web`.

        aiohttp's own names its version and Python's, and writes a traceback into the log each time.
        """
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(exc, ConnectionError):
            _seldom.tell(log.error, "request failed", key=repr(type(exc)), status=status, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer is out already")
        response = web.Response(status=status, text=_text(HTTPStatus(status)), headers=self.headers)
        response.force_close()
        return response

    def _enter(self, stage: Stage) -> None:
        self.stage, self._since = stage, self._clock()

    def _refuse(self, status: HTTPStatus) -> None:
        """Answers what aiohttp does not get to see."""
        self._enter("answer")
        text = _text(status)
        fields = {
            **self.headers,
            "Content-Type": "text/plain",
            "Content-Length": len(text),
            "Connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        if self._wire is not None and not self._wire.is_closing():
            self._wire.write(f"HTTP/1.1 {status.value} {status.phrase}\r\n{lines}\r\n{text}".encode())
        self.force_close()


def _text(status: HTTPStatus) -> str:
    return f"{status.value}: {status.phrase}\n"
