"""A fake clock that also calls what is due: time passes when a test says so, and costs none."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

TURNS = 20
"""Rounds of the event loop that whatever a call set off gets to come to rest."""


class _Call:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class Time:
    """Elapsed seconds that move when told to, with the calls that were asked for on the way."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._calls: list[tuple[float, int, _Call]] = []
        self._order = count()

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> _Call:
        """`call` in so many seconds."""
        made = _Call(call)
        heapq.heappush(self._calls, (self.now + seconds, next(self._order), made))
        return made

    async def sleep(self, seconds: float) -> None:
        """Returns that much later; others move the time."""
        woken = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        self.later(seconds, wake)
        await woken

    async def advance(self, seconds: float) -> None:
        """Time passes, call after call."""
        until = self.now + seconds
        await rest()
        while self._calls and self._calls[0][0] <= until:
            at, _, due = heapq.heappop(self._calls)
            if due.call is None:
                continue
            self.now = max(self.now, at)
            due.call()
            await rest()
        self.now = until
        await rest()


async def rest() -> None:
    """Whatever can run has run."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
