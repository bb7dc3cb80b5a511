"""By when an answer is needed: a collection has its time, and what it can do without gets a share of that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from types import TracebackType

SIDE_SHARE = 0.5
"""Of the time that is left, what is given to a request that the collection can do without. However many of
them follow each other and hang, time is left for the rest."""
REQUESTS_SHARE = 0.95
"""Of a collection's time, when requests end: a moment before, so that they can say which of them it was."""

_GRACE = 0.25
_EARLY = 0.002
"""Seconds by which an event loop may call before it was asked to."""


class DeadlineError(TimeoutError):
    """A deadline has passed."""


class Deadline:
    """A moment after which an answer is of no use. It can be put off, never brought on, and be stopped.

    Args:
        seconds: From now.
        side: Whether the answer can be missed.
        part_of: Another one that takes this one with it when it stops.
    """

    __slots__ = ("_at", "_parts", "_scopes", "_stopped_at", "_stops", "_timer", "_whole", "asking", "side")

    def __init__(self, seconds: float, *, side: bool = False, part_of: Deadline | None = None) -> None:
        self.side = side
        self.asking = ""
        """What was asked last under it, for people."""
        self._at = _now() + seconds
        # What ends with it. However many there are, one timer is enough.
        self._scopes: list[_Scope] = []
        self._timer: asyncio.TimerHandle | None = None
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

    def stop(self) -> None:
        """The time stands still until `go_on`, as often as this is called."""
        self._stops += 1
        if self._stops == 1:
            self._stopped_at = _now()
            self._call_off()
            for part in self._parts:
                part.stop()

    def go_on(self) -> None:
        """Takes one `stop` back."""
        self._stops -= 1
        if not self._stops:
            self._at += _now() - self._stopped_at
            self._watch()
            for part in self._parts:
                part.go_on()

    def kept(self, *, after: float = 0.0) -> AbstractAsyncContextManager[None]:
        """Ends what runs inside when it has passed by `after` seconds.

        Raises:
            DeadlineError: if it has.
        """
        return _Scope(self, after)

    def _enter(self, scope: _Scope) -> None:
        if not self._scopes and self._whole is not None:
            self._whole._parts.add(self)  # noqa: SLF001 (of the same class)
        self._scopes.append(scope)
        if self._timer is None or not self.left:
            self._call_off()
            self._watch()

    def _leave(self, scope: _Scope) -> None:
        self._scopes.remove(scope)
        if not self._scopes:
            self._call_off()
            if self._whole is not None:
                self._whole._parts.discard(self)  # noqa: SLF001 (of the same class)

    def _watch(self) -> None:
        """Looks again when it passes, and then when the first scope has to end."""
        waiting = [scope.after for scope in self._scopes if not scope.ended]
        if waiting and not self._stops:
            at = self._at if self.left > _EARLY else self._at + min(waiting)
            self._timer = asyncio.get_running_loop().call_at(at, self._look)

    def _look(self) -> None:
        self._timer = None
        late = _now() - self._at + _EARLY
        for scope in self._scopes:
            if not scope.ended and late >= scope.after:
                scope.end()
        self._watch()

    def _call_off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def rule(self) -> None:
        """Is the deadline of all that this task asks from now on."""
        _current.set(self)


class _Scope:
    """What ends with a deadline; as `asyncio.timeout`, without a timer of its own."""

    __slots__ = ("_cancelling", "_limit", "_task", "after", "ended")

    def __init__(self, limit: Deadline, after: float) -> None:
        self.after = after
        """Seconds."""
        self.ended = False
        """Whether the deadline has passed for it."""
        self._limit = limit

    def end(self) -> None:
        """The deadline has passed."""
        self.ended = True
        self._task.cancel()

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline ends a task, and this is none")
        self._task = task
        # Others may have cancelled it before, or do so later: that is no deadline.
        self._cancelling = task.cancelling()
        self._limit._enter(self)  # noqa: SLF001 (the two are one)

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        self._limit._leave(self)  # noqa: SLF001 (the two are one)
        if self.ended:
            others = self._task.uncancel() > self._cancelling
            if kind is not None and (
                issubclass(kind, TimeoutError) or (not others and issubclass(kind, asyncio.CancelledError))
            ):
                raise DeadlineError from None


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


def within(seconds: float) -> AbstractAsyncContextManager[Deadline]:
    """Ends what runs inside after `seconds`; its requests a moment earlier.

    Raises:
        DeadlineError: if that was necessary.
    """
    requests = seconds * REQUESTS_SHARE
    return _Ruling(Deadline(requests), seconds - requests)


def share(otherwise: float) -> AbstractAsyncContextManager[Deadline]:
    """As `within`, for something that can be missed: its share of the time that is left.

    Args:
        otherwise: Seconds that are left where no deadline is set.
    """
    whole = current()
    left = otherwise if whole is None else whole.left
    return _Ruling(Deadline(left * SIDE_SHARE, side=True, part_of=whole), _GRACE)


class _Ruling(_Scope):
    """A scope whose deadline rules."""

    __slots__ = ("_before",)

    async def __aenter__(self) -> Deadline:  # type: ignore[override]  # what it is entered for is another thing
        self._before = _current.set(self._limit)
        await super().__aenter__()
        return self._limit

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        _current.reset(self._before)
        await super().__aexit__(kind, error, where)


def _now() -> float:
    return asyncio.get_running_loop().time()
