"""Bybit: what must not look safe because something of it is not known."""

from __future__ import annotations

import pytest

from exporter.errors import VenueError
from exporter.model import MaintenanceTier, RiskSettings
from exporter.risk import assess
from exporter.venues._bybit import INFO, RISK_LIMIT, TAKER_RATE
from exporter.venues.base import ascending_tiers
from tests.venues.payloads.bybit.bench import (
    IN_USDC,
    IN_USDT,
    INVERSE,
    OPTIONS,
    UNIFIED,
    coin,
    document,
    info,
    inverse_row,
    positions,
    row,
    snapshot_of,
    tiers,
    wallet,
)

SETTINGS = RiskSettings()


@pytest.mark.parametrize(
    ("symbol", "known"), [("BTCUSDH26", True), ("BTCUSD-26DEC26", True), ("BTC/X", False)]
)
async def test_a_coin_is_not_free_of_requirements_that_nobody_can_attribute(symbol: str, known: bool) -> None:
    """In an older account each coin backs its inverse contracts; of a strange one nobody knows which does."""
    answers = {
        INVERSE: positions(inverse_row(symbol=symbol)),
        RISK_LIMIT: tiers(symbol, ("150", "0.005", "100", "")),
    }
    risk = assess(await snapshot_of(answers, scenario="older"), SETTINGS)
    (bitcoin,) = (one for one in risk.pools if one.pool.currency == "BTC")
    assert bitcoin.equity is not None
    assert (bitcoin.maintenance_margin_rate is not None) is known


async def test_inverse_contracts_that_are_apart_have_tiers_whatever_mode_the_rest_is_in() -> None:
    answers = {INFO: info("PORTFOLIO_MARGIN", 4)}
    risk = assess(await snapshot_of(answers, scenario="older"), SETTINGS)
    (bitcoin,) = (one for one in risk.pools if one.pool.currency == "BTC")
    assert bitcoin.maintenance_margin == pytest.approx(300 / 28224.5 * (0.005 + TAKER_RATE))
    assert bitcoin.maintenance_margin_rate is not None


async def test_a_margin_that_is_not_told_knows_what_was_settled_already() -> None:
    """1.2 at 71.1, whose PnL counts since the last settlement: 2.4 instead of 7.800625 since the entry."""
    told = row(symbol="LTCPERP", unrealisedPnl="2.4", liqPrice="54.32", positionMM="", positionBalance="0")
    answers = {
        INFO: info("ISOLATED_MARGIN"),
        IN_USDT: positions(),
        IN_USDC: positions(told),
        RISK_LIMIT: tiers("LTCPERP", ("200000", "0.01", "50", "")),
    }
    (position,) = (await snapshot_of(answers)).positions
    required = 1.2 * 54.32 * (0.01 + TAKER_RATE)
    assert position.margin == pytest.approx(required - 2.4 + 1.2 * (71.1 - 54.32))


@pytest.mark.parametrize(
    ("equity", "loan", "options"), [("95", "5", False), ("95.5", "5", True), ("90", "", True)]
)
async def test_options_that_a_key_may_not_see_show_in_what_the_coins_are_worth(
    equity: str, loan: str, options: bool
) -> None:
    """Equity is the wallet's balance, less what is borrowed, with PnL and the value of options."""
    held = coin(
        coin="USDT", equity=equity, walletBalance="98", unrealisedPnl="2", spotBorrow=loan, usdValue=equity
    )
    denied = document("errors.json")[3]["body"]
    (pool,) = (await snapshot_of({OPTIONS: denied, UNIFIED: wallet(held)})).pools
    assert pool.unlisted is options


async def test_the_last_digits_of_a_coin_are_no_options() -> None:
    held = coin(coin="USDT", equity="0.00000003", walletBalance="0.00000001", unrealisedPnl="", spotBorrow="")
    denied = document("errors.json")[3]["body"]
    (pool,) = (await snapshot_of({OPTIONS: denied, UNIFIED: wallet(held)})).pools
    assert not pool.unlisted


async def test_a_position_without_a_name_is_no_answer() -> None:
    with pytest.raises(VenueError, match="`symbol` is empty"):
        await snapshot_of({IN_USDT: positions(row(symbol=""))})


async def test_a_tier_that_requires_nothing_is_not_told() -> None:
    steps = [("200000", "0.01", "50", ""), ("400000", "0", "25", "")]
    answers = {RISK_LIMIT: tiers("LTCUSDT", *steps)}
    (position,) = (await snapshot_of(answers)).positions
    assert position.maintenance_tiers == ()
    assert ascending_tiers([MaintenanceTier(0.0, 9.0, 0.01, 0.0), MaintenanceTier(9.0, 99.0, 0.0, 0.0)]) == ()
