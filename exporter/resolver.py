"""Host names to addresses, without threads: one name server that does not answer must delay nobody else.

The system's own lookup runs in a pool of a few threads that everything shares; a dozen host names that do
not resolve fill it for half a minute, and the program cannot end before they do.
"""

from __future__ import annotations

import asyncio
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver

from exporter import clock
from exporter.answers import A_DAY
from exporter.clock import Elapsed

WITHIN = 5.0
"""Seconds that a lookup may take."""


class NoNameServerError(OSError):
    """No name server answered in time."""


class Resolver(AbstractResolver):
    """Asks the system's name servers; has a deadline of its own; knows for a day what they said last.

    Args:
        inner: Who asks; by default one for the event loop that runs.
        within: Seconds.
        elapsed: Seconds on a clock that nobody sets.
    """

    def __init__(
        self,
        inner: AbstractResolver | None = None,
        *,
        within: float = WITHIN,
        elapsed: Elapsed = clock.elapsed,
    ) -> None:
        self._inner = AsyncResolver() if inner is None else inner
        self._within = within
        self._elapsed = elapsed
        self._known: dict[tuple[str, int, int], tuple[float, list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See `aiohttp.abc.AbstractResolver`. The last known addresses serve where nothing newer comes."""
        key = (host, port, family)
        try:
            async with asyncio.timeout(self._within):
                found = await self._inner.resolve(host, port, family)
        except OSError as error:  # TimeoutError is one
            known = self._known.get(key)
            if known is not None and self._elapsed() - known[0] < A_DAY:
                return known[1]
            if isinstance(error, TimeoutError):
                raise NoNameServerError(None, f"no name server answers within {self._within:g} s") from None
            raise
        self._known[key] = (self._elapsed(), found)
        return found

    async def close(self) -> None:
        """Ends the lookups that still run."""
        await self._inner.close()
