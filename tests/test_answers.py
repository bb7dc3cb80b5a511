"""Answers that are kept for a while, and those that can be missed."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from exporter.answers import SharedAnswers
from exporter.api import Api
from exporter.errors import VenueError
from tests.toy import (
    OPEN,
    FakeClock,
    Recorder,
    Time,
    ask,
    json,
)


class TestSharedAnswers:
    async def test_many_who_ask_at_once_cause_one_request(self) -> None:
        shared, calls, gate = SharedAnswers(FakeClock()), 0, asyncio.Event()

        async def fetch() -> int:
            nonlocal calls
            calls += 1
            await gate.wait()
            return 7

        waiting = [asyncio.ensure_future(shared.get("key", 10, fetch)) for _ in range(20)]
        for _ in range(3):
            await asyncio.sleep(0)
        gate.set()
        assert await asyncio.gather(*waiting) == [7] * 20
        assert calls == 1

    async def test_an_answer_is_used_until_it_is_too_old(self) -> None:
        clock = FakeClock()
        shared, calls = SharedAnswers(clock, chance=lambda: 0.0), 0

        async def fetch() -> int:
            nonlocal calls
            calls += 1
            return calls

        assert await shared.get("key", 10, fetch) == 1
        clock.now += 9.9
        assert await shared.get("key", 10, fetch) == 1
        clock.now += 0.1
        assert await shared.get("key", 10, fetch) == 2

    async def test_what_was_asked_for_at_once_is_not_asked_for_again_at_once(self) -> None:
        """A thousand accounts that start together would ask for their settings in one second of each hour."""
        clock = FakeClock()
        chances = iter([0.0, 0.5, 0.99])
        shared = SharedAnswers(clock, chance=lambda: next(chances, 0.0))
        asked: list[str] = []

        async def fetch(name: str) -> None:
            asked.append(name)

        async def ask() -> list[str]:
            asked.clear()
            for name in ("a", "b", "c"):
                await shared.get(name, 3600.0, lambda name=name: fetch(name))  # type: ignore[misc]
            return [*asked]

        assert await ask() == ["a", "b", "c"]
        clock.now += 3200.0
        assert await ask() == []
        clock.now += 60.0
        assert await ask() == ["c"]
        clock.now += 180.0
        assert await ask() == ["b"]
        clock.now += 160.0
        assert await ask() == ["a"]

    async def test_an_answer_of_an_unknown_age_is_not_used_after_the_clock_was_set_back(self) -> None:
        clock = FakeClock()
        shared, calls = SharedAnswers(clock), 0

        async def fetch() -> int:
            nonlocal calls
            calls += 1
            return calls

        assert await shared.get("key", 10, fetch) == 1
        clock.now -= 3600.0
        assert await shared.get("key", 10, fetch) == 2
        assert await shared.get("key", 10, fetch) == 2

    async def test_a_failure_is_not_kept(self) -> None:
        shared = SharedAnswers(FakeClock())
        outcomes: list[VenueError | int] = [VenueError("network", "gone"), 5]

        async def fetch() -> int:
            outcome = outcomes.pop(0)
            if isinstance(outcome, VenueError):
                raise outcome
            return outcome

        with pytest.raises(VenueError, match="gone"):
            await shared.get("key", 10, fetch)
        assert await shared.get("key", 10, fetch) == 5

    async def test_one_who_gives_up_does_not_take_it_from_the_others(self) -> None:
        shared, gate = SharedAnswers(FakeClock()), asyncio.Event()

        async def fetch() -> int:
            await gate.wait()
            return 7

        first = asyncio.ensure_future(shared.get("key", 10, fetch))
        second = asyncio.ensure_future(shared.get("key", 10, fetch))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        gate.set()
        assert await second == 7
        assert first.cancelled()


async def server_time(api: Api) -> Time:
    return await api.get(OPEN, Time)


async def test_an_old_answer_serves_through_a_failure_for_its_grace() -> None:
    clock, recorder, works = FakeClock(), Recorder(), True

    def handler(_: web.Request) -> web.Response:
        return web.json_response({"time": 5} if works else {}, status=200 if works else 500)

    async def question(api: Api) -> None:
        nonlocal works

        async def cached() -> Time:
            return await api.venue_cached(server_time, 10, grace=5)

        assert (await cached()).time == 5
        works = False
        clock.now += 14.9
        assert (await cached()).time == 5
        assert [error.reason for error in recorder.optional] == ["exchange"]
        clock.now += 0.1
        with pytest.raises(VenueError, match="HTTP 500"):
            await cached()

    await ask(handler, question, clock=clock, recorder=recorder)


async def test_an_optional_request_that_fails_is_reported_and_missing() -> None:
    recorder = Recorder()
    result = await ask(json({}, status=500), lambda api: api.optional(api.get(OPEN, Time)), recorder=recorder)
    assert result is None
    assert [error.reason for error in recorder.optional] == ["exchange"]


async def test_a_request_that_is_optional_for_one_reason_fails_for_another() -> None:
    recorder = Recorder()

    async def asking(api: Api) -> Time | None:
        return await api.optional(api.get(OPEN, Time), only={"permission"})

    assert await ask(json({}, status=403), asking, recorder=recorder) is None
    with pytest.raises(VenueError, match="HTTP 500"):
        await ask(json({}, status=500), asking, recorder=recorder)
    assert [error.reason for error in recorder.optional] == ["permission"]
