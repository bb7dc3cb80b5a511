"""Live marks: what is valued anew, in which order, and what is not believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.account import ApiKeyConfig
from exporter.api import Api, Client
from exporter.config import Config
from exporter.errors import VenueError
from exporter.exposition import Format, Store
from exporter.fleet import Fleet
from exporter.livemarks import MarksJob
from exporter.model import AccountSnapshot, Marks, PublicPrice
from exporter.request import Endpoint
from exporter.scheduler import Scheduler
from exporter.telemetry import Telemetry
from tests.accounts import FakeClock, ScriptedVenue, position, sample, snapshot
from tests.desk import NETWORK, Desk
from tests.risk.optioned import AT, PRICE, Book, Line

MARKS = Endpoint("/marks", weight=10.0, signed=False)
AGE = "risk_collector_last_success_timestamp_seconds"


def marks(at: float, **prices: float) -> Marks:
    return Marks({symbol: PublicPrice(price, at) for symbol, price in prices.items()})


async def held(**config: Any) -> Desk:
    """A desk that was collected with one BTC, bought at 100, at a mark of 110."""
    desk = Desk(**config)
    desk.venue.says(snapshot(position("BTCUSDT", mark_price=110.0, unrealized_pnl=10.0)))
    await desk.collect()
    return desk


def value(desk: Desk, family: str) -> float | None:
    return next((float(line.split()[-1]) for line in desk.data() if line.startswith(family + "{")), None)


async def test_newer_marks_move_the_figures_and_not_their_age() -> None:
    desk = await held()
    collected_at = desk.last_success()
    desk.clock.advance(5.0)
    assert desk.collector_.revalue(marks(desk.clock(), BTCUSDT=90.0, ETHUSDT=1.0))
    assert value(desk, "risk_position_mark_price") == 90.0
    assert value(desk, "risk_position_unrealized_pnl") == -10.0
    assert value(desk, "risk_account_equity") == 980.0
    assert desk.last_success() == collected_at
    assert not desk.collector_.revalue(marks(desk.clock(), BTCUSDT=90.0)), "nothing has changed"
    desk.clock.advance(39.999)
    assert desk.data()
    desk.clock.advance(0.001)
    assert not desk.data(), "marks prolonged what is 45 s old"
    assert not desk.collector_.revalue(marks(desk.clock(), BTCUSDT=91.0)), "what is too old came back"
    assert not desk.data()


async def test_a_failing_account_is_valued_until_its_data_are_too_old() -> None:
    desk = await held()
    desk.venue.fails(NETWORK)
    desk.clock.advance(15.0)
    await desk.collect()
    assert desk.collector_.revalue(marks(desk.clock(), BTCUSDT=105.0))
    assert value(desk, "risk_account_equity") == 995.0
    assert desk.meta("risk_up") == 0.0


@pytest.mark.parametrize("age", [0.0, 0.1, 60.0])
async def test_marks_that_are_not_newer_than_the_snapshot_are_not_used(age: float) -> None:
    desk = await held()
    assert not desk.collector_.revalue(marks(desk.clock() - age, BTCUSDT=90.0))
    assert value(desk, "risk_position_mark_price") == 110.0


async def test_options_follow_the_index_price_of_their_coin() -> None:
    desk = Desk()
    desk.clock.advance(AT - desk.clock())
    book = Book((Line("call", 66_000.0, "short"), Line("put", 50_000.0, "long")), coins=0.5)
    desk.venue.says(book.snapshot())
    await desk.collect()
    desk.clock.advance(5.0)
    assert desk.collector_.revalue(Marks({}, {"BTC": PublicPrice(1.05 * PRICE, desk.clock())}))
    backing, required, equity = book.at(1.05)
    assert value(desk, "risk_account_margin_equity") == pytest.approx(backing)
    assert value(desk, "risk_account_maintenance_margin") == pytest.approx(required)
    assert value(desk, "risk_account_equity_usd") == pytest.approx(equity)


@pytest.mark.parametrize("price", [55.0, 220.0, 1e-9, 1e9, math.inf, math.nan, 0.0, -90.0])
async def test_an_absurd_mark_costs_nothing_but_itself(price: float) -> None:
    desk = Desk()
    both = (position("BTCUSDT", mark_price=110.0), position("ETHUSDT", mark_price=10.0))
    desk.venue.says(snapshot(*both))
    await desk.collect()
    desk.clock.advance(5.0)
    with capture_logs() as lines:
        assert desk.collector_.revalue(marks(desk.clock(), BTCUSDT=price, ETHUSDT=11.0))
    shown = {line.split('symbol="')[1][:3]: line.split()[-1] for line in desk.data() if "mark_price{" in line}
    assert shown == {"BTC": "110.0", "ETH": "11.0"}
    assert [line.get("symbols") for line in lines] == ["BTCUSDT"] * (price > 0.0 and math.isfinite(price))


async def test_values_that_cannot_be_published_leave_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await held()
    before = desk.data()
    desk.clock.advance(5.0)
    monkeypatch.setattr("exporter.collector.render", lambda *_: 1 / 0)
    with capture_logs() as lines:
        assert not desk.collector_.revalue(marks(desk.clock(), BTCUSDT=90.0))
    assert [line["event"] for line in lines] == ["not valued at the marks"]
    assert desk.data() == before


async def test_a_later_collection_is_not_valued_at_marks_before_it() -> None:
    desk = await held()
    desk.clock.advance(5.0)
    newest = marks(desk.clock(), BTCUSDT=90.0)
    desk.collector_.revalue(newest)
    desk.clock.advance(10.0)
    desk.venue.says(snapshot(position("BTCUSDT", mark_price=120.0, unrealized_pnl=20.0)))
    await desk.collect()
    assert not desk.collector_.revalue(newest)
    assert value(desk, "risk_position_mark_price") == 120.0


class Quoting(ScriptedVenue):
    """A venue with a call for marks."""

    name = "quoting"
    endpoints = (MARKS,)
    marks_endpoint = MARKS
    answer: Marks | VenueError = Marks({"BTCUSDT": PublicPrice(1.0, 1e12)})

    async def marks(self, api: Api) -> Marks:  # noqa: ARG002 (it asks nobody)
        if isinstance(self.answer, VenueError):
            raise self.answer
        return self.answer


class Account:
    """One whose valuing takes a while."""

    def __init__(self, name: str, nearest: float, clock: FakeClock, order: list[str], takes: float) -> None:
        self.nearest = nearest
        self._clock, self._name, self._order, self._takes = clock, name, order, takes

    def revalue(self, marks: Marks) -> bool:  # noqa: ARG002 (whatever they are)
        self._order.append(self._name)
        self._clock.advance(self._takes)
        return True


class Received:
    def __init__(self) -> None:
        self.at: list[float] = []

    def marks_received(self, exchange: str, way: int, asked_at: float) -> None:  # noqa: ARG002 (one way)
        self.at.append(asked_at)


def quoting(name: str = "a", **fields: Any) -> Quoting:
    entry = {"name": name, "exchange": "quoting", "api_key": "k", "api_secret": "s", **fields}
    return Quoting(ApiKeyConfig.model_validate(entry))


def job(
    clock: FakeClock, accounts: Sequence[Account], observer: Received, venue: Quoting | None = None
) -> MarksJob:
    venue = venue or quoting(interval=5.0, max_age=5.0)
    api = Client(Telemetry(), wall=clock, elapsed=clock).account(venue, only=MARKS)
    return MarksJob(venue, api, accounts, observer, 0, wall=clock, elapsed=clock)


async def test_the_nearest_come_first_and_who_was_left_out_comes_in_turn() -> None:
    """Half of the interval is spent at most: five seconds leave time for three accounts of a second."""
    clock, order = FakeClock(), list[str]()
    near = {"a": 0.5, "b": 0.1, "c": math.inf, "d": 0.3, "e": 0.4}
    accounts = [Account(name, far, clock, order, 1.0) for name, far in near.items()]
    marking = job(clock, accounts, Received())
    for expected in ("bde", "bad", "bcd", "bed"):
        order.clear()
        await marking.collect()
        assert "".join(order) == expected


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NETWORK, NETWORK.message),
        (Marks({}), "no symbols"),
        (Marks({"BTCUSDT": PublicPrice(1.0, FakeClock().now - 6.0)}), "the newest mark is 6 s old"),
    ],
)
async def test_what_brings_no_new_marks_values_nobody_and_is_no_success(
    answer: Marks | VenueError, said: str
) -> None:
    clock, order, received = FakeClock(), list[str](), Received()
    venue = quoting(interval=5.0, max_age=5.0)
    marking = job(clock, [Account("a", 0.1, clock, order, 0.0)], received, venue)
    venue.answer = answer
    with capture_logs() as lines:
        await marking.collect()
    assert (order, received.at) == ([], [])
    assert lines[0]["error"] == said
    venue.answer = marks(clock() - 5.0, BTCUSDT=1.0)
    await marking.collect()
    assert (order, received.at) == (["a"], [clock()])


def shown(telemetry: Telemetry, exchange: str = "quoting") -> tuple[float | None, float | None]:
    names = ("risk_marks_interval_seconds", "risk_marks_last_success_timestamp_seconds")
    found = [sample(telemetry, name, {"exchange": exchange}) for name in names]
    return found[0], found[1]


def test_the_oldest_of_several_ways_is_shown_once_all_have_brought_marks() -> None:
    telemetry = Telemetry()
    telemetry.watch_marks(["quoting", "other", "quoting"], interval=5.0)
    telemetry.marks_received("quoting", 0, 100.0)
    assert shown(telemetry) == (5.0, None)
    telemetry.marks_received("quoting", 2, 90.0)
    assert shown(telemetry) == (5.0, 90.0)
    telemetry.marks_received("quoting", 2, 120.0)
    assert shown(telemetry) == (5.0, 100.0)
    telemetry.watch_marks([], interval=0.0)
    assert shown(telemetry) == (None, None)


class Scripted(ScriptedVenue):
    """One without such a call."""

    async def fetch(self, api: Api) -> AccountSnapshot:  # noqa: ARG002 (it asks nobody)
        return snapshot(position("BTCUSDT"))


async def test_each_way_to_a_venue_asks_for_itself_and_nothing_is_asked_by_default() -> None:
    telemetry = Telemetry()
    scheduler = Scheduler(on_skipped=lambda _: None)
    fleet = Fleet(
        {"quoting": Quoting, "scripted": Scripted}, Client(telemetry), Store(telemetry), telemetry, scheduler
    )
    entry = {"exchange": "quoting", "api_key": "k", "api_secret": "s"}
    accounts = tuple(
        ApiKeyConfig.model_validate({**entry, "name": f"a{number}", **more})
        for number, more in enumerate(
            (
                {},
                {},
                {"proxy": "http://proxy:3128"},
                {"base_url": "https://test.example.org"},
                {"exchange": "scripted"},
            )
        )
    )

    def asking() -> list[str]:
        return [key for key in scheduler._entries if key.startswith("marks:")]

    await fleet.use(Config(accounts=accounts))
    assert asking() == []
    await fleet.use(Config(accounts=accounts, marks_interval=5.0))
    assert asking() == ["marks:0", "marks:1", "marks:2"]
    assert [len(job._accounts) for job in fleet._marks.values()] == [2, 1, 1]
    assert scheduler._entries["marks:0"].job.interval == 5.0
    page = Store(telemetry).page(Format.TEXT_0_0_4).decode()
    assert 'risk_marks_interval_seconds{exchange="quoting"} 5.0' in page
    assert 'risk_marks_interval_seconds{exchange="scripted"}' not in page
    await fleet.use(Config(accounts=accounts))
    assert asking() == []
