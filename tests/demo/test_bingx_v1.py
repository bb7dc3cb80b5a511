"""The stand-in of BingX's first API: as strict as documented, and its numbers add up to the last digit."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from exporter.demo import Market, Server
from exporter.demo.bingx_v1 import BingxV1Simulator, Credential
from exporter.demo.market import DEFAULT_COINS

NOW = 1_700_000_030.0
STAMP = int(NOW * 1000)
BALANCE = "/api/v1/user/getBalance"
POSITIONS = "/api/v1/user/getPositions"
PRICE = "/api/v1/market/getLatestPrice"


class Clock:
    """A clock that stands still unless moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """Sends exactly the bytes it is told to."""

    session: ClientSession
    base_url: str
    simulator: BingxV1Simulator
    clock: Clock

    async def raw(
        self,
        path: str,
        *,
        method: str = "POST",
        content_type: str = "application/json",
        data: str | None = None,
    ) -> tuple[int, Any]:
        url = URL(self.base_url + path, encoded=True)
        headers = {"Content-Type": content_type}
        async with self.session.request(method, url, headers=headers, data=data) as response:
            return response.status, json.loads(await response.text())

    def query(self, path: str, **parameters: str) -> str:
        """A signed query, with nothing of the simulator."""
        (credential,) = self.simulator.credentials.values()
        values = {"apiKey": credential.api_key, "timestamp": str(int(self.clock.now * 1000)), **parameters}
        text = "&".join(f"{name}={values[name]}" for name in sorted(values))
        digest = hmac.new(
            credential.api_secret.encode(), f"POST{path}{text}".encode(), hashlib.sha256
        ).digest()
        return f"{text}&sign={quote(base64.b64encode(digest).decode(), safe='')}"

    async def signed(self, path: str, **parameters: str) -> tuple[int, Any]:
        return await self.raw(f"{path}?{self.query(path, **parameters)}")

    async def data(self, path: str, **parameters: str) -> Any:
        status, body = await self.signed(path, **parameters)
        assert (status, body["code"], body["msg"]) == (200, 0, "")
        return body["data"]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator = BingxV1Simulator(Market(), clock=clock)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock)


def test_the_official_vector() -> None:
    key = "Zsm4DcrHBTewmVaElrdwA67PmivPv6VDK6JAkiECZ9QfcUnmn67qjCOgvRuZVOzU"
    secret = "UuGuyEGt6ZEkpUObCYCmIfh0elYsZVh80jlYwpJuRZEw70t6vomMH7Sjmf94ztSI"
    parameters = {"timestamp": "1615272721001", "currency": "USDT", "apiKey": key}
    sign = Credential("official", key, secret).sign("POST", BALANCE, parameters)
    assert sign == "ZLDEpF7hj+zW8Cnvfus+VsRBK690iZwPI+OlYfH+HR4="


async def test_answers_have_the_documented_fields_as_numbers(client: Client) -> None:
    balance = await client.data(BALANCE, currency="USDT")
    assert list(balance) == [
        "userId",
        "currency",
        "balance",
        "equity",
        "unrealisedPNL",
        "realisedPNL",
        "availableMargin",
        "usedMargin",
        "freezedMargin",
        "longLeverage",
        "shortLeverage",
    ]
    assert all(isinstance(value, int | float) for value in list(balance.values())[2:])
    rows = (await client.data(POSITIONS, symbol=""))["positions"]
    assert [(row["symbol"], row["positionSide"], row["marginMode"]) for row in rows] == [
        ("BTC-USDT", "Long", "Cross"),
        ("LTC-USDT", "Short", "Isolated"),
    ]
    assert list(rows[0]) == [
        "symbol",
        "positionId",
        "currency",
        "positionSide",
        "marginMode",
        "volume",
        "availableVolume",
        "unrealisedPNL",
        "realisedPNL",
        "margin",
        "avgPrice",
        "liquidatedPrice",
        "leverage",
    ]
    one = (await client.data(POSITIONS, symbol="LTC-USDT"))["positions"]
    assert one == rows[1:]


async def test_the_fair_price_of_a_symbol_is_public(client: Client) -> None:
    status, body = await client.raw(f"{PRICE}?symbol=BTC-USDT", method="GET")
    assert (status, body["code"]) == (200, 0)
    assert list(body["data"]) == ["tradePrice", "indexPrice", "fairPrice"]
    assert isinstance(body["data"]["fairPrice"], str)
    assert (await client.raw(PRICE, method="GET"))[0] == 400
    assert (await client.raw(f"{PRICE}?symbol=CATI-USDT", method="GET"))[0] == 400


async def test_the_time_stands_beside_the_code(client: Client) -> None:
    for method in ("GET", "POST"):
        status, body = await client.raw("/api/v1/common/server/time", method=method)
        assert (status, body) == (200, {"code": 0, "msg": "", "currentTime": STAMP})


async def test_keys_and_signatures_that_are_wrong_are_refused(client: Client) -> None:
    good = client.query(BALANCE, currency="USDT")
    text, _, sign = good.rpartition("&sign=")
    for query in (
        text,
        f"{text}&sign={quote('A' * 43 + '=')}",
        f"{text}&sign={sign}x",
        good.replace("currency=USDT", "currency=USDC"),
        good.replace("apiKey=", "apiKey=0"),
        # Signed for another path.
        client.query(POSITIONS, currency="USDT"),
    ):
        status, body = await client.raw(f"{BALANCE}?{query}")
        assert (status, body["code"]) == (401, 401), query
        assert "data" not in body
    assert (await client.raw(f"{BALANCE}?{good}"))[0] == 200


@pytest.mark.parametrize(
    ("timestamp", "status"),
    [
        (STAMP - 30_000, 200),
        (STAMP + 30_000, 200),
        (STAMP - 30_001, 400),
        (STAMP + 30_001, 400),
        (STAMP // 1000, 400),
    ],
)
async def test_the_timestamp_is_within_thirty_seconds(client: Client, timestamp: int, status: int) -> None:
    found, body = await client.signed(BALANCE, currency="USDT", timestamp=str(timestamp))
    assert found == status
    assert status == 200 or "timestamp" in body["msg"]


async def test_parameters_that_are_missing_or_unknown_are_refused(client: Client) -> None:
    assert (await client.signed(BALANCE))[0] == 400
    assert (await client.signed(POSITIONS))[0] == 400
    assert (await client.signed(BALANCE, currency="USDT", symbol=""))[0] == 400
    assert (await client.signed(BALANCE, currency="BTC"))[0] == 400
    assert (await client.signed(POSITIONS, symbol="CATI-USDT"))[0] == 400


async def test_parameters_belong_into_the_query_and_the_method_is_post(client: Client) -> None:
    query = client.query(BALANCE, currency="USDT")
    assert (await client.raw(f"{BALANCE}?{query}", method="GET"))[0] == 404
    assert (await client.raw(BALANCE, data=query))[0] == 400
    assert (await client.raw(f"{BALANCE}?{query}", content_type="text/plain"))[0] == 400
    assert (await client.raw("/api/v1/user/trade"))[0] == 404


async def test_limits_per_second(client: Client) -> None:
    statuses = [(await client.signed(BALANCE, currency="USDT"))[0] for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    public = [(await client.raw(f"{PRICE}?symbol=BTC-USDT", method="GET"))[0] for _ in range(21)]
    assert public == [200] * 20 + [429]
    client.clock.now += 1.0
    assert (await client.signed(BALANCE, currency="USDT"))[0] == 200


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_figures_add_up(seed: int, seconds: int) -> None:
    clock = Clock()
    simulator = BingxV1Simulator(Market(seed=seed), clock=clock)
    clock.now += seconds
    simulator.tick()
    book = simulator.accounts["bingx-v1"]
    balance = _decimals(simulator._balance({"currency": "USDT"}, book)["data"])
    rows = _decimals(simulator._positions({"symbol": ""}, book)["data"])["positions"]
    assert balance["equity"] == balance["balance"] + balance["unrealisedPNL"]
    assert balance["unrealisedPNL"] == sum(row["unrealisedPNL"] for row in rows)
    assert balance["usedMargin"] == sum(row["margin"] for row in rows)
    for row in rows:
        price = _decimals(simulator._latest_price({"symbol": row["symbol"]})["data"])
        sign = 1 if row["positionSide"] == "Long" else -1
        expected = sign * row["volume"] * (Decimal(price["fairPrice"]) - row["avgPrice"])
        # The fair price is printed with one or two decimals.
        assert abs(row["unrealisedPNL"] - expected) <= row["volume"] * Decimal("0.1")


def _decimals(body: object) -> Any:
    return json.loads(json.dumps(body), parse_float=Decimal, parse_int=Decimal)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_the_mark_at_a_printed_liquidation_price_liquidates(seed: int, seconds: int) -> None:
    clock = Clock()
    market = Market(seed=seed)
    simulator = BingxV1Simulator(market, clock=clock)
    clock.now += seconds
    simulator.tick()
    market.freeze()
    book = simulator.accounts["bingx-v1"]
    rows: Any = simulator._positions({"symbol": ""}, book)["data"]
    for row in rows["positions"]:
        base, sign = row["symbol"].split("-")[0], 1 if row["positionSide"] == "Long" else -1
        # The price is printed cut to one or two decimals: the venue acts within 0.1 of it.
        market.set_price(base, row["liquidatedPrice"] + 0.1 * sign, "USDT")
        assert book.settle(clock.now) == []
        market.set_price(base, row["liquidatedPrice"] - 0.1 * sign, "USDT")
        (event,) = book.settle(clock.now)
        assert row["symbol"] in {leg.symbol for leg in event.legs}
        market.release(base)


@pytest.mark.parametrize("corner", range(4))
def test_the_demo_account_is_not_liquidated_anywhere_the_market_can_go(corner: int) -> None:
    market = Market()
    simulator = BingxV1Simulator(market, clock=Clock())
    for coin in DEFAULT_COINS:
        for bit, name in enumerate(("BTC", "LTC")):
            if coin.name == name:
                factor = (1 + coin.band + 0.003) ** (1 if corner >> bit & 1 else -1)
                market.set_price(coin.name, coin.price * factor)
    simulator.tick()
    assert simulator.accounts["bingx-v1"].liquidations == []


def test_demo_accounts_are_configuration_entries_with_working_fake_keys() -> None:
    simulator = BingxV1Simulator(Market())
    (entry,) = simulator.demo_accounts("http://127.0.0.1:1")
    assert set(entry) == {"name", "exchange", "base_url", "api_key", "api_secret"}
    assert (entry["name"], entry["exchange"]) == ("bingx-v1", "bingx_v1")
    assert [entry] == BingxV1Simulator(Market()).demo_accounts("http://127.0.0.1:1")
    assert str(entry["api_secret"]) not in repr(simulator.credentials)
