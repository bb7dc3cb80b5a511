"""Whether the exporter on this machine answers, for a container's or a service's health check.

It needs no password and no certificate: that nobody is let in without one is an answer, too, and from the
same event loop.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from contextlib import suppress

from exporter.addresses import Address

_HANDSHAKE = b"\x16"
"""How a record of TLS begins that goes on with the handshake."""
TIMEOUT = 4.0
"""Seconds; Docker waits five."""


def ask(address: Address) -> str:
    """What is wrong with the exporter that listens there; empty if nothing is."""
    host = address.host or "127.0.0.1"
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (asked for, not listened on)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Itself, on the same machine: whose certificate it has is not the question.
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    locked = False
    try:
        locked = _speaks_tls(near, address.port, tls)
        if locked:
            return _answer(http.client.HTTPSConnection(near, address.port, timeout=TIMEOUT, context=tls))
        return _answer(http.client.HTTPConnection(near, address.port, timeout=TIMEOUT))
    except TimeoutError:
        return f"{address} does not answer in time"
    except (OSError, http.client.HTTPException) as error:
        if locked and not isinstance(error, ConnectionRefusedError):
            return ""  # it asks for a certificate
        return f"{address} does not answer: {getattr(error, 'strerror', None) or type(error).__name__}"


def _speaks_tls(host: str, port: int, tls: ssl.SSLContext) -> bool:
    """Whether the first words of TLS are answered in TLS: a server without it answers in HTTP."""
    words = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        tls.wrap_bio(ssl.MemoryBIO(), words).do_handshake()
    with socket.create_connection((host, port), TIMEOUT) as connection:
        connection.sendall(words.read())
        return connection.recv(1) == _HANDSHAKE


def _answer(connection: http.client.HTTPConnection) -> str:
    try:
        connection.request("GET", "/-/healthy", headers={"Host": "localhost"})
        status = connection.getresponse().status
    finally:
        connection.close()
    return f"answers with status {status}" if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR else ""
