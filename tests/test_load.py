"""How busy the event loop is."""

from __future__ import annotations

import asyncio

import pytest

from exporter import load
from exporter.load import Load


async def test_the_share_of_the_processor_and_the_delays_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "PROBE", 0.001)
    monkeypatch.setattr(load, "LOOKS", 2)
    monkeypatch.setattr(load, "LATE", 60.0)
    loop, delays, told = asyncio.get_running_loop(), list[float](), asyncio.Event()

    def late(seconds: float) -> None:
        delays.append(seconds)
        if looks.saturation:
            told.set()

    looks = Load(late, cpu=lambda: loop.time() / 4)
    assert looks.saturation == 0.0
    looks.start()
    await told.wait()
    looks.stop()
    assert looks.saturation == pytest.approx(0.25, rel=0.01)
    assert len(delays) >= 2
    assert min(delays) >= 0.0
    seen = len(delays)
    await asyncio.sleep(0.01)
    assert len(delays) == seen


async def test_who_gets_no_time_has_none_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine where others take it, though the processor does little for this process."""
    monkeypatch.setattr(load, "PROBE", 0.001)
    monkeypatch.setattr(load, "LOOKS", 2)
    monkeypatch.setattr(load, "LATE", -60.0)  # every look is late
    told = asyncio.Event()
    looks = Load(lambda _: told.set() if looks.saturation else None, cpu=lambda: 0.0)
    looks.start()
    await told.wait()
    looks.stop()
    assert looks.saturation == 1.0
