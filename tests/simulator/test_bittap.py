"""The BitTap stand-in: as strict as documented, its numbers add up, and the adapter reads them right."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import count, product
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from exporter.api import Client as ExporterClient
from exporter.errors import VenueError
from exporter.model import AccountRisk, RiskSettings
from exporter.risk import assess
from exporter.simulator import Market, Server
from exporter.simulator.bittap import CONTRACTS, BittapError, BittapSimulator, Credential, Limiter
from exporter.simulator.book import Book
from exporter.simulator.market import DEFAULT_COINS
from exporter.venues import discover
from tests.venues.harness import QuietObserver

NOW = 1_700_000_030.0
STAMP = int(NOW * 1000)
ACCOUNT_INFO = "/ftapi/v1/account/info"
OPEN_POSITION = "/ftapi/v1/openPosition"
EXCHANGE_INFO = "/fmapi/v1/exchangeInfo"
HEDGE, ONEWAY = "bittap-hedge", "bittap-oneway"


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
    simulator: BittapSimulator
    clock: Clock
    nonces: count[int]

    def credential(self, account: str = HEDGE) -> Credential:
        return next(key for key in self.simulator.credentials.values() if key.account == account)

    async def raw(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        method: str = "GET",
        data: str | None = None,
    ) -> tuple[int, Any]:
        url = URL(self.base_url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, data=data) as response:
            assert response.content_type == "application/json"
            return response.status, json.loads(await response.text())

    def headers(self, query: str = "", *, account: str = HEDGE, **changed: str) -> dict[str, str]:
        """Signed headers, with nothing of the simulator; `changed` is signed too."""
        credential = self.credential(account)
        values = {"ts": str(int(self.clock.now * 1000)), "nonce": f"nonce-{next(self.nonces)}", **changed}
        text = f"{query}&timestamp={values['ts']}&nonce={values['nonce']}"
        return {
            "X-BT-APIKEY": credential.api_key,
            "X-BT-TS": values["ts"],
            "X-BT-NONCE": values["nonce"],
            "X-BT-SIGN": hmac.new(credential.api_secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
        }

    async def data(self, path: str, *, account: str = HEDGE) -> Any:
        status, body = await self.raw(path, self.headers(path.partition("?")[2], account=account))
        assert (status, body["code"], body["success"]) == (200, "0", True)
        return body["data"]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator = BittapSimulator(Market(), clock=clock)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock, count())


def error_of(answer: tuple[int, Any]) -> tuple[int, str]:
    status, body = answer
    assert body["success"] is False
    assert body["msg"]
    assert "data" not in body
    return status, body["code"]


# --- Keys and signatures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "d8bba935314a628f15e32c14324d96e33b7359b0de4feed19415a83389bbd459"),
        (
            {"symbolId": "BTC-USDT-M"},
            "e59f75e58694322045cc57136a4aff687b3b0d6e89b519918037f759cedddcd1",
        ),
    ],
)
def test_vectors_of_the_documented_rule(parameters: dict[str, str], expected: str) -> None:
    credential = Credential("vector", "key", "test-secret")
    assert credential.signature(parameters, "1758179319000", "abcdef0123456789") == expected


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
    assert len(client.simulator._nonces) == 1


async def test_a_key_without_the_futures_permission_is_refused(client: Client) -> None:
    book = client.simulator.new_book("new")
    client.simulator.add_account(book, Credential.fake("bittap", "new", futures=False))
    assert error_of(await client.raw(ACCOUNT_INFO, client.headers(account="new"))) == (403, "410006")


# --- Paths, parameters and limits ----------------------------------------------------------------------


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


def test_six_hundred_requests_a_minute() -> None:
    limiter = Limiter()
    for number in range(600):
        limiter.spend("key", 1200.0 + number * 0.1)
    with pytest.raises(BittapError) as caught:
        limiter.spend("key", 1259.99)
    assert caught.value.status == 429
    limiter.spend("key", 1260.0)


async def test_the_date_header_is_the_venue_s_clock(client: Client) -> None:
    client.simulator.faults.clock_skew = 3600.0
    async with client.session.get(client.base_url + EXCHANGE_INFO) as response:
        assert response.headers["Date"] == "Tue, 14 Nov 2023 23:13:50 GMT"


# --- What is answered ----------------------------------------------------------------------------------


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


def _decimals(body: object) -> Any:
    """The document with all text that is a number, and every number, as a decimal."""

    def convert(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: convert(value) for name, value in node.items()}
        if isinstance(node, list):
            return [convert(value) for value in node]
        try:
            return Decimal(node)
        except (ArithmeticError, TypeError, ValueError):
            return node

    return convert(json.loads(json.dumps(body)))


def _rate(symbol: str, notional: Decimal) -> Decimal:
    """From the schedules as they are published."""
    major = symbol.startswith(("BTC", "ETH"))
    steps = [("100000", "0.005"), ("500000", "0.01")] if major else [("20000", "0.01"), ("50000", "0.025")]
    last = Decimal("0.025") if major else Decimal("0.05")
    return next((Decimal(rate) for cap, rate in steps if notional < Decimal(cap)), last)


@st.composite
def moved(draw: st.DrawFn) -> tuple[BittapSimulator, Clock]:
    """The venue some time later in some market."""
    clock = Clock()
    simulator = BittapSimulator(Market(seed=draw(st.integers(0, 10**6))), clock=clock)
    clock.now += draw(st.integers(0, 600))
    simulator.tick()
    return simulator, clock


@settings(max_examples=1000, deadline=None)
@given(venue=moved())
def test_printed_figures_add_up(venue: tuple[BittapSimulator, Clock]) -> None:
    """Every identity of the documented example, to the last printed digit."""
    simulator, _ = venue
    for book in simulator.accounts.values():
        account = _decimals(simulator._account_info({}, book))
        rows = _decimals(simulator._open_position({}, book))
        (asset,) = account["assets"]
        cross = [row for row in rows if row["marginMode"] == "CROSSED"]
        assert asset["equities"] == asset["balance"] + asset["profitUnreal"] == account["totalEquities"]
        assert asset["available"] == asset["equities"] - asset["locked"] == account["available"]
        assert asset["canTransfer"] == asset["balance"] - asset["locked"]
        assert asset["profitUnreal"] == sum(row["profitUnreal"] for row in rows)
        assert asset["crossProfitUnreal"] == sum(row["profitUnreal"] for row in cross)
        assert asset["crossedMaintainMargin"] == sum(row["maintainMargin"] for row in cross)
        assert asset["locked"] == sum(row["margin"] for row in rows) == account["totalLocked"]
        backing = asset["equities"] - sum(
            row["margin"] + row["profitUnreal"] for row in rows if row not in cross
        )
        rate = asset["crossedMaintainMargin"] / (backing - sum(row["closedFee"] for row in cross))
        assert abs(asset["crossedMaintainMarginRate"] - rate) < Decimal("1e-15")
        for row in rows:
            sign = 1 if row["side"] == "BUY" else -1
            notional = row["quantity"] * row["markPrice"]
            step = Decimal("1e-8")
            move = sign * row["quantity"] * (row["markPrice"] - row["avgEntryPrice"])
            assert abs(row["profitUnreal"] - move) < step
            assert row["entryValue"] == row["quantity"] * row["avgEntryPrice"]
            assert abs(row["margin"] - row["entryValue"] / row["leverage"]) < step
            rate = _rate(row["symbolId"], notional)
            assert abs(row["maintainMargin"] - notional * rate) < step
            assert abs(row["closedFee"] - notional * Decimal("0.0005")) < step
            assert row["realizedPnl"] == -row["feeAmount"]
            others = [other for other in cross if other is not row]
            assert row["otherMaintainMargin"] == sum(other["maintainMargin"] for other in others)


@settings(max_examples=150, deadline=None)
@given(venue=moved())
def test_the_mark_at_a_printed_liquidation_price_liquidates(venue: tuple[BittapSimulator, Clock]) -> None:
    simulator, clock = venue
    simulator.market.freeze()
    for book in simulator.accounts.values():
        rows: Any = simulator._open_position({}, book)
        for row in rows:
            price = Decimal(row["liquidPrice"])
            assert price > 0
            base = row["symbolId"].split("-")[0]
            mark = Decimal(row["markPrice"])
            away = 1 if price < mark else -1
            # The price is printed with eight decimals, and amounts are: a large account's step is larger.
            step = away * mark * Decimal("1e-7")
            simulator.market.set_price(base, price + step, "USDT")
            assert book.settle(clock.now) == []
            simulator.market.set_price(base, price - step, "USDT")
            positions, wallets = list(book.positions), dict(book._cross_wallets)
            (event,) = book.settle(clock.now)
            assert row["symbolId"] in {leg.symbol for leg in event.legs}
            book.positions, book._cross_wallets = positions, wallets
            simulator.market.release(base)


def test_the_demo_accounts_are_not_liquidated_anywhere_the_market_can_go() -> None:
    coins = [coin for coin in DEFAULT_COINS if coin.name in {"BTC", "ETH", "SOL", "XRP"}]
    for corner in product((1, -1), repeat=len(coins)):
        market = Market()
        simulator = BittapSimulator(market, clock=Clock())
        for coin, direction in zip(coins, corner, strict=True):
            market.set_price(coin.name, coin.price * (1 + coin.band + 0.003) ** direction)
        simulator.tick()
        assert [book.liquidations for book in simulator.accounts.values()] == [[], []]


def test_a_price_that_no_move_reaches_is_0() -> None:
    simulator = BittapSimulator(Market(), clock=Clock())
    book = simulator.new_book("rich")
    book.deposit("USDT", 1_000_000)
    book.open(CONTRACTS["XRP-USDT-M"], "long", 100)
    (row,) = _decimals(simulator._open_position({}, book))
    assert row["liquidPrice"] == 0


def test_demo_accounts_are_configuration_entries_with_working_fake_keys() -> None:
    simulator = BittapSimulator(Market())
    entries = simulator.demo_accounts("http://127.0.0.1:1")
    assert [set(entry) for entry in entries] == [
        {"name", "exchange", "base_url", "api_key", "api_secret"},
    ] * 2
    assert [entry["name"] for entry in entries] == [HEDGE, ONEWAY]
    assert entries == BittapSimulator(Market()).demo_accounts("http://127.0.0.1:1")
    for entry in entries:
        assert str(entry["api_secret"]) not in repr(simulator.credentials)


# --- The adapter against it ----------------------------------------------------------------------------


async def risks_of(
    simulator: BittapSimulator, **changed: Any
) -> list[tuple[AccountRisk, Book, QuietObserver]]:
    """The demo accounts as the exporter sees them."""
    cls = discover()["bittap"]
    found = []
    async with Server(simulator) as server:
        for entry in simulator.demo_accounts(server.base_url):
            observer = QuietObserver()
            async with ExporterClient(observer, clock=lambda: NOW) as client:
                venue = cls(cls.config_class.model_validate({**entry, **changed}))
                risk = assess(await venue.fetch(client.account(venue)), RiskSettings(cross_check=True))
            found.append((risk, simulator.accounts[str(entry["name"])], observer))
    return found


def later(seed: int) -> BittapSimulator:
    market = Market(seed=seed)
    simulator = BittapSimulator(market, clock=Clock())
    market.advance(seed * 97)
    market.freeze()
    return simulator


@pytest.mark.parametrize("seed", range(1, 7))
async def test_rates_and_liquidation_prices_agree(seed: int) -> None:
    for risk, book, observer in await risks_of(later(seed)):
        (pool,) = risk.pools
        expected = book.pool("USDT")
        assert expected.rate is not None
        assert pool.pool.equity == float(expected.equity)
        assert pool.pool.margin_equity == pytest.approx(float(expected.margin_equity), abs=1e-8)
        assert pool.maintenance_margin == float(expected.cross_maintenance_margin)
        assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate), rel=1e-12)
        assert pool.pool.venue_margin_rate is not None
        assert pool.pool.venue_margin_rate > float(expected.rate)
        assert len(risk.positions) == len(book.positions)
        for position, held in zip(risk.positions, book.positions, strict=True):
            assert position.mark_price == float(book.mark(held.contract))
            assert position.unrealized_pnl == float(book.unrealized_pnl(held))
            assert position.maintenance_margin == float(book.maintenance_margin(held))
            price = book.liquidation_price(held)
            assert price is not None
            assert position.liquidation_price == pytest.approx(float(price), rel=1e-6)
            assert position.liquidation_source == "venue"
            assert position.liquidation_distance_ratio is not None
            assert position.liquidation_distance_ratio > 0.0
            assert abs(position.liquidation_cross_check_ratio or 0.0) < 1e-5
        assert observer.optional_failures == []


@pytest.mark.parametrize("skew", [-200.0, 90.0, 7200.0])
async def test_a_venue_whose_clock_is_wrong_is_followed(skew: float) -> None:
    simulator = later(1)
    simulator.faults.clock_skew = skew
    assert len(await risks_of(simulator)) == 2


async def test_a_wrong_secret_is_an_auth_error_that_names_no_key() -> None:
    simulator = later(1)
    with pytest.raises(VenueError) as caught:
        await risks_of(simulator, api_secret="wrong")
    assert caught.value.reason == "auth"
    for key in simulator.credentials:
        assert key not in str(caught.value)


async def test_a_key_without_the_futures_permission_is_a_permission_error() -> None:
    simulator = later(1)
    for name in simulator.accounts:
        credential = Credential.fake("bittap", name, futures=False)
        simulator.credentials[credential.api_key] = credential
    with pytest.raises(VenueError) as caught:
        await risks_of(simulator)
    assert caught.value.reason == "permission"


async def test_too_many_requests_pause_all_accounts() -> None:
    simulator = later(1)
    cls = discover()["bittap"]
    async with Server(simulator) as server, ExporterClient(QuietObserver(), clock=lambda: NOW) as client:
        venues = [
            cls(cls.config_class.model_validate(entry)) for entry in simulator.demo_accounts(server.base_url)
        ]
        for _ in range(5):
            await venues[0].fetch(client.account(venues[0]))
        with pytest.raises(VenueError) as caught:
            await venues[0].fetch(client.account(venues[0]))
        assert (caught.value.reason, caught.value.blocked_until) == ("rate_limited", NOW + 10.0)
        sent = len(simulator.requests)
        with pytest.raises(VenueError, match="no request is sent"):
            await venues[1].fetch(client.account(venues[1]))
        assert len(simulator.requests) == sent
