"""By when an answer is needed: a collection has its time, and what it can do without gets a share of that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

SIDE_SHARE = 0.5
"""Of the time that is left, what is given to a request that the collection can do without. However many of
them follow each other and hang, time is left for the rest."""
REQUESTS_SHARE = 0.95
"""Of a collection's time, when requests end: a moment before, so that they can say which of them it was."""

_GRACE = 0.25


class DeadlineError(TimeoutError):
    """A deadline has passed."""


class Deadline:
    """A moment after which an answer is of no use. It can be put off, never brought on, and be stopped.

    Args:
        seconds: From now.
        side: Whether the answer can be missed.
        part_of: Another one that takes this one with it when it stops.
    """

    def __init__(self, seconds: float, *, side: bool = False, part_of: Deadline | None = None) -> None:
        self.side = side
        self.asking = ""
        """What was asked last under it, for people."""
        self._at = _now() + seconds
        # Scopes that end with it, and how many seconds after it.
        self._scopes: dict[asyncio.Timeout, float] = {}
        self._parts: set[Deadline] = set()
        self._stops = 0
        self._stopped_at = 0.0
        self._whole = part_of
        if part_of is not None and part_of.stopped:
            self.stop()

    @property
    def stopped(self) -> bool:
        """Whether the time stands still."""
        return self._stops > 0

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self._at - (self._stopped_at if self._stops else _now()))

    def put_off(self, seconds: float) -> None:
        """It is no earlier than that, from now."""
        self._at = max(self._at, _now() + seconds)
        self._reschedule()

    def stop(self) -> None:
        """The time stands still until `go_on`, as often as this is called."""
        self._stops += 1
        if self._stops == 1:
            self._stopped_at = _now()
            self._reschedule()
            for part in self._parts:
                part.stop()

    def go_on(self) -> None:
        """Takes one `stop` back."""
        self._stops -= 1
        if not self._stops:
            self._at += _now() - self._stopped_at
            self._reschedule()
            for part in self._parts:
                part.go_on()

    def _reschedule(self) -> None:
        for scope, after in self._scopes.items():
            if not scope.expired():
                scope.reschedule(None if self._stops else self._at + after)

    @contextlib.asynccontextmanager
    async def kept(self, *, after: float = 0.0) -> AsyncIterator[None]:
        """Ends what runs inside when it has passed by `after` seconds.

        Raises:
            DeadlineError: if it has.
        """
        scope = asyncio.timeout_at(None if self._stops else self._at + after)
        whole = set() if self._whole is None else self._whole._parts  # noqa: SLF001 (of the same class)
        whole.add(self)
        try:
            async with scope:
                self._scopes[scope] = after
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise DeadlineError from None
        finally:
            self._scopes.pop(scope, None)
            if not self._scopes:
                whole.discard(self)

    def rule(self) -> None:
        """Is the deadline of all that this task asks from now on."""
        _current.set(self)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextlib.contextmanager
def standing(*limits: Deadline | None) -> Iterator[None]:
    """Time that is waited for one's turn is nobody's: these deadlines and the one that rules stand still."""
    stopped = {limit for limit in (*limits, _current.get()) if limit is not None}
    for limit in stopped:
        limit.stop()
    try:
        yield
    finally:
        for limit in stopped:
            limit.go_on()


def current() -> Deadline | None:
    """The deadline of what runs, if it has one."""
    return _current.get()


@contextlib.asynccontextmanager
async def within(seconds: float) -> AsyncIterator[Deadline]:
    """Ends what runs inside after `seconds`; its requests a moment earlier.

    Raises:
        DeadlineError: if that was necessary.
    """
    requests = seconds * REQUESTS_SHARE
    async with _ruling(Deadline(requests), seconds - requests) as limit:
        yield limit


@contextlib.asynccontextmanager
async def share(otherwise: float) -> AsyncIterator[Deadline]:
    """As `within`, for something that can be missed: its share of the time that is left.

    Args:
        otherwise: Seconds that are left where no deadline is set.
    """
    whole = current()
    left = otherwise if whole is None else whole.left
    async with _ruling(Deadline(left * SIDE_SHARE, side=True, part_of=whole), _GRACE) as limit:
        yield limit


@contextlib.asynccontextmanager
async def _ruling(limit: Deadline, after: float) -> AsyncIterator[Deadline]:
    token = _current.set(limit)
    try:
        async with limit.kept(after=after):
            yield limit
    finally:
        _current.reset(token)


def _now() -> float:
    return asyncio.get_running_loop().time()
