"""Requests on their way: who goes, who waits, and that waiting is nobody's time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from exporter import deadline, slots
from exporter.deadline import Deadline
from exporter.errors import VenueError
from exporter.slots import Slots


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "FEWEST", 2)


async def taken(slots: Slots, host: str, count: int, stack: AsyncExitStack) -> None:
    for _ in range(count):
        await stack.enter_async_context(slots.one(host, None, 0.001))


async def test_one_host_gets_a_quarter_and_the_others_the_rest() -> None:
    slots = Slots(16)
    async with AsyncExitStack() as stack:
        await taken(slots, "hangs", 4, stack)
        with pytest.raises(VenueError, match=r"no connection was free for 0\.001 s") as failure:
            await taken(slots, "hangs", 1, stack)
        assert failure.value.reason == "timeout"
        await taken(slots, "answers", 4, stack)


async def test_many_hosts_share_what_there_is() -> None:
    slots = Slots(16)
    async with AsyncExitStack() as stack:
        for host in "abcdefgh":
            await taken(slots, host, 2, stack)
        with pytest.raises(VenueError):
            await taken(slots, "a", 1, stack)


async def test_who_waits_goes_first_come_first_served_and_no_deadline_passes_meanwhile() -> None:
    slots, order, limits = Slots(8), list[str](), list[Deadline]()

    async def ask(name: str) -> None:
        async with deadline.within(60.0) as whole:
            limits.append(whole)
            async with slots.one("host", whole, 60.0):
                order.append(name)
                assert not whole.stopped

    async with AsyncExitStack() as stack:
        await taken(slots, "host", 2, stack)
        tasks = [asyncio.create_task(ask(name)) for name in ("first", "second", "third")]
        await asyncio.sleep(0)
        assert (order, slots.waiting) == ([], 3)
        assert [whole.stopped for whole in limits] == [True, True, True]
    await asyncio.gather(*tasks)
    assert (order, slots.waiting) == (["first", "second", "third"], 0)


async def test_who_goes_while_he_waits_takes_nothing_and_leaves_nothing() -> None:
    slots = Slots(8)

    async def ask() -> None:
        async with slots.one("host", None, 60.0):
            await asyncio.sleep(0.0)

    async with AsyncExitStack() as stack:
        await taken(slots, "host", 2, stack)
        early, late = asyncio.create_task(ask()), asyncio.create_task(ask())
        await asyncio.sleep(0.0)
        early.cancel()
        await asyncio.sleep(0.0)
    late.cancel()  # in the moment in which it is served
    await asyncio.gather(early, late, return_exceptions=True)
    assert slots._hosts == {}
