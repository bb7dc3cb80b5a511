"""The BingX adapters against their stand-ins: two independent programs come to the same figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from exporter.api import Api, Client
from exporter.demo import Market, Server, VenueSimulator
from exporter.demo.bingx import BingxSimulator
from exporter.demo.bingx_v1 import BingxV1Simulator
from exporter.demo.book import Book
from exporter.demo.faults import Status
from exporter.errors import VenueError
from exporter.model import AccountRisk, RiskSettings
from exporter.risk import assess
from exporter.venues import AnyVenue, discover
from tests.venues.harness import QuietObserver

NOW = 1_700_000_000.0

Account = tuple[AnyVenue, Api, Book]


@asynccontextmanager
async def accounts(
    simulator: VenueSimulator, observer: QuietObserver, **changed: Any
) -> AsyncIterator[list[Account]]:
    """The stand-in's demo accounts as the exporter would watch them."""
    cls = discover()[simulator.name]
    async with Server(simulator) as server, Client(observer, wall=lambda: NOW) as client:
        found = []
        for entry in simulator.demo_accounts(server.base_url):
            venue = cls(cls.config_class.model_validate({**entry, **changed}))
            found.append((venue, client.account(venue), simulator.accounts[str(entry["name"])]))
        yield found


async def risk_of(account: Account) -> AccountRisk:
    venue, api, _ = account
    return assess(await venue.fetch(api), RiskSettings(cross_check=True))


def simulators(seed: int) -> list[VenueSimulator]:
    market = Market(seed=seed)
    found: list[VenueSimulator] = [
        BingxSimulator(market, clock=lambda: NOW),
        BingxV1Simulator(market, clock=lambda: NOW),
    ]
    market.advance(seed * 97)
    market.freeze()
    return found


@pytest.mark.parametrize("seed", range(1, 7))
async def test_rates_and_liquidation_prices_agree(seed: int) -> None:
    for simulator in simulators(seed):
        observer = QuietObserver()
        async with accounts(simulator, observer) as watched:
            for account in watched:
                risk, book = await risk_of(account), account[2]
                (pool,) = risk.pools
                expected = book.pool("USDT")
                assert pool.pool.equity == float(expected.equity)
                if simulator.name == "bingx":
                    assert expected.rate is not None
                    assert pool.pool.margin_equity == pytest.approx(float(expected.margin_equity), abs=1e-9)
                    assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate), rel=1e-4)
                else:
                    assert pool.maintenance_margin_rate is None
                assert len(risk.positions) == len(book.positions)
                for position, held in zip(risk.positions, book.positions, strict=True):
                    price = book.liquidation_price(held)
                    assert price is not None
                    assert position.liquidation_price == pytest.approx(float(price), rel=2e-4)
                    assert position.liquidation_distance_ratio is not None
                    assert position.liquidation_distance_ratio > 0.0
                    assert abs(position.liquidation_cross_check_ratio or 0.0) < 1e-4
        assert observer.optional_failures == []


async def test_prices_that_the_venue_hides_are_computed() -> None:
    simulator = BingxSimulator(Market(), clock=lambda: NOW)
    async with accounts(simulator, QuietObserver()) as watched:
        sources = [[row.liquidation_source for row in (await risk_of(a)).positions] for a in watched]
    assert sources == [["computed"] * 2, ["venue"] * 3]


@pytest.mark.parametrize("seed", [1])
async def test_a_venue_whose_clock_is_wrong_is_followed(seed: int) -> None:
    for simulator in simulators(seed):
        simulator.faults.clock_skew = -90.0
        async with accounts(simulator, QuietObserver()) as watched:
            for account in watched:
                await risk_of(account)


@pytest.mark.parametrize("seed", [1])
async def test_a_wrong_secret_is_an_auth_error_that_names_no_key(seed: int) -> None:
    for simulator in simulators(seed):
        async with accounts(simulator, QuietObserver(), api_secret="wrong") as watched:
            for account in watched:
                with pytest.raises(VenueError) as caught:
                    await risk_of(account)
                assert caught.value.reason == "auth"
                assert account[0].config.api_key.get_secret_value() not in str(caught.value)


async def test_the_venue_s_restriction_is_kept_to() -> None:
    simulator = BingxSimulator(Market(), clock=lambda: NOW)
    async with accounts(simulator, QuietObserver()) as watched:
        for _ in range(5):
            await risk_of(watched[0])
        with pytest.raises(VenueError) as caught:
            await risk_of(watched[0])
        assert (caught.value.reason, caught.value.blocked_until) == ("rate_limited", NOW + 300.0)
        sent = len(simulator.requests)
        with pytest.raises(VenueError, match="no request is sent"):
            await risk_of(watched[0])
        assert len(simulator.requests) == sent


async def test_an_older_host_without_version_3_of_the_balance_is_read() -> None:
    simulator = BingxSimulator(Market(), clock=lambda: NOW)
    refusal = '{"code":100400,"msg":"this api is not exist, please refer to the API docs"}'
    simulator.faults.set(Status(200, refusal), at="/openApi/swap/v3/user/balance")
    async with accounts(simulator, QuietObserver()) as watched:
        (pool,) = (await risk_of(watched[0])).pools
    assert pool.pool.equity == float(watched[0][2].pool("USDT").equity)
