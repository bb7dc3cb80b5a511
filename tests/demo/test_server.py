"""Starting, killing and bringing back a venue, and the faults it can be given."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import ClientConnectionError, ClientSession, ClientTimeout

from exporter.demo import Market, Server
from exporter.demo.binance_usdm import BinanceUsdmSimulator


class Clock:
    """A clock that stands still unless moved."""

    def __init__(self, now: float = 1_700_000_030.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def test_a_killed_venue_refuses_connections_and_comes_back_on_its_port() -> None:
    server = Server(BinanceUsdmSimulator(Market(), clock=Clock()))
    with pytest.raises(RuntimeError, match="no port"):
        _ = server.base_url
    async with server, ClientSession() as session:
        url = f"{server.base_url}/fapi/v1/ping"
        assert server.running
        async with session.get(url) as response:
            assert await response.json() == {}
        await server.stop()
        assert not server.running
        with pytest.raises(ClientConnectionError):
            await session.get(url)
        await server.start()
        await server.start()
        assert f"{server.base_url}/fapi/v1/ping" == url
        async with session.get(url) as response:
            assert response.status == 200
        await server.restart()
        async with session.get(url) as response:
            assert response.status == 200
    await server.stop()


async def test_two_venues_cannot_have_one_port() -> None:
    market = Market()
    async with Server(BinanceUsdmSimulator(market)) as first:
        second = Server(BinanceUsdmSimulator(market), port=first.port)
        with pytest.raises(OSError, match="in use"):
            await second.start()
        assert not second.running


async def test_a_venue_that_is_down_drops_the_connection() -> None:
    simulator = BinanceUsdmSimulator(Market(), clock=Clock())
    async with Server(simulator) as server, ClientSession() as session:
        simulator.faults.down = True
        with pytest.raises(ClientConnectionError):
            await session.get(f"{server.base_url}/fapi/v1/ping")
        simulator.faults.clear()
        async with session.get(f"{server.base_url}/fapi/v1/ping") as response:
            assert response.status == 200


async def test_failing_answers_come_as_often_as_asked_for_and_only_on_their_path() -> None:
    simulator = BinanceUsdmSimulator(Market(), clock=Clock())
    simulator.faults.fail(
        503, "Service Unavailable.", times=2, headers={"Retry-After": "3"}, path="/fapi/v1/time"
    )
    simulator.faults.fail(200, b"<html>", path="/fapi/v1/time")
    seen = []
    async with Server(simulator) as server, ClientSession() as session:
        for path in ("time", "ping", "time", "time", "time"):
            async with session.get(f"{server.base_url}/fapi/v1/{path}") as response:
                seen.append(
                    (response.status, (await response.text())[:6], response.headers.get("Retry-After"))
                )
    assert seen == [
        (503, "Servic", "3"),
        (200, "{}", None),
        (503, "Servic", "3"),
        (200, "<html>", None),
        (200, '{"serv', None),
    ]
    assert simulator.requests == [f"GET /fapi/v1/{path}" for path in ("time", "ping", "time", "time", "time")]


async def test_a_slow_venue_lets_its_caller_time_out() -> None:
    simulator = BinanceUsdmSimulator(Market(), clock=Clock())
    simulator.faults.delay = 30.0
    async with Server(simulator) as server, ClientSession(timeout=ClientTimeout(total=0.05)) as session:
        with pytest.raises(asyncio.TimeoutError):
            await session.get(f"{server.base_url}/fapi/v1/ping")


async def test_a_skewed_clock_is_the_venues_own_and_does_not_move_the_market() -> None:
    clock = Clock()
    market = Market()
    simulator = BinanceUsdmSimulator(market, clock=clock)
    simulator.faults.clock_skew = -90.0
    async with (
        Server(simulator) as server,
        ClientSession() as session,
        session.get(f"{server.base_url}/fapi/v1/time") as response,
    ):
        assert await response.json() == {"serverTime": int((clock.now - 90) * 1000)}
    assert market.steps == 0


async def test_each_request_finds_the_market_at_the_clock() -> None:
    clock = Clock()
    market = Market()
    async with Server(BinanceUsdmSimulator(market, clock=clock)) as server, ClientSession() as session:
        clock.now += 15
        async with session.get(f"{server.base_url}/fapi/v1/ping"):
            assert market.steps == 15


def test_a_simulator_uses_the_wall_clock_unless_told_otherwise() -> None:
    assert BinanceUsdmSimulator(Market()).now() == pytest.approx(time.time(), abs=60)
