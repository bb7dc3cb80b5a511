"""Options beside debts and amounts that nobody knows: no figure is better than one that is too good."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from exporter.model import AccountSnapshot, Asset, Marks, PublicPrice, RiskSettings
from exporter.risk import Revaluation, assess
from tests.risk.accounts import pool_of
from tests.risk.optioned import AT, PRICE, Book, Line

SETTINGS = RiskSettings()
BOUGHT = Line("call", PRICE, "long", settle="USDC")


def with_assets(snapshot: AccountSnapshot, *assets: Asset) -> AccountSnapshot:
    return replace(snapshot, assets=assets)


def test_an_absurd_mark_of_an_option_is_not_believed() -> None:
    line = Line("call", 61_000.0, "short", 2.0)
    revaluation = Revaluation(Book((line,), coins=1.0).snapshot(), SETTINGS, AT)
    now = AT + 5.0
    told = Marks(
        {"BTC-0-call": PublicPrice(2.1 * 61_000.0 / PRICE, now)}, {"BTC": PublicPrice(66_000.0, now)}
    )
    new = revaluation.at(revaluation.usable(told, newer_than=AT))
    assert new.positions[0].mark_price == pytest.approx(line.mark(1.1))


def test_beside_options_that_require_nothing_a_debt_is_still_a_debt_after_a_shock() -> None:
    pool = Book((BOUGHT,), coins=1.0, dollars=-55_000.0, in_coins=False).pool()
    rates = dict(pool.stress)
    assert (pool.maintenance_margin_rate, rates[0.2]) == (0.0, 0.0)
    assert rates[-0.2] == math.inf


def test_where_a_debt_counts_at_another_price_options_have_no_rate_at_other_prices() -> None:
    """They may lose more than there is of their coin, and what follows counts otherwise."""
    line = Line("call", 66_000.0, "short", 1.0)
    told = Book((line,), coins=3.0, apart=False, in_coins=False).snapshot()
    coins = Asset(asset="BTC", equity=3.0)
    assert pool_of(assess(with_assets(told, coins), SETTINGS, AT)).stress
    apart = replace(coins, collateral_price_usd=0.9 * PRICE, debt_price_usd=PRICE)
    pool = pool_of(assess(with_assets(told, apart), SETTINGS, AT))
    assert (pool.stress, pool.volatility_stress) == ((), ())
    assert (pool.liquidation_shock_up, pool.liquidation_shock_down) == (None, None)


@pytest.mark.parametrize(("coin", "known"), [("BTC", False), ("USDC", True)])
def test_with_an_unknown_amount_of_a_coin_that_moves_there_is_no_value_at_other_prices(
    coin: str, known: bool
) -> None:
    told = Book((BOUGHT,), coins=1.0, in_coins=False).snapshot()
    assets = tuple(replace(one, equity=None) if one.asset == coin else one for one in told.assets)
    assert bool(pool_of(assess(with_assets(told, *assets), SETTINGS, AT)).stress_equity) is known


@pytest.mark.parametrize(
    ("line", "known"), [(Line("call", PRICE, "long"), True), (BOUGHT, False)], ids=["its own", "another"]
)
def test_without_amounts_it_is_known_only_where_all_is_in_one_coin(line: Line, known: bool) -> None:
    told = Book((Line("call", PRICE, "long"),), coins=2.0).snapshot()
    told = replace(told, positions=(line.position(pool_currency="BTC"),))
    pool = pool_of(assess(told, SETTINGS, AT))
    assert bool(pool.stress_equity) is known
