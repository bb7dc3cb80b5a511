"""The Hyperliquid stand-in: as strict as documented, its figures add up, and the adapter reads them right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.api import Client as ExporterClient
from exporter.demo import Market, Server
from exporter.demo._hyperliquid import LIMIT, Credential
from exporter.demo.hyperliquid import Account, HyperliquidSimulator
from exporter.demo.market import DEFAULT_COINS
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from exporter.venues import discover
from tests.venues.harness import QuietObserver

NOW = 1_700_000_030.0
USER = Credential.fake("hyper-unified").address
CLS = discover()["hyperliquid"]


@dataclass
class Client:
    """Sends exactly what it is told to."""

    session: ClientSession
    base_url: str
    simulator: HyperliquidSimulator

    async def status(self, document: Any, *, method: str = "POST", path: str = "/info", **more: Any) -> int:
        async with self.session.request(method, self.base_url + path, json=document, **more) as response:
            return response.status


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    simulator = HyperliquidSimulator(Market(), clock=lambda: NOW)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator)


async def test_what_is_no_question_is_refused(client: Client) -> None:
    good = {"type": "clearinghouseState", "dex": "xyz", "user": USER}
    assert await client.status(good) == 200
    for wrong in (
        "text",
        [good],
        {"user": USER},
        {"type": "order", "user": USER},
        {"type": "clearinghouseState"},
        {**good, "user": USER[:-1]},
        {**good, "user": "0x" + "ab" * 32},
        {**good, "dex": "none"},
        {**good, "time": "now"},
        {**good, "user": 7},
    ):
        assert await client.status(wrong) == 422, wrong
    assert await client.status(good, method="GET") == 405
    assert await client.status(good, path="/exchange") == 404
    assert await client.status(good, headers={"Content-Type": "text/plain"}) == 415


async def test_weights_of_an_address_in_a_minute(client: Client) -> None:
    client.simulator.limits.spend("127.0.0.1", LIMIT - 62, NOW)
    role, light = {"type": "userRole", "user": USER}, {"type": "exchangeStatus"}
    assert [await client.status(one) for one in (role, role, light, light)] == [200, 429, 200, 429]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 900))
def test_printed_figures_add_up(seed: int, seconds: int) -> None:
    market = Market(seed=seed)
    simulator = HyperliquidSimulator(market, clock=lambda: NOW)
    market.advance(seconds)
    for account in simulator.accounts.values():
        assert isinstance(account, Account)
        balances: Any = simulator._balances(account)
        left = dict(balances.get("tokenToAvailableAfterMaintenance", ()))
        required, apart = dict.fromkeys(left, Decimal(0)), dict.fromkeys(left, Decimal(0))
        for exchange, token in (("", 0), ("xyz", 0), ("flx", 360)):
            state: Any = simulator._state(account, exchange)
            rows = [one["position"] for one in state["assetPositions"]]
            signed = sum(
                (Decimal(row["positionValue"]) * (-1 if row["szi"].startswith("-") else 1) for row in rows),
                Decimal(0),
            )
            whole = state["marginSummary"]
            assert Decimal(whole["accountValue"]) == Decimal(whole["totalRawUsd"]) + signed
            margins = [Decimal(row["marginUsed"]) for row in rows if row["leverage"]["type"] == "isolated"]
            cross = Decimal(state["crossMarginSummary"]["accountValue"])
            assert Decimal(whole["accountValue"]) == cross + sum(margins, Decimal(0))
            if token in left:
                required[token] += Decimal(state["crossMaintenanceMarginUsed"])
                apart[token] += sum(margins, Decimal(0))
        for row in balances["balances"]:
            backing = Decimal(row["total"]) - apart[row["token"]]
            assert Decimal(left[row["token"]]) == backing - required[row["token"]]


def test_no_demo_account_is_liquidated_anywhere_the_market_can_go() -> None:
    coins = [coin for coin in DEFAULT_COINS if coin.name in {"BTC", "ETH", "SOL", "BNB", "XRP", "LTC"}]
    for corner in product((1, -1), repeat=3):
        market = Market()
        simulator = HyperliquidSimulator(market, clock=lambda: NOW)
        for coin, direction in zip(coins, corner * 2, strict=True):
            market.set_price(coin.name, coin.price * (1 + coin.band + 0.003) ** direction)
        simulator.tick()
        for book in simulator.accounts.values():
            assert isinstance(book, Account)
            assert [one.liquidations for one in (book, *book.others.values())] == [[]] * (
                1 + len(book.others)
            )


async def collected(simulator: HyperliquidSimulator, **changed: Any) -> list[tuple[str, Any]]:
    """Every account and sub-account by its name at the venue."""
    found = []
    async with Server(simulator) as server, ExporterClient(QuietObserver(), wall=lambda: NOW) as client:
        for entry in simulator.demo_accounts(server.base_url):
            config: Any = CLS.config_class.model_validate({**entry, **changed})
            venue = CLS(config)
            found.append((config.name, await venue.fetch(client.account(venue))))
            members = await venue.sub_accounts(client.account(venue)) if config.sub_accounts else ()
            for member in members:
                below = CLS(config.member(f"{config.name}.{member.name}", member))
                found.append((member.name, await below.fetch(client.account(below))))
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_rates_and_liquidation_prices_agree(seed: int) -> None:
    market = Market(seed=seed)
    simulator = HyperliquidSimulator(market, clock=lambda: NOW)
    market.advance(seed * 97)
    market.set_price("USDC", "1")
    market.freeze()
    found = await collected(simulator)
    assert [name for name, _ in found] == [
        *("hyper-unified", "hyper-portfolio", "hyper-separate", "arbitrage", "basis"),
    ]
    assert simulator.requests.count("POST /info") < 40
    for name, snapshot in found:
        account = simulator.accounts[name]
        assert isinstance(account, Account)
        risk = assess(snapshot, RiskSettings(cross_check=True))
        for pool in risk.pools:
            exchange, _, coin = pool.pool.key.rpartition(":")
            expected = account.others.get(exchange, account).pool(coin)
            assert pool.margin_equity == pytest.approx(float(expected.margin_equity), rel=1e-8)
            assert expected.rate is not None
            assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate), rel=1e-8)
        prices = {
            one.contract.symbol: book.liquidation_price(one)
            for book in (account, *account.others.values())
            for one in book.positions
        }
        assert len(risk.positions) == len(prices)
        for position in risk.positions:
            price = prices[position.position.symbol]
            assert (position.liquidation_price is None) == (price is None)
            # Where money becomes a debt on the way, the book's own price is a little off.
            if price is not None and not account.multi_asset:
                assert position.liquidation_price == pytest.approx(float(price), rel=1e-6)
                assert abs(position.liquidation_cross_check_ratio or 0.0) < 1e-6


async def test_wrong_addresses_are_told() -> None:
    simulator = HyperliquidSimulator(Market(), clock=lambda: NOW)
    agent = "0x" + "ab" * 20
    simulator.roles[agent] = {"role": "agent", "data": {"user": USER}}
    for address, words in ((agent, "agent"), ("0x" + "cd" * 20, "mistyped")):
        with pytest.raises(VenueError, match=words) as caught:
            await collected(simulator, address=address)
        assert caught.value.reason == "auth"
