"""When each account is collected: one APScheduler job an account, never two runs of it at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

# APScheduler 3 has no types.
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent  # type: ignore[import-untyped]
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]

from exporter import clock
from exporter.clock import Elapsed, Wall
from exporter.defaults import FIRST_WITHIN
from exporter.timetable import Timetable

CLOCK_CHECK = 5.0
"""Seconds between two looks at whether the wall clock was set."""
CLOCK_STEP = 1.0
"""A wall clock that moved by more seconds than this against the elapsed time was set."""
REPEAT_AFTER = 600.0
"""Seconds after which it is logged again that an account's collections are skipped."""
STOP_WITHIN = 2.0
"""Seconds that runs in progress have to end when they are cancelled."""


class Job(Protocol):
    """What is run again and again: `exporter.collector.Collector`."""

    run_in: Callable[[float], None] | None
    """Set by the scheduler: makes the next run come in so many seconds."""

    @property
    def interval(self) -> float:
        """Seconds from one run to the next, as of now."""

    @property
    def waiting(self) -> bool:
        """Whether a run is under way and waits for its turn: then it is no failure if another is due."""

    async def collect(self) -> float | None:
        """One run; seconds until the next, None for the usual time."""


log = structlog.get_logger(__name__)


class SpreadTrigger(BaseTrigger):  # type: ignore[misc]  # the base is Any
    """Fires at `first`, then every `interval` seconds at its own place in the interval.

    The first runs of all accounts come soon after the start, so that the page is complete soon; from the
    second on they are spread over the whole interval, so that a venue sees an even load. A run that would
    follow the first by less than half an interval is left out. Times that have passed are never made up
    for, so that a jump of the clock costs one run and not thousands.

    Args:
        first: Of the first run.
        phase: Seconds after `first` of the place in the interval.
        interval: Seconds; may be other ones each time.
    """

    def __init__(self, first: datetime, *, phase: float, interval: Callable[[], float]) -> None:
        self._first = first
        self._phase = timedelta(seconds=phase)
        self._interval = interval

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The next run after the one at `previous_fire_time`, in the future unless it is the first."""
        if previous_fire_time is None:
            return self._first
        # Whole microseconds, as in a datetime: with floats a run could follow at the same moment, for ever.
        interval = timedelta(seconds=self._interval())
        begin, place = max(previous_fire_time, now), previous_fire_time
        if previous_fire_time == self._first:
            begin, place = max(begin, self._first + interval / 2), self._first + self._phase
        return place + ((begin - place) // interval + 1) * interval


class _Entry:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.task: asyncio.Task[None] | None = None
        self.skip_logged_at: float | None = None


class Scheduler:
    """Runs collections on their schedules, from `start` to `stop`.

    Args:
        first_within: Seconds over which the first runs are spread.
        on_skipped: Called with the key of a job that was due while its last run still went on.
        wall: Unix seconds.
        elapsed: Seconds on a clock that nobody sets.
    """

    def __init__(
        self,
        *,
        on_skipped: Callable[[str], None],
        wall: Wall = clock.wall,
        elapsed: Elapsed = clock.elapsed,
        first_within: float = FIRST_WITHIN,
    ) -> None:
        self._on_skipped = on_skipped
        self._wall = wall
        self._elapsed = elapsed
        self._first_within = first_within
        self._entries: dict[str, _Entry] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._offset = 0.0
        # What its warnings say is counted and logged here; its other lines are noise.
        for name in ("apscheduler.scheduler", "apscheduler.executors"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._scheduler = Timetable(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._scheduler.add_listener(self._skipped, EVENT_JOB_MAX_INSTANCES)

    def add(self, key: str, job: Job) -> None:
        """Schedules a job from the next `start` or `plan` on.

        Raises:
            ValueError: if there is one with this key.
        """
        if key in self._entries:
            raise ValueError(f"{key!r} is scheduled already")
        self._entries[key] = _Entry(job)
        job.run_in = partial(self.run_in, key)

    async def remove(self, key: str) -> None:
        """Ends a job; a run in progress is cancelled and has ended afterwards."""
        entry = self._entries.pop(key)
        if self._scheduler.get_job(key) is not None:
            self._scheduler.remove_job(key)
        await _cancel([entry])

    def start(self) -> None:
        """Begins; all first runs start within `first_within` seconds. Needs a running event loop."""
        self.plan()
        self._scheduler.start()
        self._offset = self._wall() - self._elapsed()
        self._watch = asyncio.get_running_loop().call_later(CLOCK_CHECK, self._check_clock)

    async def stop(self) -> None:
        """Ends; runs in progress are cancelled and have ended afterwards."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if not self._scheduler.running:
            return
        self._scheduler.pause()
        # Runs that were handed out and not begun begin now, so that they are seen below.
        await asyncio.sleep(0)
        await _cancel(self._entries.values())
        self._scheduler.shutdown(wait=False)

    def plan(self) -> None:
        """Spreads the jobs that have no place yet over their intervals. The others keep theirs."""
        now = self._now()
        new = [key for key in self._entries if self._scheduler.get_job(key) is None]
        for place, key in enumerate(new):
            entry = self._entries[key]
            interval, share = entry.job.interval, place / len(new)
            first = now + timedelta(seconds=share * min(self._first_within, interval))
            own_place = now + timedelta(seconds=share * interval)
            trigger = _trigger(entry, first, phase=(own_place - first).total_seconds())
            self._scheduler.add_job(self._run, trigger, args=[key], id=key, next_run_time=first)

    def run_in(self, key: str, seconds: float) -> None:
        """The next run of a job comes in so many seconds; nothing happens if there is no such job."""
        if self._scheduler.running and self._scheduler.get_job(key) is not None:
            at = self._now() + timedelta(seconds=seconds)
            self._scheduler.modify_job(key, next_run_time=at)

    def next_run(self, key: str) -> datetime | None:
        """When a job runs next; None before `start` and for unknown keys."""
        job = self._scheduler.get_job(key)
        found: datetime | None = None if job is None else job.next_run_time
        return found

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), UTC)

    async def _run(self, key: str) -> None:
        entry = self._entries.get(key)
        if entry is None:
            return
        entry.task = asyncio.current_task()
        try:
            pause = await entry.job.collect()
            if pause is not None and self._entries.get(key) is entry:
                self.run_in(key, pause)
        except asyncio.CancelledError:
            # Only `stop` and `remove` cancel; passed on, APScheduler would log a failure.
            return
        finally:
            entry.task = None

    def _skipped(self, event: JobSubmissionEvent) -> None:
        entry = self._entries.get(event.job_id)
        if entry is None or entry.job.waiting:
            return
        self._on_skipped(event.job_id)
        now = self._elapsed()
        if entry.skip_logged_at is None or now - entry.skip_logged_at >= REPEAT_AFTER:
            entry.skip_logged_at = now
            log.warning(
                "collection skipped, the one before still runs",
                job=event.job_id,
                interval=f"{entry.job.interval:g}s",
            )

    def _check_clock(self) -> None:
        """Moves all runs with the wall clock when it was set: an hour back must not mean an hour blind."""
        offset = self._wall() - self._elapsed()
        step = offset - self._offset
        if abs(step) > CLOCK_STEP:
            log.warning("the system clock was set", step=f"{step:+.1f}s")
            self._offset = offset
            now = self._now()
            for key, entry in self._entries.items():
                job = self._scheduler.get_job(key)
                latest = now + timedelta(seconds=entry.job.interval)
                first = min(max(job.next_run_time + timedelta(seconds=step), now), latest)
                trigger = _trigger(entry, first, phase=0.0)
                self._scheduler.modify_job(key, trigger=trigger, next_run_time=first)
        self._watch = asyncio.get_running_loop().call_later(CLOCK_CHECK, self._check_clock)


def _trigger(entry: _Entry, first: datetime, *, phase: float) -> SpreadTrigger:
    return SpreadTrigger(first, phase=phase, interval=lambda: entry.job.interval)


async def _cancel(entries: Iterable[_Entry]) -> None:
    tasks = [entry.task for entry in entries if entry.task is not None]
    for task in tasks:
        task.cancel()
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=STOP_WITHIN)
        if pending:
            log.error("collections did not stop in time", count=len(pending))
