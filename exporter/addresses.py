"""Where a server listens: addresses as they are written in a flag, their sockets, and inherited ones."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from collections.abc import Iterable, MutableMapping
from typing import Any

from msgspec import Struct

_BACKLOG = 1024
"""Connections that wait in the system until they are let in."""
_FIRST_INHERITED = 3
"""The descriptors before it are standard input, output and error."""


class Address(Struct, frozen=True):
    """Where to listen; `host` None is every address of the machine."""

    host: str | None
    port: int

    def __str__(self) -> str:
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class ListenError(OSError):
    """The server cannot be started as it was asked to. The text is for the user and names the cause."""


_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.]+)?)\]|(?P<host>[^\s:\[\]/]*)):(?P<port>\d{1,5})"
)


def listen_addresses(texts: Iterable[str]) -> tuple[Address, ...]:
    """Addresses as they are written in a flag: ``127.0.0.1:10217``, ``[::1]:10217``, ``:10217``.

    Raises:
        ListenError: if an address is malformed or repeated, or there is none.
    """
    found: dict[Address, None] = {}
    for text in texts:
        match = _ADDRESS.fullmatch(text.strip())
        if match is None or int(match["port"]) > 65535:
            raise ListenError(
                f"{text!r} is not an address to listen on: expected host:port, [ipv6]:port or :port, "
                "with a port from 0 to 65535"
            )
        address = Address(match["ipv6"] or match["host"] or None, int(match["port"]))
        if address in found and address.port:
            raise ListenError(f"{text!r} is given twice")
        found[address] = None
    if not found:
        raise ListenError("no address to listen on")
    return tuple(found)


async def bound(address: Address) -> list[socket.socket]:
    """A listening socket for everything that an address means: of a name or of none, IPv4 and IPv6.

    Raises:
        ListenError: if there is none; what this machine has no family for is left out beside another one.
    """
    sockets: list[socket.socket] = []
    cause: OSError | None = None
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, *_, place in dict.fromkeys(found):
            try:
                sockets.append(_listening(family, place))
            except OSError as error:
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
                cause = error
        if not sockets:
            raise cause or OSError("nothing to listen on")
    except OSError as error:
        for one in sockets:
            one.close()
        raise ListenError(f"cannot listen on {address}: {error.strerror or type(error).__name__}") from None
    return sockets


def inherited(environment: MutableMapping[str, str] | None = None) -> list[socket.socket]:
    """The listening sockets that systemd has opened for this process; see ``sd_listen_fds(3)``.

    They are taken once: `environment`, by default the process's own, no longer tells of them afterwards.

    Raises:
        ListenError: if there is none, or one is not a TCP socket that listens.
    """
    told = os.environ if environment is None else environment
    pid, count = told.pop("LISTEN_PID", ""), told.pop("LISTEN_FDS", "")
    told.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal() or not int(count):
        raise ListenError(
            "no socket from systemd: it starts the program by a .socket unit and says so in LISTEN_PID and "
            "LISTEN_FDS"
        )
    return [_inherited(number) for number in range(_FIRST_INHERITED, _FIRST_INHERITED + int(count))]


def _inherited(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        one = socket.socket(fileno=descriptor)
        listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        raise ListenError(f"descriptor {descriptor} from systemd is not a socket") from None
    if one.family not in (socket.AF_INET, socket.AF_INET6) or one.type != socket.SOCK_STREAM or not listens:
        raise ListenError(
            f"descriptor {descriptor} from systemd is not a TCP socket that listens; expected ListenStream= "
            "with a port, and Accept=no"
        )
    one.setblocking(False)
    return one


def _listening(family: int, place: Any) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(place)
        one.listen(_BACKLOG)
    except OSError:
        one.close()
        raise
    return one
