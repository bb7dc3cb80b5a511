"""Bybit: options, in their account's figures and at other prices."""

from __future__ import annotations

import pytest

from exporter.errors import VenueError
from exporter.model import Contract, Greeks, Marks, OptionMargin, OptionTerms, PublicPrice, RiskSettings
from exporter.risk import Revaluation, assess
from tests.venues.harness import NOW
from tests.venues.payloads.bybit.bench import (
    BOUGHT,
    OPTIONS,
    SOLD,
    UNIFIED,
    WITH_OPTIONS,
    coin,
    document,
    positions,
    row,
    snapshot_of,
    wallet,
)

SETTINGS = RiskSettings()
EXPIRY = 1_703_836_800.0
"""29 December 2023, 08:00 UTC."""


async def test_an_option_is_what_its_symbol_says_with_the_volatility_of_its_ticker() -> None:
    snapshot = await snapshot_of({}, scenario="options")
    call, put = snapshot.positions
    assert (call.option, put.option) == (
        OptionTerms(strike=40_000.0, expires_at=EXPIRY, right="call"),
        OptionTerms(strike=33_000.0, expires_at=EXPIRY, right="put"),
    )
    assert (call.contract, put.contract.settle) == (Contract("option", 1.0, "BTC", "USDT", "USDT"), "USDC")
    assert call.greeks == Greeks(implied_volatility=0.55, underlying_price=36_600.0)
    # 1352.52 / 0.5 - 1533.84 is 0.032 of 36600.
    assert call.option_margin is not None
    assert call.option_margin.underlying_rate == pytest.approx(0.032)
    assert (put.maintenance_margin, put.option_margin) == (None, OptionMargin(underlying_rate=0.0))
    risk = assess(snapshot, SETTINGS, NOW)
    (pool,) = risk.pools
    assert pool.maintenance_margin_rate == pytest.approx(1352.52 / 21_000.0)
    # 0.5 * (0.032 * price + call) is 21000 where the price is a little above 80000.
    assert pool.liquidation_shock_up == pytest.approx(
        (21_000.0 / 0.5 + 40_000.0) / 1.032 / 36_600.0 - 1.0, rel=1e-3
    )
    assert pool.liquidation_shock_down is None


async def test_nothing_is_what_bought_options_require_and_unknown_beside_a_sold_one() -> None:
    for rows, expected in (([BOUGHT], 0.0), ([SOLD, BOUGHT], None)):
        figures = {**WITH_OPTIONS, "totalMaintenanceMargin": "0", "accountMMRate": "0"}
        held = wallet(coin(coin="USDT", equity="21000"), file="wallet_balance_captured.json", **figures)
        snapshot = await snapshot_of({UNIFIED: held, OPTIONS: positions(*rows)}, scenario="options")
        (pool,) = snapshot.pools
        assert (pool.maintenance_margin, pool.venue_margin_rate) == (expected, expected)


async def test_an_option_that_is_not_understood_leaves_nothing_to_be_computed() -> None:
    """Neither a price, nor a shock, nor what the pool would be worth at other marks."""
    option = {OPTIONS: positions(row(symbol="BTC-25XYZ26-80000-C-USDT"))}
    risk = assess(await snapshot_of({}), SETTINGS)
    assert risk.pools[0].stress
    assert risk.positions[0].liquidation_source == "none"
    snapshot = await snapshot_of(option)
    risk = assess(snapshot, SETTINGS)
    assert risk.pools[0].maintenance_margin_rate == pytest.approx(7.38826721 / 90042.2788482)
    assert risk.pools[0].stress == ()
    assert risk.positions[0].liquidation_source == "unknown"
    revaluation = Revaluation(snapshot, SETTINGS)
    usable = revaluation.usable(Marks({"LTCUSDT": PublicPrice(60.0, NOW)}), newer_than=0.0)
    assert revaluation.at(usable) == snapshot


async def test_in_portfolio_margin_options_have_a_value_at_other_prices_and_no_rate() -> None:
    snapshot = await snapshot_of({}, scenario="portfolio")
    assert [(one.scenario_margin, one.options_apart) for one in snapshot.pools] == [(True, False)]
    (pool,) = assess(snapshot, SETTINGS, NOW).pools
    assert pool.stress_equity
    assert (pool.stress, pool.liquidation_shock_up, pool.liquidation_shock_down) == ((), None, None)


async def test_a_key_that_may_not_see_options_costs_nothing_else() -> None:
    denied = document("errors.json")[3]["body"]
    assert assess(await snapshot_of({OPTIONS: denied}), SETTINGS).pools[0].stress
    with pytest.raises(VenueError):
        await snapshot_of({OPTIONS: document("errors.json")[9]["body"]})


@pytest.mark.parametrize(
    "symbol",
    [
        "BTC-31FEB23-40000-C",
        "BTC-29XXX23-40000-C",
        "BTC-29DEC23-0-C",
        "BTC-29DEC23-40000-C-BTC",
        "BTC-29DEC23",
    ],
)
async def test_a_symbol_that_is_not_understood_is_no_option(symbol: str) -> None:
    snapshot = await snapshot_of({OPTIONS: positions(row(symbol=symbol))})
    assert snapshot.pools[0].unlisted
    assert [one.symbol for one in snapshot.positions] == ["LTCUSDT"]
