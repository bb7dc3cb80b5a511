"""The Binance Portfolio Margin stand-in: as strict as documented; its numbers add up and are read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession

from exporter.api import Client as Exporter
from exporter.demo import Market, Server
from exporter.demo import _binance_coinm as coinm
from exporter.demo import _binance_usdm as usdm
from exporter.demo._binance_weights import WeightPool
from exporter.demo.binance_pm import BinancePmSimulator
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from exporter.risk.assess import computed_liquidation_prices
from tests.demo.binance_coinm_client import STAMP, Client, Clock
from tests.venues.harness import QuietObserver, make_venue

BASIS, HEDGED, IN_PRO = "pm-basis", "pm-hedged", "pm-pro"
ACCOUNTS = [BASIS, HEDGED]
SIGNED = [
    "v1/account",
    "v1/balance",
    "v1/um/positionRisk",
    "v1/cm/positionRisk",
    "v2/um/account",
    "v1/cm/account",
]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator: Any = BinancePmSimulator(Market(), clock=clock)
    simulator.market.set_price("BTC", "61234.56")
    simulator.market.set_price("ETH", "3301.98")
    book = simulator.new_book(IN_PRO)
    for coin, amount in (("USDT", "21000"), ("BTC", "0.25")):
        book.deposit(coin, amount)
    book.open(usdm.CONTRACTS["ETHUSDT"], "long", "12", price="3377.8")
    book.open(coinm.CONTRACTS["BTCUSD_PERP"], "short", 150, price="65204.5")
    simulator.add_account(book)
    simulator.programs[IN_PRO] = "pro"
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock)


@pytest.mark.parametrize("path", [*SIGNED, "v1/um/leverageBracket", "v1/cm/leverageBracket"])
async def test_private_paths_need_a_key_a_signature_and_a_fresh_timestamp(client: Client, path: str) -> None:
    path = f"/papi/{path}"
    assert (await client.raw(path)).error[:2] == (401, -2014)
    key = next(iter(client.simulator.credentials))
    forged = f"{path}?timestamp={STAMP}&signature={'0' * 64}"
    assert (await client.raw(forged, key=key)).error[:2] == (400, -1022)
    for query, code in ((f"timestamp={STAMP - 5001}", -1021), (f"nope=1&timestamp={STAMP}", -1104)):
        assert (await client.signed(path, query, account=BASIS)).error[:2] == (400, code)
    assert (await client.signed(path, account=BASIS)).status == 200
    simulator: Any = client.simulator
    simulator.classic.add(BASIS)
    assert (await client.signed(path, account=BASIS)).error[:2] == (400, -21001)


async def test_collateral_rates_want_a_key_and_no_signature(client: Client) -> None:
    path, key = "/sapi/v1/portfolio/collateralRate", next(iter(client.simulator.credentials))
    assert (await client.raw(path)).error[:2] == (401, -2014)
    assert (await client.raw(path, key="a" * 64)).error[:2] == (401, -2015)
    assert (await client.signed(path, account=BASIS)).error[:2] == (400, -1101)
    rates = {row["asset"]: row["collateralRate"] for row in (await client.raw(path, key=key)).body}
    assert rates["BTC"] == "0.9500"
    (row,) = (await client.raw("/sapi/v1/portfolio/asset-index-price?asset=BTC")).body
    assert Decimal(row["assetIndexPrice"]) == Decimal("61234.56")


async def test_each_host_counts_in_a_limit_of_its_own(client: Client) -> None:
    futures = WeightPool.of(client.simulator.market)
    for path, name, used in (
        ("/fapi/v1/premiumIndex", "X-MBX-USED-WEIGHT-1M", 10),
        ("/dapi/v1/premiumIndex", "X-MBX-USED-WEIGHT-1M", 20),
        ("/sapi/v1/portfolio/asset-index-price", "X-SAPI-USED-IP-WEIGHT-1M", 50),
    ):
        assert int((await client.raw(path)).headers[name]) == used
    assert futures.used("127.0.0.1", client.clock.now) == 20
    assert int((await client.signed("/papi/v1/account", account=BASIS)).headers["X-MBX-USED-WEIGHT-1M"]) == 20


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_equity_is_the_sum_of_the_coins_at_their_collateral_rates(client: Client, account: str) -> None:
    """And what is owed counts in full."""
    key = next(iter(client.simulator.credentials))
    found = (await client.signed("/papi/v1/account", account=account)).body
    balances = (await client.signed("/papi/v1/balance", account=account)).body
    rates = {
        row["asset"]: Decimal(row["collateralRate"])
        for row in (await client.raw("/sapi/v1/portfolio/collateralRate", key=key)).body
    }
    indices = {
        row["asset"]: Decimal(row["assetIndexPrice"])
        for row in (await client.raw("/sapi/v1/portfolio/asset-index-price")).body
    }
    equity = worth = Decimal(0)
    for row in balances:
        plus = ("crossMarginFree", "umWalletBalance", "umUnrealizedPNL", "cmWalletBalance", "cmUnrealizedPNL")
        net = sum(Decimal(row[name] or 0) for name in plus) - Decimal(row["crossMarginBorrowed"])
        value = net * indices[row["asset"]]
        worth += value
        equity += min(value, value * rates[row["asset"]])
    assert Decimal(found["accountEquity"]) == pytest.approx(equity, abs=Decimal("1e-7"))
    assert Decimal(found["actualEquity"]) == pytest.approx(worth, abs=Decimal("1e-7"))
    um, cm = [
        (await client.signed(path, account=account)).body
        for path in ("/papi/v2/um/account", "/papi/v1/cm/account")
    ]
    margins = [Decimal(row["maintMargin"]) * indices[row["asset"]] for row in (*um["assets"], *cm["assets"])]
    loans = sum(Decimal(row["crossMarginBorrowed"]) / 10 * indices[row["asset"]] for row in balances)
    assert Decimal(found["accountMaintMargin"]) == pytest.approx(sum(margins) + loans, abs=Decimal("1e-6"))
    assert sum(Decimal(row["maintMargin"]) for row in um["positions"]) == Decimal(
        um["assets"][0]["maintMargin"]
    )


PRO = [
    *(
        "/sapi/v1/portfolio/account",
        "/sapi/v1/portfolio/balance",
        "/fapi/v3/account",
        "/fapi/v3/positionRisk",
    ),
    *("/fapi/v1/leverageBracket", "/dapi/v1/account", "/dapi/v1/positionRisk", "/dapi/v2/leverageBracket"),
]


@pytest.mark.parametrize("path", PRO)
async def test_an_account_in_pro_is_answered_by_its_own_calls_and_no_other(client: Client, path: str) -> None:
    simulator: Any = client.simulator
    assert (await client.signed(path, account=IN_PRO)).status == 200
    assert (await client.signed(path, account=BASIS)).error[:2] == (400, -21001)
    assert (await client.signed("/papi/v1/account", account=IN_PRO)).error[:2] == (400, -21001)
    assert (await client.signed("/sapi/v2/portfolio/account", account=IN_PRO)).error[:2] == (400, -21001)
    key = next(one.api_key for one in simulator.credentials.values() if one.account == IN_PRO)
    forged = f"{path}?timestamp={STAMP}&signature={'0' * 64}"
    assert (await client.raw(forged, key=key)).error[:2] == (400, -1022)
    simulator.programs[IN_PRO] = "span"
    assert (await client.signed("/sapi/v2/portfolio/account", account=IN_PRO)).body["accountType"] == "PM_3"
    assert (await client.signed("/sapi/v1/portfolio/account", account=IN_PRO)).error[:2] == (400, -21001)


@pytest.mark.parametrize("account", [*ACCOUNTS, IN_PRO])
async def test_the_stand_in_and_the_adapter_agree(client: Client, account: str) -> None:
    simulator: Any = client.simulator
    entry = next(one for one in simulator.demo_accounts(client.base_url) if one["name"] == account)
    async with Exporter(QuietObserver(), wall=client.clock) as exporter:
        venue = make_venue("binance_pm", client.base_url, entry)
        snapshot = await venue.fetch(exporter.account(venue))
        book = simulator.accounts[account]
        (pool,) = assess(snapshot, RiskSettings()).pools
        expected = book.pool("USD")
        assert pool.margin_equity == pytest.approx(float(expected.equity), abs=1e-7)
        assert pool.maintenance_margin == pytest.approx(float(expected.maintenance_margin), abs=1e-7)
        assert pool.maintenance_margin_rate == pytest.approx(1.05 / float(book.rate_of_equity), rel=1e-7)
        for position, price in computed_liquidation_prices(snapshot, RiskSettings()):
            held = next(
                one
                for one in book.positions
                if (one.contract.symbol, one.side) == (position.symbol, position.side)
            )
            exact = book.liquidation_price(held)
            assert price == (None if exact is None else pytest.approx(float(exact), rel=1e-6))
        assert len(snapshot.positions) == len(book.positions)
        simulator.classic.add(account)
        simulator.programs.clear()
        with pytest.raises(VenueError, match="binance_usdm") as caught:
            await venue.fetch(exporter.account(venue))
        assert caught.value.reason == "unsupported"


@pytest.mark.parametrize(
    ("price", "state"), [("61234.56", "NORMAL"), ("48979", "MARGIN_CALL"), ("48940", "REDUCE_ONLY")]
)
async def test_the_state_follows_from_the_rate(client: Client, price: str, state: str) -> None:
    """And below 1.05 everything is closed."""
    simulator: Any = client.simulator
    book = simulator.new_book("long")
    book.deposit("USDT", "50000")
    book.open(next(iter(simulator.accounts.values())).positions[0].contract, "long", "4", price="61234.56")
    simulator.add_account(book)
    simulator.market.set_price("BTC", price)
    found = (await client.signed("/papi/v1/account", account="long")).body
    assert found["accountStatus"] == state, found["uniMMR"]
    simulator.market.set_price("BTC", "48900")
    found = (await client.signed("/papi/v1/account", account="long")).body
    assert found["accountMaintMargin"] == "0.00000000"
    assert len(book.liquidations) == 1
