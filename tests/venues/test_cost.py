"""What one collection costs, in what can be counted: requests, tasks, timers. Seconds are the machine's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import Struct

from exporter.api import Client
from exporter.collector import Collector
from exporter.exposition import Store
from exporter.model import RiskSettings
from exporter.telemetry import Telemetry
from tests.venues.bench import as_answers, benches
from tests.venues.harness import NOW, MemoryTransport, make_venue, unpaced


class Cost(Struct, frozen=True):
    """Of a collection when everything is known that is kept from one to the next."""

    requests: int
    tasks: int
    """Beside the one that the collection runs in: one less than what is asked at once."""
    timers: int
    """One for all deadlines of the collection together."""


COSTS: Mapping[str, Cost] = {
    "binance_coinm": Cost(requests=2, tasks=1, timers=1),
    "binance_usdm": Cost(requests=2, tasks=1, timers=1),
    "binance_pm": Cost(requests=6, tasks=4, timers=3),
    "bingx": Cost(requests=2, tasks=1, timers=1),
    "bingx_v1": Cost(requests=2, tasks=1, timers=1),
    "bittap": Cost(requests=2, tasks=1, timers=1),
    "deribit": Cost(requests=2, tasks=1, timers=1),
    "gate": Cost(requests=4, tasks=2, timers=1),
    "hyperliquid": Cost(requests=4, tasks=6, timers=1),
    "bitget": Cost(requests=6, tasks=6, timers=1),
    "bybit": Cost(requests=5, tasks=4, timers=1),
    "okx": Cost(requests=3, tasks=2, timers=1),
    "toy": Cost(requests=3, tasks=0, timers=1),
    "zkx": Cost(requests=1, tasks=0, timers=1),
}


async def counted(venue: str) -> Cost:
    bench, telemetry, loop = benches()[venue], Telemetry(), asyncio.get_running_loop()
    transport = MemoryTransport(as_answers(bench.documents(bench.rows.scenario)))
    # A documented key may withdraw: what a collection takes is asked all the same.
    adapter = make_venue(venue, "http://venue.test", {**bench.config, "keys": {"refuse": []}})
    tasks, timers, call_at = 0, 0, loop.call_at

    def task(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        nonlocal tasks
        tasks += 1
        return asyncio.Task(work, loop=loop, **more)

    def timer(*given: Any, **more: Any) -> asyncio.TimerHandle:
        nonlocal timers
        timers += 1
        return call_at(*given, **more)

    async with Client(telemetry, wall=lambda: NOW, transport=transport, budgets=unpaced(adapter)) as client:
        collector = Collector(
            adapter, client.account(adapter), RiskSettings(), Store(telemetry), telemetry, wall=lambda: NOW
        )
        for _ in range(2):
            await collector.collect()
        await asyncio.sleep(0)
        asked = len(transport.asked)
        loop.set_task_factory(task)
        setattr(loop, "call_at", timer)  # noqa: B010 (a type checker sees no slot to put it into)
        try:
            await collector.collect()
        finally:
            loop.set_task_factory(None)
            setattr(loop, "call_at", call_at)  # noqa: B010 (the same)
    assert collector.status().state == "up"
    return Cost(len(transport.asked) - asked, tasks, timers)


@pytest.mark.parametrize("venue", sorted(benches()))
async def test_a_collection_costs_no_more_requests_tasks_and_timers_than_it_did(venue: str) -> None:
    assert await counted(venue) == COSTS[venue]
