"""One piece of work at a time, for all who wait for it."""

from __future__ import annotations

import asyncio

import pytest

from exporter.turns import Turns


class Work:
    """Says the how manieth it is once it may end."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        self.turns: Turns[int] = Turns()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.may_end.wait()
        return number

    def take(self) -> asyncio.Task[int]:
        return asyncio.create_task(self.turns.take(self))

    async def until_begun(self, number: int) -> None:
        async with asyncio.timeout(5):
            while self.begun < number:  # noqa: ASYNC110 (the work tells nobody)
                await asyncio.sleep(0)


async def test_who_asks_before_it_begins_shares_it_and_who_asks_later_has_the_next() -> None:
    work = Work()
    first, second = work.take(), work.take()
    await work.until_begun(1)
    later = [work.take() for _ in range(10)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert await asyncio.gather(first, second, *later) == [1, 1] + [2] * 10
    assert await work.take() == 3


async def test_a_failure_is_that_of_all_who_wait_for_it_alone() -> None:
    turns: Turns[int] = Turns()

    async def broken() -> int:
        raise KeyError("defect")

    outcomes = await asyncio.gather(turns.take(broken), turns.take(broken), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [KeyError, KeyError]
    work = Work()
    work.may_end.set()
    assert await turns.take(work) == 1


async def test_one_who_gives_up_takes_the_outcome_from_nobody() -> None:
    work = Work()
    one, other = work.take(), work.take()
    await work.until_begun(1)
    one.cancel()
    work.may_end.set()
    assert await other == 1


async def test_the_end_ends_what_goes_on_and_what_waits() -> None:
    work = Work()
    running = work.take()
    await work.until_begun(1)
    waiting = work.take()
    await asyncio.sleep(0)
    await work.turns.close()
    for task in (running, waiting):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert work.begun == 1
