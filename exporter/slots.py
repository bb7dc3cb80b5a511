"""Requests on their way: so many to each host at once, and the others wait for their turn.

Who waits inside of the HTTP library waits in his request's time: a fleet that asks much at once would take a
venue that answers well for one that does not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager

from exporter import deadline, descriptors
from exporter.deadline import Deadline
from exporter.errors import VenueError

FEWEST = 20
"""To one host, however few descriptors there are."""
MOST_SHARE = 0.25
"""Of all, to one host: one that hangs leaves room for the others, however many want something of it."""


class _Host:
    __slots__ = ("busy", "line")

    def __init__(self) -> None:
        self.busy = 0
        self.line: deque[asyncio.Future[None]] = deque()


class Slots:
    """One for each request that is on its way, so that no more are than there may be connections.

    Args:
        total: To all hosts; by default as many as half of the descriptors.
    """

    def __init__(self, total: int | None = None) -> None:
        self.total = descriptors.limit() // 2 if total is None else total
        # Those that something is asked of now.
        self._hosts: dict[Hashable, _Host] = {}

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(not waiter.done() for host in list(self._hosts.values()) for waiter in list(host.line))

    def one(
        self, host: Hashable, limit: Deadline | None, patience: float
    ) -> AbstractAsyncContextManager[None]:
        """While one request to `host` is on its way. Time that is waited for it is not the request's.

        Args:
            host: What connections are made to.
            limit: What also stands still meanwhile.
            patience: Seconds.

        Raises:
            VenueError: reason ``timeout``, if there is none in that time.
        """
        return _Slot(self, host, limit, patience)

    async def take(self, host: Hashable, limit: Deadline | None, patience: float) -> None:
        """See `one`; each has to be given back."""
        if not self._take(host):
            with deadline.standing(limit):
                await self._wait(host, patience)

    def _take(self, key: Hashable) -> bool:
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host()
        if host.line or host.busy >= self._most():
            return False
        host.busy += 1
        return True

    def _most(self) -> int:
        return max(FEWEST, min(int(self.total * MOST_SHARE), self.total // len(self._hosts)))

    async def _wait(self, key: Hashable, patience: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hosts[key].line.append(waiter)
        try:
            async with asyncio.timeout(patience):
                await waiter
        except BaseException as error:
            if not waiter.cancelled():  # it was given one in this moment
                self.give_back(key)
            if not isinstance(error, TimeoutError):
                raise
            text = f"no connection was free for {patience:g} s: too much is asked of this host at once"
            raise VenueError("timeout", text) from None

    def give_back(self, key: Hashable) -> None:
        """One that was taken is free."""
        host = self._hosts[key]
        host.busy -= 1
        while host.line and host.busy < self._most():
            waiter = host.line.popleft()
            if not waiter.done():
                host.busy += 1
                waiter.set_result(None)
        if not host.busy:
            del self._hosts[key]


class _Slot:
    """One, while it is taken."""

    __slots__ = ("_host", "_limit", "_patience", "_slots")

    def __init__(self, slots: Slots, host: Hashable, limit: Deadline | None, patience: float) -> None:
        self._slots = slots
        self._host = host
        self._limit = limit
        self._patience = patience

    async def __aenter__(self) -> None:
        await self._slots.take(self._host, self._limit, self._patience)

    async def __aexit__(self, *exc: object) -> None:
        self._slots.give_back(self._host)
