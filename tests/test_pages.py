"""Pages that many readers share: each built once for all who wait for it."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from exporter import pages
from exporter.pages import LARGE_BYTES, MOMENT, Page, Pages, compress
from tests.accounts import FakeClock


def test_a_compressed_page_is_the_page() -> None:
    page = b"risk_up 1.0\n" * 1000
    packed = compress(page)
    assert gzip.decompress(packed) == page
    assert len(packed) < len(page) / 10


class Press:
    """Builds pages that say which one they are, as slowly as the test wants."""

    def __init__(self, size: int = 100) -> None:
        self.size = size
        self.built = 0
        self.clock = FakeClock()
        self.seconds = 0.0
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()
        self.pages = Pages(elapsed=self.clock)

    def build(self) -> Page:
        self.begun.set()
        assert self.may_end.wait(10)
        self.built += 1
        self.clock.advance(self.seconds)
        return Page(b"%d" % self.built + b" " * self.size)

    async def get(self, key: str = "text") -> int:
        return int((await self.pages.get(key, self.build)).body)


@pytest.fixture
def press() -> Iterator[Press]:
    one = Press()
    yield one
    one.pages.close()


async def test_all_who_wait_share_one_page(press: Press) -> None:
    press.may_end.clear()
    first = asyncio.ensure_future(press.get())
    await asyncio.to_thread(press.begun.wait, 10)
    others = [asyncio.ensure_future(press.get()) for _ in range(60)]
    await asyncio.sleep(0)
    press.may_end.set()
    # The first page was begun before they asked, so that it may lack what they have seen elsewhere.
    assert await asyncio.gather(first, *others) == [1] + [2] * 60


async def test_a_small_page_is_built_for_each_who_asks_later(press: Press) -> None:
    press.seconds = 10.0
    assert [await press.get() for _ in range(3)] == [1, 2, 3]


async def test_a_large_page_is_that_of_all_who_ask_in_the_same_moment(press: Press) -> None:
    press.size, press.seconds = LARGE_BYTES, 0.05
    assert [await press.get() for _ in range(3)] == [1, 1, 1]
    press.clock.advance(0.44)
    assert await press.get() == 1
    press.clock.advance(0.02)  # ten times as long as it took
    assert await press.get() == 2
    press.seconds = 100.0
    press.pages.forget()
    assert await press.get() == 3
    press.clock.advance(-100.0 + MOMENT - 0.01)
    assert await press.get() == 3
    press.clock.advance(0.02)
    assert await press.get() == 4


async def test_each_kind_of_page_has_its_own(press: Press) -> None:
    press.size, press.seconds = LARGE_BYTES, 0.05
    assert [await press.get(key) for key in ("text", "gzip", "text", "gzip")] == [1, 2, 1, 2]


async def test_what_nobody_waits_for_is_forgotten(press: Press) -> None:
    """Callers make up what they ask for."""
    press.size, press.seconds = LARGE_BYTES, 0.0
    for number in range(20):
        await press.get(str(number))
    await asyncio.sleep(0)
    assert len(vars(press.pages)["_kinds"]) <= 20
    press.size = 100
    for number in range(20, 40):
        await press.get(str(number))
    assert not {str(number) for number in range(20, 40)} & set(vars(press.pages)["_kinds"])


async def test_pages_for_people_leave_the_processor_to_others_in_proportion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[float] = []
    busy = iter((0.0, 0.03, 1.0, 1.5))
    monkeypatch.setattr(time, "thread_time", lambda: next(busy))
    monkeypatch.setattr(time, "sleep", rests.append)
    shelf = Pages(share_of_time=0.25)
    for key in ("a", "b"):
        await shelf.get(key, lambda: Page(b""))
    shelf.close()
    vars(shelf)["_thread"].shutdown(wait=True)
    assert rests[0] == pytest.approx(0.09)
    assert rests[1:] in ([], [pages.LONGEST_REST])  # the second may have been called off


async def test_a_page_that_fails_fails_for_all_who_wait_and_for_nobody_later(press: Press) -> None:
    def broken() -> Page:
        raise KeyError("defect")

    waiting = [asyncio.ensure_future(press.pages.get("text", broken)) for _ in range(3)]
    assert [type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)] == [KeyError] * 3
    assert await press.get() == 1


async def test_one_who_gives_up_takes_the_page_from_nobody(press: Press) -> None:
    press.may_end.clear()
    one, other = asyncio.ensure_future(press.get()), asyncio.ensure_future(press.get())
    await asyncio.to_thread(press.begun.wait, 10)
    one.cancel()
    press.may_end.set()
    assert await other == 1


def test_the_oldest_pages_are_taken_from_those_who_still_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else slow readers would hold as many pages as there are moments."""
    monkeypatch.setattr(pages, "HELD_BYTES", 25)
    shelf = Pages()
    ended: list[str] = []

    first, second, third = Page(b"1" * 10), Page(b"2" * 10), Page(b"3" * 10)
    with ExitStack() as readers:
        for name, page in (("a", first), ("b", first), ("c", second)):
            readers.enter_context(shelf.reading(page, partial(ended.append, name)))
        assert ended == []
        readers.enter_context(shelf.reading(third, partial(ended.append, "d")))
        assert ended == ["a", "b"]
    shelf.close()


def test_a_single_page_may_be_larger_than_all_that_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "HELD_BYTES", 5)
    shelf = Pages()
    ended: list[str] = []
    page = Page(b"1" * 10)
    with shelf.reading(page, lambda: ended.append("a")), shelf.reading(page, lambda: ended.append("b")):
        pass
    assert ended == []
    shelf.close()
