"""One account's cycle: what the page says in every state."""

from __future__ import annotations

import asyncio

import pytest

from exporter.api import Api
from exporter.errors import VenueError
from exporter.exposition import Format
from exporter.model import AccountSnapshot
from tests.accounts import API_SECRET, Bench, position, sample, scripted, snapshot
from tests.desk import NETWORK, Desk
from tests.risk.optioned import AT, DAY, PRICE, Book, Line


async def test_collected_and_fresh_data_are_present() -> None:
    desk = Desk()
    began = desk.clock()
    desk.venue.says(snapshot(position("BTCUSDT")))
    await desk.collect()
    assert 'risk_account_equity{exchange="scripted",account="desk-a",currency="USDT"} 1000.0' in desk.page()
    assert desk.meta("risk_up") == 1.0
    assert desk.last_success() == began


async def test_options_are_valued_at_the_time_of_their_collection() -> None:
    """Ten days later they have ten days less, and a short one wins more with each."""
    desk = Desk()
    book = Book((Line("call", PRICE, "short"),), coins=1.0)
    worth = []
    for passed in (0.0, 10.0 * DAY):
        desk.clock.advance(AT + passed - desk.clock())
        desk.venue.says(book.snapshot())
        await desk.collect()
        lines = [line for line in desk.page() if line.startswith("risk_account_theta_usd")]
        worth += [float(line.rpartition(" ")[2]) for line in lines]
    assert len(worth) == 2
    assert 0.0 < worth[0] < worth[1]


async def test_failing_and_young_data_are_kept_while_up_is_zero_at_once() -> None:
    desk = Desk()
    began = desk.clock()
    desk.venue.says(snapshot(position("BTCUSDT")))
    await desk.collect()
    before = desk.data()
    desk.venue.fails(NETWORK)
    for failures, _ in enumerate((15.0, 30.0), start=1):
        desk.clock.advance(15.0)
        await desk.collect()
        assert desk.meta("risk_up") == 0.0
        assert desk.errors("network") == failures
        assert desk.data() == before
        assert desk.last_success() == began


async def test_failing_and_old_data_vanish_together_at_max_age() -> None:
    desk = Desk()
    began = desk.clock()
    desk.venue.says(snapshot(position("BTCUSDT")))
    await desk.collect()
    desk.venue.fails(NETWORK)
    for _ in range(2):
        desk.clock.advance(15.0)
        await desk.collect()
    before = desk.data()
    desk.clock.advance(14.999)
    assert desk.data() == before
    desk.clock.advance(0.001)
    assert desk.data() == []
    await desk.collect()
    assert desk.data() == []
    assert desk.meta("risk_up") == 0.0
    assert desk.last_success() == began


async def test_data_vanish_at_max_age_even_if_no_collection_ever_ends_again() -> None:
    desk = Desk()
    desk.venue.says(snapshot())
    await desk.collect()
    desk.clock.advance(45.0)
    assert desk.data() == []


async def test_never_collected_means_no_data_and_no_last_success() -> None:
    desk = Desk()
    assert desk.data() == []
    assert desk.meta("risk_up") == 0.0
    assert desk.last_success() is None
    desk.venue.fails(NETWORK)
    await desk.collect()
    assert desk.data() == []
    assert desk.meta("risk_up") == 0.0
    assert desk.last_success() is None


async def test_a_closed_position_is_gone_with_the_next_collection() -> None:
    desk = Desk()
    desk.venue.says(snapshot(position("BTCUSDT"), position("ETHUSDT")))
    await desk.collect()
    desk.venue.says(snapshot(position("ETHUSDT")))
    desk.clock.advance(15.0)
    await desk.collect()
    assert not [line for line in desk.page() if "BTCUSDT" in line]
    assert [line for line in desk.page() if "ETHUSDT" in line]


async def test_everything_returns_when_the_venue_does() -> None:
    desk = Desk()
    desk.venue.says(snapshot(position("BTCUSDT")))
    await desk.collect()
    before = desk.data()
    desk.venue.fails(NETWORK)
    desk.clock.advance(60.0)
    await desk.collect()
    assert desk.data() == []
    desk.venue.says(snapshot(position("BTCUSDT")))
    desk.clock.advance(15.0)
    began = desk.clock()
    await desk.collect()
    assert desk.data() == before
    assert desk.meta("risk_up") == 1.0
    assert desk.last_success() == began


async def test_a_removed_account_is_gone_from_the_page() -> None:
    desk = Desk()
    desk.venue.says(snapshot(position("BTCUSDT")))
    await desk.collect()
    desk.collector_.close()
    assert not [line for line in desk.page() if 'account="desk-a"' in line]


async def test_age_and_last_success_count_from_the_beginning_of_the_collection() -> None:
    """The venue's answer may be as old as the request."""
    desk = Desk()
    began = desk.clock()

    async def slow() -> AccountSnapshot:
        desk.clock.advance(8.0)
        return snapshot()

    desk.venue.script = slow
    await desk.collect()
    assert desk.last_success() == began
    assert sample(
        desk.telemetry, "risk_collector_duration_seconds_sum", {"exchange": "scripted"}
    ) == pytest.approx(8.0)
    desk.clock.advance(37.0 - 0.001)
    assert desk.data()
    desk.clock.advance(0.001)
    assert desk.data() == []


async def test_one_failing_account_leaves_the_others_alone() -> None:
    bench = Bench()
    good, bad = scripted("good"), scripted("bad")
    good.says(snapshot())
    bad.fails(RuntimeError("a defect"))
    collectors = [bench.collector(venue) for venue in (bad, good)]
    await asyncio.gather(*(collector.collect() for collector in collectors))
    page = bench.store.page(Format.TEXT_0_0_4).decode()
    assert 'risk_up{account="good",exchange="scripted"} 1.0' in page
    assert 'risk_up{account="bad",exchange="scripted"} 0.0' in page
    assert 'risk_account_equity{exchange="scripted",account="good",currency="USDT"} 1000.0' in page


async def test_a_collection_that_takes_too_long_is_a_timeout() -> None:
    desk = Desk(timeout=0.001)

    async def never() -> AccountSnapshot:
        await asyncio.Event().wait()
        raise AssertionError

    desk.venue.script = never
    await desk.collect()
    assert desk.errors("timeout") == 1.0
    assert "longer than 0.001 s" in desk.collector_.status().message


async def test_a_timeout_of_something_else_is_a_defect() -> None:
    """Adapters and the HTTP client turn theirs into errors of the venue."""
    desk = Desk()
    desk.venue.fails(TimeoutError())
    await desk.collect()
    assert desk.errors("internal") == 1.0
    assert desk.errors("timeout") == 0.0


async def test_two_rows_that_would_be_one_series_are_a_schema_error() -> None:
    desk = Desk()
    desk.venue.says(snapshot(position("BTCUSDT"), position("BTCUSDT")))
    await desk.collect()
    assert desk.errors("schema") == 1.0
    assert "BTCUSDT" in desk.collector_.status().message


async def test_a_result_that_cannot_be_rendered_keeps_the_last_one() -> None:
    desk = Desk()
    desk.venue.says(snapshot())
    await desk.collect()
    before = desk.data()
    desk.venue.says(snapshot(equity=5.0, modes={"not a label": "x"}))
    desk.clock.advance(15.0)
    await desk.collect()
    assert desk.errors("internal") == 1.0
    assert desk.data() == before


async def test_a_cancelled_collection_is_neither_a_success_nor_a_failure() -> None:
    desk = Desk()
    entered = asyncio.Event()

    async def hang() -> AccountSnapshot:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    desk.venue.script = hang
    task = asyncio.create_task(desk.collect())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.meta("risk_collector_runs_total") == 0.0
    assert not desk.collector_.attempted


@pytest.mark.parametrize("outcome", ["success", "failure", "defect"])
async def test_the_first_attempt_counts_however_it_ends(outcome: str) -> None:
    desk = Desk()
    assert not desk.collector_.attempted
    if outcome == "success":
        desk.venue.says(snapshot())
    else:
        desk.venue.fails(NETWORK if outcome == "failure" else KeyError("x"))
    await desk.collect()
    assert desk.collector_.attempted


async def test_the_status_follows_the_account() -> None:
    desk = Desk()
    status = desk.collector_.status()
    assert (status.state, status.fresh, status.last_success_age, status.reason) == (
        "starting",
        False,
        None,
        None,
    )
    desk.venue.says(snapshot())
    await desk.collect()
    desk.clock.advance(10.0)
    status = desk.collector_.status()
    assert (status.state, status.fresh, status.last_success_age, status.reason) == ("up", True, 10.0, None)
    desk.venue.fails(NETWORK)
    await desk.collect()
    desk.clock.advance(50.0)
    status = desk.collector_.status()
    assert (status.state, status.fresh, status.last_success_age) == ("failing", False, 60.0)
    assert (status.reason, status.message) == ("network", NETWORK.message)


async def test_the_venues_clock_is_measured_every_ten_minutes() -> None:
    desk = Desk()
    desk.venue.says(snapshot())
    desk.venue.server_clock = desk.clock() + 2.5
    for _ in range(3):
        await desk.collect()
        desk.clock.advance(200.0)
    assert desk.venue.asked_for_time == 1
    offset = sample(desk.telemetry, "risk_api_clock_offset_seconds", {"exchange": "scripted"})
    assert offset == 2.5
    await desk.collect()
    assert desk.venue.asked_for_time == 2


@pytest.mark.parametrize("answer", [None, VenueError("exchange", "no time today")])
async def test_a_clock_that_cannot_be_measured_costs_nothing(answer: VenueError | None) -> None:
    desk = Desk()
    desk.venue.says(snapshot())
    desk.venue.server_clock = answer
    await desk.collect()
    assert desk.venue.asked_for_time == 1
    assert desk.meta("risk_up") == 1.0
    assert desk.errors("exchange") == 0.0


async def test_the_clock_is_not_measured_while_the_account_fails() -> None:
    desk = Desk()
    desk.venue.fails(NETWORK)
    await desk.collect()
    assert desk.venue.asked_for_time == 0


async def test_a_clock_call_that_hangs_costs_nothing() -> None:
    """It halved the rate of collections: each waited for it."""
    desk = Desk(timeout=30.0)
    desk.venue.says(snapshot())
    hanging = asyncio.Event()

    async def hang(api: Api) -> float | None:  # noqa: ARG001 (it asks nobody)
        desk.venue.asked_for_time += 1
        await hanging.wait()
        return desk.clock()

    desk.venue.server_time = hang  # type: ignore[method-assign]  # for this test
    async with asyncio.timeout(5.0):
        for _ in range(3):
            await desk.collect()
            desk.clock.advance(15.0)
    assert desk.meta("risk_collector_runs_total") == 3.0
    assert desk.meta("risk_up") == 1.0
    assert desk.venue.asked_for_time == 1
    hanging.set()
    await asyncio.sleep(0)


async def test_the_risk_page_knows_what_the_collector_knows() -> None:
    desk = Desk()
    standing = desk.collector_.standing
    assert standing.state(desk.clock()) == "starting"
    desk.venue.says(snapshot(position("BTCUSDT", mark_price=100.0, liquidation_price=90.0)))
    await desk.collect()
    fresh = standing.fresh(desk.clock())
    assert fresh is not None
    assert (fresh.figures.nearest_distance, fresh.began_at) == (0.1, desk.clock())
    assert (standing.state(desk.clock()), standing.interval, standing.max_age) == ("up", 15.0, 45.0)

    desk.clock.advance(15.0)
    desk.venue.fails(VenueError("auth", f"refused {API_SECRET}"))
    for _ in range(4):
        await desk.collect()
    assert standing.state(desk.clock()) == "failing"
    (error,) = standing.errors
    assert (error.reason, error.message, error.count) == ("auth", "refused [redacted]", 4)
    assert standing.next_attempt is not None
    assert standing.next_attempt > desk.clock()
    # The page shows figures exactly as long as the metrics do.
    for seconds, state in ((29.9, "failing"), (0.1, "stale")):
        desk.clock.advance(seconds)
        assert standing.state(desk.clock()) == state
        assert bool(desk.data()) == (state == "failing")


async def test_the_risk_page_tells_what_a_collection_did_without() -> None:
    desk = Desk()

    async def script() -> AccountSnapshot:
        api = vars(desk.collector_)["_api"]

        async def fail() -> None:
            raise VenueError("exchange", f"not now, {API_SECRET}")

        await api.optional(fail())
        return snapshot()

    desk.venue.script = script
    for _ in range(2):
        await desk.collect()
    assert list(desk.collector_.standing.missed) == ["not now, [redacted]"]
    desk.venue.says(snapshot())
    await desk.collect()
    assert list(desk.collector_.standing.missed) == []
