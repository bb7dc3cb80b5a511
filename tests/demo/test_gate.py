"""The Gate stand-in: as strict as documented, its figures add up, and the adapter reads them right."""

from __future__ import annotations

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
from exporter.demo._gate import Credential
from exporter.demo.gate import GateSimulator
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from tests.demo.standins import NOW, Asker, at_the_walls, collected, moved, now

ACCOUNT, TIME = "/api/v4/futures/usdt/accounts", "/api/v4/spot/time"
POSITIONS = "/api/v4/futures/usdt/positions"
TIERS = "/api/v4/futures/usdt/risk_limit_tiers?contract=BTC_USDT"
ACCOUNTS = 5


class Client(Asker[GateSimulator]):
    def credential(self, account: str = "gate-classic") -> Credential:
        return cast("Credential", self.key_of(account))

    def headers(self, target: str, *, account: str = "gate-classic", late: float = 0.0) -> dict[str, str]:
        """Signed with nothing of the stand-in."""
        one, stamp = self.credential(account), str(int(NOW - late))
        path, _, query = target.partition("?")
        text = "\n".join(["GET", path, query, hashlib.sha512(b"").hexdigest(), stamp])
        sign = hmac.new(one.api_secret.encode(), text.encode(), hashlib.sha512).hexdigest()
        return {"KEY": one.api_key, "Timestamp": stamp, "SIGN": sign}

    async def label(self, target: str, headers: dict[str, str] | None = None) -> str:
        status, body, _ = await self.ask(target, headers)
        assert (status == 200) == (not isinstance(body, dict) or "label" not in body)
        return body["label"] if isinstance(body, dict) and "label" in body else ""


def made(market: Market) -> GateSimulator:
    return GateSimulator(market, clock=now)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    simulator = made(Market())
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator)


async def test_what_is_unsigned_wrong_late_or_unknown_is_refused(client: Client) -> None:
    good, other = client.headers(ACCOUNT), client.headers(ACCOUNT, account="gate-multi")
    held = f"{POSITIONS}?holding=true"
    cases = [
        (ACCOUNT, good, ""),
        (ACCOUNT, {}, "MISSING_REQUIRED_HEADER"),
        (ACCOUNT, {**good, "SIGN": ""}, "MISSING_REQUIRED_HEADER"),
        (ACCOUNT, {**good, "Timestamp": ""}, "MISSING_REQUIRED_HEADER"),
        (ACCOUNT, {**good, "Timestamp": "now"}, "INVALID_PARAM_VALUE"),
        (ACCOUNT, {**good, "KEY": "nobody"}, "INVALID_KEY"),
        (ACCOUNT, {**good, "SIGN": other["SIGN"]}, "INVALID_SIGNATURE"),
        (ACCOUNT, client.headers(ACCOUNT, late=61.0), "REQUEST_EXPIRED"),
        (ACCOUNT, client.headers(ACCOUNT, late=-61.0), "REQUEST_EXPIRED"),
        (ACCOUNT, client.headers(ACCOUNT, late=60.0), ""),
        (held, good, "INVALID_SIGNATURE"),
        (held, client.headers(POSITIONS), "INVALID_SIGNATURE"),
        (held, client.headers(held), ""),
        (f"{POSITIONS}?page=1", client.headers(f"{POSITIONS}?page=1"), "INVALID_PARAM_VALUE"),
        (f"{POSITIONS}?limit=x", client.headers(f"{POSITIONS}?limit=x"), "INVALID_PARAM_VALUE"),
        (TIERS, {}, ""),
        (TIERS.partition("?")[0], {}, "MISSING_REQUIRED_PARAM"),
        (TIERS.replace("BTC_USDT", "BTC_USD"), {}, "CONTRACT_NOT_FOUND"),
        ("/api/v4/futures/eur/contracts", {}, "INVALID_PARAM_VALUE"),
        ("/api/v4/futures/usdt/orders", {}, "NOT_FOUND"),
        ("/futures/usdt/contracts", {}, "NOT_FOUND"),
    ]
    for target, headers, label in cases:
        assert await client.label(target, headers) == label, (target, headers)
    one = client.credential()
    client.simulator.credentials[one.api_key] = replace(one, addresses=("203.0.113.7",))
    assert await client.label(ACCOUNT, good) == "IP_FORBIDDEN"
    client.simulator.credentials[one.api_key] = replace(one, permissions={"spot": True})
    assert await client.label(ACCOUNT, good) == "FORBIDDEN"


async def test_who_never_had_money_in_a_currency_has_no_account_there(client: Client) -> None:
    target = ACCOUNT.replace("usdt", "btc")
    assert await client.label(target, client.headers(target)) == ""
    for account in ("gate-older", "gate-single", "gate-multi"):
        assert await client.label(target, client.headers(target, account=account)) == "USER_NOT_FOUND"


async def test_each_call_has_a_limit_of_its_own(client: Client) -> None:
    for _ in range(200):
        assert client.simulator.limits.spend("127.0.0.1", "/spot/time", NOW, limit=200, window=10.0) >= 0
    status, body, headers = await client.ask(TIME)
    assert (status, body["label"]) == (429, "TOO_MANY_REQUESTS")
    assert NOW < int(headers["X-Gate-RateLimit-Reset-Timestamp"]) <= NOW + 11
    assert await client.label(TIERS) == ""


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 900))
def test_printed_figures_add_up(seed: int, seconds: int) -> None:
    market = Market(seed=seed)
    simulator = made(market)
    market.advance(seconds)
    for key in simulator.credentials.values():
        rows: Any = simulator._positions({"settle": "usdt"}, key)
        account: Any = simulator._account({"settle": "usdt"}, key)
        unified: Any = simulator._unified({}, key)
        cross = [row for row in rows if row["leverage"] == "0"]
        required = sum(Decimal(row["maintenance_margin"]) for row in cross)
        assert Decimal(account["unrealised_pnl"]) == sum(Decimal(row["unrealised_pnl"]) for row in rows)
        match simulator.modes[key.account]:
            case "classic" if key.account not in simulator.older:
                own = Decimal(account["isolated_position_margin"]) - Decimal(account["cross_unrealised_pnl"])
                assert Decimal(account["total"]) - own == Decimal(account["cross_margin_balance"])
                assert Decimal(account["cross_maintenance_margin"]) == required
            case "single_currency":
                balance = unified["balances"]["USDT"]
                assert Decimal(balance["mm"]) == required
                assert Decimal(unified["total_margin_balance"]) == 0
            case "multi_currency" | "portfolio":
                tether = market.exact_index("USDT", "USD", 8)
                assert Decimal(unified["total_maintenance_margin"]) == pytest.approx(required * tether)
        for row in rows:
            value, printed = Decimal(row["value"]), Decimal(row["maintenance_margin"])
            if printed:
                by_rate = value * (Decimal(row["average_maintenance_rate"]) + Decimal("0.00075"))
                assert abs(printed - by_rate) <= value * Decimal("0.0001")


def test_no_demo_account_is_liquidated_anywhere_the_market_can_go() -> None:
    for simulator in at_the_walls(made, "BTC", "ETH", "SOL", "LTC"):
        assert [book.liquidations for book in simulator.accounts.values()] == [[]] * ACCOUNTS


@pytest.mark.parametrize("seed", [1, 2])
async def test_rates_and_liquidation_prices_agree(seed: int) -> None:
    accounts = await collected(moved(made, seed))
    assert len(accounts) == ACCOUNTS
    for snapshot, book in accounts:
        risk = assess(snapshot, RiskSettings(cross_check=True))
        for pool in risk.pools:
            expected = book.pool(pool.pool.currency)
            assert pool.margin_equity == pytest.approx(float(expected.margin_equity), rel=1e-9)
            assert expected.rate is not None
            assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate), rel=1e-9)
        of_book = {(held.contract.symbol, held.side): held for held in book.positions}
        for position in risk.positions:
            held = of_book.pop((position.position.symbol, position.position.side))
            scenarios = any(pool.pool.scenario_margin for pool in risk.pools)
            price = None if scenarios else book.liquidation_price(held)
            assert (position.liquidation_price is None) == (price is None)
            if price is not None:
                assert position.liquidation_price == pytest.approx(float(price), rel=1e-8)
                assert abs(position.liquidation_cross_check_ratio or 0.0) < 1e-7
        assert not of_book


async def test_a_wrong_secret_is_an_auth_error() -> None:
    with pytest.raises(VenueError) as caught:
        await collected(moved(made, 1), api_secret="wrong")
    assert caught.value.reason == "auth"
