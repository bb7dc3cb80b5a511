"""The BingX adapters against their stand-ins: two independent programs come to the same figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from exporter.api import Api, Client
from exporter.demo import Market, Server, VenueSimulator
from exporter.demo._bingx_figures import contract
from exporter.demo.bingx import BingxSimulator
from exporter.demo.bingx_v1 import BingxV1Simulator
from exporter.demo.book import Book, Pool
from exporter.demo.contracts import rounded
from exporter.demo.faults import Status
from exporter.errors import VenueError
from exporter.model import AccountRisk, MarginPool, PoolRisk, PositionRisk, RiskSettings
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
                expected = book.pool(pool.pool.currency)
                if simulator.name == "bingx":
                    assert_pool(pool, expected)
                else:
                    assert pool.pool.equity == float(expected.equity)
                    assert pool.maintenance_margin_rate is None
                assert len(risk.positions) == len(book.positions)
                for position, held in zip(risk.positions, book.positions, strict=True):
                    assert_position(position, book.liquidation_price(held))
        assert observer.optional_failures == []


def assert_pool(pool: PoolRisk, expected: Pool) -> None:
    frozen = pool.pool.open_order_margin
    assert frozen is not None
    adjusted = pool.pool.adjusted_equity if pool.pool.adjusted_equity is not None else pool.pool.equity
    assert adjusted == pytest.approx(float(expected.equity) + frozen, abs=1e-3)
    assert expected.rate is not None
    assert pool.pool.margin_equity == pytest.approx(float(expected.margin_equity), abs=1e-3)
    assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate), rel=1e-4)
    assert pool.pool.venue_margin_rate == pytest.approx(float(expected.rate), abs=1e-4)


def assert_position(position: PositionRisk, price: Decimal | None) -> None:
    assert price is not None
    assert position.liquidation_price == pytest.approx(float(price), rel=2e-4)
    assert position.liquidation_distance_ratio is not None
    assert position.liquidation_distance_ratio > 0.0
    assert abs(position.liquidation_cross_check_ratio or 0.0) < 1e-4


async def test_prices_that_the_venue_hides_are_computed() -> None:
    simulator = BingxSimulator(Market(), clock=lambda: NOW)
    async with accounts(simulator, QuietObserver()) as watched:
        sources = [[row.liquidation_source for row in (await risk_of(a)).positions] for a in watched]
    assert sources == [["computed"] * 2, ["venue"] * 3, ["venue"] * 2]


def lock_trading(simulator: BingxSimulator) -> None:
    """Every key may only read, as a key for monitoring should."""
    for key, credential in simulator.credentials.items():
        simulator.credentials[key] = replace(credential, may_trade=False)


@pytest.mark.parametrize("all_coins", [True, False])
@pytest.mark.parametrize("seed", range(1, 4))
async def test_a_key_that_may_only_read_sees_the_same_or_nothing(seed: int, *, all_coins: bool) -> None:
    simulator = simulators(seed)[0]
    assert isinstance(simulator, BingxSimulator)
    observer = QuietObserver()
    async with accounts(simulator, observer) as watched:
        before = [await risk_of(account) for account in watched]
    lock_trading(simulator)
    simulator.all_coins = all_coins
    async with accounts(simulator, observer) as watched:
        after = [await risk_of(account) for account in watched]
    single, multi = slice(0, 2), 2
    assert [risk.pools for risk in after[single]] == [risk.pools for risk in before[single]]
    assert [risk.snapshot.modes for risk in after] == [{}, {}, {"asset_mode": "multi"}]
    if all_coins:
        assert after[multi].pools == before[multi].pools
    else:
        # Bitcoin backs the positions and is not shown: what the venue prints is all that is known.
        (pool,) = after[multi].pools
        assert pool.pool == MarginPool(currency="USD", venue_margin_rate=pool.pool.venue_margin_rate)
        assert pool.pool.venue_margin_rate is not None
        assert pool.maintenance_margin_rate is None
    for risk in after:
        for position in risk.positions:
            assert (position.liquidation_distance_ratio or 0.0) >= 0.0
            assert position.position.position_id == ""
    assert observer.optional_failures == []


async def test_an_account_with_a_fee_of_its_own_is_liquidated_by_it() -> None:
    simulator = BingxSimulator(Market(), clock=lambda: NOW)
    rate = Decimal("0.00032")
    book = simulator.new_book("vip")
    book.deposit("USDT", "5000")
    book.open(contract("BTC-USDT", taker_rate=rate), "long", "1.2", price="65010.2", leverage=20, now=NOW)
    simulator.add_account(book)
    simulator.taker_rates["vip"] = rate
    async with accounts(simulator, QuietObserver()) as watched:
        risk = await risk_of(watched[-1])
    (pool,), (position,) = risk.pools, risk.positions
    assert position.position.closing_fee_rate == 0.00032
    assert_pool(pool, book.pool("USDT"))
    assert_position(position, book.liquidation_price(book.positions[0]))


@pytest.mark.parametrize("fee", ["0.0005", "0.00032"])
async def test_where_the_venue_liquidates_the_rate_is_one(fee: str) -> None:
    """Its risk has the closing fee: without it the rate would be 0.88 there."""
    market = Market()
    simulator = BingxSimulator(market, clock=lambda: NOW)
    book = simulator.new_book("edge")
    book.deposit("USDT", "1000")
    book.open(contract("BTC-USDT", taker_rate=Decimal(fee)), "long", "0.3", price="65000", now=NOW)
    simulator.add_account(book)
    simulator.taker_rates["edge"] = Decimal(fee)
    market.freeze()
    price = book.liquidation_price(book.positions[0])
    assert price is not None
    # A tick before it: the stand-in closes positions there.
    market.set_price("BTC", rounded(price, 1) + Decimal("0.1"), "USDT")
    async with accounts(simulator, QuietObserver()) as watched:
        (pool,) = (await risk_of(watched[-1])).pools
    assert pool.maintenance_margin_rate == pytest.approx(1.0, abs=1e-3)
    assert book.liquidations == []
    market.set_price("BTC", rounded(price, 1), "USDT")
    simulator.tick()
    assert len(book.liquidations) == 1


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
        assert caught.value.reason == "rate_limited"
        # By the answer's own date, which has no fractions of a second.
        assert caught.value.blocked_until == pytest.approx(NOW + 300.0, abs=1.0)
        sent = len(simulator.requests)
        with pytest.raises(VenueError, match="no request is sent"):
            await risk_of(watched[0])
        assert len(simulator.requests) == sent


async def test_an_older_host_without_version_3_of_the_balance_is_read() -> None:
    simulator = BingxSimulator(Market(), clock=lambda: NOW)
    refusal = '{"code":100400,"msg":"this api is not exist, please refer to the API docs"}'
    simulator.faults.set(Status(200, refusal), at="/openApi/swap/v3/user/balance")
    async with accounts(simulator, QuietObserver()) as watched:
        (pool,) = (await risk_of(watched[1])).pools
    assert pool.pool.equity == float(watched[1][2].pool("USDT").equity)


async def test_the_page_of_a_firewall_silences_the_address_for_a_while() -> None:
    simulator = BingxSimulator(Market(), clock=lambda: NOW)
    simulator.faults.set(Status(403, "<html>Access denied</html>"))
    async with accounts(simulator, QuietObserver()) as watched:
        for account in watched * 3:
            with pytest.raises(VenueError, match="firewall") as caught:
                await risk_of(account)
            assert (caught.value.reason, caught.value.blocked_until) == ("banned", NOW + 300.0)
    assert len(simulator.requests) <= 2
