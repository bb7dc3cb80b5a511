"""An event loop whose time jumps over every wait, so that hours of faults pass in a second.

Everything is real but the waiting: sockets, HTTP, timeouts, schedules. Time goes on with what is computed,
and where nothing is left to do it jumps towards the next moment at which something is due. The exporter's
clocks and its schedule follow it, so that its intervals, limits and pauses can be those of production.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import datetime, tzinfo
from types import SimpleNamespace
from typing import Any, Self, TypeVar
from unittest import mock

T = TypeVar("T")

SILENCE = 0.001
"""Real seconds without an event after which nothing more is on its way: loopback delivers at once."""
SMALL = 0.25
"""Seconds of a jump before which nothing is waited for: should something be on its way, it is not late."""
FIRST_JUMP, JUMPS_GROW = 1.0, 1.5
"""Seconds of the first jump in a silence, and what each next one is multiplied by: should something be on its
way after all, it is only a little late."""
START = 1_700_000_000.0
"""Unix seconds at which time begins."""


class JumpingTime:
    """One time for all clocks: it goes on with the work of this process, and jumps."""

    def __init__(self) -> None:
        self._jumped = 0.0
        self._worked_from = time.process_time()
        self._now = 0.0

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._now

    def wall(self) -> float:
        """Unix seconds."""
        return START + self._now

    def go_on(self, jump: float = 0.0) -> None:
        """Takes in what was worked since, and jumps."""
        # Not real time: what other processes do on this machine is of no interest here.
        self._jumped += jump
        self._now = time.process_time() - self._worked_from + self._jumped


class _Selector(selectors.DefaultSelector):
    def __init__(self, clock: JumpingTime) -> None:
        super().__init__()
        self._clock = clock
        self._jump = FIRST_JUMP
        self.busy = 0
        """Threads at work: what they bring is waited for."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        jump = 0.0
        if timeout is None or timeout <= 0.0:
            events = super().select(timeout)
        elif self.busy:
            events = super().select(1.0)
        else:
            events = super().select(SILENCE if timeout > SMALL else 0.0)
            if not events:
                jump = min(timeout, self._jump)
                self._jump *= JUMPS_GROW
        if events:
            self._jump = FIRST_JUMP
        self._clock.go_on(jump)
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self, clock: JumpingTime) -> None:
        self._jumping = _Selector(clock)
        self._clock = clock
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._clock.elapsed()

    def run_in_executor(  # type: ignore[override]  # the stub's type variables are not importable
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._jumping.busy += 1
        future.add_done_callback(self._thread_is_done)
        return future

    def _thread_is_done(self, _: object) -> None:
        self._jumping.busy -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109, ARG002
        """Threads end in real time; the time that Python 3.12 and newer give them would be jumped over."""
        self._jumping.busy += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumping.busy -= 1


@contextmanager
def jumping() -> Iterator[tuple[asyncio.Runner, JumpingTime]]:
    """A runner whose time jumps, and that time; the exporter's clocks and its scheduler's follow it."""
    clock = JumpingTime()

    class Now(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(clock.wall(), tz)

    module = SimpleNamespace(
        time=clock.wall, monotonic=clock.elapsed, clock_gettime=lambda _: clock.elapsed(), CLOCK_BOOTTIME=7
    )
    with (
        mock.patch("exporter.clock.time", module),
        mock.patch("apscheduler.schedulers.base.datetime", Now),
        asyncio.Runner(loop_factory=lambda: JumpingLoop(clock)) as runner,
    ):
        yield runner, clock


def run(main: Callable[[JumpingTime], Coroutine[Any, Any, T]]) -> T:
    """Runs `main` in jumping time."""
    with jumping() as (runner, clock):
        return runner.run(main(clock))
