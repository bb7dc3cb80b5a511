"""The schedule: soon at first, then evenly spread; never two runs of one account; a clean end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.defaults import FIRST_WITHIN
from exporter.scheduler import CLOCK_STEP, REPEAT_AFTER, Scheduler, SpreadTrigger
from tests.accounts import FakeClock
from tests.timers import rest

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def runs(trigger: SpreadTrigger, count: int) -> list[float]:
    """Seconds after `START` of the first runs, each handled at once."""
    found: list[datetime] = []
    while len(found) < count:
        previous = found[-1] if found else None
        found.append(trigger.get_next_fire_time(previous, previous or START))
    return [(one - START).total_seconds() for one in found]


def test_after_the_first_run_an_account_keeps_its_place_in_the_interval() -> None:
    trigger = SpreadTrigger(START + 2 * SECOND, phase=9.0, interval=lambda: 15.0)
    assert runs(trigger, 4) == [2.0, 11.0, 26.0, 41.0]


def test_a_run_too_soon_after_the_first_is_left_out() -> None:
    trigger = SpreadTrigger(START + 2 * SECOND, phase=3.0, interval=lambda: 15.0)
    assert runs(trigger, 4) == [2.0, 20.0, 35.0, 50.0]


def test_an_interval_that_grows_moves_the_next_run_and_none_after_it_twice() -> None:
    """Accounts that all become slower keep their distances from each other."""
    interval = 15.0
    trigger = SpreadTrigger(START, phase=15.0, interval=lambda: interval)
    third = trigger.get_next_fire_time(START + 15 * SECOND, START + 15 * SECOND)
    assert third == START + 30 * SECOND
    interval = 37.0
    assert trigger.get_next_fire_time(third, third) == START + 67 * SECOND
    assert trigger.get_next_fire_time(START + 67 * SECOND, START + 70 * SECOND) == START + 104 * SECOND


INTERVALS = st.floats(1.0, 86400.0)


@given(interval=INTERVALS, share=st.floats(-1.0, 1.0))
def test_gaps_are_one_interval_and_the_first_half_to_one_and_a_half(interval: float, share: float) -> None:
    times = runs(SpreadTrigger(START, phase=share * interval, interval=lambda: interval), 5)
    first, *others = [after - before for before, after in pairwise(times)]
    assert interval / 2 - 1e-5 <= first <= interval * 1.5 + 1e-5
    assert others == pytest.approx([interval] * 3, abs=1e-5)


@given(interval=INTERVALS, late=st.floats(0.0, 1e9))
def test_missed_runs_are_not_made_up_for(interval: float, late: float) -> None:
    """A machine that slept, or a clock that was a year behind, costs one run and not a million."""
    trigger = SpreadTrigger(START, phase=0.0, interval=lambda: interval)
    now = START + timedelta(seconds=interval + late)
    following = trigger.get_next_fire_time(START + timedelta(seconds=interval), now)
    assert now < following <= now + timedelta(seconds=interval + 1e-5)


class Job:
    """A collection that takes as long as the test wants."""

    def __init__(self, interval: float = 3600.0) -> None:
        self.interval = interval
        self.waiting = False
        self.run_in: Callable[[float], None] | None = None
        self.pause: float | None = None
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended = asyncio.Event()
        self.runs = 0
        self.at_once = 0
        self.most_at_once = 0
        self.cancelled = False

    async def collect(self) -> float | None:
        self.runs += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.began.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.at_once -= 1
            self.ended.set()
        return self.pause


class Skips:
    def __init__(self) -> None:
        self.keys: list[str] = []
        self.seen = asyncio.Event()

    def __call__(self, key: str) -> None:
        self.keys.append(key)
        self.seen.set()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """APScheduler itself logs nothing."""
    caplog.set_level(logging.DEBUG, logger="apscheduler")
    yield
    assert [record for record in caplog.records if record.name.startswith("apscheduler")] == []


@pytest.fixture
async def skips() -> Skips:
    return Skips()


@pytest.fixture
async def scheduler(skips: Skips, quiet: None) -> AsyncIterator[Scheduler]:  # noqa: ARG001 (checks the log)
    made = Scheduler(on_skipped=skips)
    yield made
    await made.stop()


def due(scheduler: Scheduler, key: str) -> None:
    """Makes a job due at once."""
    scheduler._scheduler.modify_job(key, next_run_time=datetime.now(UTC))


def due_still(scheduler: Scheduler, key: str) -> bool:
    at = scheduler.next_run(key)
    return at is not None and at <= datetime.now(UTC)


async def wait(event: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await event.wait()


def offsets(scheduler: Scheduler, keys: list[str], begin: datetime) -> list[float]:
    found = [scheduler.next_run(key) for key in keys]
    return [(one - begin).total_seconds() for one in found if one is not None]


@pytest.mark.parametrize(("interval", "within"), [(60.0, FIRST_WITHIN), (2.0, 2.0)])
async def test_first_runs_come_soon_and_not_all_at_once(skips: Skips, interval: float, within: float) -> None:
    clock = FakeClock()
    scheduler = Scheduler(on_skipped=skips, wall=clock)
    keys = list("abcde")
    for key in keys:
        scheduler.add(key, Job(interval))
    scheduler.plan()
    found = offsets(scheduler, keys, datetime.fromtimestamp(clock(), UTC))
    assert found == pytest.approx([within * place / 5 for place in range(5)])


async def test_later_runs_are_spread_evenly_over_the_interval(skips: Skips) -> None:
    clock = FakeClock()
    scheduler = Scheduler(on_skipped=skips, wall=clock)
    for key in "abcde":
        scheduler.add(key, Job(60.0))
    scheduler.plan()
    begin = datetime.fromtimestamp(clock(), UTC)
    places = []
    for key in "abcde":
        job = scheduler._scheduler.get_job(key)
        previous = job.next_run_time
        for _ in range(3):
            previous = job.trigger.get_next_fire_time(previous, previous)
        places.append((previous - begin).total_seconds() % 60.0)
    assert places == pytest.approx([0.0, 12.0, 24.0, 36.0, 48.0])


async def test_the_first_account_is_collected_at_once(scheduler: Scheduler) -> None:
    job = Job()
    scheduler.add("a", job)
    scheduler.start()
    await wait(job.began)
    assert job.runs == 1


async def test_a_run_that_is_due_while_the_last_one_goes_on_is_skipped_and_told(
    scheduler: Scheduler, skips: Skips
) -> None:
    job = Job()
    scheduler.add("a", job)
    with capture_logs() as lines:
        scheduler.start()
        await wait(job.began)
        for _ in range(3):
            skips.seen.clear()
            due(scheduler, "a")
            await wait(skips.seen)
        assert (job.runs, job.most_at_once) == (1, 1)
        job.may_end.set()
        await wait(job.ended)
        while job.runs == 1:
            due(scheduler, "a")
            await asyncio.sleep(0)  # a turn of the event loop
    assert skips.keys[:3] == ["a"] * 3
    assert job.most_at_once == 1
    assert [(line["log_level"], line["job"]) for line in lines] == [("warning", "a")]


async def test_a_run_that_waits_for_a_request_limit_is_no_failure_if_another_is_due(
    scheduler: Scheduler, skips: Skips
) -> None:
    job = Job()
    job.waiting = True
    scheduler.add("a", job)
    with capture_logs() as lines:
        scheduler.start()
        await wait(job.began)
        due(scheduler, "a")
        await rest()
        assert not due_still(scheduler, "a")
        assert skips.keys == []
        job.waiting = False
        due(scheduler, "a")
        await wait(skips.seen)
    assert [line["event"] for line in lines] == ["collection skipped, the one before still runs"]


async def test_a_job_says_when_its_next_run_comes(scheduler: Scheduler) -> None:
    job = Job()
    job.pause = 500.0
    job.may_end.set()
    scheduler.add("a", job)
    scheduler.start()
    await wait(job.ended)
    await asyncio.sleep(0)
    (seconds,) = offsets(scheduler, ["a"], datetime.now(UTC))
    assert seconds == pytest.approx(500.0, abs=5.0)


async def test_a_job_can_be_brought_forward(scheduler: Scheduler) -> None:
    job = Job()
    job.may_end.set()
    scheduler.add("a", job)
    scheduler.start()
    await wait(job.ended)
    job.ended.clear()
    assert job.run_in is not None
    job.run_in(0.0)
    await wait(job.ended)
    assert job.runs == 2
    await scheduler.remove("a")
    job.run_in(0.0)  # who is gone stays gone
    assert scheduler.next_run("a") is None


async def test_skips_are_logged_again_after_a_while(quiet: None, skips: Skips) -> None:  # noqa: ARG001
    clock = FakeClock()
    scheduler = Scheduler(on_skipped=skips, elapsed=clock)
    job = Job()
    scheduler.add("a", job)
    with capture_logs() as lines:
        scheduler.start()
        await wait(job.began)
        for _ in range(3):
            skips.seen.clear()
            due(scheduler, "a")
            await wait(skips.seen)
            clock.advance(REPEAT_AFTER / 2)
    await scheduler.stop()
    assert len(lines) == 2


async def test_one_slow_account_does_not_hold_up_another(scheduler: Scheduler) -> None:
    slow, quick = Job(), Job()
    quick.may_end.set()
    scheduler.add("slow", slow)
    scheduler.add("quick", quick)
    scheduler.start()
    await wait(slow.began)
    due(scheduler, "quick")
    await wait(quick.ended)
    assert slow.at_once == 1


async def test_a_collection_that_raises_is_run_again(skips: Skips, caplog: pytest.LogCaptureFixture) -> None:
    scheduler = Scheduler(on_skipped=skips)
    runs_: list[asyncio.Event] = [asyncio.Event(), asyncio.Event()]

    class Broken(Job):
        async def collect(self) -> float | None:
            next(event for event in runs_ if not event.is_set()).set()
            raise RuntimeError("a defect")

    scheduler.add("a", Broken())
    scheduler.start()
    await wait(runs_[0])
    while not runs_[1].is_set():
        due(scheduler, "a")
        await asyncio.sleep(0)  # a turn of the event loop
    await scheduler.stop()
    assert "a defect" in caplog.text


async def test_stop_cancels_what_runs_and_waits_for_its_end(scheduler: Scheduler) -> None:
    jobs = [Job(), Job()]
    for key, job in zip("ab", jobs, strict=True):
        scheduler.add(key, job)
    scheduler.start()
    due(scheduler, "b")
    for job in jobs:
        await wait(job.began)
    await scheduler.stop()
    assert all(job.cancelled and job.at_once == 0 for job in jobs)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_stop_at_once_after_start_leaves_nothing_behind(scheduler: Scheduler) -> None:
    job = Job()
    scheduler.add("a", job)
    scheduler.start()
    await scheduler.stop()
    await asyncio.sleep(0)
    assert job.at_once == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_stop_without_start_does_nothing(scheduler: Scheduler) -> None:
    await scheduler.stop()


async def test_a_removed_account_is_not_collected_again_and_its_run_has_ended(scheduler: Scheduler) -> None:
    job = Job()
    scheduler.add("a", job)
    scheduler.start()
    await wait(job.began)
    await scheduler.remove("a")
    assert job.cancelled
    assert job.at_once == 0
    assert scheduler.next_run("a") is None


async def test_an_account_added_later_comes_soon_and_leaves_the_next_run_of_others(
    scheduler: Scheduler,
) -> None:
    scheduler.add("a", Job())
    scheduler.start()
    before = scheduler.next_run("a")
    scheduler.add("b", Job())
    scheduler.plan()
    assert scheduler.next_run("a") == before
    added = scheduler.next_run("b")
    assert added is not None
    assert added <= datetime.now(UTC) + timedelta(seconds=FIRST_WITHIN)


async def test_a_key_can_be_scheduled_once(scheduler: Scheduler) -> None:
    scheduler.add("a", Job())
    with pytest.raises(ValueError, match="scheduled already"):
        scheduler.add("a", Job())


@pytest.mark.parametrize("step", [-3600.0, 3600.0, CLOCK_STEP + 0.1])
async def test_runs_move_with_the_clock_when_it_is_set(quiet: None, skips: Skips, step: float) -> None:  # noqa: ARG001
    """Else an hour back would mean an hour without a collection."""
    wall, monotonic = FakeClock(), FakeClock(100.0)
    scheduler = Scheduler(on_skipped=skips, wall=wall, elapsed=monotonic)
    job = Job(60.0)
    job.may_end.set()
    scheduler.add("a", job)
    scheduler.start()
    scheduler._scheduler.pause()  # the real clock has no part in this
    next_run = datetime.fromtimestamp(wall() + 20.0, UTC)
    scheduler._scheduler.modify_job("a", next_run_time=next_run)
    monotonic.advance(5.0)
    wall.advance(5.0 + step)
    with capture_logs() as lines:
        scheduler._check_clock()
    assert offsets(scheduler, ["a"], datetime.fromtimestamp(wall(), UTC)) == pytest.approx([15.0], abs=1e-3)
    assert [line["event"] for line in lines] == ["the system clock was set"]
    await scheduler.stop()


async def test_a_clock_that_is_only_slewed_changes_nothing(quiet: None, skips: Skips) -> None:  # noqa: ARG001
    wall, monotonic = FakeClock(), FakeClock(100.0)
    scheduler = Scheduler(on_skipped=skips, wall=wall, elapsed=monotonic)
    scheduler.add("a", Job(60.0))
    scheduler.start()
    scheduler._scheduler.pause()
    before = scheduler.next_run("a")
    monotonic.advance(5.0)
    wall.advance(5.3)
    with capture_logs() as lines:
        scheduler._check_clock()
    assert scheduler.next_run("a") == before
    assert lines == []
    await scheduler.stop()
