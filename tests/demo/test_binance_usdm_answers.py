"""What the Binance USD-M stand-in answers: the documented fields, and numbers that move with the market."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from aiohttp import ClientSession

from exporter.demo import Market, Server
from exporter.demo._binance_usdm import CONTRACTS
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from tests.demo.binance_usdm_client import (
    ACCOUNT_POSITION_FIELDS,
    ACCOUNT_TOTALS,
    ASSET_FIELDS,
    NOW,
    POSITION_RISK_FIELDS,
    STAMP,
    Client,
    Clock,
    eight_decimals,
)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator = BinanceUsdmSimulator(Market(), clock=clock)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock)


async def test_the_account_has_the_documented_fields_in_order(client: Client) -> None:
    for account, multi in (("usdm-directional", False), ("usdm-multi-asset", True)):
        body = (await client.signed("/fapi/v3/account", account=account)).body
        assert list(body) == [*ACCOUNT_TOTALS, "assets", "positions"]
        assert all(eight_decimals(body[name]) for name in ACCOUNT_TOTALS)
        fields = [*ASSET_FIELDS[:-1], *(["marginAvailable"] if multi else []), ASSET_FIELDS[-1]]
        assert [list(row) for row in body["assets"]] == [fields] * len(body["assets"])
        assert [list(row) for row in body["positions"]] == [ACCOUNT_POSITION_FIELDS] * len(body["positions"])
        for row in body["assets"]:
            assert all(eight_decimals(row[name]) for name in ASSET_FIELDS[1:-1])


async def test_position_risk_has_the_documented_fields_in_order(client: Client) -> None:
    for account in client.simulator.accounts:
        for row in (await client.signed("/fapi/v3/positionRisk", account=account)).body:
            assert list(row) == POSITION_RISK_FIELDS
            assert all(
                eight_decimals(row[name])
                for name in ("markPrice", "unRealizedProfit", "notional", "initialMargin", "maintMargin")
            )
            assert row["adl"] in range(5)
            assert row["liquidationPrice"] == "0" or eight_decimals(row["liquidationPrice"])
            assert Decimal(row["notional"]) == Decimal(row["positionAmt"]) * Decimal(row["markPrice"]) // (
                Decimal("1e-8")
            ) * Decimal("1e-8")


async def test_position_risk_of_one_symbol_leaves_the_others_out(client: Client) -> None:
    query = f"symbol=ETHUSDT&timestamp={STAMP}"
    rows = (await client.signed("/fapi/v3/positionRisk", query)).body
    assert [row["symbol"] for row in rows] == ["ETHUSDT"]
    assert rows[0]["positionAmt"] == "-6.204"
    assert rows[0]["notional"].startswith("-")


async def test_hedge_mode_shows_sides_and_one_liquidation_price_for_both_legs(client: Client) -> None:
    rows = (await client.signed("/fapi/v3/positionRisk", account="usdm-hedged")).body
    long, short = (row for row in rows if row["symbol"] == "BTCUSDT")
    (isolated,) = (row for row in rows if row["symbol"] == "ETHUSDT")
    assert (long["positionSide"], short["positionSide"]) == ("LONG", "SHORT")
    assert Decimal(long["positionAmt"]) == 44
    assert Decimal(short["positionAmt"]) == Decimal("-38.6")
    assert long["liquidationPrice"] == short["liquidationPrice"] != "0"
    assert long["adl"] == short["adl"]
    assert long["isolatedMargin"] == long["isolatedWallet"] == "0"
    wallet, pnl = Decimal(isolated["isolatedWallet"]), Decimal(isolated["unRealizedProfit"])
    assert Decimal(isolated["isolatedMargin"]) == wallet + pnl


async def test_one_way_mode_shows_both(client: Client) -> None:
    rows = (await client.signed("/fapi/v3/positionRisk")).body
    assert {row["positionSide"] for row in rows} == {"BOTH"}


async def test_settings_are_readable_for_every_symbol(client: Client) -> None:
    rows = {
        row["symbol"]: row
        for row in (await client.signed("/fapi/v1/symbolConfig", account="usdm-hedged")).body
    }
    assert set(rows) == set(CONTRACTS)
    assert rows["BTCUSDT"] == {
        "symbol": "BTCUSDT",
        "marginType": "CROSSED",
        "isAutoAddMargin": False,
        "leverage": 75,
        "maxNotionalValue": "3000000",
    }
    assert (rows["ETHUSDT"]["marginType"], rows["ETHUSDT"]["leverage"]) == ("ISOLATED", 5)
    one = (await client.signed("/fapi/v1/symbolConfig", f"symbol=XRPUSDT&timestamp={STAMP}")).body
    assert [row["symbol"] for row in one] == ["XRPUSDT"]


async def test_account_configuration_tells_the_modes(client: Client) -> None:
    seen = {
        account: (await client.signed("/fapi/v1/accountConfig", account=account)).body
        for account in client.simulator.accounts
    }
    modes = {name: (row["dualSidePosition"], row["multiAssetsMargin"]) for name, row in seen.items()}
    assert modes == {
        "usdm-directional": (False, False),
        "usdm-hedged": (True, False),
        "usdm-multi-asset": (False, True),
        "usdm-concentrated": (False, False),
    }
    assert list(seen["usdm-hedged"]) == [
        "feeTier",
        "canTrade",
        "canDeposit",
        "canWithdraw",
        "dualSidePosition",
        "updateTime",
        "multiAssetsMargin",
        "tradeGroupId",
    ]


async def test_brackets_are_an_array_or_with_a_symbol_an_object(client: Client) -> None:
    everything = (await client.signed("/fapi/v1/leverageBracket")).body
    one = (await client.signed("/fapi/v1/leverageBracket", f"symbol=BTCUSDT&timestamp={STAMP}")).body
    assert one in everything
    assert one["brackets"][1] == {
        "bracket": 2,
        "initialLeverage": 100,
        "notionalCap": 800_000,
        "notionalFloor": 300_000,
        "maintMarginRatio": 0.005,
        "cum": 300.0,
    }
    for row in everything:
        for lower, upper in zip(row["brackets"], row["brackets"][1:], strict=False):
            assert lower["notionalCap"] == upper["notionalFloor"]
            step = upper["maintMarginRatio"] - lower["maintMarginRatio"]
            assert upper["cum"] - lower["cum"] == pytest.approx(upper["notionalFloor"] * step)


async def test_public_market_data(client: Client) -> None:
    everything = (await client.raw("/fapi/v1/premiumIndex")).body
    one = (await client.raw("/fapi/v1/premiumIndex?symbol=BTCUSDT")).body
    assert one in everything
    assert [row["symbol"] for row in everything] == list(CONTRACTS)
    assert one["time"] == STAMP < one["nextFundingTime"] <= STAMP + 8 * 3600 * 1000
    assert one["nextFundingTime"] % (8 * 3600 * 1000) == 0
    risk = (await client.signed("/fapi/v3/positionRisk")).body
    assert one["markPrice"] in {row["markPrice"] for row in risk}
    information = (await client.raw("/fapi/v1/exchangeInfo")).body
    assert [row["symbol"] for row in information["symbols"]] == list(CONTRACTS)
    assert information["rateLimits"][0]["limit"] == 2400
    assert (await client.raw("/fapi/v1/time")).body == {"serverTime": STAMP}
    assert (await client.raw("/fapi/v1/ping")).body == {}


async def test_collateral_rates_are_the_index_less_the_haircut(client: Client) -> None:
    rows = (await client.raw("/fapi/v1/assetIndex")).body
    bitcoin = (await client.raw("/fapi/v1/assetIndex?symbol=BTCUSD")).body
    assert bitcoin in rows
    assert bitcoin["bidBuffer"] == "0.05000000"
    assert Decimal(bitcoin["bidRate"]) == Decimal(bitcoin["index"]) * Decimal("0.95")
    assert Decimal(bitcoin["autoExchangeAskRate"]) == Decimal(bitcoin["index"]) * Decimal("1.025")


async def test_demo_values_change_from_one_collection_to_the_next(client: Client) -> None:
    seen: dict[str, list[str]] = {account: [] for account in client.simulator.accounts}
    for _ in range(3):
        query = f"timestamp={int(client.clock.now * 1000)}"
        for account, values in seen.items():
            answer = await client.signed("/fapi/v3/account", query, account=account)
            values.append(answer.body["totalMarginBalance"])
        client.clock.now += 15
    assert {account: len(set(values)) for account, values in seen.items()} == dict.fromkeys(seen, 3)


async def test_a_request_after_a_crash_finds_the_account_liquidated(client: Client) -> None:
    rows = (await client.signed("/fapi/v3/positionRisk", account="usdm-concentrated")).body
    price = Decimal(rows[0]["liquidationPrice"])
    market, book = client.simulator.market, client.simulator.accounts["usdm-concentrated"]
    market.freeze()
    market.set_price("ADA", price + Decimal("0.000001"), "USDT")
    assert len((await client.signed("/fapi/v3/positionRisk", account="usdm-concentrated")).body) == 1
    market.set_price("ADA", price - Decimal("0.000001"), "USDT")
    assert (await client.signed("/fapi/v3/positionRisk", account="usdm-concentrated")).body == []
    (event,) = book.liquidations
    assert event.time == NOW
    assert event.legs[0].mark == price - Decimal("0.000001")
    assert event.margin_equity <= event.maintenance_margin
