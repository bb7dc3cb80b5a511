"""Collections begin one after the other, one in each turn of the event loop.

A turn is over when all that was ready has been done. Where more is asked of the process than it can do, turns
get longer, collections begin less often, and the line of those that are due gets longer: all of them come
later, none starves, and none that has begun is held up by those that have not, so that no venue is taken for
one that does not answer.
"""

from __future__ import annotations

import asyncio
from collections import deque

from exporter import clock
from exporter.clock import Elapsed


class Admission:
    """The line of collections that are due.

    Args:
        elapsed: Seconds on a clock that nobody sets.
    """

    def __init__(self, *, elapsed: Elapsed = clock.elapsed) -> None:
        self.waited = 0.0
        """Seconds that have been waited, all together."""
        self._elapsed = elapsed
        self._line: deque[asyncio.Future[None]] = deque()
        self._taken = False  # whether one has begun in this turn

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    async def admitted(self) -> float:
        """Returns when a collection may begin; how long that took, in seconds."""
        if not self._taken:
            self._taken = True
            asyncio.get_running_loop().call_soon(self._next)
            return 0.0
        began = self._elapsed()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        await waiter
        waited = max(0.0, self._elapsed() - began)
        self.waited += waited
        return waited

    def _next(self) -> None:
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():  # else it was cancelled meanwhile
                waiter.set_result(None)
                asyncio.get_running_loop().call_soon(self._next)
                return
        self._taken = False
