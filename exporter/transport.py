"""Bytes to a venue and back over HTTP; what goes wrong on the way, in words that carry no secret."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Protocol, Self

import aiohttp
import yarl
from msgspec import Struct

from exporter import __version__
from exporter.errors import VenueError

# The largest honest answer (all brackets of all symbols) is below 2 MiB.
MAX_BODY_BYTES = 32 * 1024 * 1024


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
        timeout: float,  # noqa: ASYNC109 (aiohttp's own, which ends connections as well)
    ) -> Answer:
        """One request, one answer, redirects not followed.

        Raises:
            VenueError: reason ``timeout`` (no complete answer within `timeout` seconds) or ``network``.
        """


class HttpTransport:
    """The process's connections to all venues. Use as an async context manager."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Venues do not need cookies, and environment proxies must be asked for in the configuration.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=20, ttl_dns_cache=60, keepalive_timeout=75
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"risk-exporter/{__version__}", "Accept": "application/json"},
            auto_decompress=True,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        proxy: str | None,
        timeout: float,  # noqa: ASYNC109 (aiohttp's own, which ends connections as well)
    ) -> Answer:
        """See `Transport`."""
        if self._session is None:
            raise RuntimeError("the transport is not open")
        try:
            # Errors of the HTTP library carry the signed URL or the proxy's password in their text and
            # cause; neither goes on from here.
            async with self._session.request(
                method,
                # Encoded already: the bytes on the wire must be the bytes that were signed.
                yarl.URL(url, encoded=True),
                headers=headers,
                data=body,
                proxy=proxy,
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
            ) as answer:
                return Answer(answer.status, answer.headers, await _read(answer))
        except TimeoutError:
            raise VenueError("timeout", f"no complete answer within {timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise VenueError("network", _network_text(error)) from None


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise ValueError(f"the answer is larger than {MAX_BODY_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _network_text(error: Exception) -> str:
    """What happened, in words that cannot carry a URL, a header or a password."""
    match error:
        case aiohttp.ClientProxyConnectionError():
            return "no connection to the proxy"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered HTTP {error.status}"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "the server's certificate is not valid for this host"
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
        case ValueError() if str(error).startswith("the answer is larger"):
            return str(error)
        case OSError():
            return f"the connection failed: {_system_text(error)}"
        case _:
            return f"the request failed: {type(error).__name__}"


def _system_text(error: OSError) -> str:
    """The operating system's words: asyncio puts addresses into those of its own."""
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else type(error).__name__
