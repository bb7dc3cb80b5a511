"""The Binance COIN-M stand-in: as strict as documented, and its numbers add up to the last digit."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from aiohttp import ClientSession

from exporter.demo import Market, Server
from exporter.demo._binance_coinm import COINS, CONTRACTS, DELIVERY_TIME_MS
from exporter.demo._binance_weights import WeightPool
from exporter.demo.binance_coinm import BinanceCoinmSimulator
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from tests.demo.binance_coinm_client import (
    ACCOUNT_FIELDS,
    ASSET_FIELDS,
    DIRECTIONAL,
    HEDGED,
    NOW,
    RISK_FIELDS,
    STAMP,
    Client,
    Clock,
)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator = BinanceCoinmSimulator(Market(), clock=clock)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock)


@pytest.mark.parametrize("account", [DIRECTIONAL, HEDGED])
async def test_every_demo_account_reads_its_own_account(client: Client, account: str) -> None:
    answer = await client.signed("/dapi/v1/positionRisk", account=account)
    assert answer.status == 200
    held = {row["symbol"] for row in answer.body if row["positionAmt"] != "0"}
    assert held == {item.contract.symbol for item in client.simulator.accounts[account].positions}


@pytest.mark.parametrize("path", ["v1/account", "v1/positionRisk", "v2/leverageBracket", "v1/adlQuantile"])
async def test_private_paths_need_a_key_a_signature_and_a_fresh_timestamp(client: Client, path: str) -> None:
    assert (await client.raw(f"/dapi/{path}")).error[:2] == (401, -2014)
    key = next(iter(client.simulator.credentials))
    forged = f"/dapi/{path}?timestamp={STAMP}&signature={'0' * 64}"
    assert (await client.raw(forged, key=key)).error[:2] == (400, -1022)
    assert (await client.signed(f"/dapi/{path}", f"timestamp={STAMP - 5001}")).error[:2] == (400, -1021)
    assert (await client.signed(f"/dapi/{path}", f"timestamp={STAMP + 1000}")).error[:2] == (400, -1021)
    assert (await client.signed(f"/dapi/{path}", f"nope=1&timestamp={STAMP}")).error[:2] == (400, -1104)
    assert (await client.signed(f"/dapi/{path}")).status == 200


@pytest.mark.parametrize("path", ["v3/account", "v3/positionRisk", "v1/leverageBracket"])
async def test_paths_of_the_other_product_do_not_exist_here(client: Client, path: str) -> None:
    assert (await client.signed(f"/dapi/{path}")).error[:2] == (404, -5000)


async def test_positions_are_asked_by_margin_asset_or_pair_and_not_by_both(client: Client) -> None:
    ask = client.signed
    by_asset = await ask("/dapi/v1/positionRisk", f"marginAsset=ETH&timestamp={STAMP}")
    assert {row["symbol"] for row in by_asset.body} == {"ETHUSD_PERP", "ETHUSD_291228"}
    by_pair = await ask("/dapi/v1/positionRisk", f"pair=BTCUSD&timestamp={STAMP}")
    assert {row["symbol"] for row in by_pair.body} == {"BTCUSD_PERP", "BTCUSD_291228"}
    both = await ask("/dapi/v1/positionRisk", f"pair=BTCUSD&marginAsset=BTC&timestamp={STAMP}")
    assert both.error == (400, -1128, "Combination of optional parameters invalid.")
    symbol = await ask("/dapi/v1/positionRisk", f"symbol=BTCUSD_PERP&timestamp={STAMP}")
    assert symbol.error[:2] == (400, -1104)
    unknown = await ask("/dapi/v1/positionRisk", f"pair=NOPE&timestamp={STAMP}")
    assert unknown.error == (400, -1121, "Invalid symbol.")


async def test_an_unknown_symbol_is_refused(client: Client) -> None:
    for query in ("symbol=BTCUSDT", "pair=NOPE"):
        assert (await client.raw(f"/dapi/v1/premiumIndex?{query}")).error[:2] == (400, -1121)
    query = f"symbol=BTCUSDT&timestamp={STAMP}"
    for path in ("v2/leverageBracket", "v1/adlQuantile"):
        assert (await client.signed(f"/dapi/{path}", query)).error[:2] == (400, -1121)


async def test_every_path_costs_its_documented_weight(client: Client) -> None:
    used = 0
    for path, weight in {
        "/dapi/v1/time": 1,
        "/dapi/v1/exchangeInfo": 1,
        "/dapi/v1/premiumIndex": 10,
        "/dapi/v1/premiumIndex?symbol=BTCUSD_PERP": 10,
    }.items():
        used += weight
        assert (await client.raw(path)).headers["X-MBX-USED-WEIGHT-1M"] == str(used)
    for path, query, weight in (
        ("/dapi/v1/account", "", 5),
        ("/dapi/v1/positionRisk", "", 1),
        ("/dapi/v1/adlQuantile", "", 5),
        ("/dapi/v2/leverageBracket", "", 2),
        ("/dapi/v2/leverageBracket", "symbol=BTCUSD_PERP&", 1),
    ):
        used += weight
        answer = await client.signed(path, f"{query}timestamp={STAMP}")
        assert (answer.status, answer.headers["X-MBX-USED-WEIGHT-1M"]) == (200, str(used))


async def test_both_binance_products_spend_from_one_budget(client: Client) -> None:
    """2400 an address and minute, whichever product is asked."""
    usdm = BinanceUsdmSimulator(client.simulator.market, clock=client.clock)
    assert usdm.weights is client.simulator.weights is WeightPool.of(client.simulator.market)
    usdm.weights.spend("127.0.0.1", 2399, NOW)
    assert (await client.raw("/dapi/v1/time")).status == 200
    refused = await client.raw("/dapi/v1/time")
    assert refused.error[:2] == (429, -1003)
    assert refused.headers["Retry-After"] == "10"
    async with Server(usdm) as server, client.session.get(server.base_url + "/fapi/v1/time") as response:
        assert response.status == 429


async def test_the_account_lists_every_coin_and_every_symbol(client: Client) -> None:
    body = (await client.signed("/dapi/v1/account")).body
    assert list(body) == [
        "assets",
        "positions",
        "canDeposit",
        "canTrade",
        "canWithdraw",
        "feeTier",
        "updateTime",
    ]
    assert [row["asset"] for row in body["assets"]] == list(COINS)
    assert [row["symbol"] for row in body["positions"]] == list(CONTRACTS)
    for row in body["assets"]:
        assert list(row) == ASSET_FIELDS
        amounts = [row[name] for name in ASSET_FIELDS[1:-1]]
        assert all(re.fullmatch(r"-?\d+\.\d{8}", value) for value in amounts)
    for row in body["positions"]:
        assert list(row) == ACCOUNT_FIELDS
        assert isinstance(row["isolated"], bool)


async def test_a_row_without_a_position_is_printed_as_documented(client: Client) -> None:
    account = (await client.signed("/dapi/v1/account")).body["positions"]
    risk = (await client.signed("/dapi/v1/positionRisk")).body
    (bare,) = (row for row in account if row["symbol"] == "SOLUSD_PERP")
    assert bare == {
        "symbol": "SOLUSD_PERP",
        "positionAmt": "0",
        "initialMargin": "0",
        "maintMargin": "0",
        "unrealizedProfit": "0.00000000",
        "positionInitialMargin": "0",
        "openOrderInitialMargin": "0",
        "leverage": "20",
        "isolated": False,
        "positionSide": "BOTH",
        "entryPrice": "0.0",
        "breakEvenPrice": "0.0",
        "maxQty": "2500",
        "notionalValue": "0",
        "updateTime": 0,
    }
    (bare,) = (row for row in risk if row["symbol"] == "SOLUSD_PERP")
    assert list(bare) == RISK_FIELDS
    assert (bare["markPrice"], bare["liquidationPrice"], bare["isAutoAddMargin"]) == (
        "0.00000000",
        "0",
        "false",
    )


async def test_one_way_mode_shows_both_and_hedge_mode_all_three_sides(client: Client) -> None:
    for path in ("/dapi/v1/account", "/dapi/v1/positionRisk"):
        for account, sides in ((DIRECTIONAL, ["BOTH"]), (HEDGED, ["BOTH", "LONG", "SHORT"])):
            body = (await client.signed(path, account=account)).body
            listed = body["positions"] if path.endswith("account") else body
            keys = [(row["symbol"], row["positionSide"]) for row in listed]
            assert keys == [(symbol, side) for symbol in CONTRACTS for side in sides]
            if account == HEDGED:
                assert {row["positionAmt"] for row in listed if row["positionSide"] == "BOTH"} == {"0"}


async def test_hedge_legs_share_a_liquidation_price_and_isolated_ones_have_their_own(client: Client) -> None:
    body = (await client.signed("/dapi/v1/positionRisk", account=HEDGED)).body
    held = {(row["symbol"], row["positionSide"]): row for row in body if row["positionAmt"] != "0"}
    long, short = held["ETHUSD_PERP", "LONG"], held["ETHUSD_PERP", "SHORT"]
    assert (long["positionAmt"], short["positionAmt"]) == ("30000", "-12000")
    assert long["liquidationPrice"] == short["liquidationPrice"] != "0"
    assert short["notionalValue"].startswith("-")
    assert {long["marginType"], short["marginType"]} == {"cross"}
    assert (long["isolatedMargin"], long["isolatedWallet"]) == ("0.00000000", "0")
    for key in (("ETHUSD_291228", "SHORT"), ("BTCUSD_PERP", "LONG")):
        row = held[key]
        assert row["marginType"] == "isolated"
        assert row["isolatedMargin"] == str(Decimal(row["isolatedWallet"]) + Decimal(row["unRealizedProfit"]))
    assert Decimal(held["ETHUSD_291228", "SHORT"]["liquidationPrice"]) > Decimal(
        held["ETHUSD_291228", "SHORT"]["markPrice"]
    )


async def test_quantiles_of_a_cross_hedge_are_shared_and_marked(client: Client) -> None:
    hedged = {
        row["symbol"]: row["adlQuantile"]
        for row in (await client.signed("/dapi/v1/adlQuantile", account=HEDGED)).body
    }
    assert set(hedged["ETHUSD_PERP"]) == {"LONG", "SHORT", "HEDGE"}
    assert hedged["ETHUSD_PERP"]["LONG"] == hedged["ETHUSD_PERP"]["SHORT"] > 0
    assert hedged["ETHUSD_PERP"]["HEDGE"] == 0
    assert set(hedged["BTCUSD_PERP"]) == {"LONG", "SHORT", "BOTH"}
    query = f"symbol=BTCUSD_PERP&timestamp={STAMP}"
    (one,) = (await client.signed("/dapi/v1/adlQuantile", query)).body
    assert one["adlQuantile"]["BOTH"] in range(5)
    assert (one["adlQuantile"]["LONG"], one["adlQuantile"]["SHORT"]) == (0, 0)
    nothing = await client.signed("/dapi/v1/adlQuantile", f"symbol=LTCUSD_PERP&timestamp={STAMP}")
    assert nothing.body == []


async def test_public_market_data(client: Client) -> None:
    information = (await client.raw("/dapi/v1/exchangeInfo")).body
    sizes = {row["symbol"]: row["contractSize"] for row in information["symbols"]}
    assert {symbol: size for symbol, size in sizes.items() if size != 10} == {
        "BTCUSD_PERP": 100,
        "BTCUSD_291228": 100,
    }
    assert set(sizes) == set(CONTRACTS)
    (delivery,) = (row for row in information["symbols"] if row["symbol"] == "BTCUSD_291228")
    assert (delivery["deliveryDate"], delivery["contractStatus"]) == (DELIVERY_TIME_MS, "TRADING")
    assert (delivery["marginAsset"], delivery["quoteAsset"]) == ("BTC", "USD")
    prices = {row["symbol"]: row for row in (await client.raw("/dapi/v1/premiumIndex")).body}
    assert set(prices) == set(CONTRACTS)
    assert prices["BTCUSD_PERP"]["indexPrice"] == prices["BTCUSD_291228"]["indexPrice"]
    later = prices["BTCUSD_291228"]
    assert (later["lastFundingRate"], later["interestRate"], later["nextFundingTime"]) == ("", "", 0)
    assert Decimal(later["markPrice"]) > Decimal(prices["BTCUSD_PERP"]["markPrice"])
    risk = (await client.signed("/dapi/v1/positionRisk")).body
    for row in risk:
        if row["positionAmt"] != "0":
            assert row["markPrice"] == prices[row["symbol"]]["markPrice"]
    pair = (await client.raw("/dapi/v1/premiumIndex?pair=ETHUSD")).body
    assert [row["symbol"] for row in pair] == ["ETHUSD_PERP", "ETHUSD_291228"]
    assert (await client.raw("/dapi/v1/time")).body == {"serverTime": STAMP}


async def test_brackets_are_in_the_base_coin_and_continuous(client: Client) -> None:
    everything = (await client.signed("/dapi/v2/leverageBracket")).body
    query = f"symbol=BTCUSD_PERP&timestamp={STAMP}"
    (bitcoin,) = (await client.signed("/dapi/v2/leverageBracket", query)).body
    assert bitcoin in everything
    assert bitcoin["brackets"][1] == {
        "bracket": 2,
        "initialLeverage": 100,
        "qtyCap": 10,
        "qtylFloor": 5,
        "maintMarginRatio": 0.005,
        "cum": 0.005,
    }
    for row in everything:
        for lower, upper in zip(row["brackets"], row["brackets"][1:], strict=False):
            assert lower["qtyCap"] == upper["qtylFloor"]
            step = upper["maintMarginRatio"] - lower["maintMarginRatio"]
            assert upper["cum"] - lower["cum"] == pytest.approx(upper["qtylFloor"] * step)


async def test_demo_values_change_from_one_collection_to_the_next(client: Client) -> None:
    seen: dict[str, list[str]] = {DIRECTIONAL: [], HEDGED: []}
    for _ in range(3):
        query = f"timestamp={int(client.clock.now * 1000)}"
        for account, values in seen.items():
            body = (await client.signed("/dapi/v1/account", query, account=account)).body
            values.append(body["assets"][0]["marginBalance"])
        client.clock.now += 15
    assert {account: len(set(values)) for account, values in seen.items()} == {DIRECTIONAL: 3, HEDGED: 3}
