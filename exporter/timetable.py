"""APScheduler in an event loop: jobs that are coroutines, begun as tasks.

The library's own scheduler for event loops goes round the loop once more before each look at what is due, by
way of a pipe, as if another thread had called; it looks again for each timer that comes a moment early; and
it writes two log lines about each run, which nobody reads. With thousands of jobs that is a fourteenth of all
that the process does. Here is what the library leaves to its subclasses, and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

# APScheduler 3 has no types.
from apscheduler.executors.base import BaseExecutor  # type: ignore[import-untyped]
from apscheduler.job import Job  # type: ignore[import-untyped]
from apscheduler.schedulers.base import BaseScheduler  # type: ignore[import-untyped]

GRAIN = 0.05
"""Seconds by which a look comes later than the first job is due: what is due meanwhile is begun with it. A
processor that does several things of a kind in a row has them at hand, and does each in less time."""


class Timetable(BaseScheduler):  # type: ignore[misc]  # the base is Any
    """Begins jobs in the event loop that it is started in; all calls come from there."""

    _next: asyncio.Handle | None = None
    """Of the next look."""

    def start(self, paused: bool = False) -> None:
        """Begins what is due, now and from now on."""
        self.loop = asyncio.get_running_loop()
        super().start(paused)

    def shutdown(self, wait: bool = True) -> None:
        """Begins nothing any more, and cancels what runs."""
        super().shutdown(wait)
        self._call_off()

    def wakeup(self) -> None:
        """Begins what is due once the present turn of the event loop is over, and from then on."""
        self._call_off()
        self._next = self.loop.call_soon(self._look)

    def _look(self) -> None:
        seconds = self._process_jobs()
        self._next = None if seconds is None else self.loop.call_later(seconds + GRAIN, self._look)

    def _call_off(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _create_default_executor(self) -> BaseExecutor:
        return _Tasks()


class _Tasks(BaseExecutor):  # type: ignore[misc]  # the base is Any
    """Begins each run as a task."""

    def __init__(self) -> None:
        super().__init__()
        self._running: set[asyncio.Task[Any]] = set()

    def shutdown(self, wait: bool = True) -> None:  # noqa: ARG002 (the library's own)
        for task in self._running:
            task.cancel()

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:  # noqa: ARG002 (the same)
        task = self._scheduler.loop.create_task(job.func(*job.args))
        self._running.add(task)
        task.add_done_callback(partial(self._ended, job.id))

    def _ended(self, job_id: str, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._run_job_success(job_id, ())
        else:
            self._run_job_error(job_id, error, error.__traceback__)
