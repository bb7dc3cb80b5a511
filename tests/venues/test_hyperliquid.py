"""Hyperliquid: what its figures mean in each mode, and which addresses it is asked about."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest

from exporter.errors import VenueError
from exporter.model import MaintenanceTier, RiskSettings
from exporter.risk import assess, computed_liquidation_prices
from exporter.venues._hyperliquid import TierRow, schedule_of
from tests.venues.payloads.hyperliquid.bench import (
    AT_KM,
    AT_MAIN,
    AT_XYZ,
    BENCH,
    EMPTY,
    HYPE_LONG,
    HYPE_SHORT,
    IN_MODE,
    ON_BALANCES,
    SPOT,
    US500,
    XYZ_LONG,
    document,
    in_usdh,
    snapshot_of,
    state,
    with_loan,
)

SETTINGS = RiskSettings()
NOTHING = document(EMPTY)


def captured_short() -> dict[str, Any]:
    """A HYPE short of an account whose mode was not told."""
    return state(
        coin="HYPE",
        szi="-15.0",
        leverage={"type": "isolated", "value": 10, "rawUsd": "1532.665442"},
        entryPx="92.8886",
        positionValue="1425.945",
        unrealizedPnl="-32.616",
        liquidationPx="97.3120915556",
        marginUsed="106.720442",
    )


# Liquidation prices


@pytest.mark.parametrize(
    ("at", "answer"),
    [
        (AT_MAIN, HYPE_LONG),
        (AT_MAIN, HYPE_SHORT),
        (AT_MAIN, captured_short()),
        (AT_XYZ, XYZ_LONG),
        (AT_MAIN, document("state_unified.json")),
    ],
)
async def test_computed_liquidation_prices_are_the_printed_ones(at: Any, answer: Any) -> None:
    snapshot = await snapshot_of({AT_MAIN: NOTHING, AT_XYZ: NOTHING, at: answer})
    ((position, price),) = computed_liquidation_prices(snapshot, SETTINGS)
    assert position.liquidation_price == float(answer["assetPositions"][0]["position"]["liquidationPx"])
    assert price == pytest.approx(position.liquidation_price, rel=2e-8)


async def test_a_cross_position_is_liquidated_by_the_venue_s_formula() -> None:
    """Price - available margin / size / (1 - maintenance rate): 3803.9 - (3000 - 136.9404) / 3.6 / 0.99."""
    answer = state()
    answer["crossMarginSummary"] |= {"accountValue": "3000.0"}
    answer |= {"crossMaintenanceMarginUsed": "136.9404"}
    found = computed_liquidation_prices(await snapshot_of({AT_MAIN: answer, AT_XYZ: NOTHING}), SETTINGS)
    assert [price for _, price in found] == pytest.approx([3803.9 - (3000 - 136.9404) / 3.6 / 0.99])


async def test_maintenance_margins_are_progressive() -> None:
    """Bitcoin: 40 times up to 150 million, 20 times beyond."""
    for notional, required in ((100e6, 1_250_000.0), (150e6, 1_875_000.0), (200e6, 3_125_000.0)):
        answer = state(coin="BTC", szi="1000.0", positionValue=str(notional), entryPx=str(notional / 1000))
        snapshot = await snapshot_of({AT_MAIN: answer, AT_XYZ: NOTHING})
        (row,) = assess(snapshot, SETTINGS).positions
        assert row.maintenance_margin == pytest.approx(required)
        assert row.position.largest_notional is None
    assert schedule_of([TierRow(lowerBound=0.0)]).tiers == ()
    assert schedule_of([]).tiers == ()
    tiers = schedule_of(
        [TierRow(lowerBound=20e3, maxLeverage=5.0), TierRow(lowerBound=0.0, maxLeverage=10.0)]
    )
    assert tiers.tiers == (
        MaintenanceTier(0.0, 20e3, 0.05, 0.0),
        MaintenanceTier(20e3, math.inf, 0.1, 1000.0),
    )
    assert tiers.largest(8.0) == 20e3


# Separate balances


async def test_each_exchange_has_a_wallet_of_its_own() -> None:
    snapshot = await snapshot_of({AT_KM: US500})
    assert [(pool.key, pool.currency) for pool in snapshot.pools] == [
        ("USDC", "USDC"),
        ("xyz:USDC", "USDC"),
        ("km:USDH", "USDH"),
    ]
    assert [one.pool_currency for one in snapshot.positions] == ["USDC", "xyz:USDC", "km:USDH"]
    assert snapshot.prices == {"USDH": 0.99985}
    rates = [pool.maintenance_margin_rate for pool in assess(snapshot, SETTINGS).pools]
    assert rates[0] == pytest.approx(141.579994 / 19762.483455)


async def test_the_mode_decides_and_a_default_one_is_told_by_the_figures() -> None:
    """A captured account without a mode: its positions live on its spot balance."""
    balances = {
        "balances": [{"coin": "USDC", "token": 0, "total": "289.1707113", "hold": "106.808942"}],
        "tokenToAvailableAfterMaintenance": [[0, "182.3617693"]],
    }
    answers = {AT_MAIN: captured_short(), AT_XYZ: NOTHING, ON_BALANCES: balances}
    for mode in ("default", b"null", "unifiedAccount"):
        snapshot = await snapshot_of({**answers, IN_MODE: mode})
        assert (snapshot.modes["asset_mode"], snapshot.pools[0].equity) == ("unified", 289.1707113)
    for mode in ("default", b"null", "disabled"):
        snapshot = await snapshot_of({**answers, IN_MODE: mode, ON_BALANCES: {"balances": []}})
        assert (snapshot.modes["asset_mode"], snapshot.pools[0].equity) == ("separate", 19762.483455)


@pytest.mark.parametrize("mode", ["dexAbstraction", "somethingNew"])
async def test_other_modes_are_unsupported(mode: str) -> None:
    with pytest.raises(VenueError, match="mode") as caught:
        await snapshot_of({IN_MODE: mode})
    assert caught.value.reason == "unsupported"
    assert "somethingNew" not in caught.value.message


# Unified


async def test_what_a_balance_leaves_is_what_the_venue_prints() -> None:
    """2296.35783828 - 2123.360586 = 172.99725228; and with maintenance margins of two exchanges."""
    for left in ("867.5", None):
        balances = in_usdh()
        if left is None:
            del balances["tokenToAvailableAfterMaintenance"]
        answers = {ON_BALANCES: balances, AT_KM: US500}
        pools = (await snapshot_of(answers, scenario="unified")).pools
        assert [pool.margin_equity for pool in pools] == pytest.approx([172.99725228, 1020.0])
    two = {AT_KM: NOTHING, AT_XYZ: state(coin="xyz:XYZ100"), AT_MAIN: state()}
    whole = {"balances": [{"coin": "USDC", "token": 0, "total": "1000.0", "hold": "0"}]}
    for left_too in ({}, {"tokenToAvailableAfterMaintenance": [[0, str(1000 - 2 * 141.579994)]]}):
        snapshot = await snapshot_of({**two, ON_BALANCES: {**whole, **left_too}}, scenario="unified")
        (pool,) = assess(snapshot, SETTINGS).pools
        assert pool.maintenance_margin_rate == pytest.approx(2 * 141.579994 / 1000.0)


@pytest.mark.parametrize(
    "balances", [[], [{"coin": "USDC", "token": 0, "total": "-3.0", "hold": "0"}]], ids=["none", "negative"]
)
async def test_nothing_behind_positions_is_a_danger_and_no_gap(balances: list[Any]) -> None:
    changed = {ON_BALANCES: {"balances": balances}, AT_MAIN: state(), AT_KM: NOTHING}
    (pool,) = assess(await snapshot_of(changed, scenario="unified"), SETTINGS).pools
    assert pool.maintenance_margin_rate == math.inf


async def test_a_balance_that_is_not_listed_is_unknown_where_something_is_left_of_it() -> None:
    left = {"balances": None, "tokenToAvailableAfterMaintenance": [[0, "858.420006"]]}
    changed = {ON_BALANCES: left, AT_MAIN: state(), AT_KM: NOTHING}
    (pool,) = assess(await snapshot_of(changed, scenario="unified"), SETTINGS).pools
    assert pool.equity is None
    assert pool.margin_equity == pytest.approx(1000.0)
    # Neither is what an isolated position has of its own that does not say it.
    changed = {AT_MAIN: {**captured_short(), "crossMaintenanceMarginUsed": "5.0"}, AT_KM: NOTHING}
    changed[AT_MAIN]["assetPositions"][0]["position"]["marginUsed"] = None
    changed[ON_BALANCES] = {"balances": [{"coin": "USDC", "token": 0, "total": "289.17"}]}
    (pool,) = assess(await snapshot_of(changed, scenario="unified"), SETTINGS).pools
    assert (pool.equity, pool.maintenance_margin_rate) == (289.17, None)


async def test_a_kind_of_leverage_that_is_not_known_is_not_read_as_cross() -> None:
    with pytest.raises(VenueError, match="`type` is none of CROSS, ISOLATED"):
        await snapshot_of({AT_MAIN: state(leverage={"type": "portfolio", "value": 3})})


# Portfolio margin


async def test_portfolio_margin_follows_the_venue_s_ratio() -> None:
    """Captured: (7678466.9041772699 - 6656218.5307019101) / 7678466.9041772699 = 0.133131833."""
    assert pytest.approx(0.133131833, abs=1e-9) == 1.0 - 6656218.5307019101 / 7678466.9041772699
    snapshot = await BENCH.snapshot("portfolio")
    (pool,) = assess(snapshot, SETTINGS).pools
    assert pool.maintenance_margin_rate == pytest.approx(0.133131833 / 0.95)
    assert pool.margin_equity == pytest.approx(0.95 * 7678466.9, rel=2e-4)
    prices = {position.symbol: price for position, price in computed_liquidation_prices(snapshot, SETTINGS)}
    # The venue prints where its ratio is 1, and liquidates before.
    assert 2202.4488521418 < (prices["ETH"] or 0.0) < 2210.0


async def test_with_loans_the_ratio_stands_and_nothing_is_made_of_it() -> None:
    snapshot = await snapshot_of({ON_BALANCES: with_loan()}, scenario="portfolio")
    (pool,) = assess(snapshot, SETTINGS).pools
    assert pool.maintenance_margin_rate == pytest.approx(0.133131833 / 0.95)
    assert (pool.liquidation_shock_down, pool.stress) == (None, ())
    # What is owed is less in the balance already: 7678466.90 and 60 bitcoin.
    assert pool.equity == pytest.approx(7678466.9041772699 + 60 * snapshot.prices["UBTC"], abs=1.0)
    assert snapshot.positions[0].liquidation_price == 2202.4488521418
    without = with_loan()
    del without["portfolioMarginRatio"]
    with pytest.raises(VenueError, match="portfolioMarginRatio"):
        await snapshot_of({ON_BALANCES: without}, scenario="portfolio")


async def test_what_the_venue_requires_at_least_is_not_taken_for_less_equity() -> None:
    """1 USDC of maintenance margin, and 20: of 10,000 USDC, a ratio of 0.0021."""
    small = state(szi="0.01", positionValue="38.039", unrealizedPnl="27.039")
    changed = {
        AT_MAIN: {**small, "crossMaintenanceMarginUsed": "1.0"},
        ON_BALANCES: {
            "balances": [{"coin": "USDC", "token": 0, "total": "10000.0", "ltv": "0.0"}],
            "portfolioMarginRatio": "0.0021",
        },
    }
    (pool,) = assess(await snapshot_of(changed, scenario="portfolio"), SETTINGS).pools
    assert pool.maintenance_margin_rate == pytest.approx(0.0021 / 0.95)
    assert (pool.margin_equity, pool.maintenance_margin) == pytest.approx((9500.0, 21.0))


async def test_an_exchange_whose_coin_has_no_price_costs_only_who_holds_something_there() -> None:
    """Any builder may bring one."""
    spot = copy.deepcopy(document("spot_meta_and_asset_ctxs.json"))
    spot[0]["universe"] = [row for row in spot[0]["universe"] if row["tokens"][0] != 360]
    (pool,) = assess(await snapshot_of({SPOT: spot}, scenario="portfolio"), SETTINGS).pools
    assert pool.maintenance_margin_rate == pytest.approx(0.133131833 / 0.95)
    assert pool.margin_equity == pytest.approx(0.95 * 7678466.9, rel=2e-4)


async def test_with_loans_the_ratio_stands_also_where_the_coins_do_not_explain_it() -> None:
    unpriced, less = with_loan(), with_loan()
    unpriced["balances"][1] |= {"total": "1.0", "ltv": "0.5"}  # traded for nothing here
    less["balances"][0] |= {"total": "-9000000.0"}
    for balances in (unpriced, less):
        snapshot = await snapshot_of({ON_BALANCES: balances}, scenario="portfolio")
        (pool,) = assess(snapshot, SETTINGS).pools
        assert pool.maintenance_margin_rate == pytest.approx(0.133131833 / 0.95)
