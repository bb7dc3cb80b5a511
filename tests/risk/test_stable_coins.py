"""What stands still in a shock, and what a dollar coin is worth that nobody quotes."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.coins import STABLE_COINS
from exporter.model import Asset, MarginPool, RiskSettings
from tests.risk.accounts import account, linear, pool_of, position

BTC = linear("BTC")
LISTED_BY_USERS = RiskSettings(usd_pegs={"USD": 1.0, "USDT": 1.0, "USDC": 1.0})


def short_of_one(
    coin: str, price: float | None, settings: RiskSettings, **known: Any
) -> tuple[float | None, float]:
    """Rise that liquidates, and rate after +90 %, of a short of 1 BTC at 60,000 on 60,000 of a coin."""
    row = position(
        BTC, "short", 1.0, 60_000.0, mark_price=60_000.0, maintenance_margin=240.0, pool_currency="USD"
    )
    risk = pool_of(
        account(
            MarginPool(currency="USD", margin_equity=60_000.0),
            row,
            assets=(Asset(asset=coin, equity=60_000.0, **known),),
            prices={} if price is None else {coin: price},
            settings=RiskSettings(usd_pegs=settings.usd_pegs, shocks=(0.9,)),
        )
    )
    ((_, rate),) = risk.stress
    return risk.liquidation_shock_up, rate


@pytest.mark.parametrize("coin", sorted(STABLE_COINS - {"USD"}))
@pytest.mark.parametrize("price", [None, 1.0, 0.9997])
@pytest.mark.parametrize("settings", [RiskSettings(), LISTED_BY_USERS], ids=["default", "listed"])
def test_a_stable_coin_does_not_rise_with_bitcoin(
    coin: str, price: float | None, settings: RiskSettings
) -> None:
    """60,000 - 60,000 s = 0.004 * 60,000 (1 + s), whatever the venue's index says or does not say."""
    shock, rate = short_of_one(coin, price, settings)
    assert shock == pytest.approx(0.996 / 1.004, rel=1e-3)
    assert shock is not None
    assert (round(shock, 3), round(rate, 3)) == (0.992, 0.076)


def test_a_coin_that_is_no_dollar_rises_with_bitcoin() -> None:
    shock, rate = short_of_one("ETH", 3_000.0, RiskSettings(), collateral_price_usd=1.0)
    assert shock is None
    assert rate == pytest.approx(0.004 * 1.9)


def test_a_coin_that_the_desk_pegs_stands_still() -> None:
    pegs = RiskSettings(usd_pegs={"USD": 1.0, "XAUT": 2_000.0})
    shock, _ = short_of_one("XAUT", 2_010.0, pegs, collateral_price_usd=1.0)
    assert shock == pytest.approx(0.996 / 1.004)


def test_losses_in_a_dollar_coin_without_a_price_count_as_dollars_in_a_shock() -> None:
    """Binance's customers in the EU are paid in credits (BNFCR), which its index does not list."""
    row = position(
        linear("BTC", "BNFCR"), "short", 1.0, 60_000.0, mark_price=60_000.0, maintenance_margin=240.0,
        pool_currency="USD",
    )  # fmt: skip
    pool = MarginPool(currency="USD", margin_equity=60_000.0)
    for settings in (RiskSettings(), LISTED_BY_USERS):
        risk = account(pool, row, settings=settings, assets=(Asset(asset="BNFCR", equity=60_000.0),))
        assert pool_of(risk).liquidation_shock_up == pytest.approx(0.996 / 1.004)
        assert risk.positions[0].liquidation_price == pytest.approx(60_000.0 * 2.0 / 1.004)


def test_a_coin_that_the_desk_took_off_its_list_has_no_value_in_dollars_that_nobody_knows() -> None:
    """The list in the file is the whole list: for amounts in USD nothing is assumed."""
    pool = MarginPool(currency="FDUSD", equity=10.0)
    assert pool_of(account(pool)).equity_usd == 10.0
    assert pool_of(account(pool, settings=LISTED_BY_USERS)).equity_usd is None
    assert pool_of(account(pool, settings=LISTED_BY_USERS, prices={"FDUSD": 0.9})).equity_usd == 9.0


@pytest.mark.parametrize("coin", ["BNFCR", "LDUSDT", "RWUSD"])
def test_what_a_venue_calls_a_dollar_is_one_in_every_list(coin: str) -> None:
    """It has no market; a list that was written before it existed must not hide an account's equity."""
    pool = MarginPool(currency=coin, equity=10.0)
    assert pool_of(account(pool, settings=LISTED_BY_USERS)).equity_usd == 10.0
    assert pool_of(account(pool, prices={coin: 0.99})).equity_usd == 9.9


def test_play_money_is_worth_nothing_in_dollars() -> None:
    assert pool_of(account(MarginPool(currency="VST", equity=10.0))).equity_usd is None


def test_the_venues_price_goes_before_a_peg() -> None:
    pool = MarginPool(currency="USDT", equity=10.0)
    assert pool_of(account(pool)).equity_usd == 10.0
    assert pool_of(account(pool, prices={"USDT": 0.97})).equity_usd == pytest.approx(9.7)
    assert account(pool, prices={"USDT": 0.97}).prices_usd == {"USDT": 0.97}


def test_the_dollar_is_a_dollar_whatever_a_venue_says() -> None:
    pool = MarginPool(currency="USD", equity=10.0)
    assert pool_of(account(pool, prices={"USD": 1.3})).equity_usd == 10.0


@pytest.mark.parametrize("coin", ["USDe", "bfusd"])
def test_a_coin_is_known_however_it_is_written(coin: str) -> None:
    shock, _ = short_of_one(coin, None, RiskSettings())
    assert shock == pytest.approx(0.996 / 1.004)
