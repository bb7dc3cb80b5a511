"""OKX: how it is asked, what its failures mean, and the sub-accounts of a main account."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.account import Member
from exporter.api import Client
from exporter.errors import VenueError
from exporter.livemarks import ways
from exporter.model import AccountSnapshot, RiskSettings
from exporter.risk import assess
from exporter.venues._okx import BALANCE, CONFIG, FUNDING, INSTRUMENTS, MEMBER_BALANCE, MEMBERS, POSITIONS
from exporter.venues.okx import OkxConfig
from tests.accounts import FakeClock
from tests.venues.bench import as_answers
from tests.venues.harness import (
    NOW,
    MemoryTransport,
    QuietObserver,
    make_venue,
    response,
    rights_of,
    unpaced,
    unsigned,
)
from tests.venues.payloads.okx.bench import (
    BENCH,
    CREDENTIALS,
    CROSS_COIN,
    balance,
    check,
    config,
    document,
    linear,
    snapshot_of,
    success,
)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (BALANCE, "sgHz4xtFIzHecpe8qwpe+w9ykT5RsGvPTAgsNYIw91A="),
        (POSITIONS, "yNVMP+9dco5HRYx3q8aJFfuL00byC/iE8+KuiH15Pcs="),
        (CONFIG, "V2T0SBwckRSpjPrlzia7KRb9jFmGIvsz2U9mQg084OA="),
    ],
)
def test_signatures_are_those_of_an_independent_program(endpoint: Any, expected: str) -> None:
    signed = make_venue("okx", "http://venue.test", CREDENTIALS).sign(
        unsigned(endpoint, at=1_700_000_000_000)
    )
    assert signed.headers["OK-ACCESS-SIGN"] == expected
    assert signed.headers["OK-ACCESS-TIMESTAMP"] == "2023-11-14T22:13:20.000Z"
    assert "x-simulated-trading" not in signed.headers


async def test_demo_trading_is_another_market_at_the_same_address() -> None:
    """What the one is told of contracts, tiers and prices is not taken for the other's."""
    entries: list[dict[str, Any]] = [CREDENTIALS, {**CREDENTIALS, "simulated_trading": True}, CREDENTIALS]
    venues = [make_venue("okx", "http://venue.test", entry) for entry in entries]
    assert [len(found) for found in ways(venues).values()] == [2, 1]
    transport = MemoryTransport(as_answers(BENCH.documents("multi")))
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        for venue in venues:
            await venue.fetch(client.account(venue))
    headers = [one.headers for one in transport.asked if one.path == INSTRUMENTS.path]
    assert [one.get("x-simulated-trading") for one in headers] == [None, "1"]


def test_what_its_failures_mean() -> None:
    venue = make_venue("okx", "http://venue.test", CREDENTIALS)
    for case in document("errors.json"):
        error = venue.error(BALANCE, response(case["status"], case["body"]))
        assert error is not None
        assert error.reason == case["reason"], case
    busy = venue.error(BALANCE, response(429, {"code": "50011", "msg": "Too Many Requests"}))
    assert busy is not None
    assert (busy.scope, busy.blocked_until) == ("account", NOW + 2.0)
    for code, told in (("50110", "not on the key's list"), ("50035", "must be bound to addresses")):
        refused = venue.error(BALANCE, response(401, {"code": code, "msg": "IP"}))
        assert refused is not None
        assert told in str(refused)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"perm": "read_only", "ip": ""}, (True, False, False, False, False)),
        ({"perm": "read_only,withdraw, trade", "ip": "203.0.113.7"}, (True, True, True, True, True)),
        ({"perm": "trade"}, (False, True, True, False, None)),
    ],
)
async def test_what_a_key_may_do(told: dict[str, str], expected: tuple[bool | None, ...]) -> None:
    document = config(2, **told)
    found = await rights_of("okx", CONFIG.path, document, config=CREDENTIALS, check=check)
    rights = (found.read, found.trade, found.transfer, found.withdraw, found.ip_restricted)
    assert (rights, found.expires_at) == (expected, None)


async def test_an_answer_that_says_nothing_of_a_key_is_none() -> None:
    with pytest.raises(VenueError, match="says nothing of what the key may do"):
        await rights_of("okx", CONFIG.path, config(2), config=CREDENTIALS, check=check)


async def test_as_many_positions_as_an_answer_holds_are_asked_for_by_kind() -> None:
    """Nobody documents how many that are: a list that is cut off would hide the rest."""
    rows = [linear(instId=f"C{number}-USDT-SWAP", posId=str(number)) for number in range(101)]
    full = success(*rows[:100])
    parts: dict[Any, Any] = {
        (POSITIONS, f"instType={kind}"): success() for kind in ("FUTURES", "MARGIN", "OPTION")
    }

    def answer(first: Any, swaps: Any) -> dict[Any, Any]:
        by_kind = {**parts, (POSITIONS, "instType=SWAP"): swaps}
        return {POSITIONS: first, **by_kind}

    assert len((await snapshot_of(answer(full, success(*rows)))).positions) == 101
    with pytest.raises(VenueError, match="the list may be cut off"):
        await snapshot_of(answer(full, full))


async def test_funding_of_all_swaps_is_asked_once_until_that_of_a_position_takes_place() -> None:
    clock, due = FakeClock(), NOW + 100.0
    row = {"instId": "BTC-USDT-SWAP", "fundingRate": "0.0001", "fundingTime": str(int(due * 1000))}
    other = {**row, "instId": "ETH-USDT-SWAP", "fundingTime": str(int(NOW * 1000) + 1000)}
    answers = {**BENCH.documents("multi"), FUNDING: success(row, other)}
    venue = make_venue("okx", "http://venue.test", CREDENTIALS)
    transport = MemoryTransport(as_answers(answers), wall=clock)
    clock.now = NOW
    async with Client(QuietObserver(), wall=clock, transport=transport, budgets=unpaced(venue)) as client:
        api = client.account(venue)
        for moment, asked in ((0.0, 1), (50.0, 1), (101.0, 2), (150.0, 2)):
            clock.now = NOW + moment
            (position,) = (await venue.fetch(api)).positions
            assert (position.funding_rate, position.next_funding_at) == (0.0001, due)
            assert sum(one.path == FUNDING.path for one in transport.asked) == asked
    flat = await snapshot_of({POSITIONS: success(), FUNDING: web.Response(status=500)})
    assert flat.positions == ()


# Sub-accounts


async def test_sub_accounts_are_listed_page_by_page() -> None:
    rows = [{"subAcct": f"desk{number}", "ts": str(1000 - number)} for number in range(101)]

    def page(request: Any) -> web.Response:
        found = rows[100:] if request.query.get("after") == "901" else rows[:100]
        return web.json_response(success(*found))

    entry = OkxConfig.model_validate({"name": "main", "exchange": "okx", **CREDENTIALS})
    venue = make_venue("okx", "http://venue.test", CREDENTIALS)
    transport = MemoryTransport(as_answers({MEMBERS: page}), check)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        listed = await venue.sub_accounts(client.account(venue))
    assert listed == [Member(f"desk{number}", f"desk{number}") for number in range(101)]
    # Its name is in the name of its account, which every log line has.
    assert "desk100" not in entry.member("main.desk100", listed[-1]).secrets()


async def member_of(document: Any) -> AccountSnapshot:
    venue = make_venue("okx", "http://venue.test", CREDENTIALS)
    below = type(venue)(venue.config.member("desk.below", Member("below", "below")))
    transport = MemoryTransport(as_answers({(MEMBER_BALANCE, "subAcct=below"): document}), check)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        return await below.fetch(client.account(below))


async def test_of_a_sub_account_the_figures_are_told_and_nothing_is_computed_of_its_positions() -> None:
    snapshot = await member_of(document("balance_multi.json"))
    (pool,) = assess(snapshot, RiskSettings()).pools
    assert pool.maintenance_margin_rate == pytest.approx(1 / 143682.59776662575, rel=1e-12)
    assert (pool.stress, pool.liquidation_shock_down) == ((), None)
    assert (pool.gross_notional_usd, pool.net_notional_usd, pool.leverage_ratio) == (None, None, None)
    assert snapshot.modes == {"asset_mode": "multi"}
    idle = {**CROSS_COIN, "ccy": "USDC", "mmr": "0", "mgnRatio": ""}
    snapshot = await member_of(balance("balance_futures.json", CROSS_COIN, idle, isoEq="0"))
    rates = [one.maintenance_margin_rate for one in assess(snapshot, RiskSettings()).pools]
    assert rates == [pytest.approx(1 / 2592.1978), 0.0]
    assert snapshot.modes == {"asset_mode": "single"}
    silent = balance("balance_multi.json", details=[], mmr="", mgnRatio="")
    assert assess(await member_of(silent), RiskSettings()).pools[0].maintenance_margin_rate is None


async def test_a_sub_account_with_isolated_positions_is_not_shown_as_safe() -> None:
    with pytest.raises(VenueError, match="give it an entry of its own") as caught:
        await member_of(document("balance_futures.json"))
    assert caught.value.reason == "unsupported"
