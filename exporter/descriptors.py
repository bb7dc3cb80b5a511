"""Descriptors for connections to venues: kept free of clients, who may use up all the others."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from typing import Any

MOST = 1 << 16
"""More are not asked for: what goes through all of them would take its time."""


def limit() -> int:
    """How many descriptors this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def raise_limit() -> None:
    """As many descriptors as the system grants: what a shell starts with is meant for older programs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Reserve:
    """Descriptors that are held open until a connection needs one and there is no other.

    Args:
        count: How many; by default an eighth of the limit and no more than 32.
    """

    def __init__(self, count: int | None = None) -> None:
        self._count = min(32, limit() // 8) if count is None else count
        self._held: list[int] = []
        self.refill()

    def refill(self) -> None:
        """Takes back what was given away, as far as there are descriptors."""
        with contextlib.suppress(OSError):
            while len(self._held) < self._count:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A new socket for an address as `socket.getaddrinfo` gives it."""
        family, kind, protocol = address[:3]
        try:
            return socket.socket(family, kind, protocol)
        except OSError as error:
            if error.errno not in {errno.EMFILE, errno.ENFILE} or not self._held:
                raise
        # Nothing else runs between these two lines: nobody can take it.
        os.close(self._held.pop())
        return socket.socket(family, kind, protocol)

    def close(self) -> None:
        """Gives all back."""
        while self._held:
            os.close(self._held.pop())
