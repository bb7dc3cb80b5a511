"""Random faults: the same for the same seed, told to the log, over when they are over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import structlog

from exporter.demo import Market, Server, chaos, discover
from exporter.demo.faults import Status
from exporter.demo.running import running
from tests.faults.jumping import JumpingTime, run

MINUTES = 60.0
PATHS = {"bittap": "/fmapi/v1/exchangeInfo", "zkx": "/v1/private/account-info"}


def after(minutes: float, seed: int) -> Sequence[Mapping[str, Any]]:
    """What the log says of so many minutes at two venues."""

    async def main(clock: JumpingTime) -> None:
        async with AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(
                    Server(discover()[name](Market(), clock=clock.wall), host="127.0.0.1")
                )
                for name in PATHS
            ]
            session = await stack.enter_async_context(aiohttp.ClientSession())
            for server in servers:
                async with session.get(server.base_url + PATHS[server.simulator.name]):
                    pass
            venues = [server.simulator for server in servers]
            task = asyncio.create_task(chaos.run(venues, seed, pause=(0.0, 2.0), length=(1.0, 2.0)))
            await asyncio.sleep(minutes * MINUTES)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            for server in servers:
                assert server.simulator.faults.clock_skew == pytest.approx(0.0, abs=1e-9)
                async with session.get(server.base_url + PATHS[server.simulator.name]) as answer:
                    assert answer.status == {"bittap": 200, "zkx": 400}[server.simulator.name]

    with structlog.testing.capture_logs() as lines:
        run(main)
    return lines


def test_the_same_seed_gives_the_same_faults() -> None:
    first, again, other = ([str(line) for line in after(2, seed)] for seed in (1, 1, 2))
    assert len(first) > 20
    assert first == again
    assert first != other


def test_everything_on_the_menu_happens_to_accounts_endpoints_and_all() -> None:
    lines = after(12, 3)
    begun = [line for line in lines if line["event"] == "fault begins"]
    assert {line["fault"] for line in begun} == set(chaos.MENU)
    assert {line["exchange"] for line in begun} == set(PATHS)
    assert {line["endpoint"] for line in begun} == {"all", *PATHS.values()}
    assert {line["account"] for line in begun} > {"all", "bittap-hedge", "zkx-cross"}
    over = [line for line in lines if line["event"] == "fault over"]
    assert len(begun) - len(PATHS) <= len(over) <= len(begun)


async def test_the_demo_can_be_run_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos, "MENU", {"a status": lambda _: Status(500)})
    monkeypatch.setattr(chaos, "PAUSE", (0.0, 0.0))
    venues = len(discover())
    with structlog.testing.capture_logs() as lines:
        async with running(seed=1, interval=5.0, with_chaos=True) as config:
            async with asyncio.timeout(10):
                while sum(line["event"] == "fault begins" for line in lines) < venues:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert config.accounts
    with structlog.testing.capture_logs() as lines:
        async with running(seed=1, interval=5.0):
            await asyncio.sleep(0.05)
    assert not lines
