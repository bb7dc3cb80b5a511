"""Bitget: funding, places in the queue of auto-deleveraging, and haircuts."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.venues._bitget import CLASSIC_PLACES, COLLATERAL, DISCOUNTS, FUNDING, PLACES, POSITIONS
from tests.accounts import FakeClock
from tests.venues.bench import as_answers
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, make_venue, unpaced
from tests.venues.payloads.bitget.bench import (
    BENCH,
    COIN,
    CREDENTIALS,
    IN_COINS,
    PAIR,
    PLACE,
    account,
    in_classic,
    in_unified,
    snapshot_of,
    success,
    unified,
)

PAID = {"symbol": "BTCUSDT", "fundingRate": "-0.0002", "nextUpdate": str(int(NOW * 1000) + 3_600_000)}


async def test_funding_of_a_product_is_asked_once_until_that_of_a_position_is_paid() -> None:
    clock, due = FakeClock(), NOW + 100.0
    rows = [
        {**PAID, "nextUpdate": str(int(due * 1000))},
        {**PAID, "symbol": "ETHUSDT", "nextUpdate": str(int(NOW * 1000) + 1000)},
    ]
    venue = make_venue("bitget", "http://venue.test", CREDENTIALS)
    transport = MemoryTransport(
        as_answers({**BENCH.documents("unified"), FUNDING: success(rows)}), wall=clock
    )
    async with Client(QuietObserver(), wall=clock, transport=transport, budgets=unpaced(venue)) as client:
        api = client.account(venue)
        for moment, funding, places in ((0.0, 1, 1), (50.0, 1, 1), (101.0, 2, 2), (150.0, 2, 2)):
            clock.now = NOW + moment
            (position,) = (await venue.fetch(api)).positions
            assert (position.funding_rate, position.next_funding_at) == (-0.0002, due)
            assert position.adl_ratio == 0.4872
            for endpoint, asked in ((FUNDING, funding), (PLACES, places)):
                assert sum(one.path == endpoint.path for one in transport.asked) == asked


async def test_only_products_with_positions_are_asked_about_and_each_side_has_its_own_place() -> None:
    rows = [{**PLACE, "rank": "0.7752"}, {**PLACE, "rank": "0", "holdSide": "short"}]
    in_dollars = {**PLACE, "symbol": "BTCUSD", "rank": "1"}
    answers = in_classic(success([account()]), success(list(PAIR)), success([COIN]), success([IN_COINS]))
    del answers[FUNDING], answers[CLASSIC_PLACES]
    answers |= {
        (FUNDING, "productType=USDT-FUTURES"): success([PAID]),
        (FUNDING, "productType=COIN-FUTURES"): success(
            [{**PAID, "symbol": "BTCUSD", "fundingRate": "0.0003"}]
        ),
        (CLASSIC_PLACES, "productType=USDT-FUTURES"): success(rows),
        (CLASSIC_PLACES, "productType=COIN-FUTURES"): success([in_dollars]),
    }
    observer = QuietObserver()
    found = (await snapshot_of(answers, scenario="classic", observer=observer)).positions
    assert [(one.symbol, one.side, one.funding_rate, one.adl_ratio) for one in found] == [
        ("BTCUSDT", "long", -0.0002, 0.7752),
        ("BTCUSDT", "short", -0.0002, 0.0),
        ("BTCUSD", "long", 0.0003, 1.0),
    ]


@pytest.mark.parametrize(
    "row",
    [{}, {"rank": None}, {"rank": ""}, {"rank": "3"}, {"rank": "-0.1"}, {"rank": "0.5", "holdSide": ""}],
)
async def test_a_place_that_is_none_is_not_shown(row: dict[str, Any]) -> None:
    """What classic accounts were told as `adlRank` has changed its direction: it is never taken instead."""
    answers = in_classic(success([account()]), success(list(PAIR)))
    answers[CLASSIC_PLACES] = success([{**PLACE, "adlRank": "0.2248", **row}])
    found = (await snapshot_of(answers, scenario="classic")).positions
    assert [one.adl_ratio for one in found] == [None, None]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"nextUpdate": "0"}, (None, None)),  # a contract that ends
        ({"nextUpdate": None}, (None, None)),
        ({"fundingRate": ""}, (None, NOW + 3600.0)),
        ({"fundingRate": "0"}, (0.0, NOW + 3600.0)),
    ],
    ids=["0", "null", "no rate", "rate 0"],
)
async def test_a_rate_is_one_where_it_is_told_when_it_is_paid(row: dict[str, Any], expected: Any) -> None:
    answers = in_unified(success({"list": [unified()]})) | {FUNDING: success([{**PAID, **row}])}
    (one,) = (await snapshot_of(answers)).positions
    assert (one.funding_rate, one.next_funding_at) == expected


async def test_without_these_answers_all_else_is_shown_and_a_flat_account_asks_for_none() -> None:
    broken = web.Response(status=500)
    observer = QuietObserver()
    (one,) = (await snapshot_of({FUNDING: broken, PLACES: broken}, observer=observer)).positions
    assert (one.funding_rate, one.next_funding_at, one.adl_ratio) == (None, None, None)
    assert one.mark_price == 107415.3
    assert len(observer.optional_failures) == 2
    quiet = QuietObserver()
    flat = {(POSITIONS, f"category={one}-FUTURES"): success(None) for one in ("USDT", "USDC", "COIN")}
    assert (await snapshot_of({**flat, FUNDING: broken, PLACES: broken}, observer=quiet)).positions == ()
    assert quiet.optional_failures == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (web.Response(status=500), None),
        (success([]), None),
        (success([{"coin": "ETH", "list": [{"tierStartValue": "0", "discountRate": "0.9"}]}]), 0.0),
    ],
    ids=["refused", "empty", "another coin"],
)
async def test_a_coin_counts_nothing_where_it_is_not_among_the_haircuts_and_without_them_nobody_knows(
    answer: Any, expected: float | None
) -> None:
    answers = {DISCOUNTS: answer, COLLATERAL: success({"collateralType": "all"})}
    found = {one.asset: one.collateral_price_usd for one in (await snapshot_of(answers)).assets}
    assert found == {"USDT": pytest.approx(1.0, rel=1e-5), "BGB": expected}
