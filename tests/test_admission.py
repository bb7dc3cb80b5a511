"""The line of collections: one begins in each turn of the event loop, in the order in which they came."""

from __future__ import annotations

import asyncio

from exporter.admission import Admission
from tests.accounts import FakeClock


async def test_who_comes_alone_does_not_wait() -> None:
    admission = Admission(elapsed=FakeClock())
    for _ in range(3):
        assert await admission.admitted() == 0.0
        await asyncio.sleep(0)
    assert (admission.waiting, admission.waited) == (0, 0.0)


async def test_one_begins_in_each_turn_first_come_first_served() -> None:
    clock = FakeClock()
    admission, begun = Admission(elapsed=clock), list[tuple[str, float]]()

    async def collect(name: str) -> None:
        waited = await admission.admitted()
        begun.append((name, waited))
        clock.advance(1.0)  # what it keeps the processor busy for

    tasks = [asyncio.create_task(collect(name)) for name in "abcd"]
    await asyncio.sleep(0)
    assert (begun, admission.waiting) == ([("a", 0.0)], 3)
    await asyncio.gather(*tasks)
    assert [name for name, _ in begun] == ["a", "b", "c", "d"]
    assert [waited for _, waited in begun] == [0.0, 0.0, 1.0, 2.0]
    assert admission.waited == 3.0


async def test_work_that_is_ready_goes_before_the_next_one_that_is_due() -> None:
    """However long the line is: those that have begun are not held up by those that have not."""
    admission, order = Admission(elapsed=FakeClock()), list[str]()

    async def collect(name: str) -> None:
        await admission.admitted()
        for step in range(2):
            order.append(f"{name}{step}")
            await asyncio.sleep(0)

    await asyncio.gather(*(collect(name) for name in "abc"))
    assert order.index("a1") < order.index("b0")
    assert order.index("b1") < order.index("c0")


async def test_who_gives_up_leaves_his_place_to_the_next() -> None:
    admission = Admission(elapsed=FakeClock())
    tasks = [asyncio.create_task(admission.admitted()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    assert await tasks[2] == 0.0
    assert admission.waiting == 0
