"""When an account is collected: as its request limit allows, and less often after failures."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.account import MAX_AGE_INTERVALS
from exporter.api import Api
from exporter.collector import Collector
from exporter.errors import Reason, VenueError
from exporter.exposition import Format
from exporter.limits import Limit, RequestBudget
from exporter.model import AccountSnapshot
from exporter.request import Endpoint
from exporter.telemetry import REPEAT_AFTER
from tests.accounts import Bench, ScriptedVenue, sample, scripted, snapshot
from tests.timers import rest

pytestmark = pytest.mark.paced

CALL = Endpoint("/account", weight=15.0)
INTERVAL = 15.0


class PacedVenue(ScriptedVenue):
    """2,400 a minute for an address, 15 a collection; asks nobody."""

    endpoints = (CALL,)
    each_collection = (CALL,)
    budgets = (RequestBudget("paced", (Limit(2400.0, 60.0),)),)


class Street(Bench):
    """Accounts behind one address."""

    def account(self, name: str = "desk", **config: Any) -> Collector:
        venue = PacedVenue(scripted(name, **{"interval": INTERVAL, **config}).config)
        venue.says(snapshot())
        made = self.collector(venue)
        made.run_in = lambda seconds: self.moved.append((name, seconds))
        return made

    def __init__(self) -> None:
        super().__init__()
        self.moved: list[tuple[str, float]] = []

    def meta(self, name: str, account: str = "desk", **labels: str) -> float | None:
        known = {"exchange": "scripted", "account": account, **labels}
        return sample(self.telemetry, f"risk_{name}", known)

    def use_up(self) -> None:
        """Nothing of the share is left for the next seconds."""
        (kept,) = self.client.pacing._kept.values()
        assert kept.bucket.take_now(kept.bucket.free())


def venue_of(collector: Collector) -> ScriptedVenue:
    assert isinstance(collector.venue, ScriptedVenue)
    return collector.venue


def failing(collector: Collector, reason: Reason) -> None:
    venue_of(collector).fails(VenueError(reason, f"scripted: {reason}"))


# The request limit


async def test_what_is_waited_for_the_limit_makes_data_no_older_and_no_collection_longer() -> None:
    street = Street()
    desk = street.account(timeout=10.0)
    street.use_up()
    task = asyncio.create_task(desk.collect())
    await rest()
    assert desk.waiting
    assert not desk.attempted
    street.clock.advance(20.0)
    (kept,) = street.client.pacing._kept.values()
    kept.bucket.give_back(0.0)  # instead of its timer, which is on the real clock
    assert await task is None
    assert street.moved == [("desk", INTERVAL)]  # from now: it keeps its distance from the others
    assert not desk.waiting
    assert street.meta("up") == 1.0
    assert street.meta("collector_last_success_timestamp_seconds") == street.clock()
    duration = "risk_collector_duration_seconds_sum"
    assert sample(street.telemetry, duration, {"exchange": "scripted"}) == 0.0


async def test_who_did_not_wait_is_collected_at_the_usual_time() -> None:
    street = Street()
    assert await street.account().collect() is None


async def test_who_finds_no_room_for_several_intervals_fails_and_says_why() -> None:
    street = Street()
    desk = street.account(interval=1.0, timeout=1.0)
    street.use_up()
    street.client.pacing.elapsed = street.clock
    with capture_logs() as lines:
        async with asyncio.timeout(20):
            await desk.collect()
    assert street.meta("up") == 0.0
    assert street.meta("collector_errors_total", reason="rate_limited") == 1.0
    assert lines[0]["error"].startswith("no room in the request budget `paced` for 3 s")


async def test_intervals_are_stretched_evenly_and_say_so() -> None:
    street = Street()
    desks = [street.account(f"desk-{number}") for number in range(40)]  # 40 × 60 of 1,200 a minute
    for number, desk in enumerate(desks):
        await desk.collect()
        assert desk.interval == 30.0
        assert street.meta("collector_effective_interval_seconds", f"desk-{number}") == 30.0
        assert street.meta("collector_interval_seconds", f"desk-{number}") == 15.0


@pytest.mark.parametrize(
    ("count", "config", "max_age"),
    [
        (10, {}, 45.0),
        (40, {}, 90.0),  # three of the intervals that are kept
        (40, {"max_age": 31.0}, 31.0),  # a desk's own word stays
        (400, {}, 300.0),  # but nothing without end: 300 s apart, data are not shown for 900
        (40, {"interval": 200.0}, 600.0),
    ],
)
async def test_how_long_data_are_shown_follows_the_interval_that_is_kept(
    count: int, config: dict[str, Any], max_age: float
) -> None:
    street = Street()
    desks = [street.account(f"desk-{number}", **config) for number in range(count)]
    await desks[0].collect()
    assert street.meta("collector_max_age_seconds", "desk-0") == max_age
    equity = 'risk_account_equity{exchange="scripted",account="desk-0"'
    for seconds, shown in ((max_age - 0.001, True), (0.001, False)):
        street.clock.advance(seconds)
        assert (equity in street.store.page(Format.TEXT_0_0_4).decode()) == shown


async def test_an_account_that_goes_leaves_room_for_the_others() -> None:
    street = Street()
    desks = [street.account(f"desk-{number}") for number in range(40)]
    for desk in desks[20:]:
        desk.close()
    assert desks[0].interval == INTERVAL


async def test_an_account_that_is_stopped_while_it_waits_takes_nothing() -> None:
    street = Street()
    desk = street.account()
    street.use_up()
    task = asyncio.create_task(desk.collect())
    await rest()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (state,) = street.client.pacing.states()
    assert state.waiting == 0
    assert not desk.waiting


# Failures


async def fail_until_it_backs_off(desk: Collector) -> float:
    pauses = [await desk.collect() for _ in range(3)]
    assert pauses[:2] == [None, None]
    assert pauses[2] is not None
    return pauses[2]


@pytest.mark.parametrize("reason", ["network", "timeout", "exchange", "auth", "permission"])
async def test_failures_are_shown_at_once_and_tried_less_often_from_the_third(reason: Reason) -> None:
    street = Street()
    desk = street.account()
    await desk.collect()
    failing(desk, reason)
    await desk.collect()
    assert street.meta("up") == 0.0
    assert street.meta("collector_next_attempt_timestamp_seconds", reason=reason) is None
    for _ in range(2):
        pause = await desk.collect()
    assert pause is not None
    assert pause > INTERVAL
    assert street.meta("collector_errors_total", reason=reason) == 3.0
    assert street.meta("collector_next_attempt_timestamp_seconds", reason=reason) == street.clock() + pause


async def test_after_a_success_everything_is_as_usual() -> None:
    street = Street()
    desk = street.account()
    failing(desk, "network")
    await fail_until_it_backs_off(desk)
    street.clock.advance(60.0)
    venue_of(desk).says(snapshot())
    assert await desk.collect() is None
    assert street.meta("up") == 1.0
    assert street.meta("collector_next_attempt_timestamp_seconds", reason="network") is None


async def test_backing_off_lets_data_live_no_longer() -> None:
    street = Street()
    desk = street.account()
    await desk.collect()
    failing(desk, "network")
    await fail_until_it_backs_off(desk)
    assert desk.max_age == MAX_AGE_INTERVALS * INTERVAL
    street.clock.advance(45.0)
    assert "risk_account_equity{" not in street.store.page(Format.TEXT_0_0_4).decode()


async def test_in_an_outage_a_few_ask_for_all_and_the_first_answer_brings_them_back() -> None:
    street = Street()
    desks = {f"desk-{number}": street.account(f"desk-{number}") for number in range(10)}
    asked: list[str] = []

    def hangs(name: str) -> None:
        async def script() -> AccountSnapshot:
            asked.append(name)
            raise VenueError("timeout", "scripted: no answer")

        venue_of(desks[name]).script = script

    for name, desk in desks.items():
        hangs(name)
        await fail_until_it_backs_off(desk)
    asked.clear()
    errors = street.meta("collector_errors_total", "desk-5", reason="timeout")
    street.clock.advance(300.0)
    pauses = [await desk.collect() for desk in desks.values()]
    assert asked == ["desk-0"]  # the others are not tried, and come again later
    assert all(pause is not None and pause > INTERVAL for pause in pauses)
    assert street.meta("collector_errors_total", "desk-5", reason="timeout") == errors
    assert street.meta("up", "desk-5") == 0.0
    assert street.meta("collector_next_attempt_timestamp_seconds", "desk-5", reason="timeout") is not None
    assert street.moved == []

    street.clock.advance(300.0)
    venue_of(desks["desk-3"]).says(snapshot())
    await desks["desk-3"].collect()
    assert {name for name, _ in street.moved} == set(desks) - {"desk-3"}
    assert all(0.0 < seconds <= 5.0 for _, seconds in street.moved)
    for desk in desks.values():
        venue_of(desk).says(snapshot())
        assert await desk.collect() is None
    assert all(street.meta("up", name) == 1.0 for name in desks)


async def test_an_account_that_fails_alone_backs_off_alone() -> None:
    street = Street()
    bad, good = street.account("bad"), street.account("good")
    failing(bad, "timeout")
    await good.collect()
    await fail_until_it_backs_off(bad)
    for _ in range(3):
        street.clock.advance(120.0)
        assert await good.collect() is None
        assert await bad.collect() is not None
    assert street.meta("collector_errors_total", "bad", reason="timeout") == 6.0
    assert street.moved == []


async def test_the_log_says_when_it_is_tried_again() -> None:
    street = Street()
    desk = street.account()
    failing(desk, "network")
    with capture_logs() as lines:
        await fail_until_it_backs_off(desk)
        street.clock.advance(REPEAT_AFTER)
        pause = await desk.collect()
    assert [line.get("next_try") for line in lines] == [None, f"in {pause:.0f}s"]


class Clumsy(PacedVenue):
    """Asks more than once what it declares once."""

    async def fetch(self, api: Api) -> AccountSnapshot:
        for _ in range(3):
            async with api.meter.call(CALL) as call:
                call.sent()
        return snapshot()


async def test_what_collections_really_take_decides() -> None:
    street = Street()
    collector = street.collector(Clumsy(scripted("desk", interval=INTERVAL).config))
    for _ in range(60):
        await collector.collect()
        street.clock.advance(INTERVAL)
    (state,) = street.client.pacing.states()
    assert state.needed == pytest.approx(180.0, rel=0.01)
