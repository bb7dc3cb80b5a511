"""A request limit at work: never more than the share in any window, and first come first served."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.bucket import Bucket, Window
from exporter.limits import Limit
from exporter.venuecount import Told
from tests.timers import Time

MINUTE = Limit(2400.0, 60.0)
SHARE = 1200.0


def window(
    time: Time, limit: Limit = MINUTE, *, share: float = 0.5, line: float = 0.9, largest: float = 10.0
) -> Window:
    return Window(limit, share=share, line=line, largest=largest, now=time())


class Desk:
    """A bucket on a clock of its own, and what was sent when."""

    def __init__(self, *windows: Window, time: Time) -> None:
        self.time = time
        self.bucket = Bucket(windows, elapsed=time, later=time.later)
        self.sent: list[tuple[float, str, float]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def collect(self, name: str, weight: float, calls: Iterable[float] = ()) -> asyncio.Task[None]:
        """A collection that takes `weight` as a whole, and then further calls one by one."""

        async def run() -> None:
            await self.bucket.take(weight)
            self.send(name, weight)
            for call in calls:
                await self.bucket.take(call, further=True)
                self.send(name, call)

        task = asyncio.create_task(run())
        self.tasks.append(task)
        return task

    def send(self, name: str, weight: float) -> None:
        self.bucket.send(weight)
        self.sent.append((self.time(), name, weight))
        self.bucket.answered(weight)

    def most_in(self, seconds: float) -> float:
        """The most that was sent in any time as long as this."""
        return max(
            sum(weight for at, _, weight in self.sent if begin <= at < begin + seconds)
            for begin, _, _ in self.sent
        )


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    time = Time()
    made = Desk(window(time), time=time)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_what_is_there_is_taken_without_waiting(desk: Desk) -> None:
    await desk.bucket.take(15.0)
    assert desk.bucket.waited == 0.0
    assert desk.bucket.free() == 285.0  # a quarter of a minute's share less this


async def test_after_a_burst_the_share_flows_evenly(desk: Desk) -> None:
    for number in range(40):
        desk.collect(str(number), 15.0)
    await desk.time.advance(0.0)
    assert len(desk.sent) == 20  # 300: the share of 15 s
    await desk.time.advance(7.5)
    assert len(desk.sent) == 30  # 20 a second
    await desk.time.advance(7.5)
    assert len(desk.sent) == 40


async def test_no_minute_has_more_than_the_share(desk: Desk) -> None:
    for number in range(400):
        desk.collect(str(number), 15.0)
    await desk.time.advance(290.0)
    assert len(desk.sent) >= 0.95 * 290 * 20 / 15
    assert desk.most_in(60.0) <= SHARE


@settings(max_examples=30)
@given(
    demands=st.lists(
        st.tuples(st.floats(0.0, 30.0), st.floats(1.0, 60.0), st.lists(st.floats(1.0, 10.0), max_size=6)),
        min_size=1,
        max_size=60,
    ),
    share=st.floats(0.05, 1.0),
)
def test_the_share_is_kept_whatever_is_asked(
    demands: list[tuple[float, float, list[float]]], share: float
) -> None:
    async def run() -> None:
        time = Time()
        desk = Desk(window(time, Limit(600.0, 60.0), share=share), time=time)
        for number, (pause, weight, calls) in enumerate(demands):
            await time.advance(pause)
            desk.collect(str(number), min(weight, desk.bucket.largest), calls)
        await time.advance(20000.0)
        assert all(task.done() for task in desk.tasks)
        few = 10.0 if share < 1 / 6 else 0.0  # then it is rounded up to whole calls
        assert desk.most_in(60.0) <= 600.0 * share + few + 1e-6

    asyncio.run(run())


async def test_two_limits_hold_at_once() -> None:
    time = Time()
    minute, second = Limit(600.0, 60.0), Limit(10.0, 1.0)
    desk = Desk(
        window(time, minute, share=0.5, largest=1.0), window(time, second, share=0.5, largest=1.0), time=time
    )
    for number in range(600):
        desk.collect(str(number), 1.0)
    await time.advance(110.0)
    assert desk.most_in(1.0) <= 5.0
    assert desk.most_in(60.0) <= 300.0
    assert len(desk.sent) >= 500
    for task in desk.tasks:
        task.cancel()


async def test_first_come_first_served_whatever_it_weighs(desk: Desk) -> None:
    """A library that serves the lightest first would never serve the heavy one."""
    await desk.bucket.take(300.0)
    desk.collect("heavy", 200.0)
    for number in range(40):
        desk.collect(f"light {number}", 5.0)
    await desk.time.advance(10.1)
    assert [name for _, name, _ in desk.sent][:1] == ["heavy"]
    await desk.time.advance(10.0)
    assert [name for _, name, _ in desk.sent] == ["heavy", *(f"light {number}" for number in range(40))]


async def test_further_calls_of_a_collection_do_not_wait_for_the_fleet(desk: Desk) -> None:
    await desk.bucket.take(300.0)
    for number in range(100):
        desk.collect(str(number), 15.0, [5.0] if number == 0 else [])
    await desk.time.advance(2.6)
    assert [weight for _, name, weight in desk.sent if name == "0"] == [15.0, 5.0]


async def test_a_collection_with_many_calls_does_not_hold_up_the_fleet(desk: Desk) -> None:
    await desk.bucket.take(300.0)
    desk.collect("many", 5.0, [5.0] * 1000)
    for number in range(400):
        desk.collect(str(number), 5.0)
    await desk.time.advance(30.0)
    taken = Counter("many" if name == "many" else "fleet" for _, name, _ in desk.sent)
    assert taken["fleet"] == pytest.approx(60, abs=2)
    assert taken["many"] == pytest.approx(60, abs=2)


async def test_who_gives_up_loses_nothing_for_the_others(desk: Desk) -> None:
    await desk.bucket.take(300.0)
    impatient = desk.collect("impatient", 200.0)
    desk.collect("patient", 10.0)
    await desk.time.advance(0.4)
    assert desk.bucket.waiting == 2
    impatient.cancel()
    await desk.time.advance(0.2)
    assert [name for _, name, _ in desk.sent] == ["patient"]
    assert desk.bucket.waiting == 0


async def test_who_is_served_and_cancelled_in_the_same_moment_gives_it_back(desk: Desk) -> None:
    await desk.bucket.take(300.0)
    task = desk.collect("a", 20.0)
    await desk.time.advance(0.99)
    desk.time.now += 0.02
    desk.bucket.give_back(0.0)  # served now, and not told yet
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert desk.sent == []
    assert desk.bucket.free() == pytest.approx(20.2)


async def test_what_was_taken_and_is_not_needed_serves_the_next(desk: Desk) -> None:
    await desk.bucket.take(300.0)
    desk.collect("next", 100.0)
    await desk.time.advance(0.0)
    assert desk.sent == []
    desk.bucket.give_back(100.0)
    await desk.time.advance(0.0)
    assert [name for _, name, _ in desk.sent] == ["next"]


async def test_time_that_is_waited_is_counted(desk: Desk) -> None:
    await desk.bucket.take(300.0)
    desk.collect("a", 20.0)
    await desk.time.advance(5.0)
    assert desk.bucket.waited == pytest.approx(1.0)


async def test_a_share_smaller_than_one_call_holds_for_a_longer_window() -> None:
    """One request a second, half of it ours: one in two seconds, and not none for ever."""
    time = Time()
    desk = Desk(window(time, Limit(1.0, 1.0), share=0.5, largest=1.0), time=time)
    for number in range(5):
        desk.collect(str(number), 1.0)
    await time.advance(20.0)
    assert len(desk.sent) == 5
    assert desk.most_in(2.0) == 1.0


async def test_a_share_of_one_call_and_a_half_loses_no_half() -> None:
    time = Time()
    desk = Desk(window(time, Limit(3.0, 1.0), share=0.5, largest=1.0), time=time)
    for number in range(100):
        desk.collect(str(number), 1.0)
    await time.advance(60.0)
    assert desk.most_in(1.0) <= 2.0
    assert len(desk.sent) == pytest.approx(90, abs=4)
    for task in desk.tasks:
        task.cancel()


# What the venue tells


def hear(time: Time, one: Window, used: float, at: float, weight: float = 15.0) -> None:
    """A request of ours, answered at `at` seconds of the venue's clock after a full minute."""
    one.reserve(weight)
    one.send(weight, time())
    one.answered(weight, time(), Told(used, time(), 1_699_999_980.0 + at))


def test_what_the_venue_tells_bounds_what_is_free() -> None:
    time = Time()
    one = window(time)
    hear(time, one, used=2150.0, at=59.0)
    assert one.free(time()) <= 10.0  # to the line of 2,160
    time.now += 2.1
    assert one.free(time()) > 10.0


def test_what_others_use_is_planned_around() -> None:
    """A desk that uses 60 %: of what is left up to the line of nine tenths we plan with 720 a minute."""
    time = Time()
    one = window(time)
    assert one.per_second == pytest.approx(20.0)
    for minute in range(3):
        for second in range(0, 60, 2):
            ours = 24.0 * (second // 2 + 1)
            hear(time, one, used=24.0 * second + ours, at=60.0 * minute + second, weight=24.0)
            time.now += 2.0
    assert one.others == pytest.approx(1440.0, rel=0.05)
    assert one.per_second == pytest.approx(12.0, rel=0.1)


def test_however_much_others_use_some_of_the_share_is_planned_with() -> None:
    time = Time()
    one = window(time)
    hear(time, one, used=2400.0, at=58.0)
    assert one.per_second == pytest.approx(1.0)


async def test_whoever_waits_for_the_venues_minute_is_served_when_it_ends(desk: Desk) -> None:
    (one,) = desk.bucket.windows
    hear(desk.time, one, used=2400.0, at=50.0)
    desk.collect("a", 15.0)
    await desk.time.advance(10.9)
    assert desk.sent == []
    await desk.time.advance(1.2)  # a second later: its clock is told in whole seconds
    assert len(desk.sent) == 1


async def test_what_others_use_counts_at_once_and_when_the_limit_is_set_anew(desk: Desk) -> None:
    await desk.bucket.take(15.0)
    desk.bucket.send(15.0)
    assert desk.bucket.per_second == pytest.approx(20.0)
    desk.bucket.answered(15.0, Told(2400.0, desk.time(), 1_699_999_980.0 + 58.0))
    assert desk.bucket.per_second == pytest.approx(1.0)
    desk.bucket.resize([window(desk.time, largest=20.0)])
    assert desk.bucket.per_second == pytest.approx(1.0)


async def test_intervals_stretch_by_what_is_needed_over_what_is_ours(desk: Desk) -> None:
    desk.bucket.need = 10.0
    assert desk.bucket.stretch == 1.0
    desk.bucket.need = 2930.0 / 60
    assert desk.bucket.stretch == pytest.approx(2930 / 1200)
