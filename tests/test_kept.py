"""What can be missed costs what it is for and nothing else, over real connections."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web

from exporter import deadline
from exporter.answers import RETRY
from exporter.api import Api, Client
from exporter.errors import VenueError
from exporter.tasks import together
from tests.toy import OPEN, SIGNED, FakeClock, Recorder, Time, ask, toy
from tests.venues.harness import VenueServer


class Venue:
    """Answers at once, except for one path, which hangs while it is told to."""

    def __init__(self, hangs: str = "/open") -> None:
        self.hangs = hangs
        self.well = asyncio.Event()
        self.asked = 0
        self.value = 1.0

    async def __call__(self, request: web.Request) -> web.Response:
        if request.path == self.hangs:
            self.asked += 1
            await self.well.wait()
        return web.json_response({"time": self.value})


async def side(api: Api) -> float:
    return (await api.get(OPEN, Time)).time


async def collection(api: Api, *sides: Any, within: float) -> tuple[float | None, float]:
    """What a collection of these sides and one call that is needed gets of the first, and its seconds."""
    began = time.monotonic()
    async with deadline.within(within):
        found, *_ = await together(*(api.optional(one) for one in sides))
        await api.get(SIGNED, Time)
    return found, time.monotonic() - began


async def test_a_call_that_hangs_is_missing_and_the_collection_is_complete() -> None:
    recorder = Recorder()

    async def question(api: Api) -> None:
        found, _ = await collection(api, api.get(OPEN, Time), within=2.0)
        assert found is None

    await ask(Venue(), question, recorder=recorder, timeout=2.0)
    assert [error.reason for error in recorder.optional] == ["timeout"]
    assert "toy GET /open: no complete answer within" in recorder.optional[0].message
    assert ("toy", "/open", "timeout") in recorder.requests
    assert ("toy", "/signed", "200") in recorder.requests


async def test_however_many_hang_one_after_the_other_there_is_time_for_what_is_needed() -> None:
    async def question(api: Api) -> None:
        async with deadline.within(4.0):
            for _ in range(3):
                assert await api.optional(api.get(OPEN, Time)) is None
            assert (await api.get(SIGNED, Time)).time == 1.0

    await ask(Venue(), question, timeout=4.0)


async def test_a_kept_answer_that_comes_late_is_there_for_the_next_collection() -> None:
    venue, recorder = Venue(), Recorder()

    async def question(api: Api) -> None:
        found, _ = await collection(api, api.venue_cached(side, 10), within=1.0)
        assert found is None
        venue.well.set()
        await asyncio.sleep(0.1)
        found, _ = await collection(api, api.venue_cached(side, 10), within=1.0)
        assert found == 1.0

    await ask(venue, question, recorder=recorder, timeout=5.0)
    assert venue.asked == 1
    assert [error.reason for error in recorder.optional] == ["timeout"]
    assert recorder.optional[0].message.startswith("toy GET /open: no answer within")


@pytest.mark.parametrize("kind", ["venue_cached", "account_cached"])
async def test_yesterday_s_answer_serves_while_today_s_hangs(kind: str) -> None:
    """Also where nobody called it optional: an old answer is there, so that it can be missed."""
    venue, recorder, clock = Venue(), Recorder(), FakeClock()
    venue.well.set()

    async def question(api: Api) -> None:
        async def cached() -> tuple[float, float]:
            began = time.monotonic()
            async with deadline.within(2.0):
                return await getattr(api, kind)(side, 10, grace=86400.0), time.monotonic() - began

        assert (await cached())[0] == 1.0
        venue.well.clear()
        venue.value = 2.0
        clock.now += 3600.0
        found, first = await cached()
        assert found == 1.0
        # It was too late: the next collection does not wait for so long.
        found, second = await cached()
        assert found == 1.0
        assert second < first
        venue.well.set()
        await asyncio.sleep(0.1)
        assert (await cached())[0] == 2.0

    await ask(venue, question, clock=clock, recorder=recorder, timeout=5.0)
    assert {error.reason for error in recorder.optional} == {"timeout"}
    assert venue.asked == 2


async def test_what_failed_is_left_alone_for_a_minute_where_an_older_answer_serves() -> None:
    clock, recorder, count, works = FakeClock(), Recorder(), 0, True

    def handler(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.json_response({"time": 5} if works else {}, status=200 if works else 500)

    async def question(api: Api) -> None:
        nonlocal works
        await api.venue_cached(side, 10, grace=86400.0)
        works = False
        clock.now += 10.0
        for _ in range(20):
            assert await api.venue_cached(side, 10, grace=86400.0) == 5.0
            clock.now += RETRY / 20
        assert count == 2
        works = True
        await api.venue_cached(side, 10, grace=86400.0)
        assert count == 3

    await ask(handler, question, clock=clock, recorder=recorder)
    assert [error.reason for error in recorder.optional] == ["exchange"]


async def test_one_slow_account_does_not_keep_another_blind() -> None:
    """Both share a call that hangs once. The quick one (2 s in the issue) waited 31 s for it."""
    asked = 0

    async def handler(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked == 1:
            await asyncio.sleep(30.0)
        return web.json_response({"time": asked})

    async with VenueServer({"/open": handler}) as server, Client(Recorder(), wall=FakeClock()) as client:
        slow = client.account(toy(server.base_url, timeout=30.0))
        quick = client.account(toy(server.base_url, timeout=0.5))
        hanging = asyncio.ensure_future(slow.venue_cached(side, 10))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        with pytest.raises(VenueError, match="no answer within"):
            await quick.venue_cached(side, 10)
        assert await quick.venue_cached(side, 10) == 2.0
        assert time.monotonic() - began < 5.0
        assert not hanging.done()
        assert await slow.venue_cached(side, 10) == 2.0
        hanging.cancel()


async def test_the_quick_account_s_timeout_is_not_that_of_the_patient_one() -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(1.0)
        return web.json_response({"time": 1})

    async with VenueServer({"/open": handler}) as server, Client(Recorder(), wall=FakeClock()) as client:
        quick = client.account(toy(server.base_url, timeout=0.2))
        patient = client.account(toy(server.base_url, timeout=10.0))
        first = asyncio.ensure_future(quick.venue_cached(side, 10))
        await asyncio.sleep(0.05)
        second = asyncio.ensure_future(patient.venue_cached(side, 10))
        with pytest.raises(VenueError, match="still awaited"):
            await first
        assert await second == 1.0
        assert len(server.requests) == 1


async def test_a_call_that_may_only_be_refused_is_waited_for_as_any_other() -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(1.2)
        return web.json_response({"time": 1})

    async def question(api: Api) -> None:
        async with deadline.within(2.0):
            assert await api.optional(api.get(OPEN, Time), only={"permission"}) is not None

    await ask(handler, question, timeout=2.0)


async def test_the_text_of_a_collection_that_is_too_slow_names_the_call() -> None:
    async def question(api: Api) -> None:
        with pytest.raises(VenueError, match="toy GET /signed: no complete answer within") as caught:
            async with deadline.within(2.0):
                await api.get(SIGNED, Time)
        assert caught.value.reason == "timeout"

    await ask(Venue("/signed"), question, timeout=2.0)
