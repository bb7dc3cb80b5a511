"""The Bybit stand-in: as strict as documented, its figures add up, and the adapter reads them right."""

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
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import Market, Server
from exporter.demo._bybit import Credential
from exporter.demo.bybit import BybitSimulator
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from tests.demo.standins import NOW, Asker, at_the_walls, collected, moved, now

STAMP = int(NOW * 1000)
WALLET, POSITIONS = "/v5/account/wallet-balance?accountType=UNIFIED", "/v5/position/list?category=inverse"


class Client(Asker[BybitSimulator]):
    def credential(self, account: str = "bybit-cross") -> Credential:
        return cast("Credential", self.key_of(account))

    def headers(self, path: str, *, account: str = "bybit-cross", **changed: str) -> dict[str, str]:
        """Signed with nothing of the stand-in."""
        one = self.credential(account)
        values = {"stamp": str(STAMP), "window": "5000", **changed}
        text = f"{values['stamp']}{one.api_key}{values['window']}{path.partition('?')[2]}"
        return {
            "X-BAPI-API-KEY": one.api_key,
            "X-BAPI-TIMESTAMP": values["stamp"],
            "X-BAPI-RECV-WINDOW": values["window"],
            "X-BAPI-SIGN": hmac.new(one.api_secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
        }

    async def code(self, path: str, headers: dict[str, str] | None = None) -> int:
        return int((await self.body(path, headers))["retCode"])

    async def body(self, path: str, headers: dict[str, str] | None = None) -> Any:
        status, body, _ = await self.ask(path, headers)
        return body if status == 200 else {"retCode": status}


def made(market: Market) -> BybitSimulator:
    return BybitSimulator(market, clock=now)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    simulator = made(Market())
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator)


async def test_what_is_unsigned_wrong_late_or_unknown_is_refused(client: Client) -> None:
    good = client.headers(WALLET)
    other = client.headers(WALLET, account="bybit-isolated")
    assert await client.code(WALLET, good) == 0
    cases = [
        (WALLET, {}, 10003),
        (WALLET, {**good, "X-BAPI-API-KEY": other["X-BAPI-API-KEY"]}, 10004),
        (WALLET, {**good, "X-BAPI-SIGN": good["X-BAPI-SIGN"].upper()}, 10004),
        (WALLET, {**good, "X-BAPI-RECV-WINDOW": "6000"}, 10004),
        (f"{WALLET}&coin=BTC", good, 10004),
        (WALLET, client.headers(WALLET, stamp=str(STAMP - 5001)), 10002),
        (WALLET, client.headers(WALLET, stamp=str(STAMP - 5000)), 0),
        (WALLET, client.headers(WALLET, stamp=str(STAMP + 999)), 0),
        (WALLET, client.headers(WALLET, stamp=str(STAMP + 1000)), 10002),
        ("/v5/account/wallet-balance", client.headers(""), 10001),
        ("/v5/position/list?category=linear", client.headers("?category=linear"), 10001),
        (f"{POSITIONS}&limit=201", client.headers(f"{POSITIONS}&limit=201"), 10001),
        ("/v5/market/tickers?category=spot2", None, 10001),
        ("/v5/market/risk-limit?category=linear&symbol=XUSDT", None, 10001),
        ("/v5/order/create", good, 10017),
    ]
    for path, headers, code in cases:
        assert await client.code(path, headers) == code, (path, headers)


async def test_an_rsa_key_a_whitelist_and_a_lacking_permission(client: Client) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    own = replace(client.credential(), api_key="rsa", api_secret=pem, positions=False)
    client.simulator.credentials["rsa"] = own

    def signed(path: str) -> dict[str, str]:
        text = f"{STAMP}rsa5000{path.partition('?')[2]}".encode()
        signature = base64.b64encode(key.sign(text, padding.PKCS1v15(), SHA256())).decode()
        return {**client.headers(path), "X-BAPI-API-KEY": "rsa", "X-BAPI-SIGN": signature}

    assert await client.code(WALLET, signed(WALLET)) == 0
    assert await client.code(WALLET, {**signed(WALLET), "X-BAPI-SIGN": "aGVsbG8="}) == 10004
    assert await client.code(POSITIONS, signed(POSITIONS)) == 10005
    client.simulator.credentials["rsa"] = replace(own, addresses=frozenset({"203.0.113.7"}))
    assert await client.code(WALLET, signed(WALLET)) == 10010


async def test_fifty_requests_a_second_and_an_address_that_asks_too_often(
    client: Client,
) -> None:
    for _ in range(49):
        client.simulator.limits.spend("bybit-cross", WALLET.partition("?")[0], NOW, limit=50, window=1.0)
    assert await client.code(WALLET, client.headers(WALLET)) == 0
    assert await client.code(WALLET, client.headers(WALLET)) == 10006
    for _ in range(597):
        client.simulator.limits.spend("127.0.0.1", "", NOW, limit=600, window=5.0)
    assert [await client.code("/v5/market/time") for _ in range(3)] == [0, 403, 403]


async def test_pages_follow_each_other_by_a_cursor_that_the_last_one_has_as_well(client: Client) -> None:
    path, cursor, found = "/v5/position/list?category=linear&settleCoin=USDT&limit=2", "", []
    for _ in range(2):
        asked = path + (f"&cursor={cursor}" if cursor else "")
        result = (await client.body(asked, client.headers(asked)))["result"]
        found += [(row["symbol"], row["side"]) for row in result["list"]]
        cursor = result["nextPageCursor"]
        assert "%2C" in cursor
    assert found == [("BTCUSDT", "Buy"), ("BTCUSDT", "Sell"), ("SOLUSDT", "Sell")]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 900))
def test_printed_figures_add_up(seed: int, seconds: int) -> None:
    market = Market(seed=seed)
    simulator = made(market)
    market.advance(seconds)
    for credential in simulator.credentials.values():
        wallet: Any = simulator._wallet({"accountType": "UNIFIED"}, credential)
        (account,) = wallet["list"]
        worth = sum(Decimal(row["usdValue"]) for row in account["coin"])
        if account["totalEquity"]:
            figures = {name: Decimal(account[name]) for name in account if name.startswith("total")}
            assert figures["totalEquity"] == worth
            assert figures["totalMarginBalance"] == figures["totalWalletBalance"] + figures["totalPerpUPL"]
            free = figures["totalMarginBalance"] - figures["totalInitialMargin"]
            assert figures["totalAvailableBalance"] == max(Decimal(0), free)
            rate = figures["totalMaintenanceMargin"] / figures["totalMarginBalance"]
            assert 0 <= rate - Decimal(account["accountMMRate"]) < Decimal("1e-4")
        for coin in account["coin"]:
            assert Decimal(coin["equity"]) == Decimal(coin["walletBalance"]) + Decimal(coin["unrealisedPnl"])


def test_no_demo_account_is_liquidated_anywhere_the_market_can_go() -> None:
    for simulator in at_the_walls(made, "BTC", "ETH", "SOL"):
        books = [*simulator.accounts.values(), *simulator.apart.values()]
        assert [book.liquidations for book in books] == [[]] * 5


@pytest.mark.parametrize("seed", [1, 2])
async def test_rates_and_liquidation_prices_agree(seed: int) -> None:
    simulator = moved(made, seed)
    for snapshot, book in await collected(simulator):
        risk = assess(snapshot, RiskSettings(cross_check=True))
        if book.multi_asset:
            expected = book.pool("USD")
            assert risk.pools[0].margin_equity == pytest.approx(float(expected.margin_equity), abs=1e-7)
            assert expected.rate is not None
            assert risk.pools[0].maintenance_margin_rate == pytest.approx(float(expected.rate), rel=1e-9)
        apart = simulator.apart.get(book.name)
        prices = {
            (held.contract.symbol, held.side): one.liquidation_price(held)
            for one in (book, *((apart,) if apart else ()))
            for held in one.positions
        }
        for position in risk.positions:
            price = prices.pop((position.position.symbol, position.position.side))
            found = position.liquidation_price
            assert (found is None) == (price is None)
            if price is not None:
                assert found == pytest.approx(float(price), rel=1e-6)
                assert abs(position.liquidation_cross_check_ratio or 0.0) < 1e-6
        assert not prices


async def test_options_are_seen_where_there_can_be_some() -> None:
    simulator = moved(made, 1)
    option: dict[str, object] = {"symbol": "BTC-25SEP26-80000-X-USDT", "side": "Sell", "size": "0.02"}
    simulator.options = {key: [option] for key in simulator.accounts}
    for snapshot, _ in await collected(simulator):
        assert snapshot.pools[0].unlisted is (snapshot.modes["margin_mode"] != "isolated")


async def test_a_wrong_secret_is_an_auth_error() -> None:
    with pytest.raises(VenueError) as caught:
        await collected(moved(made, 1), api_secret="wrong")
    assert caught.value.reason == "auth"
