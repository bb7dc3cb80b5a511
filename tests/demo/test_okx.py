"""The OKX stand-in: as strict as documented, its figures add up, and the adapter reads them right."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import Market, Server
from exporter.demo._okx import Credential
from exporter.demo.book import Book
from exporter.demo.okx import OkxSimulator
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from tests.demo.standins import NOW, Asker, at_the_walls, collected, moved, now

BALANCE, TIME = "/api/v5/account/balance", "/api/v5/public/time"
TIERS = "/api/v5/public/position-tiers?instType=SWAP&tdMode=cross&instFamily=BTC-USDT"
SUB_BALANCE = "/api/v5/account/subaccount/balances?subAcct="


class Client(Asker[OkxSimulator]):
    def credential(self, account: str = "okx-multi") -> Credential:
        return cast("Credential", self.key_of(account))

    def headers(self, path: str, *, account: str = "okx-multi", late: float = 0.0) -> dict[str, str]:
        """Signed with nothing of the stand-in."""
        one = self.credential(account)
        moment = datetime.fromtimestamp(NOW - late, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        digest = hmac.new(one.api_secret.encode(), f"{moment}GET{path}".encode(), hashlib.sha256).digest()
        return {
            "OK-ACCESS-KEY": one.api_key,
            "OK-ACCESS-PASSPHRASE": one.passphrase,
            "OK-ACCESS-TIMESTAMP": moment,
            "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
        }

    async def code(self, path: str, headers: dict[str, str] | None = None) -> int:
        return int((await self.ask(path, headers))[1]["code"])


def made(market: Market) -> OkxSimulator:
    return OkxSimulator(market, clock=now)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    simulator = made(Market())
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator)


async def test_what_is_unsigned_wrong_late_or_unknown_is_refused(client: Client) -> None:
    good = client.headers(BALANCE)
    other = client.headers(BALANCE, account="okx-spot")
    sub = f"{SUB_BALANCE}hedging"
    cases = [
        (BALANCE, good, 0),
        (BALANCE, {}, 50103),
        (BALANCE, {**good, "OK-ACCESS-PASSPHRASE": ""}, 50104),
        (BALANCE, {**good, "OK-ACCESS-SIGN": ""}, 50106),
        (BALANCE, {**good, "OK-ACCESS-TIMESTAMP": ""}, 50107),
        (BALANCE, {**good, "OK-ACCESS-TIMESTAMP": str(int(NOW))}, 50112),
        (BALANCE, {**good, "OK-ACCESS-TIMESTAMP": "2023-13-14T22:13:50.000Z"}, 50112),
        (BALANCE, {**good, "OK-ACCESS-KEY": "nobody"}, 50111),
        (BALANCE, {**good, "OK-ACCESS-PASSPHRASE": other["OK-ACCESS-PASSPHRASE"]}, 50105),
        (BALANCE, {**good, "OK-ACCESS-SIGN": other["OK-ACCESS-SIGN"]}, 50113),
        (BALANCE, {**good, "x-simulated-trading": "1"}, 50101),
        (f"{BALANCE}?ccy=BTC", good, 50113),
        (BALANCE, client.headers(BALANCE, late=31.0), 50102),
        (BALANCE, client.headers(BALANCE, late=-31.0), 50102),
        (BALANCE, client.headers(BALANCE, late=30.0), 0),
        (f"{BALANCE}?coin=BTC", client.headers(f"{BALANCE}?coin=BTC"), 50000),
        (sub, client.headers(sub), 0),
        (sub, client.headers(sub, account="okx-futures"), 59510),
        (SUB_BALANCE, client.headers(SUB_BALANCE), 50014),
        (TIERS, {}, 0),
        (TIERS.replace("cross", "cash"), {}, 51000),
        (TIERS.replace("&instFamily=BTC-USDT", ""), {}, 50014),
        ("/api/v5/trade/orders-pending", {}, 50404),
    ]
    for path, headers, code in cases:
        client.simulator.limits = type(client.simulator.limits)()
        assert await client.code(path, headers) == code, (path, headers)
    one = client.credential()
    client.simulator.credentials[one.api_key] = replace(one, addresses=("203.0.113.7",))
    assert await client.code(BALANCE, good) == 50110
    client.simulator.credentials[one.api_key] = replace(one, simulated=True)
    assert await client.code(BALANCE, {**good, "x-simulated-trading": "1"}) == 0


async def test_each_call_has_a_limit_of_its_own(client: Client) -> None:
    config = "/api/v5/account/config"
    codes = [await client.code(config, client.headers(config)) for _ in range(6)]
    assert codes == [0, 0, 0, 0, 0, 50011]
    assert await client.code(BALANCE, client.headers(BALANCE)) == 0
    assert await client.code(config, client.headers(config, account="okx-spot")) == 0
    assert [await client.code(TIME) for _ in range(11)].count(50011) == 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 900))
def test_printed_figures_add_up(seed: int, seconds: int) -> None:
    market = Market(seed=seed)
    simulator = made(market)
    market.advance(seconds)
    for book in simulator.accounts.values():
        account: Any = simulator._account(book)
        coins = {
            coin["ccy"]: {name: Decimal(text) for name, text in coin.items() if _is_number(text)}
            for coin in account["details"]
        }
        assert Decimal(account["totalEq"]) == sum(coin["eqUsd"] for coin in coins.values())
        for coin in coins.values():
            assert coin["eq"] == coin["cashBal"] + coin["isoEq"] + coin["upl"] - coin["isoUpl"]
            if "mgnRatio" in coin:
                _check(simulator, book, coin)
        if account["mgnRatio"]:
            figures = {name: Decimal(text) for name, text in account.items() if _is_number(text)}
            assert figures["adjEq"] == pytest.approx(sum(coin["disEq"] for coin in coins.values()))
            fees = figures["notionalUsd"] * Decimal("0.0005")
            assert figures["adjEq"] / (figures["mmr"] + fees) == pytest.approx(figures["mgnRatio"])


def _check(simulator: OkxSimulator, book: Book, coin: dict[str, Decimal]) -> None:
    """A pool's ratio is that of its positions."""
    rows: Any = [simulator._position(book, held, 2) for held in book.positions if held.margin_mode == "cross"]
    of_pool = [row for row in rows if Decimal(row["mgnRatio"]) == coin["mgnRatio"]]
    assert coin["mmr"] == sum(Decimal(row["mmr"]) for row in of_pool)


def _is_number(text: object) -> bool:
    return isinstance(text, str) and text.replace(".", "").replace("-", "").isdigit()


def test_no_demo_account_is_liquidated_anywhere_the_market_can_go() -> None:
    for simulator in at_the_walls(made, "BTC", "ETH", "SOL"):
        books = [*simulator.accounts.values(), *simulator.below["okx-multi"].values()]
        assert [book.liquidations for book in books] == [[]] * 5


@pytest.mark.parametrize("seed", [1, 2])
async def test_rates_and_liquidation_prices_agree(seed: int) -> None:
    accounts = await collected(moved(made, seed))
    assert len(accounts) == 5
    for snapshot, book in accounts:
        risk = assess(snapshot, RiskSettings(cross_check=True))
        for pool in risk.pools:
            expected = book.pool(pool.pool.currency)
            if book.positions:  # a spot account's coins back nothing
                assert pool.margin_equity == pytest.approx(float(expected.margin_equity), rel=1e-9)
            assert expected.rate is not None
            assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate), rel=1e-9)
        listed = () if book.name == "hedging" else book.positions  # of sub-accounts none are told
        for position, held in zip(risk.positions, listed, strict=True):
            price = book.liquidation_price(held)
            assert (position.liquidation_price is None) == (price is None)
            if price is not None:
                assert position.liquidation_price == pytest.approx(float(price), rel=1e-9)
                assert abs(position.liquidation_cross_check_ratio or 0.0) < 1e-9


async def test_a_wrong_secret_is_an_auth_error() -> None:
    with pytest.raises(VenueError) as caught:
        await collected(moved(made, 1), api_secret="wrong")
    assert caught.value.reason == "auth"
