"""The Deribit stand-in: as strict as documented, its figures add up, and the adapter reads them right."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import Market, Server
from exporter.demo._deribit import Credential, Purse
from exporter.demo._deribit_figures import Option, priced
from exporter.demo.deribit import DeribitSimulator
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from tests.demo.standins import NOW, Asker, at_the_walls, collected, moved, now

SUMMARIES, POSITIONS = "/api/v2/private/get_account_summaries", "/api/v2/private/get_positions"
MEMBERS, AUTH = "/api/v2/private/get_subaccounts", "/api/v2/public/auth"
BOOKS, INDEX = "/api/v2/public/get_book_summary_by_currency", "/api/v2/public/get_index_price"
_numbers = count()


class Client(Asker[DeribitSimulator]):
    def credential(self, account: str = "deribit-cross") -> Credential:
        return cast("Credential", self.key_of(account))

    def headers(
        self, path: str, *, account: str = "deribit-cross", late: float = 0.0, nonce: str = ""
    ) -> dict[str, str]:
        """Signed with nothing of the stand-in."""
        one, nonce = self.credential(account), nonce or f"n{next(_numbers)}"
        stamp = int((NOW - late) * 1000)
        text = f"{stamp}\n{nonce}\nGET\n{path}\n\n"
        signature = hmac.new(one.client_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        proof = f"deri-hmac-sha256 id={one.client_id},ts={stamp},sig={signature},nonce={nonce}"
        return {"Authorization": proof}

    async def answer(self, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        return dict((await self.ask(path, headers))[1])

    async def code(self, path: str, headers: dict[str, str] | None = None) -> int:
        """0 of a success."""
        return int((await self.answer(path, headers)).get("error", {}).get("code", 0))


def made(market: Market) -> DeribitSimulator:
    return DeribitSimulator(market, clock=now)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    simulator = made(Market())
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator)


async def test_what_is_unsigned_wrong_late_repeated_or_unknown_is_refused(client: Client) -> None:
    good = client.headers(SUMMARIES)
    other = client.headers(SUMMARIES, account="deribit-portfolio")
    signature = other["Authorization"].partition("sig=")[2]
    mine = good["Authorization"].partition("sig=")[0]
    cases = [
        (SUMMARIES, good, 0),
        (SUMMARIES, good, 13009),  # a second time
        (SUMMARIES, {}, 13009),
        (SUMMARIES, {"Authorization": "Bearer token"}, 13009),
        (SUMMARIES, {"Authorization": f"{mine}sig={signature}"}, 13009),
        (SUMMARIES, {"Authorization": good["Authorization"].replace("id=", "id=nobody")}, 13004),
        (f"{SUMMARIES}?extended=true", client.headers(SUMMARIES), 13009),
        (SUMMARIES, client.headers(SUMMARIES, late=61.0), 13009),
        (SUMMARIES, client.headers(SUMMARIES, late=-61.0), 13009),
        (SUMMARIES, client.headers(SUMMARIES, late=60.0), 0),
        *(
            (path, client.headers(path), code)
            for path, code in (
                (f"{SUMMARIES}?currency=BTC", -32602),
                (f"{SUMMARIES}?subaccount_id=5", -32602),
                (f"{POSITIONS}?currency=any", 0),
                (f"{POSITIONS}?currency=DOGE", -32602),
                (f"{POSITIONS}?kind=spot", -32602),
                (MEMBERS, 0),
                ("/api/v2/private/list_api_keys", -32601),
                ("/api/v2/private/buy?amount=1", -32601),
            )
        ),
        (f"{BOOKS}?currency=BTC&kind=option", {}, 0),
        (f"{BOOKS}?currency=any", {}, -32602),
        (BOOKS, {}, -32602),
        (f"{INDEX}?index_name=btc_usd", {}, 0),
        (f"{INDEX}?index_name=usdc_usd", {}, -32602),
        ("/api/v2/public/get_time", {}, 0),
    ]
    for path, headers, code in cases:
        assert await client.code(path, headers) == code, (path, headers)


async def test_a_key_reads_what_its_scope_allows(client: Client) -> None:
    one = client.credential()
    for scope, codes in (
        ("account:read", (0, 13021)),
        ("account:none trade:read_write", (13021, 0)),
        ("wallet:read_write", (13021, 13021)),
    ):
        client.simulator.credentials[one.client_id] = replace(one, scope=scope)
        found = [await client.code(path, client.headers(path)) for path in (SUMMARIES, POSITIONS)]
        assert tuple(found) == codes


async def test_a_token_is_given_for_a_signature_or_a_secret_with_the_scope_of_the_key(client: Client) -> None:
    one, stamp = client.credential(), str(int(NOW * 1000))

    def asked(**changed: str) -> str:
        text = f"{stamp}\n{changed.get('nonce', 'a')}\n"
        proof = hmac.new(one.client_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        parts = {"grant_type": "client_signature", "client_id": one.client_id, "timestamp": stamp}
        return f"{AUTH}?{urlencode({**parts, 'nonce': 'a', 'signature': proof, **changed})}"

    answer = (await client.answer(asked()))["result"]
    assert answer["scope"].split() == [
        "account:read",
        "connection",
        "mainaccount",
        "trade:read",
        "wallet:none",
    ]
    assert await client.code(asked()) == 13009
    assert await client.code(asked(nonce="b", signature="0" * 64)) == 13009
    assert await client.code(asked(nonce="c", grant_type="password")) == -32602
    assert await client.code(asked(client_id="nobody")) == 13004
    parts = {"grant_type": "client_credentials", "client_id": one.client_id}
    for secret, code in ((one.client_secret, 0), ("wrong", 13004)):
        assert await client.code(f"{AUTH}?{urlencode({**parts, 'client_secret': secret})}") == code


async def test_credits_are_spent_by_accounts_and_by_addresses(client: Client) -> None:
    codes = [await client.code(SUMMARIES, client.headers(SUMMARIES)) for _ in range(101)]
    assert codes == [0] * 100 + [10028]
    assert await client.code(SUMMARIES, client.headers(SUMMARIES, account="deribit-portfolio")) == 0
    purse = Purse()
    assert [purse.spend(100.0) for _ in range(101)].count(False) == 1
    assert [purse.spend(101.0) for _ in range(21)].count(False) == 1


def test_options_are_priced_as_published() -> None:
    """J. Hull, Options, Futures, and Other Derivatives, on futures: 20, 20, 4 months, 25 %, 9 %: 1.12."""
    hours = 4 / 12 * 365 * 24
    put = Option("BTC", "USDC", 20, NOW + hours * 3600.0, "put", 0.25)
    value, delta, *_ = priced(put, 20.0, NOW)
    assert value * 2.718281828459045 ** (-0.09 * 4 / 12) == pytest.approx(1.12, abs=0.005)
    call = replace(put, right="call")
    assert priced(call, 20.0, NOW)[0] == pytest.approx(value)
    assert priced(call, 20.0, NOW)[1] - delta == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 900))
def test_printed_figures_add_up(seed: int, seconds: int) -> None:
    market = Market(seed=seed)
    simulator = made(market)
    market.advance(seconds)
    for book in list(simulator.all_books()):
        rows: list[Any] = [simulator.summary(book, coin) for coin in ("BTC", "ETH", "USDC", "USDT")]
        held: list[Any] = [simulator.position(book, one) for one in book.positions]
        held += [simulator.option_position(book, leg) for leg in book.options]
        for row in rows:
            assert row["equity"] == pytest.approx(row["balance"] + row["futures_pl"] + row["options_value"])
            assert row["total_pl"] == pytest.approx(row["futures_pl"] + row["options_pl"])
            if not book.multi_asset:
                apart = 0.0 if book.portfolio else row["options_value"]
                assert row["margin_balance"] == pytest.approx(row["equity"] - apart)
        if not book.portfolio and not book.multi_asset:
            required = sum(row["maintenance_margin"] for row in rows if row["currency"] != "USDC")
            of_coins = [one for one in held if "USDC" not in one["instrument_name"]]
            assert required == pytest.approx(sum(one["maintenance_margin"] for one in of_coins))
        if book.multi_asset:
            prices = {row["currency"]: float(book.index(row["currency"])) for row in rows}
            worth = sum(row["equity"] * prices[row["currency"]] for row in rows)
            assert rows[0]["total_equity_usd"] == pytest.approx(worth)
            assert len({row["total_margin_balance_usd"] for row in rows}) == 1


def test_no_demo_account_is_liquidated_anywhere_the_market_can_go() -> None:
    for simulator in at_the_walls(made, "BTC", "ETH", "SOL"):
        assert [book.liquidations for book in list(simulator.all_books())] == [[]] * 5


@pytest.mark.parametrize("seed", [1, 2])
async def test_rates_and_liquidation_prices_agree(seed: int) -> None:
    accounts = await collected(moved(made, seed))
    assert len(accounts) == 5
    for snapshot, book in accounts:
        risk = assess(snapshot, RiskSettings(cross_check=True))
        for pool in risk.pools:
            expected = book.pool(pool.pool.currency)
            assert pool.margin_equity == pytest.approx(float(expected.margin_equity), rel=1e-9)
            assert expected.rate is not None
            assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate), rel=1e-9)
        for position in risk.positions:
            assert abs(position.liquidation_cross_check_ratio or 0.0) < 1e-7
        assert len(risk.positions) == len(book.positions) + len(book.options)


async def test_a_wrong_secret_is_an_auth_error() -> None:
    with pytest.raises(VenueError) as caught:
        await collected(moved(made, 1), api_secret="wrong")
    assert caught.value.reason == "auth"
