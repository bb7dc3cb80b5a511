"""Binance accounts in Portfolio Margin mode behind the adapters of its futures: never read as safe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.demo import Market, Server, discover
from exporter.errors import VenueError
from tests.venues.bench import Bench, as_answer, as_answers, benches
from tests.venues.harness import NOW, Answer, MemoryTransport, QuietObserver, make_venue, payload

REFUSED = web.json_response(
    {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action, request ip: 203.0.113.7"},
    status=401,
)
NOTHING = {"maxWithdrawAmountUSD": "0.00000000", "asset": "BTC", "maxWithdrawAmount": "0"}
PATHS = {
    "binance_usdm": ("/fapi/v3/account", "/fapi/v1/pmAccountInfo"),
    "binance_coinm": ("/dapi/v1/account", "/dapi/v1/pmAccountInfo"),
}


@pytest.fixture(params=sorted(PATHS))
def bench(request: pytest.FixtureRequest) -> Bench:
    """The bench of one venue."""
    return benches()[request.param]


class Asking:
    """One account whose answers a test changes, and what was asked for it."""

    def __init__(self, bench: Bench) -> None:
        self.answers: dict[str, Answer] = {}
        self.answer(bench, "empty account")
        self.account, self.mode = PATHS[bench.venue]
        self.now = NOW
        self._transport = MemoryTransport(self.answers, bench.check)
        self._venue = make_venue(bench.venue, "http://venue.test", bench.config)
        self._client = Client(QuietObserver(), wall=lambda: self.now, transport=self._transport)
        self._api = self._client.account(self._venue)

    def answer(self, bench: Bench, scenario: str) -> None:
        """Answers this scenario, too; undated, since a test's clock moves on."""
        for path, answer in as_answers(bench.documents(scenario)).items():
            assert isinstance(answer, bytes)
            self.answers[path] = web.Response(body=answer)

    async def collect(self) -> Any:
        return await self._venue.fetch(self._api)

    def asked(self, path: str) -> int:
        return sum(request.path == path for request in self._transport.asked)


async def reason(asking: Asking) -> str:
    with pytest.raises(VenueError) as caught:
        await asking.collect()
    assert asking.account in caught.value.message
    assert "`binance_pm`" in caught.value.message
    return caught.value.reason


async def test_an_account_of_zeros_that_may_move_something_out_is_not_supported(bench: Bench) -> None:
    asking = Asking(bench)
    asking.answers[asking.mode] = payload(bench.venue, "pm_account_info.json")
    assert await reason(asking) == "unsupported"
    for field in ("maxWithdrawAmountUSD", "maxWithdrawAmount"):
        asking = Asking(bench)
        asking.answers[asking.mode] = as_answer({**NOTHING, field: "0.5"})
        assert await reason(asking) == "unsupported"


async def test_an_account_that_is_refused_and_may_move_something_out_is_not_supported(bench: Bench) -> None:
    asking = Asking(bench)
    asking.answers |= {asking.account: REFUSED, asking.mode: payload(bench.venue, "pm_account_info.json")}
    assert await reason(asking) == "unsupported"


@pytest.mark.parametrize(
    "answer",
    [NOTHING, REFUSED, web.json_response({"code": -1109, "msg": "Invalid account."}, status=400), {}, None],
    ids=["nothing to move out", "refused", "invalid account", "no fields", "no such path"],
)
async def test_an_honest_empty_account_is_shown_as_empty(bench: Bench, answer: Any) -> None:
    asking = Asking(bench)
    if answer is not None:
        asking.answers[asking.mode] = as_answer(answer)
    snapshot = await asking.collect()
    assert [(pool.equity, pool.maintenance_margin) for pool in snapshot.pools] == [(0.0, 0.0)]
    assert snapshot.positions == ()


@pytest.mark.parametrize("words", ["not allowed in portfolio margin mode", "Portfolio-Margin account"])
async def test_a_refusal_that_names_the_mode_is_taken_at_its_word(bench: Bench, words: str) -> None:
    asking = Asking(bench)
    asking.answers[asking.account] = web.json_response({"code": -1020, "msg": words}, status=400)
    assert await reason(asking) == "unsupported"


async def test_where_the_mode_cannot_be_asked_an_account_of_zeros_is_not_shown_as_safe(bench: Bench) -> None:
    """Nor does that hide a refused key."""
    asking = Asking(bench)
    asking.answers[asking.mode] = web.Response(status=429)
    assert await reason_only(asking) == "rate_limited"
    asking = Asking(bench)
    asking.answers |= {asking.account: REFUSED, asking.mode: web.Response(status=429)}
    assert await reason_only(asking) == "auth"


async def reason_only(asking: Asking) -> str:
    with pytest.raises(VenueError) as caught:
        await asking.collect()
    return caught.value.reason


async def test_the_mode_is_asked_for_rarely_and_never_of_an_account_with_collateral(bench: Bench) -> None:
    asking = Asking(bench)
    for _ in range(20):
        await asking.collect()
        asking.now += 15.0
    assert asking.asked(asking.mode) == 1
    asking.answer(bench, "cross position")
    asking.now += 3600.0
    await asking.collect()
    assert asking.asked(asking.mode) == 1


@pytest.mark.parametrize("venue", sorted(PATHS))
async def test_the_stand_in_s_account_in_that_mode_is_not_supported(venue: str) -> None:
    simulator: Any = discover()[venue](Market(), clock=lambda: NOW)
    credential = simulator.add_account(simulator.new_book("pm"))
    config: Mapping[str, Any] = {"api_key": credential.api_key, "api_secret": credential.api_secret}
    async with Server(simulator) as server, Client(QuietObserver(), wall=lambda: NOW) as client:
        adapter = make_venue(venue, server.base_url, config)
        api = client.account(adapter)
        snapshot = await adapter.fetch(api)
        assert [pool.equity for pool in snapshot.pools] == [0.0]
        simulator.portfolio_margin.add("pm")
        other = make_venue(venue, server.base_url, {**config, "name": "other"})
        with pytest.raises(VenueError) as caught:
            await other.fetch(client.account(other))
        assert caught.value.reason == "unsupported"
