"""Accounts of every kind at the BingX stand-in: the adapter shows the venue's rate, or none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from exporter.api import Client
from exporter.demo import Market
from exporter.demo._bingx import PublicEndpoint
from exporter.demo._bingx_figures import CONTRACTS
from exporter.demo.bingx import BingxSimulator
from exporter.demo.book import Book
from exporter.model import AccountRisk, RiskSettings
from exporter.risk import assess
from exporter.transport import Answer
from tests.venues.harness import NOW, QuietObserver, make_venue

# What a rate of 0.0000 hides cannot be told from no rate.
PRINTED = 2e-4


@dataclass
class Account:
    """A book at a stand-in, and what its key may see of it."""

    simulator: BingxSimulator
    book: Book
    may_trade: bool


class InMemory:
    """The stand-in without HTTP; keys and limits are tested elsewhere."""

    def __init__(self, account: Account) -> None:
        self.account = account

    async def send(
        self,
        method: str,  # noqa: ARG002 (the transport's form)
        url: str,
        *,
        headers: Mapping[str, str],  # noqa: ARG002 (the same)
        body: bytes | None,  # noqa: ARG002 (the same)
        proxy: str | None,  # noqa: ARG002 (the same)
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 (the same)
    ) -> Answer:
        parts = urlsplit(url)
        endpoint = next(one for one in self.account.simulator.endpoints() if one.path == parts.path)
        asked = {name: value for name, value in parse_qsl(parts.query) if name == "symbol"}
        if isinstance(endpoint, PublicEndpoint):
            return answered(0, endpoint.answer(asked))
        if endpoint.trading and not self.account.may_trade:
            return answered(100004, None)
        return answered(0, endpoint.answer(asked, self.account.book))


def answered(code: int, data: object) -> Answer:
    return Answer(200, CIMultiDict(), json.dumps({"code": code, "msg": "", "data": data}).encode())


@st.composite
def accounts(draw: st.DrawFn, *, multi_asset: bool) -> Account:
    """Some coins and up to three positions of an account that is not liquidated yet."""
    simulator = BingxSimulator(Market(seed=draw(st.integers(0, 20))), clock=lambda: NOW)
    simulator.market.freeze()
    simulator.all_coins = draw(st.booleans())
    book = simulator.new_book("drawn", hedge_mode=True, multi_asset=multi_asset)
    amounts = st.integers(-2000 if multi_asset else 200, 20_000)
    for coin in draw(st.sets(st.sampled_from(["USDT", "USDC"]), min_size=1)):
        book.deposit(coin, draw(amounts))
    if multi_asset and draw(st.booleans()):
        book.deposit("BTC", draw(st.decimals("0.01", "1", places=4)))
    for symbol in draw(st.lists(st.sampled_from(sorted(CONTRACTS)), max_size=3)):
        contract = CONTRACTS[symbol]
        value = draw(st.integers(500, 60_000))
        mark = simulator.market.mark(contract.base, contract.quote)
        isolated = not multi_asset and draw(st.booleans())
        if multi_asset or book.cross_wallet(contract.settle) > (value / 15 if isolated else 0):
            side = draw(st.sampled_from(["long", "short"]))
            if any((held.contract.symbol, held.side) == (symbol, side) for held in book.positions):
                continue
            book.open(
                contract,
                "long" if side == "long" else "short",
                round(value / mark, 3) or 1,
                price=round(mark * draw(st.floats(0.98, 1.02)), 4),
                margin_mode="isolated" if isolated else "cross",
                now=NOW,
            )
    simulator.add_account(book)
    if draw(st.booleans()) and book.cross_wallet("USDT") > 400:
        simulator.freeze("drawn", "USDT", draw(st.integers(1, 300)))
    assume(not book.settle(NOW))
    return Account(simulator, book, may_trade=draw(st.booleans()))


async def risk_of(account: Account) -> AccountRisk:
    """As it is after the tiers of all symbols are there."""
    venue = make_venue("bingx", "http://venue.test", {"api_key": "k" * 20, "api_secret": "s" * 20})
    async with Client(QuietObserver(), wall=lambda: NOW, transport=InMemory(account)) as client:
        api = client.account(venue)
        await venue.fetch(api)
        return assess(await venue.fetch(api), RiskSettings())


def assert_near(rate: float, expected: float) -> None:
    assert math.isclose(rate, expected, rel_tol=0.025, abs_tol=PRINTED)


@settings(max_examples=300, deadline=None)
@given(accounts(multi_asset=False))
async def test_in_single_asset_mode_every_key_sees_the_rate_of_each_coin(account: Account) -> None:
    risk = await risk_of(account)
    assert risk.snapshot.modes.get("asset_mode") == ("single" if account.may_trade else None)
    for pool in risk.pools:
        rate = account.book.pool(pool.pool.currency).rate
        assert rate is not None
        assert pool.maintenance_margin_rate is not None
        assert_near(pool.maintenance_margin_rate, float(rate))


@settings(max_examples=300, deadline=None)
@given(accounts(multi_asset=True))
async def test_in_multi_assets_mode_a_key_sees_the_rate_of_the_account_or_none(account: Account) -> None:
    risk, book = await risk_of(account), account.book
    expected = book.pool("USD").rate
    assert expected is not None
    if account.may_trade:
        assert risk.snapshot.modes["asset_mode"] == "multi"
        assert [pool.maintenance_margin_rate is not None for pool in risk.pools] == [True]
    if float(expected) < PRINTED:
        return
    for pool in risk.pools:
        cross = any(
            held.contract.settle == pool.pool.currency or len(risk.pools) == 1 for held in book.positions
        )
        if cross and pool.maintenance_margin_rate is not None:
            assert_near(pool.maintenance_margin_rate, float(expected))
    for position in risk.positions:
        assert (position.liquidation_distance_ratio or 0.0) >= 0.0
