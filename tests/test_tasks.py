"""Several things at once."""

from __future__ import annotations

import asyncio

import pytest

from exporter.errors import VenueError
from exporter.tasks import together


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
