"""The Bitget stand-in: as strict as documented, its figures add up, and the adapter reads them right."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import Market, Server
from exporter.demo._bitget import Credential
from exporter.demo.bitget import BitgetSimulator
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from tests.demo.standins import NOW, Asker, at_the_walls, collected, moved, now

ACCOUNTS = "/api/v2/mix/account/accounts?productType=USDT-FUTURES"
ASSETS, TIME = "/api/v3/account/assets", "/api/v2/public/time"
TIERS = "/api/v2/mix/market/query-position-lever?productType=usdt-futures&symbol=BTCUSDT"


class Client(Asker[BitgetSimulator]):
    def credential(self, account: str = "bitget-classic") -> Credential:
        return cast("Credential", self.key_of(account))

    def headers(self, path: str, *, account: str = "bitget-classic", late: float = 0.0) -> dict[str, str]:
        """Signed with nothing of the stand-in."""
        one = self.credential(account)
        stamp = str(int((NOW - late) * 1000))
        digest = hmac.new(one.api_secret.encode(), f"{stamp}GET{path}".encode(), hashlib.sha256).digest()
        return {
            "ACCESS-KEY": one.api_key,
            "ACCESS-PASSPHRASE": one.passphrase,
            "ACCESS-TIMESTAMP": stamp,
            "ACCESS-SIGN": base64.b64encode(digest).decode(),
        }

    async def code(self, path: str, headers: dict[str, str] | None = None) -> str:
        return str((await self.ask(path, headers))[1]["code"])


def made(market: Market) -> BitgetSimulator:
    return BitgetSimulator(market, clock=now)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    simulator = made(Market())
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator)


async def test_what_is_unsigned_wrong_late_or_unknown_is_refused(client: Client) -> None:
    good = client.headers(ACCOUNTS)
    other = client.headers(ACCOUNTS, account="bitget-union")
    bare = ACCOUNTS.partition("?")[0]
    cases = [
        (ACCOUNTS, good, "00000"),
        (ACCOUNTS, {**good, "ACCESS-KEY": ""}, "40001"),
        (ACCOUNTS, {**good, "ACCESS-SIGN": ""}, "40002"),
        (ACCOUNTS, {**good, "ACCESS-TIMESTAMP": ""}, "40003"),
        (ACCOUNTS, {**good, "ACCESS-PASSPHRASE": ""}, "40011"),
        (ACCOUNTS, {}, "40001"),
        (ACCOUNTS, {**good, "ACCESS-TIMESTAMP": str(int(NOW))}, "40005"),
        (ACCOUNTS, {**good, "ACCESS-KEY": "nobody"}, "40037"),
        (ACCOUNTS, {**good, "ACCESS-PASSPHRASE": other["ACCESS-PASSPHRASE"]}, "40012"),
        (ACCOUNTS, {**good, "ACCESS-SIGN": other["ACCESS-SIGN"]}, "40009"),
        (ACCOUNTS, {**good, "paptrading": "1"}, "40099"),
        (ACCOUNTS.replace("USDT", "USDC"), good, "40009"),
        (ACCOUNTS, client.headers(ACCOUNTS, late=31.0), "40008"),
        (ACCOUNTS, client.headers(ACCOUNTS, late=-31.0), "40008"),
        (ACCOUNTS, client.headers(ACCOUNTS, late=30.0), "00000"),
        (bare, client.headers(bare), "40019"),
        (f"{ACCOUNTS}&coin=BTC", client.headers(f"{ACCOUNTS}&coin=BTC"), "400172"),
        (f"{bare}?productType=SPOT", client.headers(f"{bare}?productType=SPOT"), "40020"),
        (ASSETS, client.headers(ASSETS), "40084"),
        (ASSETS, client.headers(ASSETS, account="bitget-unified"), "00000"),
        (ACCOUNTS, client.headers(ACCOUNTS, account="bitget-unified"), "40085"),
        (TIERS, {}, "00000"),
        (TIERS.replace("BTCUSDT", "BTCUSD"), {}, "40034"),
        ("/api/v2/mix/order/orders-pending", {}, "40404"),
    ]
    for path, headers, code in cases:
        client.simulator.limits = type(client.simulator.limits)()
        assert await client.code(path, headers) == code, (path, headers)
    one = client.credential()
    client.simulator.credentials[one.api_key] = replace(one, addresses=("203.0.113.7",))
    assert await client.code(ACCOUNTS, good) == "40018"
    client.simulator.credentials[one.api_key] = replace(one, permissions=("stor",))
    assert await client.code(ACCOUNTS, good) == "40014"
    client.simulator.credentials[one.api_key] = replace(one, simulated=True)
    assert await client.code(ACCOUNTS, {**good, "paptrading": "1"}) == "00000"


async def test_each_call_has_a_limit_of_its_own(client: Client) -> None:
    positions = ACCOUNTS.replace("account/accounts", "position/all-position")
    codes = [await client.code(positions, client.headers(positions)) for _ in range(6)]
    assert codes == ["00000"] * 5 + ["429"]
    assert await client.code(ACCOUNTS, client.headers(ACCOUNTS)) == "00000"
    assert await client.code(positions, client.headers(positions, account="bitget-union")) == "00000"
    assert [await client.code(TIME) for _ in range(21)].count("429") == 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 900))
def test_printed_figures_add_up(seed: int, seconds: int) -> None:
    market = Market(seed=seed)
    simulator = made(market)
    market.advance(seconds)
    for credential in simulator.credentials.values():
        if simulator.kind(credential.account) in {"single", "union"}:
            check_classic(simulator, credential)
        else:
            check_unified(simulator, credential)


def check_classic(simulator: BitgetSimulator, credential: Credential) -> None:
    for name in ("USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES"):
        asked = {"productType": name}
        positions: Any = simulator._positions(asked, credential)
        for row in simulator._classic_accounts(asked, credential):
            coin: Any = row
            own = [one for one in positions if one["marginCoin"] == coin["marginCoin"]]
            assert Decimal(coin["unrealizedPL"]) == sum(Decimal(one["unrealizedPL"]) for one in own)
            cross = [one for one in own if one["marginMode"] == "crossed"]
            ratios = {one["marginRatio"] for one in cross}
            assert len(ratios) == bool(cross)
            for ratio in ratios:
                assert Decimal(ratio) - Decimal(coin["crossedRiskRate"]) < Decimal("0.0001")
            if coin["assetMode"] == "union" and cross:
                ratio = Decimal(coin["unionMm"]) / Decimal(coin["unionTotalMargin"])
                assert float(ratio) == pytest.approx(float(cross[0]["marginRatio"]))


def check_unified(simulator: BitgetSimulator, credential: Credential) -> None:
    account: Any = simulator._assets({}, credential)
    values = [Decimal(coin["usdValue"]) for coin in account["assets"]]
    assert float(account["accountEquity"]) == pytest.approx(float(sum(values)))
    rate = Decimal(account["mgnRatio"])
    assert rate <= (Decimal(account["mmr"]) / (Decimal(account["effEquity"]) or 1)) < rate + Decimal("0.0001")


def test_no_demo_account_is_liquidated_anywhere_the_market_can_go() -> None:
    for simulator in at_the_walls(made, "BTC", "ETH", "SOL"):
        assert [book.liquidations for book in simulator.accounts.values()] == [[]] * 4


@pytest.mark.parametrize("seed", [1, 2])
async def test_rates_and_liquidation_prices_agree(seed: int) -> None:
    accounts = await collected(moved(made, seed))
    assert len(accounts) == 4
    for snapshot, book in accounts:
        risk = assess(snapshot, RiskSettings(cross_check=True))
        held = {(one.contract.symbol, one.side): one for one in book.positions}
        assert len(held) == len(risk.positions)
        for pool in risk.pools:
            if book.name == "bitget-unified-isolated":
                continue  # nothing backs its positions together
            expected = book.pool("USD" if book.multi_asset else pool.pool.currency)
            assert expected.rate is not None
            assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate), rel=1e-9)
        for one in risk.positions:
            own = held[one.position.symbol, one.position.side]
            price = book.liquidation_price(own)
            assert one.maintenance_margin == pytest.approx(float(book.maintenance_margin(own)), rel=1e-9)
            assert (one.liquidation_price is None) == (price is None)
            if price is not None:
                assert one.liquidation_price == pytest.approx(float(price), rel=1e-9)
                assert abs(one.liquidation_cross_check_ratio or 0.0) < 1e-9


async def test_a_wrong_secret_is_an_auth_error() -> None:
    with pytest.raises(VenueError) as caught:
        await collected(moved(made, 1), api_secret="wrong")
    assert caught.value.reason == "auth"
