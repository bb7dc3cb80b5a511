"""Answers of venues that are kept for a while, and fetched once however many ask for them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from typing import Any, TypeVar

from msgspec import Struct

from exporter import deadline
from exporter.clock import Wall
from exporter.deadline import Deadline, DeadlineError
from exporter.errors import VenueError

T = TypeVar("T")

RARELY = 3600.0
"""Seconds for which an answer is kept that hardly ever changes: lists of contracts, tiers."""
A_DAY = 86400.0
"""Seconds for which such an answer still serves if the venue gives no newer one."""
RETRY = 60.0
"""Seconds after which an answer that did not come is asked for again, where there is no hurry."""
MOST_KEPT = 10_000
"""Answers that are kept; what names them can come from a venue. Beyond, that goes which nobody wants."""

_PATIENCE = 60.0
_LATE_SHARE = 0.2
"""Of the time for an answer that can be missed, what is waited for one that was too late the last time."""


# The largest part of its time by which an answer is asked for again early.
_SPREAD = 0.1


class Owner:
    """The account that an answer is for, as a part of its key; one configuration is one owner.

    A key is looked up many times in each collection, and a configuration takes long to be hashed.
    """

    __slots__ = ("_config", "_hash")

    def __init__(self, config: Hashable) -> None:
        self._config = config
        self._hash = hash(config)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Owner) and self._config == other._config)


class Kept(Struct, frozen=True):
    """An answer and when it was asked for, in Unix seconds."""

    asked_at: float
    answer: Any
    early: float
    """The part of its time, from 0 to 0.1, by which it is asked for again early."""


class _Flight:
    """One request on its way, for all who wait for it."""

    def __init__(self, patience: float) -> None:
        self.limit = Deadline(patience)
        self.task: asyncio.Task[Any]
        self._began = asyncio.get_running_loop().time()

    def stuck(self, patience: float) -> bool:
        """Whether it takes longer than somebody with this patience would ever wait."""
        return asyncio.get_running_loop().time() - self._began >= patience


class _Entry:
    """What is known under one key."""

    def __init__(self) -> None:
        self.kept: Kept | None = None
        self.flight: _Flight | None = None
        self.late = False
        self.failed_at: float | None = None


class SharedAnswers:
    """Answers kept for a while, each fetched by one request however many ask at once (single flight).

    Everybody waits until his own deadline. The request goes on for the most patient of them, so that what
    comes too late for a collection is there for the next one.

    What was asked for in one moment, at the start of the program, is not asked for again in one moment:
    the time of each answer is up to a tenth shorter than it might be.

    Args:
        wall: Unix seconds.
        chance: A random number from 0 to 1.
    """

    def __init__(self, wall: Wall, *, chance: Callable[[], float] = random.random) -> None:
        self._wall = wall
        self._chance = chance
        self._entries: dict[Hashable, _Entry] = {}
        self._running: set[asyncio.Task[Any]] = set()

    def now(self) -> float:
        """Unix seconds."""
        return self._wall()

    async def get(
        self,
        key: Hashable,
        max_age: float,
        fetch: Callable[[], Awaitable[T]],
        *,
        patience: float = _PATIENCE,
    ) -> T:
        """The answer under `key` if it is younger than `max_age` seconds, else what `fetch` returns.

        A failure goes to everybody who waits for it and is not kept.

        Args:
            key: What tells answers apart.
            max_age: Seconds.
            fetch: Asks for it.
            patience: Seconds that the caller gives a request. One that takes longer already is stuck, and
                another takes its place.

        Raises:
            VenueError: as `fetch` does; reason ``timeout``, if it does not come until the caller's deadline.
        """
        fresh = self.fresh(key, max_age)
        if fresh is not None:
            answer: T = fresh.answer
            return answer
        entry = self._entry(key)
        flight = self._join(entry, fetch, patience)
        limit = deadline.current() or Deadline(patience)
        if limit.side and entry.late:
            limit = Deadline(limit.left * _LATE_SHARE, part_of=limit)
        given = limit.left
        try:
            # Not cancelled with the one who waits: he must not take the answer away from the others.
            async with limit.kept():
                await asyncio.wait({flight.task})
        except DeadlineError:
            entry.late = True
            asked = f"{flight.limit.asking}: " if flight.limit.asking else ""
            text = f"{asked}no answer within {round(given, 2):g} s, it is still awaited"
            raise VenueError("timeout", text) from None
        result: T = flight.task.result()
        return result

    def start(
        self, key: Hashable, max_age: float, fetch: Callable[[], Awaitable[Any]], patience: float
    ) -> None:
        """As `get`, for nobody: the answer is there once it has come. What failed lately is left alone."""
        if self.fresh(key, max_age) is None and not self.failed_lately(key):
            self._join(self._entry(key), fetch, patience)

    def fresh(self, key: Hashable, max_age: float) -> Kept | None:
        """The answer under `key` if it is not time yet to ask for another one."""
        entry = self._entries.get(key)
        found = None if entry is None else entry.kept
        if found is None or not self._younger(found, max_age * (1.0 - found.early)):
            return None
        return found

    def kept(self, key: Hashable, max_age: float) -> Kept | None:
        """The answer under `key` if it is younger than `max_age` seconds."""
        entry = self._entries.get(key)
        found = None if entry is None else entry.kept
        return None if found is None or not self._younger(found, max_age) else found

    def _younger(self, kept: Kept, max_age: float) -> bool:
        # Asked for in the future: the clock was set back since, and the age cannot be told.
        return 0.0 <= self._wall() - kept.asked_at < max_age

    def failed_lately(self, key: Hashable) -> bool:
        """Whether the last request for it failed less than `RETRY` seconds ago."""
        entry = self._entries.get(key)
        failed_at = None if entry is None else entry.failed_at
        return failed_at is not None and 0.0 <= self._wall() - failed_at < RETRY

    def forget(self, owner: Hashable) -> None:
        """Keeps nothing any more under keys (tuples) that `owner` is a part of."""
        for key in [key for key in self._entries if isinstance(key, tuple) and owner in key]:
            del self._entries[key]

    def _entry(self, key: Hashable) -> _Entry:
        """What is under `key`, as the one that was wanted last."""
        entry = self._entries.pop(key) if key in self._entries else _Entry()
        self._entries[key] = entry
        if len(self._entries) > MOST_KEPT:
            del self._entries[next(iter(self._entries))]
        return entry

    def _join(self, entry: _Entry, fetch: Callable[[], Awaitable[Any]], patience: float) -> _Flight:
        """The request that runs, which now goes on for this caller too; else a new one."""
        flight = entry.flight
        if flight is None or flight.stuck(patience):
            flight = entry.flight = _Flight(patience)
            # What holds for the first who asks, such as his deadline, does not hold for the others.
            flight.task = asyncio.create_task(self._fetch(entry, fetch, flight), context=Context())
            self._running.add(flight.task)
            flight.task.add_done_callback(lambda done: self._finished(entry, done))
        else:
            flight.limit.put_off(patience)
        return flight

    async def _fetch(self, entry: _Entry, fetch: Callable[[], Awaitable[T]], flight: _Flight) -> T:
        flight.limit.rule()
        asked_at = self._wall()
        answer = await fetch()
        # One that was stuck may come after the one that took its place.
        if entry.kept is None or not asked_at < entry.kept.asked_at <= self._wall():
            entry.kept = Kept(asked_at, answer, _SPREAD * self._chance())
        return answer

    def _finished(self, entry: _Entry, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if entry.flight is not None and entry.flight.task is task:
            entry.flight = None
        # Asked for its exception even if nobody waits any more, so that asyncio does not complain.
        if task.cancelled() or task.exception() is not None:
            entry.failed_at = self._wall()
        else:
            entry.late, entry.failed_at = False, None

    async def close(self) -> None:
        """Ends the requests that still run."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
