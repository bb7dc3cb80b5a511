"""The names a server answers to: what the Host header of a request may be.

A page of somebody else's can make the browser of whoever reads it ask a server on this machine, under a name
of its own that suddenly means 127.0.0.1 (DNS rebinding). The browser then hands the answer to that page; all
that gives it away is the name in the Host header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::\d{0,5})?")


class Hosts:
    """Which names are answered.

    Those of this machine itself always are: `localhost` and loopback addresses, whatever the port. Beyond
    these, `names` are; without any, every name is where others than this machine reach the server anyway.

    Args:
        names: Further names, without a port.

    Raises:
        ValueError: if one is not a name or an address.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        for text in names:
            host = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
            name = _name(host)
            if name is None or ":" in host.rpartition("]")[2]:
                raise ValueError(
                    f"{text!r} is not the name of a host: expected one such as risk.example.com or an "
                    "address, without a port"
                )
            self._names.add(name)

    def answered(self, host: str, *, loopback: bool) -> bool:
        """Whether a request with this Host header is answered.

        `loopback`: it came in where only this machine reaches the server.
        """
        name = _name(host)
        if name is not None and (name in self._names or is_loopback(name)):
            return True
        return not loopback and not self._names


def is_loopback(name: str) -> bool:
    """Whether a name or address means the machine itself, whatever a resolver says."""
    if name == "localhost":
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _name(host: str) -> str | None:
    """The name or address in a Host header, in its one spelling; None if there is none."""
    match = _HOST.fullmatch(host)
    if match is None:
        return None
    if match["ipv6"] is None:
        return match["name"].lower().removesuffix(".") or None
    try:
        return str(IPv6Address(match["ipv6"]))
    except ValueError:
        return None
