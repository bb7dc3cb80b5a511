"""Bytes to a venue and back over HTTP; what goes wrong on the way, in words that carry no secret."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol, Self

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from msgspec import Struct

from exporter import __version__
from exporter.descriptors import Reserve
from exporter.errors import VenueError
from exporter.inflate import ENCODINGS, Body
from exporter.resolver import NoNameServerError, Resolver

_HEADERS = {
    "User-Agent": f"risk-exporter/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": ENCODINGS,
}


_NO_LIMIT = aiohttp.ClientTimeout(total=None)


class _Way:
    """The connection that a request goes by."""

    __slots__ = ("new", "old")

    def __init__(self) -> None:
        self.new = False
        """Whether a connection was made for it."""
        self.old = False
        """Whether it goes by one that was kept."""


# aiohttp's tracing would tell, too, for an eighth of the cost of a request.
_way: ContextVar[_Way | None] = ContextVar("way", default=None)


class _Connector(aiohttp.TCPConnector):
    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (aiohttp's own)
    ) -> Connection:
        way = _way.get() or _Way()
        way.new = way.old = False
        connection = await super().connect(req, traces, timeout)
        way.old = not way.new
        return connection


class Answer(Struct, frozen=True):
    """What came back. `headers` is case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """What carries a request to a venue."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        proxy: str | None,
        timeout: float | None = None,  # noqa: ASYNC109 (aiohttp's own, which ends connections as well)
    ) -> Answer:
        """One request, one answer, redirects not followed.

        Raises:
            VenueError: reason ``timeout`` (no complete answer within `timeout` seconds; None where the
                caller ends it himself) or ``network``.
        """


class HttpTransport:
    """The process's connections to all venues. Use as an async context manager.

    Args:
        resolver: Who finds the addresses of host names; that of the system by default.
    """

    def __init__(self, *, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver
        self._reserve: Reserve | None = None
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._resolver = self._resolver or Resolver()
        self._reserve = Reserve()
        self._kept = self._session(force_close=False)
        self._fresh = self._session(force_close=True)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()
        if self._resolver is not None:
            await self._resolver.close()
        if self._reserve is not None:
            self._reserve.close()

    def _session(self, *, force_close: bool) -> aiohttp.ClientSession:
        pool: dict[str, Any] = {} if force_close else {"keepalive_timeout": 75}
        # Venues do not need cookies, and environment proxies must be asked for in the configuration.
        return aiohttp.ClientSession(
            connector=_Connector(
                limit=0,  # see `exporter.slots`
                ttl_dns_cache=60,
                resolver=self._resolver,
                socket_factory=self._socket,
                force_close=force_close,
                **pool,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            auto_decompress=False,
        )

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        """What a new connection is made with."""
        way = _way.get()
        if way is not None:
            way.new = True
        return socket.socket(*address[:3]) if self._reserve is None else self._reserve.socket(address)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        proxy: str | None,
        timeout: float | None = None,  # noqa: ASYNC109 (aiohttp's own, which ends connections as well)
    ) -> Answer:
        """See `Transport`.

        What a venue closed while it was kept for the next request is found out by that request: it is sent
        once more, on a new connection. Every request only reads.
        """
        if self._kept is None or self._fresh is None or self._reserve is None:
            raise RuntimeError("the transport is not open")
        given = {
            "method": method,
            # Encoded already: the bytes on the wire must be the bytes that were signed.
            "url": yarl.URL(url, encoded=True),
            "headers": headers,
            "data": body,
            "proxy": proxy,
            "timeout": _NO_LIMIT if timeout is None else aiohttp.ClientTimeout(total=timeout),
            "allow_redirects": False,
        }
        way = _Way()
        _way.set(way)
        try:
            # Errors of the HTTP library carry the signed URL or the proxy's password in their text and
            # cause; neither goes on from here.
            try:
                return await _answer(self._kept, given)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not way.old:
                    raise
            return await _answer(self._fresh, given)
        except TimeoutError:
            raise VenueError("timeout", "no complete answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise VenueError("network", _network_text(error)) from None
        finally:
            self._reserve.refill()


async def _answer(session: aiohttp.ClientSession, given: Mapping[str, Any]) -> Answer:
    answer = await session.request(**given)
    try:
        body, read = Body(answer.headers.get("Content-Encoding", "")), answer.content.readany
        while chunk := await read():
            body.feed(chunk)
        return Answer(answer.status, answer.headers, body.whole())
    except BaseException:
        # Read to its end it has given its connection back by itself.
        answer.close()
        raise


def _network_text(error: Exception) -> str:
    """What happened, in words that cannot carry a URL, a header or a password."""
    match error:
        case aiohttp.ClientProxyConnectionError():
            return "no connection to the proxy"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered HTTP {error.status}"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "the server's certificate is not valid for this host"
        case aiohttp.ClientConnectorDNSError(os_error=NoNameServerError()):
            return f"the host name does not resolve: {error.os_error.strerror}"
        case aiohttp.ClientConnectorDNSError():
            return "the host name does not resolve"
        case aiohttp.ClientConnectorError():
            return f"no connection: {_system_text(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection"
        case aiohttp.ClientResponseError():
            return "the answer is not valid HTTP"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case OSError():
            return f"the connection failed: {_system_text(error)}"
        case _:
            return f"the request failed: {type(error).__name__}"


def _system_text(error: OSError) -> str:
    """The operating system's words: asyncio puts addresses into those of its own."""
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else type(error).__name__
