"""Sub-accounts at the Binance stand-ins: what a master is told, and what the adapters make of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product

import pytest
from aiohttp import ClientSession

from exporter.api import Client as ExporterClient
from exporter.demo import Market, Server, discover
from exporter.demo.binance import BinanceSimulator
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from exporter.demo.book import Book
from exporter.demo.market import DEFAULT_COINS
from exporter.model import AccountSnapshot, RiskSettings
from exporter.risk import assess
from exporter.venues import discover as venues
from tests.demo.binance_usdm_client import NOW, STAMP, Client, Clock
from tests.venues.harness import QuietObserver

MASTER = "usdm-multi-asset"
ARBITRAGE = "arbitrage_virtual@k3d8noemail.com"
LIST, STATUS = "/sapi/v1/sub-account/list", "/sapi/v1/sub-account/status"
ACCOUNT, POSITIONS = "/sapi/v2/sub-account/futures/account", "/sapi/v2/sub-account/futures/positionRisk"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator = BinanceUsdmSimulator(Market(), clock=clock)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock)


def query(**parameters: str) -> str:
    return "&".join(f"{name}={value}" for name, value in {**parameters, "timestamp": str(STAMP)}.items())


async def test_the_list_has_one_row_a_page_unless_more_are_asked_for(client: Client) -> None:
    for number, name in enumerate(["arbitrage", "carry"], 1):
        (row,) = (await client.signed(LIST, query(page=str(number)), account=MASTER)).body["subAccounts"]
        assert row["email"] == f"{name}_virtual@k3d8noemail.com"
    assert len((await client.signed(LIST, query(limit="200"), account=MASTER)).body["subAccounts"]) == 2
    assert (await client.signed(LIST, query(page="3"), account=MASTER)).body == {"subAccounts": []}
    assert (await client.signed(LIST, query(limit="201"), account=MASTER)).error[:2] == (400, -1100)
    assert (await client.signed(LIST, account="usdm-directional")).body == {"subAccounts": []}
    assert [row["isFutureEnabled"] for row in (await client.signed(STATUS, account=MASTER)).body] == [
        True,
        True,
    ]


@pytest.mark.parametrize("path", [ACCOUNT, POSITIONS])
async def test_one_is_asked_about_by_its_address_with_the_master_s_key_alone(
    client: Client, path: str
) -> None:
    asked = query(email=ARBITRAGE.replace("@", "%40"), futuresType="1")
    answer = await client.signed(path, asked, account=MASTER)
    assert answer.status == 200
    assert answer.headers["X-SAPI-USED-IP-WEIGHT-1M"] == "1"
    assert "X-MBX-USED-WEIGHT-1M" not in answer.headers
    refused = [
        (await client.signed(path, asked, account="usdm-directional"), -1109),
        (await client.signed(path, asked.replace("Type=1", "Type=2"), account=MASTER), -1109),
        (
            await client.signed(path, query(email="other%40example.com", futuresType="1"), account=MASTER),
            -1109,
        ),
        (await client.signed(path, query(email=ARBITRAGE), account=MASTER), -1102),
        (await client.signed(path, query(futuresType="1"), account=MASTER), -1102),
        (await client.signed(path, f"{asked}&symbol=BTCUSDT", account=MASTER), -1104),
        (await client.raw(f"{path}?{asked}&signature=0", key=client.credential(MASTER).api_key), -1022),
        (await client.raw(f"{path}?{asked}", key=client.credential(MASTER).api_key), -1102),
    ]
    assert [(answer.status, answer.body["code"]) for answer, _ in refused] == [
        (400, code) for _, code in refused
    ]
    client.clock.now += 6.0
    assert (await client.signed(path, asked, account=MASTER)).error[:2] == (400, -1021)


def simulated(name: str, market: Market) -> BinanceSimulator:
    found = discover()[name](market, clock=lambda: NOW)
    assert isinstance(found, BinanceSimulator)
    return found


@pytest.mark.parametrize("name", ["binance_usdm", "binance_coinm"])
def test_no_sub_account_is_liquidated_anywhere_the_market_can_go(name: str) -> None:
    coins = [coin for coin in DEFAULT_COINS if coin.name in {"BTC", "ETH", "SOL"}]
    for corner in product((1, -1), repeat=3):
        market = Market()
        simulator = simulated(name, market)
        for coin, direction in zip(coins, corner, strict=True):
            market.set_price(coin.name, coin.price * (1 + coin.band + 0.003) ** direction)
        simulator.tick()
        books = [book for below in simulator.below.values() for book in below.values()]
        assert [book.liquidations for book in books] == [[] for _ in books]


async def collected(name: str, seed: int) -> list[tuple[AccountSnapshot, Book]]:
    market = Market(seed=seed)
    simulator = simulated(name, market)
    market.advance(seed * 97)
    market.freeze()
    cls, found = venues()[name], []
    async with Server(simulator) as server, ExporterClient(QuietObserver(), wall=lambda: NOW) as client:
        for entry in simulator.demo_accounts(server.base_url):
            if not entry.get("sub_accounts"):
                continue
            config = cls.config_class.model_validate(entry)
            venue = cls(config)
            for member in await venue.sub_accounts(client.account(venue)):
                below = cls(config.member(f"{config.name}.{member.name}", member))  # type: ignore[attr-defined]
                book = simulator.below[config.name][member.handle]
                found.append((await below.fetch(client.account(below)), book))
    return found


@pytest.mark.parametrize("name", ["binance_usdm", "binance_coinm"])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_rates_margin_modes_and_liquidation_prices_agree(name: str, seed: int) -> None:
    """The margin mode, which USD-M does not tell, is that of the book in every market."""
    accounts = await collected(name, seed)
    assert len(accounts) == {"binance_usdm": 2, "binance_coinm": 1}[name]
    for snapshot, book in accounts:
        risk = assess(snapshot, RiskSettings(cross_check=True))
        rates = {pool.pool.currency: pool.maintenance_margin_rate for pool in risk.pools}
        for currency in book.pool_currencies():
            expected = book.pool(currency)
            assert expected.rate is not None
            assert rates[currency] == pytest.approx(float(expected.rate), rel=1e-5)
        held = {(one.contract.symbol, one.side): one for one in book.positions}
        assert len(risk.positions) == len(held)
        for row in risk.positions:
            position = held[row.position.symbol, row.position.side]
            assert row.position.margin_mode == position.margin_mode
            price = book.liquidation_price(position)
            assert (row.liquidation_price is None) == (price is None)
            if price is not None:
                assert row.liquidation_price == pytest.approx(float(price), rel=1e-5)
            if position.margin_mode == "isolated":
                assert row.position.margin == pytest.approx(float(position.isolated_wallet), rel=1e-4)
