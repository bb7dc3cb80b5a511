"""Answers of venues that are kept for a while, and fetched once however many ask for them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from msgspec import Struct

from exporter.clock import Wall

T = TypeVar("T")

RARELY = 3600.0
"""Seconds for which an answer is kept that hardly ever changes: lists of contracts, tiers."""
A_DAY = 86400.0
"""Seconds for which such an answer still serves if the venue gives no newer one."""


# The largest part of its time by which an answer is asked for again early.
_SPREAD = 0.1


class Kept(Struct, frozen=True):
    """An answer and when it was asked for, in Unix seconds."""

    asked_at: float
    answer: Any
    early: float
    """The part of its time, from 0 to 0.1, by which it is asked for again early."""


class SharedAnswers:
    """Answers kept for a while, each fetched by one request however many ask at once (single flight).

    What was asked for in one moment, at the start of the program, is not asked for again in one moment:
    the time of each answer is up to a tenth shorter than it might be.

    Args:
        wall: Unix seconds.
        chance: A random number from 0 to 1.
    """

    def __init__(self, wall: Wall, *, chance: Callable[[], float] = random.random) -> None:
        self._wall = wall
        self._chance = chance
        self._kept: dict[Hashable, Kept] = {}
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(self, key: Hashable, max_age: float, fetch: Callable[[], Awaitable[T]]) -> T:
        """The answer under `key` if it is younger than `max_age` seconds, else what `fetch` returns.

        A failure goes to everybody who waits for it and is not kept.
        """
        kept = self._kept.get(key)
        if kept is not None and self.kept(key, max_age * (1.0 - kept.early)) is kept:
            answer: T = kept.answer
            return answer
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(self._fetch(key, fetch))
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        # Shielded: a caller that gives up must not take the answer away from the others.
        result: T = await asyncio.shield(task)
        return result

    def kept(self, key: Hashable, max_age: float) -> Kept | None:
        """The answer under `key` if it is younger than `max_age` seconds."""
        found = self._kept.get(key)
        # Asked for in the future: the clock was set back since, and the age cannot be told.
        if found is None or not 0.0 <= self._wall() - found.asked_at < max_age:
            return None
        return found

    async def _fetch(self, key: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
        asked_at = self._wall()
        answer = await fetch()
        self._kept[key] = Kept(asked_at, answer, _SPREAD * self._chance())
        return answer

    def _finished(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled():
            task.exception()  # marks it as seen: the waiters may all have gone

    async def close(self) -> None:
        """Ends the requests that still run."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
