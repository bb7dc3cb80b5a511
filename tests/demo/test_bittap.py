"""The BitTap stand-in: as strict as documented, its numbers add up, and the adapter reads them right."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import count

import pytest
from aiohttp import ClientSession

from exporter.demo import Market, Server
from exporter.demo._bittap import Credential
from exporter.demo.bittap import BittapSimulator
from tests.demo.bittap_client import (
    ACCOUNT_INFO,
    EXCHANGE_INFO,
    ONEWAY,
    OPEN_POSITION,
    STAMP,
    Client,
    Clock,
    error_of,
)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator = BittapSimulator(Market(), clock=clock)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock, count())


async def test_keys_and_signatures_that_are_wrong_are_refused(client: Client) -> None:
    good = client.headers()
    without_ampersand = hmac.new(
        client.credential().api_secret.encode(),
        f"timestamp={good['X-BT-TS']}&nonce={good['X-BT-NONCE']}".encode(),
        hashlib.sha256,
    ).hexdigest()
    cases = [
        ({**good, "X-BT-APIKEY": "unknown"}, "410001"),
        ({}, "410001"),
        ({**good, "X-BT-SIGN": without_ampersand}, "410002"),
        ({**good, "X-BT-SIGN": good["X-BT-SIGN"].upper()}, "410002"),
        ({**good, "X-BT-SIGN": ""}, "410002"),
        ({**good, "X-BT-NONCE": "another"}, "410002"),
        ({**good, "X-BT-TS": str(STAMP + 1)}, "410002"),
        (client.headers(nonce=""), "410002"),
        ({name: value for name, value in good.items() if name != "X-BT-TS"}, "410002"),
        ({**client.headers(account=ONEWAY), "X-BT-APIKEY": good["X-BT-APIKEY"]}, "410002"),
    ]
    for headers, code in cases:
        assert error_of(await client.raw(ACCOUNT_INFO, headers)) == (401, code), headers
    # What was signed for another query.
    wrong = client.headers("symbolId=ETH-USDT-M")
    assert error_of(await client.raw(OPEN_POSITION, wrong)) == (401, "410002")
    assert (await client.raw(ACCOUNT_INFO, good))[0] == 200


@pytest.mark.parametrize(
    ("timestamp", "status"),
    [
        (STAMP - 60_000, 200),
        (STAMP + 300_000, 200),
        (STAMP - 60_001, 401),
        (STAMP + 300_001, 401),
        (STAMP // 1000, 401),
    ],
)
async def test_a_timestamp_is_a_minute_old_at_most_and_five_ahead(
    client: Client, timestamp: int, status: int
) -> None:
    found, body = await client.raw(ACCOUNT_INFO, client.headers(ts=str(timestamp)))
    assert found == status
    assert status == 200 or "timestamp" in body["msg"]


async def test_a_nonce_is_good_once(client: Client) -> None:
    headers = client.headers()
    assert (await client.raw(ACCOUNT_INFO, headers))[0] == 200
    assert error_of(await client.raw(ACCOUNT_INFO, headers)) == (401, "410004")
    # Nonces whose timestamps are refused anyway are forgotten.
    client.clock.now += 400.0
    assert (await client.raw(ACCOUNT_INFO, client.headers()))[0] == 200
    assert len(client.simulator.nonces) == 1


async def test_a_key_without_the_futures_permission_is_refused(client: Client) -> None:
    book = client.simulator.new_book("new")
    client.simulator.add_account(book, Credential.fake("bittap", "new", futures=False))
    assert error_of(await client.raw(ACCOUNT_INFO, client.headers(account="new"))) == (403, "410006")


async def test_parameters_that_are_unknown_are_refused(client: Client) -> None:
    for path, query in (
        (ACCOUNT_INFO, "symbolId=BTC-USDT-M"),
        (OPEN_POSITION, "symbol=BTC-USDT-M"),
        (OPEN_POSITION, "symbolId=NONE-USDT-M"),
        (OPEN_POSITION, "symbolId=BTC-USDT-M&symbolId=ETH-USDT-M"),
    ):
        answer = await client.raw(f"{path}?{query}", client.headers(query))
        assert error_of(answer) == (400, "100011"), query
    assert error_of(await client.raw(f"{EXCHANGE_INFO}?symbolId=BTC-USDT-M")) == (400, "100011")
    assert error_of(await client.raw(ACCOUNT_INFO, client.headers(), data="x=1")) == (400, "100011")


async def test_unknown_paths_and_methods(client: Client) -> None:
    assert error_of(await client.raw("/ftapi/v1/order", client.headers()))[0] == 404
    assert error_of(await client.raw(ACCOUNT_INFO, client.headers(), method="POST"))[0] == 404


async def test_ten_requests_a_second(client: Client) -> None:
    statuses = [(await client.raw(ACCOUNT_INFO, client.headers()))[0] for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    # Another key has its own.
    assert (await client.raw(ACCOUNT_INFO, client.headers(account=ONEWAY)))[0] == 200
    client.clock.now += 1.0
    assert (await client.raw(ACCOUNT_INFO, client.headers()))[0] == 200


async def test_the_date_header_is_the_venue_s_clock(client: Client) -> None:
    client.simulator.faults.clock_skew = 3600.0
    async with client.session.get(client.base_url + EXCHANGE_INFO) as response:
        assert response.headers["Date"] == "Tue, 14 Nov 2023 23:13:50 GMT"


async def test_account_rows_tell_nothing_that_depends_on_the_mark_price(client: Client) -> None:
    account = await client.data(ACCOUNT_INFO)
    (row, *_) = account["positions"]
    empty = {name for name, value in row.items() if value is None}
    assert empty == {
        "bkrFee",
        "closedFee",
        "lastPrice",
        "marginRate",
        "markPrice",
        "otherClosedFee",
        "otherMaintainMargin",
        "profitUnreal",
        "profitUnrealRate",
        "tpSl",
    }
    assert (row["liquidPrice"], row["maintainMargin"]) == ("0", "0")
    opened = (await client.data(OPEN_POSITION))[0]
    assert {name for name, value in opened.items() if value is None} == {"tpSl"}
    same = set(row) - empty - {"liquidPrice", "maintainMargin"}
    assert {name: row[name] for name in same} == {name: opened[name] for name in same}


async def test_the_split_of_locked_margin_is_zero_as_documented(client: Client) -> None:
    account = await client.data(ACCOUNT_INFO, account=ONEWAY)
    for row in (account, account["assets"][0]):
        for name in ("crossLocked", "crossMargin", "isolatedLocked", "isolatedMargin"):
            assert row[name] == "0"
    assert Decimal(account["assets"][0]["locked"]) > 0


async def test_amounts_are_text_and_counts_are_numbers(client: Client) -> None:
    account = await client.data(ACCOUNT_INFO)
    assert all(isinstance(value, str) for value in account["assets"][0].values())
    (row, *_) = account["positions"]
    numbers = {name for name, value in row.items() if isinstance(value, int)}
    assert numbers == {"ctime", "lastUpdateTime", "leverage", "posTpSlSize", "tpSlSize"}


async def test_one_symbol_s_positions(client: Client) -> None:
    rows = await client.data(f"{OPEN_POSITION}?symbolId=ETH-USDT-M")
    assert [(row["symbolId"], row["side"]) for row in rows] == [("ETH-USDT-M", "BUY"), ("ETH-USDT-M", "SELL")]


async def test_contracts_of_both_kinds_are_listed_with_their_tiers(client: Client) -> None:
    status, body = await client.raw(EXCHANGE_INFO)
    assert status == 200
    symbols = {row["symbolId"]: row for row in body["data"]["symbols"]}
    assert {row["contractSide"] for row in symbols.values()} == {"FORWARD", "REVERSE"}
    assert symbols["XRP-USDT-M"]["riskLimitConfigs"][0] == {
        "level": 1,
        "maintainMarginRate": 0.01,
        "maxLeverage": 25,
        "maxPositionValue": 20000,
        "minPositionValue": 0,
    }
