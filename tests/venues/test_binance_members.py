"""Sub-accounts of a Binance master account: which there are, and what its key is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from exporter.account import Member, secret_forms
from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import AccountRisk, AccountSnapshot, RiskSettings
from exporter.risk import assess
from exporter.venues import _binance_usdm as usdm
from exporter.venues._binance_members import ACCOUNT, LIST, POSITIONS, STATUS
from tests.venues.bench import as_answers, benches
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, decoded, make_venue, payload
from tests.venues.payloads.binance_coinm.bench import sub_row
from tests.venues.payloads.binance_usdm.bench import INDICES
from tests.venues.payloads.binance_usdm.members import (
    EMAIL,
    FITTING,
    LISTING,
    SHARED,
    WALLET,
    account,
    document,
    of_member,
    of_usdt,
    positions,
    row,
)
from tests.venues.payloads.binance_usdm.members import SCHEDULE as BITCOIN

# Which sub-accounts there are


async def listed(
    answers: Mapping[Any, Any], observer: QuietObserver | None = None
) -> tuple[list[tuple[str, str]], list[str]]:
    """Names and handles, and the pages that were asked for."""
    bench = benches()["binance_usdm"]
    venue = make_venue(bench.venue, "http://venue.test", bench.config)
    transport = MemoryTransport(as_answers(answers), bench.check)
    async with Client(observer or QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        found = await venue.sub_accounts(client.account(venue))
    pages = [asked.query.get("page", "1") for asked in transport.asked if asked.path == LIST.path]
    return [(one.name, one.handle) for one in found], pages


async def test_they_are_called_by_what_is_in_front_of_the_at_sign() -> None:
    found, pages = await listed({LIST: document("sub_accounts.json"), STATUS: []})
    assert found == [("testsub", EMAIL), ("virtual", "virtual@oxebmvfonoemail.com")]
    assert pages == ["1", "2"]


async def test_pages_are_asked_for_until_one_has_nothing_new() -> None:
    """However long the venue makes a page: a list that is cut off would hide accounts."""
    rows = [{"email": f"desk{number}@fund.example"} for number in range(120)]

    def page(request: Any) -> web.Response:
        start = 50 * (int(request.query.get("page", "1")) - 1)
        return web.json_response({"subAccounts": rows[start : start + 50]})

    found, pages = await listed({LIST: page, STATUS: []})
    assert [handle for _, handle in found] == [one["email"] for one in rows]
    assert pages == ["1", "2", "3", "4"]
    assert await listed({LIST: {"subAccounts": rows[:3]}, STATUS: []}) == ([*found[:3]], ["1", "2"])


async def test_who_has_no_futures_account_is_left_out() -> None:
    rows = {"subAccounts": [{"email": EMAIL}, {"email": "nothing@there.com"}]}
    assert await listed({**LISTING, LIST: rows}) == ([("testsub", EMAIL)], ["1", "2"])
    observer = QuietObserver()
    found, _ = await listed({LIST: rows, STATUS: web.Response(status=500)}, observer)
    assert len(found) == 2
    assert [error.reason for error in observer.optional_failures] == ["exchange"]


# What is told of one


async def usdm_of(account: Any, *rows: Mapping[str, Any], **more: Any) -> AccountSnapshot:
    answers = {ACCOUNT: account, POSITIONS: positions(*rows), usdm.LEVERAGE_BRACKET: BITCOIN}
    return await of_member("binance_usdm", {**answers, **more.get("answers", {})})


def assessed(snapshot: AccountSnapshot) -> AccountRisk:
    return assess(snapshot, RiskSettings(cross_check=True))


async def test_the_master_s_key_asks_for_one_account_by_its_address_which_nobody_is_shown() -> None:
    asked: list[Any] = []
    answers = {ACCOUNT: FITTING, POSITIONS: positions(row()), usdm.LEVERAGE_BRACKET: BITCOIN}
    await of_member("binance_usdm", answers, asked)
    told = [one for one in asked if one.path in {ACCOUNT.path, POSITIONS.path}]
    assert [(one.query["email"], one.query["futuresType"]) for one in told] == [(EMAIL, "1")] * 2
    assert not [one for one in asked if one.path in {usdm.ACCOUNT.path, usdm.SYMBOL_CONFIG.path}]
    config = make_venue("binance_usdm", "http://x.test", benches()["binance_usdm"].config).config
    assert EMAIL in set(secret_forms(config.member("desk.testsub", Member("testsub", EMAIL))))
    refusal = web.json_response({"code": -9000, "msg": f"no such user {EMAIL}"}, status=400)
    with pytest.raises(VenueError) as caught:
        await of_member("binance_usdm", {**answers, ACCOUNT: refusal})
    assert "no such user" in caught.value.message
    assert EMAIL not in caught.value.message


async def test_the_documented_position_is_liquidated_at_the_documented_price() -> None:
    snapshot = await usdm_of(FITTING, row())
    (pool,), (position,) = assessed(snapshot).pools, assessed(snapshot).positions
    assert position.liquidation_price == 7963.54
    assert position.liquidation_cross_check_ratio == pytest.approx(0.0, abs=1e-9)
    assert position.maintenance_margin == pytest.approx(0.01 * 9973.50770517 * 0.004)
    assert pool.maintenance_margin_rate == pytest.approx(0.39894031 / (WALLET - 0.01612295))
    held = snapshot.positions[0]
    assert (held.side, held.margin_mode, held.leverage) == ("long", "cross", 50.0)
    assert held.largest_notional == 1e6
    assert snapshot.modes == {"asset_mode": "single"}


async def test_what_is_short_has_a_negative_amount_and_a_pair_tells_hedge_mode() -> None:
    # W + (0.01 - 0.004) × (7000 - 9975.12) = 0.004 × 0.014 × 7000
    legs = (
        row(liquidationPrice="7000"),
        row(positionAmount="-0.004", unrealizedProfit="0.00644918", liquidationPrice="7000"),
    )
    snapshot = await usdm_of(of_usdt(18.24272, -0.00967377, 0.55851643), *legs)
    assert [(one.side, one.margin_mode) for one in snapshot.positions] == [
        ("long", "cross"),
        ("short", "cross"),
    ]
    for position in assessed(snapshot).positions:
        assert position.liquidation_cross_check_ratio == pytest.approx(0.0, abs=1e-6)
    assert snapshot.modes["position_mode"] == "hedge"
    with pytest.raises(VenueError, match="two rows of a `symbol`") as caught:
        await usdm_of(FITTING, row(), row(positionAmount="0.02"))
    assert caught.value.reason == "schema"


async def test_an_isolated_position_is_seen_by_its_liquidation_price() -> None:
    """With 200 USDT in the coin and 20.43 behind the position, the rest of it backs nothing."""
    snapshot = await usdm_of(of_usdt(200.0, -0.01612295, 0.39894031), row())
    held = snapshot.positions[0]
    assert held.margin_mode == "isolated"
    assert held.margin == pytest.approx(WALLET)
    (pool,), (position,) = assessed(snapshot).pools, assessed(snapshot).positions
    assert pool.margin_equity == pytest.approx(200.0 - WALLET)
    assert pool.maintenance_margin_rate == 0.0
    assert position.maintenance_margin_rate == pytest.approx(0.39894031 / (WALLET - 0.01612295), rel=1e-6)
    # Where the brackets are not known, nothing can be said of it.
    unknown = await usdm_of(
        of_usdt(200.0, -0.01612295, 0.39894031), row(), answers={usdm.LEVERAGE_BRACKET: []}
    )
    assert unknown.positions[0].margin_mode == "cross"


def both(first: str, second: str, **changed: Any) -> tuple[list[Any], Any]:
    """The documented position beside one in another symbol, liquidated at these prices; their brackets."""
    rows = [row(liquidationPrice=first), row(symbol="ETHUSDT", liquidationPrice=second, **changed)]
    return rows, {usdm.LEVERAGE_BRACKET: [*BITCOIN, {**BITCOIN[0], "symbol": "ETHUSDT"}]}


async def test_an_isolated_position_is_told_from_a_cross_one_beside_it() -> None:
    """200 USDT: 20.43 behind one; the rest, less what it requires, is used up by the other at 8212.3."""
    rows, brackets = both("7963.54", "8212.3", positionAmount="0.1", unrealizedProfit="-0.1612295")
    snapshot = await usdm_of(of_usdt(200.0, -0.17735245, 4.38834339), *rows, answers=brackets)
    assert [one.margin_mode for one in snapshot.positions] == ["isolated", "cross"]
    assert snapshot.positions[0].margin == pytest.approx(WALLET)
    for position in assessed(snapshot).positions:
        assert position.liquidation_cross_check_ratio == pytest.approx(0.0, abs=1e-4)
    # Where the brackets of one are not known, what is left for the other is not, either.
    unknown = await usdm_of(of_usdt(200.0, -0.17735245, 4.38834339), *rows)
    assert [one.margin_mode for one in unknown.positions] == ["cross", "cross"]


async def test_isolated_positions_that_cannot_be_told_apart_are_a_failure() -> None:
    """Of 50 USDT of excess, 30 behind one and 45 behind the other: no share of both and none of each."""
    rows, brackets = both("6961.5", "5455.4")
    with pytest.raises(VenueError, match="give this account an entry of its own") as caught:
        await usdm_of(of_usdt(50.83, -0.0322459, 0.79788062), *rows, answers=brackets)
    assert caught.value.reason == "unsupported"


async def test_in_multi_assets_mode_the_totals_are_those_of_one_pool() -> None:
    snapshot = await usdm_of(SHARED, row(), answers={usdm.ASSET_INDEX: INDICES})
    (pool,) = assessed(snapshot).pools
    assert pool.pool.currency == "USD"
    assert pool.maintenance_margin_rate == pytest.approx(0.40093502 / 44.51752450)
    assert [asset.asset for asset in snapshot.assets] == ["USDT", "ADA"]
    assert snapshot.modes == {"asset_mode": "multi"}


async def test_in_single_asset_mode_the_totals_may_be_sums_of_dollar_coins() -> None:
    both = account(
        {"walletBalance": "20.43434160", "marginBalance": "20.41821865", "maintenanceMargin": "0.39894031"},
        {"asset": "USDC", "walletBalance": "300", "marginBalance": "300"},
        totalWalletBalance="320.43434160",
        totalMarginBalance="320.41821865",
    )
    snapshot = await usdm_of(both, row(), answers={usdm.ASSET_INDEX: []})
    assert [pool.currency for pool in snapshot.pools] == ["USDT", "USDC"]
    assert assessed(snapshot).pools[0].maintenance_margin_rate == pytest.approx(0.39894031 / 20.41821865)


async def test_totals_that_fit_neither_mode_are_a_failure_where_something_is_held() -> None:
    odd = account({"walletBalance": "20"}, {"asset": "ADA", "walletBalance": "7"}, totalWalletBalance="77")
    with pytest.raises(VenueError, match="`totalWalletBalance` is neither") as caught:
        await usdm_of(odd, row())
    assert caught.value.reason == "schema"
    assert (await usdm_of(odd)).positions == ()


@pytest.mark.parametrize("kind", ["future", "delivery"])
async def test_rows_are_read_in_both_spellings_and_are_never_none_for_want_of_them(kind: str) -> None:
    venue, rows = ("binance_usdm", row()) if kind == "future" else ("binance_coinm", sub_row())
    told = FITTING if kind == "future" else decoded(payload(venue, "sub_account_futures.json"))
    for name in (f"{kind}PositionRiskVos", f"{kind}PositionRiskVOS"):
        assert len((await of_member(venue, {ACCOUNT: told, POSITIONS: {name: [rows]}})).positions) == 1
    flat = {ACCOUNT: told, POSITIONS: {f"{kind}PositionRiskVos": None}}
    assert (await of_member(venue, flat)).positions == ()
    with pytest.raises(VenueError, match=f"`{kind}PositionRiskVos` is missing"):
        await of_member(venue, {ACCOUNT: told, POSITIONS: {}})


@pytest.mark.parametrize("venue", ["binance_usdm", "binance_coinm"])
async def test_a_symbol_that_tells_no_coin_is_told_with_the_call_that_has_it(venue: str) -> None:
    odd: dict[Any, Any] = {ACCOUNT: SHARED, POSITIONS: positions(row(symbol="X")), usdm.ASSET_INDEX: INDICES}
    if venue == "binance_coinm":
        odd = {
            ACCOUNT: decoded(payload(venue, "sub_account_futures.json")),
            POSITIONS: {"deliveryPositionRiskVos": [sub_row(symbol="X")]},
        }
    with pytest.raises(VenueError, match="`symbol` of a position is not listed") as caught:
        await of_member(venue, odd)
    assert POSITIONS.path in caught.value.message
