"""A venue's clock: measured while other things go on, within reason, and again when it may be wrong."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from exporter import api as module
from exporter.answers import RETRY
from exporter.api import Api
from exporter.errors import VenueError
from exporter.seldom import Seldom
from exporter.venueclock import MOST_OFFSET, VenueClock
from tests.toy import OPEN, SIGNED, FakeClock, Recorder, Time, ask, json

DAY = 86400.0
NOW = 1_700_000_000.0


class TestMeasuring:
    @pytest.mark.parametrize("offset", [0.0, -3600.0, DAY, -DAY, MOST_OFFSET])
    def test_a_clock_may_be_days_away(self, offset: float) -> None:
        clock = VenueClock()
        clock.measured(NOW + offset, NOW - 1.0, NOW + 1.0)
        assert clock.offset == offset
        assert clock.milliseconds(NOW) == int((NOW + offset) * 1000)

    @pytest.mark.parametrize(
        "server", [1e30, -1e30, float("inf"), float("nan"), 0.0, NOW + MOST_OFFSET + 1.0]
    )
    def test_what_cannot_be_its_time_is_refused_and_the_last_measurement_stands(self, server: float) -> None:
        clock = VenueClock()
        clock.measured(NOW + 2.0, NOW, NOW)
        with pytest.raises(VenueError, match="more than 10 years from this machine's") as caught:
            clock.measured(server, NOW, NOW)
        assert caught.value.reason == "schema"
        assert clock.offset == 2.0


def test_answers_of_one_second_are_judged_alike() -> None:
    """A call that is made several times at once, at a server whose clock is 90 s behind; then by a cache."""
    clock = VenueClock()
    assert [clock.age("call", NOW - 90.0, NOW) for _ in range(3)] == [90.0] * 3
    assert [clock.age("call", NOW - 75.0, NOW + 15.2) for _ in range(3)] == [0.0] * 3
    assert clock.age("call", NOW - 75.0, NOW + 30.0) == 105.0


async def measured_now() -> None:
    """Lets a measurement that nobody waits for come to its end."""
    await asyncio.sleep(0.2)


async def test_an_absurd_time_once_does_not_silence_an_account_for_ever() -> None:
    ticking, absurd = FakeClock(), True

    def handler(request: web.Request) -> web.Response:
        venue_time = ticking.now + 100.0
        if request.path == "/open":
            return web.json_response({"time": 1e30 if absurd else venue_time})
        # As venues refuse timestamps that they take for no timestamp: the reason is not the clock.
        fits = abs(int(request.query["timestamp"]) / 1000 - venue_time) < 5.0
        return web.json_response({"time": 1}, status=200 if fits else 401)

    async def question(api: Api) -> None:
        nonlocal absurd
        api.watch_clock(600.0)
        await measured_now()
        absurd = False
        with pytest.raises(VenueError, match="HTTP 401"):
            await api.get(SIGNED, Time)
        await measured_now()
        # What failed is left alone for a minute; then a refusal that it explains measures it again.
        ticking.now += RETRY
        with pytest.raises(VenueError, match="HTTP 401"):
            await api.get(SIGNED, Time)
        await measured_now()
        assert (await api.get(SIGNED, Time)).time == 1

    recorder = Recorder()
    await ask(handler, question, clock=ticking, recorder=recorder)
    assert recorder.offsets == [100.0]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_that_a_wrong_clock_explains_measures_it_again(status: int) -> None:
    """Some venues call a wrong timestamp a wrong signature. Our clock was set back since it was measured."""
    ticking, venue_time, stamps = FakeClock(5000.0), 5000.0, []

    def handler(request: web.Request) -> web.Response:
        if request.path == "/open":
            return web.json_response({"time": venue_time})
        stamps.append(int(request.query["timestamp"]) / 1000)
        fits = abs(stamps[-1] - venue_time) < 5.0
        return web.json_response({"time": venue_time}, status=200 if fits else status)

    async def question(api: Api) -> None:
        await api.synchronise_clock()
        await api.get(SIGNED, Time)
        ticking.now -= 3600.0
        with pytest.raises(VenueError):
            await api.get(SIGNED, Time)
        await measured_now()
        await api.get(SIGNED, Time)

    await ask(handler, question, clock=ticking)
    assert stamps == [5000.0, 1400.0, 5000.0]


async def test_the_refusal_is_told_and_not_that_the_time_could_not_be_asked() -> None:
    def handler(request: web.Request) -> web.Response:
        return web.json_response(
            {"time": 1e30} if request.path == "/open" else {}, status=200 if request.path == "/open" else 400
        )

    with pytest.raises(VenueError, match="the timestamp is off") as caught:
        await ask(handler, lambda api: api.get(SIGNED, Time))
    assert caught.value.reason == "clock"


async def test_a_refusal_is_told_in_time_though_the_clock_call_hangs() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/open":
            await asyncio.sleep(10.0)
        return web.json_response({}, status=400)

    began = time.monotonic()
    with pytest.raises(VenueError, match="the timestamp is off"):
        await ask(handler, lambda api: api.get(SIGNED, Time), timeout=0.5)
    assert time.monotonic() - began < 5.0


async def test_a_clock_that_is_not_measured_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """51 lines in 10 seconds."""
    ticking = FakeClock()
    monkeypatch.setattr(module, "_seldom", Seldom(elapsed=ticking))

    async def question(api: Api) -> None:
        for _ in range(51):
            api.watch_clock(0.0)
            await asyncio.sleep(0.01)
            ticking.now += 10 / 51

    with capture_logs() as lines:
        await ask(json({"time": None}, status=500), question, clock=ticking)
    assert [line["event"] for line in lines] == ["clock not measured"]
    assert "HTTP 500" in lines[0]["error"]


# Answers that a cache on the way has kept


def old(age: float, **headers: str) -> web.Response:
    return web.json_response({"time": 1}, headers={"Date": formatdate(NOW - age, usegmt=True), **headers})


async def asked_again(*answers: web.Response, clock: FakeClock | None = None) -> list[VenueError | None]:
    """What comes of asking for the answers one after the other, every 15 seconds; data are kept for 45 s."""
    ticking, rest = clock or FakeClock(NOW), list(answers)
    found: list[VenueError | None] = []

    async def question(api: Api) -> None:
        for _ in answers:
            try:
                await api.get(SIGNED, Time)
                found.append(None)
            except VenueError as error:
                found.append(error)
            ticking.now += 15.0

    def handler(request: web.Request) -> web.Response:
        return rest.pop(0) if request.path == "/signed" else web.Response(status=500)

    await ask(handler, question, clock=ticking, interval=15.0)
    return found


@pytest.mark.parametrize(
    ("answer", "age"),
    [
        (old(0.0, Age="3600"), 3600),
        (old(3600.0), 3600),
        (old(3600.0, Age="3600"), 3600),
        (old(0.0, Age="46"), 46),
    ],
    ids=["age", "date", "both", "just too old"],
)
async def test_an_answer_that_is_older_than_data_may_be_is_a_failure(answer: web.Response, age: int) -> None:
    (error,) = await asked_again(answer)
    assert error is not None
    assert error.reason == "network"
    assert f"toy GET /signed: the answer is {age} s old, more than 45 s" in error.message
    assert "cache on the way" in error.message


@pytest.mark.parametrize(
    "answer",
    [
        old(0.0),
        old(40.0),
        old(0.0, Age="45"),
        old(-7200.0),
        web.json_response({"time": 1}, headers={"Date": "yesterday", "Age": "old"}),
    ],
    ids=["new", "40 s", "45 s", "ahead of ours", "nonsense"],
)
async def test_one_that_is_not_passes(answer: web.Response) -> None:
    assert await asked_again(answer) == [None]


async def test_a_frozen_date_is_a_cache_and_one_that_goes_on_is_a_server_whose_clock_is_wrong() -> None:
    frozen = await asked_again(*(old(3600.0) for _ in range(4)))
    assert [error is None for error in frozen] == [False] * 4
    going_on = await asked_again(*(old(3600.0 - 15.0 * number) for number in range(4)))
    assert [error is None for error in going_on] == [False, True, True, True]


async def test_an_answer_that_is_kept_for_an_hour_may_be_an_hour_old() -> None:
    """Lists of contracts come from a content delivery network."""

    async def contracts(api: Api) -> Time:
        return await api.get(OPEN, Time)

    async def question(api: Api) -> None:
        assert (await api.venue_cached(contracts, 3600.0)).time == 1
        with pytest.raises(VenueError, match="the answer is 300 s old"):
            await api.get(OPEN, Time)

    await ask(lambda _: old(300.0, Age="300"), question, clock=FakeClock(NOW))


async def test_old_is_what_is_so_by_both_clocks() -> None:
    """Ours is an hour ahead, as was measured: nothing is old."""

    def handler(_: web.Request) -> web.Response:
        return web.json_response(
            {"time": NOW - 3600.0}, headers={"Date": formatdate(NOW - 3600.0, usegmt=True)}
        )

    async def question(api: Api) -> None:
        await api.synchronise_clock()
        await api.get(SIGNED, Time)

    await ask(handler, question, clock=FakeClock(NOW))


async def test_an_answer_that_tells_its_own_time_is_judged_by_it() -> None:
    async def question(api: Api) -> None:
        await api.synchronise_clock()
        api.made_at(OPEN, None)
        api.made_at(OPEN, NOW + 60.0 - 45.0)
        with pytest.raises(VenueError, match="toy GET /open: the answer is 46 s old") as caught:
            api.made_at(OPEN, NOW + 60.0 - 46.0)
        assert caught.value.reason == "network"
        # No cache keeps an answer for years: the field means something else by now.
        api.made_at(OPEN, NOW - 4 * 365 * 86400.0)

    await ask(json({"time": NOW + 60.0}), question, clock=FakeClock(NOW))
