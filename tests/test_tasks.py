"""Several things at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from exporter.errors import VenueError
from exporter.tasks import Ready, in_thread, then, together


async def test_the_first_failure_cancels_the_rest() -> None:
    cancelled = False

    async def fails() -> int:
        raise VenueError("auth", "refused")

    async def hangs() -> int:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise
        return 1

    with pytest.raises(VenueError, match="refused"):
        await together(hangs(), fails())
    assert cancelled


async def test_work_in_a_thread_gives_what_it_returns_or_raises() -> None:
    def broken() -> None:
        raise KeyError("defect")

    assert await in_thread(threading.current_thread) is not threading.main_thread()
    with pytest.raises(KeyError):
        await in_thread(broken)


async def test_one_who_gives_up_does_not_wait_for_the_thread() -> None:
    end = threading.Event()
    task = asyncio.create_task(in_thread(end.wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    end.set()


async def test_what_is_known_already_takes_no_task_and_no_turn_of_the_loop() -> None:
    async def later(value: int) -> int:
        await asyncio.sleep(0)
        return value

    def add(pair: tuple[int, int]) -> Ready[int]:
        return Ready(sum(pair))

    both = together(Ready(1), Ready(2))
    assert isinstance(both, Ready)
    assert isinstance(then(both, add), Ready)
    assert await then(both, add) == 3
    assert await then(together(Ready(1), later(2)), add) == 3
    assert await together(later(1), Ready(2), later(3)) == (1, 2, 3)


async def test_the_first_fails_before_the_others_have_begun() -> None:
    began = False

    async def fails() -> None:
        raise VenueError("auth", "refused")

    async def other() -> None:
        nonlocal began
        began = True
        raise VenueError("network", "later")

    with pytest.raises(VenueError, match="refused"):
        await together(fails(), then(other(), lambda _: Ready(None)))
    assert began
