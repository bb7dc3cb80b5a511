"""One piece of work at a time, for all who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Shares the outcome of a piece of work among all who ask for it before it begins.

    Who asks while it is going on waits for the next turn: what has begun may not have seen what he has seen.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None
        self._tasks: set[asyncio.Task[T]] = set()

    async def take(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns or raises, begun no earlier than now."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._work(work))
            self._tasks.add(self._next)
            self._next.add_done_callback(self._done)
        # Shielded: one who gives up must not take the outcome away from the others.
        return await asyncio.shield(self._next)

    @property
    def idle(self) -> bool:
        """Whether nothing is going on, and nobody waits."""
        return not self._tasks

    async def close(self) -> None:
        """Ends what is going on, and what waits for its turn."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen: those who waited may all have gone

    async def _work(self, work: Callable[[], Awaitable[T]]) -> T:
        async with self._turn:
            self._next = None
            return await work()
