"""Starting, killing and bringing back a venue; its clock and its market."""

from __future__ import annotations

import time

import pytest
from aiohttp import ClientConnectionError, ClientSession

from exporter.demo import Market, Server, discover
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


@pytest.mark.parametrize("name", ["binance_coinm", "binance_usdm", "deribit", "okx"])
def test_sub_accounts_are_liquidated_as_the_accounts_above_them_are(name: str) -> None:
    simulator = discover()[name](Market(), clock=Clock())
    books = [book for below in simulator.below.values() for book in below.values()]
    assert any(book.positions or getattr(book, "options", ()) for book in books)
    for book in books:
        for coin in book.coins():
            book.deposit(coin, -2 * book.cross_wallet(coin))  # also what was won
    simulator.tick()
    assert any(book.liquidations for book in books)
