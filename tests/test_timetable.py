"""Jobs in the event loop: one look at a time, and a clean end."""

from __future__ import annotations

import asyncio
from datetime import UTC

import pytest

from exporter.timetable import Timetable
from tests.timers import rest


class Watched(Timetable):
    """One that counts its looks at what is due."""

    looks = 0

    def _process_jobs(self) -> float | None:
        self.looks += 1
        found: float | None = super()._process_jobs()
        return found


@pytest.fixture
def table() -> Watched:
    return Watched(timezone=UTC)


async def test_however_often_it_is_woken_it_looks_once(table: Watched) -> None:
    """Each look plans the next: two of them would go on side by side for good."""
    table.start()
    for _ in range(3):
        table.wakeup()
    await rest()
    assert table.looks == 1
    table.shutdown()


async def test_once_shut_down_it_looks_no_more(table: Watched) -> None:
    table.start()
    table.shutdown()
    await rest()
    assert table.looks == 0


async def test_what_runs_when_it_is_shut_down_is_cancelled(table: Watched) -> None:
    ends: list[str] = []

    async def job() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    table.add_job(job)
    table.start()
    await rest()
    assert (table.looks, ends) == (1, [])
    table.shutdown()
    await rest()
    assert ends == ["cancelled"]
