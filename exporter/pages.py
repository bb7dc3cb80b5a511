"""Pages that many readers share: built in a thread, once for all who ask at the same moment.

A page of a large fleet has tens of megabytes. Built for each reader it would cost the processor's time and,
where readers are slow, the memory of as many pages as there are readers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from isal import igzip
from msgspec import Struct

from exporter import clock
from exporter.clock import Elapsed
from exporter.turns import Turns

MIN_COMPRESSED_BYTES = 1024
"""Shorter pages fit in one packet as they are."""
LARGE_BYTES = 1024 * 1024
"""Pages from here on are given to all who ask within a moment."""
MOMENT = 1.0
"""Seconds, at most."""
SHARE_OF_TIME = 0.1
"""The most of the time that goes into building a large page, however often it is asked for."""
LONGEST_REST = 1.0
"""Seconds."""
HELD_BYTES = 128 * 1024 * 1024
"""Of pages that readers have not finished; beyond that those of the oldest page lose theirs."""


class Page(Struct, frozen=True, eq=False):
    """What is sent."""

    body: bytes
    compressed: bool = False


def compress(page: bytes) -> bytes:
    """The page as gzip."""
    return igzip.compress(page, 2, mtime=0)


def packed(body: bytes, *, gzipped: bool) -> Page:
    """The page for one who takes gzip, or does not."""
    if gzipped and len(body) >= MIN_COMPRESSED_BYTES:
        return Page(compress(body), compressed=True)
    return Page(body)


class _Built(Struct, frozen=True):
    page: Page
    began: float
    until: float
    """Given to others until then."""


class _Kind:
    """One format and encoding: the page that was built last, while it is given to others."""

    def __init__(self) -> None:
        self.turns: Turns[Page] = Turns()
        self.built: _Built | None = None


class Pages:
    """Builds pages, each for all who wait for it.

    Nobody gets a page that was begun before he asked, but for a large one of the same moment; the quicker it
    is built, the shorter the moment.

    Args:
        elapsed: Seconds on a clock that nobody sets.
        share_of_time: The most of a processor's time that goes into building, however many ask; what there is
            to build waits.
    """

    def __init__(self, *, elapsed: Elapsed = clock.elapsed, share_of_time: float = 1.0) -> None:
        self._elapsed = elapsed
        self._rest = 1.0 / share_of_time - 1.0
        self._kinds: dict[Hashable, _Kind] = {}
        self._readers: dict[Page, list[Callable[[], None]]] = {}
        # Of its own: name lookups that hang fill the event loop's.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pages")

    def close(self) -> None:
        """Builds nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def get(self, key: Hashable, build: Callable[[], Page]) -> Page:
        """The page under `key`, as `build` makes it in another thread."""
        kind = self._kinds.setdefault(key, _Kind())
        built = kind.built
        if built is not None and built.began <= self._elapsed() < built.until:
            return built.page
        try:
            return await kind.turns.take(lambda: self._build(key, kind, build))
        finally:
            self._forget_idle(key, kind)

    async def _build(self, key: Hashable, kind: _Kind, build: Callable[[], Page]) -> Page:
        began = self._elapsed()
        page = await asyncio.get_running_loop().run_in_executor(self._thread, self._at_work, build)
        moment = min(MOMENT, (self._elapsed() - began) / SHARE_OF_TIME)
        if len(page.body) >= LARGE_BYTES:
            kind.built = _Built(page, began, began + moment)
            asyncio.get_running_loop().call_later(moment, self._drop, key, kind, kind.built)
        return page

    def _at_work(self, build: Callable[[], Page]) -> Page:
        """What the thread does: it builds, and rests in proportion before it turns to the next page."""
        began = time.thread_time()
        try:
            return build()
        finally:
            if self._rest > 0.0:
                rest = min(self._rest * (time.thread_time() - began), LONGEST_REST)
                with suppress(RuntimeError):  # nothing more is built
                    self._thread.submit(time.sleep, rest)

    def _drop(self, key: Hashable, kind: _Kind, built: _Built) -> None:
        """Its moment has passed: it is not kept for the time when nobody asks."""
        if kind.built is built:
            kind.built = None
        self._forget_idle(key, kind)

    def _forget_idle(self, key: Hashable, kind: _Kind) -> None:
        """Callers make up keys; only what somebody waits for, or is given to others, is remembered."""
        if kind.built is None and kind.turns.idle and self._kinds.get(key) is kind:
            del self._kinds[key]

    def forget(self) -> None:
        """What is asked for from now on is built anew."""
        for kind in self._kinds.values():
            kind.built = None

    @contextmanager
    def reading(self, page: Page, end: Callable[[], None]) -> Iterator[None]:
        """While one reader is given `page`; `end` takes it away from him."""
        self._readers.setdefault(page, []).append(end)
        held = list(self._readers)
        while len(held) > 1 and sum(len(one.body) for one in held) > HELD_BYTES:
            for end_one in self._readers[held.pop(0)]:
                end_one()
        try:
            yield
        finally:
            self._readers[page].remove(end)
            if not self._readers[page]:
                del self._readers[page]
