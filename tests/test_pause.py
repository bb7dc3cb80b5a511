"""Silence that a venue asks for: how long it is believed, and how it is found out that it is over."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web

from exporter.api import Api, Client
from exporter.errors import VenueError
from exporter.pause import FIRST_PROBE, LONGEST_PAUSE, RAREST_PROBE, Pause
from tests.toy import OPEN, SIGNED, FakeClock, Recorder, Time, ask, toy
from tests.venues.harness import VenueServer

DAY = 86400.0


def banned(text: str = "out") -> VenueError:
    return VenueError("banned", text)


def silent(pause: Pause, now: float) -> bool:
    try:
        pause.check(now)
    except VenueError:
        return True
    return False


def test_a_shorter_refusal_does_not_open_it_earlier() -> None:
    pause = Pause()
    pause.close(banned("long"), 1200.0, 1000.0)
    pause.close(VenueError("rate_limited", "short"), 1100.0, 1000.0)
    with pytest.raises(VenueError, match="long"):
        pause.check(1150.0)


def test_it_does_not_stay_closed_longer_because_the_clock_was_set_back() -> None:
    pause = Pause()
    pause.check(5000.0)
    pause.close(VenueError("rate_limited", "short"), 5010.0, 5000.0)
    with pytest.raises(VenueError, match="for another 10 s"):
        pause.check(1400.0)
    assert pause.check(1410.0) is False


def test_no_wait_is_believed_beyond_the_longest_ban_that_venues_document() -> None:
    """999999999999 seconds once blinded all accounts of a venue until the year 33715."""
    pause = Pause()
    for moment in (999999999999.0, math.inf):
        assert Pause().close(banned(), moment, 1000.0) == 1000.0 + LONGEST_PAUSE
    pause.close(banned(), 999999999999.0, 1000.0)
    assert 2 * DAY <= LONGEST_PAUSE <= 7 * DAY
    assert pause.check(1000.0 + LONGEST_PAUSE) is False


def probes(pause: Pause, begin: float, end: float, *, step: float = 15.0) -> list[float]:
    """When a caller that asks all the time is let through; every probe is refused with another long ban."""
    found = []
    now = begin
    while now < end:
        if not silent(pause, now):
            pause.probe(now)
            pause.close(banned(), now + 30 * DAY, now, probed=True)
            found.append(now - begin)
        now += step
    return found


def test_a_long_silence_is_probed_at_growing_intervals() -> None:
    pause = Pause()
    pause.close(banned(), 30 * DAY, 0.0)
    found = probes(pause, 0.0, 2 * DAY)
    gaps = [after - before for before, after in pairwise(found)]
    assert found[0] == FIRST_PROBE
    assert all(before < after or after >= RAREST_PROBE for before, after in pairwise(gaps))
    assert max(gaps) <= RAREST_PROBE + 15.0
    assert 8 <= len(found) <= 16


def test_a_short_silence_is_not_probed() -> None:
    pause = Pause()
    pause.close(banned(), 120.0, 0.0)
    assert all(silent(pause, float(now)) for now in range(120))
    assert pause.check(120.0) is False


def test_what_a_probe_is_told_counts_more_than_what_was_said_before() -> None:
    pause = Pause()
    pause.close(banned(), 2 * DAY, 0.0)
    assert pause.check(FIRST_PROBE) is True
    pause.probe(FIRST_PROBE)
    pause.close(banned(), FIRST_PROBE + 30.0, FIRST_PROBE, probed=True)
    assert silent(pause, FIRST_PROBE + 29.0)
    assert pause.check(FIRST_PROBE + 30.0) is False


def test_a_second_ban_begins_with_short_intervals_again() -> None:
    pause = Pause()
    pause.close(banned(), 30 * DAY, 0.0)
    probes(pause, 0.0, DAY)
    later = 10 * DAY
    assert pause.check(later) is False
    pause.close(banned(), later + 30 * DAY, later)
    assert probes(pause, later, later + DAY)[0] == FIRST_PROBE


@pytest.mark.parametrize("waiting", ["999999999999", "9" * 400])
async def test_one_absurd_answer_costs_minutes_and_is_shown(waiting: str) -> None:
    """Over HTTP: nothing is sent at first, one request finds out that it is over, and all goes on."""
    clock, recorder, count, bans = FakeClock(), Recorder(), 0, 1

    def handler(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        if count <= bans:
            return web.Response(status=429, headers={"Retry-After": waiting})
        return web.json_response({"time": 1})

    async def question(api: Api) -> None:
        for _ in range(20):
            with pytest.raises(VenueError) as caught:
                await api.get(OPEN, Time)
            assert caught.value.reason == "rate_limited"
        assert count == 1
        assert recorder.blocked == [1000.0 + LONGEST_PAUSE]
        clock.now += FIRST_PROBE
        assert (await api.get(OPEN, Time)).time == 1
        assert (await api.get(OPEN, Time)).time == 1
        assert recorder.blocked == [1000.0 + LONGEST_PAUSE, clock.now]

    await ask(handler, question, clock=clock, recorder=recorder)


async def test_only_one_of_many_accounts_finds_out_and_a_refusal_keeps_all_silent() -> None:
    clock, count = FakeClock(), 0

    def handler(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.Response(status=418, headers={"Retry-After": str(30 * 86400)})

    async with VenueServer({"/open": handler}) as server, Client(Recorder(), wall=clock) as client:
        accounts = [client.account(toy(server.base_url, name=f"desk-{number}")) for number in range(10)]

        async def all_ask() -> None:
            for api in accounts:
                with pytest.raises(VenueError):
                    await api.get(OPEN, Time)

        await all_ask()
        assert count == 1
        clock.now += FIRST_PROBE
        await all_ask()
        await all_ask()
        assert count == 2


async def test_requests_that_are_made_at_once_wait_for_the_one_that_finds_out() -> None:
    """A collection makes several: the refusal of one would cancel the probe among them, each time anew."""
    clock, recorder, count = FakeClock(), Recorder(), 0

    async def handler(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        if count == 1:
            return web.Response(status=429, headers={"Retry-After": "999999999999"})
        await asyncio.sleep(0.01)
        return web.json_response({"time": 1})

    async def collection(api: Api) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(api.get(OPEN, Time))

    async def question(api: Api) -> None:
        with pytest.raises(VenueError):
            await api.get(OPEN, Time)
        clock.now += FIRST_PROBE
        await collection(api)
        await collection(api)

    await ask(handler, question, clock=clock, recorder=recorder)
    assert count == 1 + 3 + 3


async def test_a_probe_that_is_cancelled_keeps_nobody_waiting() -> None:
    clock, count = FakeClock(), 0

    async def handler(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        if count == 2:
            await asyncio.sleep(60.0)
        return web.Response(status=429, headers={"Retry-After": "999999999999"})

    async def question(api: Api) -> None:
        with pytest.raises(VenueError):
            await api.get(OPEN, Time)
        clock.now += FIRST_PROBE
        probe = asyncio.create_task(api.get(OPEN, Time))
        while count < 2:  # noqa: ASYNC110 (the server counts)
            await asyncio.sleep(0.01)
        waiting = asyncio.create_task(api.get(OPEN, Time))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        probe.cancel()
        with pytest.raises(VenueError, match="no request is sent"):
            await waiting
        assert count == 2

    await ask(handler, question, clock=clock)


async def test_a_ban_of_one_account_does_not_keep_back_a_call_that_names_none() -> None:
    def handler(request: web.Request) -> web.Response:
        # No page and no venue's words: of this it cannot be told whom it is for.
        return web.Response(status=403) if request.path == "/signed" else web.json_response({"time": 1})

    async def question(api: Api) -> None:
        for _ in range(2):
            with pytest.raises(VenueError, match="firewall"):
                await api.get(SIGNED, Time)
            assert (await api.get(OPEN, Time)).time == 1

    await ask(handler, question)


def test_the_cap_is_documented() -> None:
    page = Path(__file__).parents[1] / "docs" / "metrics.md"
    assert "3 days" in page.read_text()
