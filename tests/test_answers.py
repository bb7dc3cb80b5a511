"""Answers that are kept for a while, and those that can be missed."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import web

from exporter import answers, deadline
from exporter.answers import RETRY, SharedAnswers
from exporter.api import Api
from exporter.deadline import Deadline
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


class TestWaiting:
    """Each who waits has a deadline of his own; the request goes on for the most patient."""

    async def test_one_who_is_in_a_hurry_gives_up_and_the_request_goes_on_for_the_other(self) -> None:
        shared, calls, gate = SharedAnswers(FakeClock()), 0, asyncio.Event()

        async def fetch() -> int:
            nonlocal calls
            calls += 1
            async with own_limit().kept():
                await gate.wait()
            return 7

        async def hurried() -> int:
            return await shared.get("key", 10, fetch, patience=0.05)

        async def patient() -> int:
            return await shared.get("key", 10, fetch, patience=10.0)

        first = asyncio.ensure_future(hurried())
        await asyncio.sleep(0)
        second = asyncio.ensure_future(patient())
        with pytest.raises(VenueError, match=r"no answer within 0\.05 s, it is still awaited") as caught:
            await first
        assert caught.value.reason == "timeout"
        await asyncio.sleep(0.1)
        gate.set()
        assert await second == 7
        assert calls == 1

    async def test_a_stuck_request_is_replaced_and_one_who_waits_for_it_goes_on_waiting(self) -> None:
        """A slow account's hang kept another, with a timeout of 2 s, blind for 31 s."""
        shared, calls, gate = SharedAnswers(FakeClock()), 0, asyncio.Event()

        async def fetch() -> int:
            nonlocal calls
            calls += 1
            mine = calls
            if mine == 1:
                await gate.wait()
            return mine

        slow = asyncio.ensure_future(shared.get("key", 10, fetch, patience=30.0))
        await asyncio.sleep(0)
        with pytest.raises(VenueError, match="still awaited"):
            await shared.get("key", 10, fetch, patience=0.1)
        await asyncio.sleep(0.05)
        assert await shared.get("key", 10, fetch, patience=0.1) == 2
        gate.set()
        assert await slow == 1
        # What was asked for earlier does not take the place of what was asked for later.
        kept = shared.kept("key", 10)
        assert kept is not None
        assert kept.answer in {1, 2}

    async def test_what_comes_too_late_for_one_collection_is_there_for_the_next(self) -> None:
        shared, gate = SharedAnswers(FakeClock()), asyncio.Event()

        async def fetch() -> int:
            await gate.wait()
            return 7

        async with deadline.share(0.1):
            with pytest.raises(VenueError, match="still awaited"):
                await shared.get("key", 10, fetch, patience=10.0)
        gate.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await shared.get("key", 10, fetch) == 7

    async def test_what_was_too_late_is_waited_for_a_shorter_time_until_it_comes_again(self) -> None:
        shared, gate = SharedAnswers(FakeClock()), asyncio.Event()

        async def fetch() -> int:
            await gate.wait()
            return 7

        async def waited() -> float:
            began = time.monotonic()
            async with deadline.share(2.0):
                with pytest.raises(VenueError):
                    await shared.get("key", 10, fetch, patience=10.0)
            return time.monotonic() - began

        first, second = await waited(), await waited()
        assert second < first
        # What is needed is waited for as long as there is time.
        async with deadline.within(4.0):
            asyncio.get_running_loop().call_later(1.0, gate.set)
            assert await shared.get("key", 10, fetch) == 7

    async def test_an_answer_that_is_asked_for_by_nobody_is_there_once_it_has_come(self) -> None:
        clock = FakeClock()
        shared, calls = SharedAnswers(clock), 0

        async def fetch() -> int:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise VenueError("network", "gone")
            return calls

        async def started() -> None:
            shared.start("key", 10, fetch, 1.0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        await started()
        assert calls == 1
        # What failed is left alone for a while.
        clock.now += RETRY - 1.0
        await started()
        assert calls == 1
        clock.now += 1.0
        await started()
        assert await shared.get("key", 10, fetch) == 2

    async def test_names_that_a_venue_makes_up_do_not_fill_the_memory(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(answers, "MOST_KEPT", 10)
        shared = SharedAnswers(FakeClock())

        async def fetch() -> int:
            return 7

        for name in range(100):
            await shared.get(name, 10, fetch)
            await shared.get("wanted", 10, fetch)
        assert len(shared._entries) <= 10
        assert shared.kept("wanted", 10) is not None

    async def test_what_runs_ends_with_the_program(self) -> None:
        shared, entered, ended = SharedAnswers(FakeClock()), 0, 0

        async def fetch() -> int:
            nonlocal entered, ended
            entered += 1
            try:
                await asyncio.Event().wait()
            finally:
                ended += 1
            return 7

        shared.start("key", 10, fetch, 0.0)
        shared.start("key", 10, fetch, 0.0)
        await asyncio.sleep(0)
        await shared.close()
        assert entered == ended == 2


def own_limit() -> Deadline:
    limit = deadline.current()
    assert limit is not None
    return limit


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
