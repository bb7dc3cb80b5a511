"""Rates, shocks, notionals and leverage of pools, and what stays unknown."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from exporter.exposition import render
from exporter.model import Asset, Contract, MarginPool, RiskSettings
from tests.risk.accounts import SETTINGS, account, flat_rate, inverse, linear, pool_of, position

X, Y = linear("X"), linear("Y")


def test_a_rate_is_maintenance_margin_over_the_equity_that_backs_the_cross_positions() -> None:
    rows = (
        position(X, mark_price=100.0, maintenance_margin=1.0),
        position(Y, margin_mode="isolated", mark_price=100.0, margin=30.0, maintenance_margin=5.0),
    )
    pool = pool_of(account(MarginPool(currency="USDT", equity=80.0, margin_equity=50.0), *rows))
    assert pool.maintenance_margin == 1.0
    assert pool.maintenance_margin_rate == pytest.approx(0.02)


def test_margin_equity_is_the_equity_less_the_isolated_positions_where_the_venue_gives_none() -> None:
    rows = (
        position(X, mark_price=100.0, maintenance_margin=1.0),
        position(Y, margin_mode="isolated", mark_price=110.0, margin=30.0, maintenance_margin=5.0),
    )
    pool = pool_of(account(MarginPool(currency="USDT", equity=90.0), *rows))
    assert pool.maintenance_margin_rate == pytest.approx(1.0 / 50.0)


def test_an_isolated_position_of_unknown_collateral_leaves_the_rate_unknown() -> None:
    rows = (
        position(X, mark_price=100.0, maintenance_margin=1.0),
        position(Y, margin_mode="isolated", mark_price=110.0, maintenance_margin=5.0),
    )
    risk = account(MarginPool(currency="USDT", equity=90.0), *rows)
    assert pool_of(risk).maintenance_margin_rate is None
    assert pool_of(risk).liquidation_shock_down is None
    assert risk.positions[0].liquidation_source == "unknown"
    assert risk.positions[1].maintenance_margin_rate is None


@pytest.mark.parametrize(
    ("equity", "required", "rate"),
    [(0.0, None, 0.0), (10.0, None, 0.0), (10.0, 0.0, 0.0), (0.0, 1.0, math.inf), (-1.0, 1.0, math.inf)],
)
def test_the_rate_of_a_pool_without_positions(equity: float, required: float | None, rate: float) -> None:
    risk = account(MarginPool(currency="USDT", margin_equity=equity, maintenance_margin=required))
    assert pool_of(risk).maintenance_margin_rate == rate


def test_a_position_with_no_equity_behind_it_is_past_liquidation_even_if_it_requires_nothing() -> None:
    row = position(X, mark_price=100.0, maintenance_margin=0.0)
    assert (
        pool_of(account(MarginPool(currency="USDT", margin_equity=0.0), row)).maintenance_margin_rate
        == math.inf
    )


def test_an_empty_pool_of_unknown_equity_has_no_rate() -> None:
    assert pool_of(account(MarginPool(currency="USDT"))).maintenance_margin_rate is None


def test_ten_small_longs_that_fall_together_are_seen_by_the_shock_and_by_no_single_price() -> None:
    """1000 of notional on 200 of equity at 1 %: 200 - 1000 s = 10 (1 - s)."""
    rows = [position(linear(f"C{i}"), mark_price=100.0, maintenance_margin=1.0) for i in range(10)]
    risk = account(MarginPool(currency="USDT", margin_equity=200.0), *rows)
    assert all(row.liquidation_price is None for row in risk.positions)
    assert pool_of(risk).liquidation_shock_down == pytest.approx(190.0 / 990.0)
    assert pool_of(risk).liquidation_shock_up is None


def test_the_stress_grid_is_the_rate_after_each_configured_shock() -> None:
    row = position(X, mark_price=100.0, maintenance_margin=1.0)
    settings = RiskSettings(shocks=(-0.4, -0.5, 0.1, -1.0))
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=50.0), row, settings=settings))
    assert dict(pool.stress) == pytest.approx({-0.4: 0.6 / 10.0, -0.5: math.inf, 0.1: 1.1 / 60.0})


def test_no_shocks_switch_the_stress_grid_off() -> None:
    row = position(X, mark_price=100.0, maintenance_margin=1.0)
    pool = pool_of(
        account(MarginPool(currency="USDT", margin_equity=50.0), row, settings=RiskSettings(shocks=()))
    )
    assert pool.stress == ()


def test_unpegged_collateral_of_a_multi_asset_pool_falls_with_the_marks() -> None:
    """1 BTC credited at 95 of its 100 plus 10 USDT back a long of 100: 105 - 195 s = 1 (1 - s)."""
    row = position(X, mark_price=100.0, maintenance_margin=1.0, pool_currency="USD")
    assets = (
        Asset(asset="BTC", equity=1.0, collateral_price_usd=95.0),
        Asset(asset="USDT", equity=10.0),
    )
    pool = MarginPool(currency="USD", margin_equity=105.0)
    risk = account(pool, row, assets=assets, prices={"BTC": 100.0})
    assert pool_of(risk).liquidation_shock_down == pytest.approx(104.0 / 194.0)
    # One symbol alone moves no collateral: the long's 100 cannot lose the 105.
    assert risk.positions[0].liquidation_price is None
    stress = dict(pool_of(risk).stress)
    assert stress[-0.2] == pytest.approx(0.8 / (105.0 - 0.2 * 195.0))


@pytest.mark.parametrize(
    "asset", [Asset(asset="BTC", equity=1.0), Asset(asset="BTC", collateral_price_usd=9.0)]
)
def test_collateral_that_cannot_be_valued_leaves_the_shock_unknown(asset: Asset) -> None:
    row = position(X, mark_price=100.0, maintenance_margin=1.0, pool_currency="USD")
    risk = account(MarginPool(currency="USD", margin_equity=50.0), row, assets=(asset,))
    assert pool_of(risk).maintenance_margin_rate == pytest.approx(0.02)
    assert pool_of(risk).liquidation_shock_down is None
    assert pool_of(risk).stress == ()
    assert risk.positions[0].liquidation_source == "computed"


def test_an_empty_coin_without_a_price_does_not_hide_the_shock() -> None:
    row = position(X, mark_price=100.0, maintenance_margin=1.0, pool_currency="USD")
    assets = (Asset(asset="JUNK", equity=0.0), Asset(asset="DUST", wallet_balance=0.0))
    risk = account(MarginPool(currency="USD", margin_equity=50.0), row, assets=assets)
    assert pool_of(risk).liquidation_shock_down == pytest.approx(49.0 / 99.0)


def test_coin_margined_amounts_need_no_price_and_have_no_usd_value_without_one() -> None:
    row = position(inverse("BTC"), quantity=10, entry_price=100.0, mark_price=100.0, maintenance_margin=0.1)
    pool = MarginPool(currency="BTC", equity=5.0, margin_equity=5.0)
    bare, priced = (pool_of(account(pool, row, prices=p)) for p in ({}, {"BTC": 100.0}))
    assert bare.equity_usd is None
    assert priced.equity_usd == 500.0
    for risk in (bare, priced):
        assert risk.gross_notional_usd == 1000.0
        assert risk.leverage_ratio == pytest.approx(2.0)
        # 5 + 1000 (1/100 - 1/p) = 0.01 * 1000 / p
        assert risk.liquidation_shock_down == pytest.approx(1.0 - 1010.0 / 15.0 / 100.0)


def test_gross_and_net_notional_count_isolated_positions_and_sides() -> None:
    rows = (
        position(X, "long", 3, mark_price=100.0, maintenance_margin=1.0),
        position(Y, "short", 1, margin_mode="isolated", mark_price=50.0, margin=10.0, maintenance_margin=1.0),
    )
    pool = pool_of(account(MarginPool(currency="USDT", equity=100.0), *rows))
    assert (pool.gross_notional_usd, pool.net_notional_usd) == (350.0, 250.0)
    assert pool.leverage_ratio == pytest.approx(3.5)


def test_a_position_of_unknown_notional_leaves_the_sums_unknown_and_not_understated() -> None:
    rows = (position(X, mark_price=100.0), position(Y, entry_price=None))
    pool = pool_of(account(MarginPool(currency="USDT", equity=100.0), *rows))
    assert (pool.gross_notional_usd, pool.net_notional_usd, pool.leverage_ratio) == (None, None, None)


def test_a_pool_without_equity_has_no_leverage() -> None:
    row = position(X, mark_price=100.0)
    assert pool_of(account(MarginPool(currency="USDT", equity=0.0), row)).leverage_ratio is None


def test_one_position_of_unknown_maintenance_margin_leaves_price_rate_and_shock_unknown() -> None:
    rows = (position(X, mark_price=100.0, maintenance_margin=1.0), position(Y, mark_price=100.0))
    risk = account(MarginPool(currency="USDT", equity=50.0, margin_equity=50.0), *rows)
    pool = pool_of(risk)
    assert (pool.maintenance_margin, pool.maintenance_margin_rate) == (None, None)
    assert (pool.liquidation_shock_up, pool.liquidation_shock_down, pool.stress) == (None, None, ())
    for row in risk.positions:
        assert (row.liquidation_price, row.liquidation_source) == (None, "unknown")


def test_the_only_unknown_maintenance_margin_is_what_the_pools_total_leaves() -> None:
    rows = (position(X, mark_price=100.0, maintenance_margin=1.0), position(Y, mark_price=100.0))
    risk = account(MarginPool(currency="USDT", margin_equity=50.0, maintenance_margin=1.5), *rows)
    assert [row.maintenance_margin for row in risk.positions] == [1.0, 0.5]
    assert risk.positions[1].liquidation_price == pytest.approx((100.0 - 50.0 + 1.0) / (1.0 - 0.005))


@pytest.mark.parametrize("total", [0.5, 1.0, 1.0000001, 150.0])
def test_a_remainder_that_cannot_be_a_requirement_is_given_to_nobody(total: float) -> None:
    """Nothing, less than nothing, a rounding rest, or more than the notional."""
    rows = (position(X, mark_price=100.0, maintenance_margin=1.0), position(Y, mark_price=100.0))
    risk = account(MarginPool(currency="USDT", margin_equity=500.0, maintenance_margin=total), *rows)
    assert risk.positions[1].maintenance_margin is None
    assert risk.positions[1].liquidation_source == "unknown"
    assert pool_of(risk).maintenance_margin_rate == pytest.approx(total / 500.0)
    assert pool_of(risk).liquidation_shock_down is None


def test_the_price_of_a_known_position_follows_from_the_pools_total_however_others_share_it() -> None:
    rows = (
        position(X, mark_price=100.0, maintenance_margin=1.0),
        position(Y, mark_price=100.0),
        position(linear("Z"), mark_price=100.0),
    )
    risk = account(MarginPool(currency="USDT", margin_equity=50.0, maintenance_margin=3.0), *rows)
    assert risk.positions[0].liquidation_price == pytest.approx(52.0 / 0.99)
    assert [row.liquidation_source for row in risk.positions] == ["computed", "unknown", "unknown"]
    assert pool_of(risk).liquidation_shock_down is None


def test_a_pool_total_too_small_for_the_known_position_gives_no_price() -> None:
    rows = (
        position(X, mark_price=100.0, maintenance_margin=4.0),
        position(Y, mark_price=100.0),
        position(linear("Z"), mark_price=100.0),
    )
    risk = account(MarginPool(currency="USDT", margin_equity=50.0, maintenance_margin=3.0), *rows)
    assert [row.liquidation_source for row in risk.positions] == ["unknown", "unknown", "unknown"]


def test_a_cross_position_whose_pool_is_missing_has_nothing_computed() -> None:
    row = position(X, mark_price=100.0, maintenance_margin=1.0)
    risk = account(MarginPool(currency="BTC", margin_equity=1.0), row)
    assert risk.positions[0].liquidation_source == "unknown"
    assert risk.positions[0].notional_usd == 100.0
    assert [pool.pool.currency for pool in risk.pools] == ["BTC", "USDT"]
    assert [pool.gross_notional_usd for pool in risk.pools] == [0.0, 100.0]
    assert (risk.pools[1].maintenance_margin, risk.pools[1].maintenance_margin_rate) == (1.0, None)


def test_a_multi_asset_pool_converts_what_its_positions_require() -> None:
    coin = inverse("BTC")
    rows = (
        position(X, mark_price=100.0, maintenance_margin=1.0, pool_currency="USD"),
        position(coin, mark_price=100.0, maintenance_margin=0.01, pool_currency="USD"),
    )
    pool = MarginPool(currency="USD", margin_equity=50.0)
    risk = account(pool, *rows, prices={"BTC": 100.0})
    assert pool_of(risk).maintenance_margin == pytest.approx(2.0)
    unpriced = account(pool, *rows)
    assert pool_of(unpriced).maintenance_margin is None
    assert pool_of(unpriced).maintenance_margin_rate is None
    assert unpriced.positions[0].liquidation_source == "unknown"


def test_prices_are_published_for_every_coin_the_account_touches_and_for_no_other() -> None:
    row = position(Contract(kind="linear", size=1.0, base="ETH", quote="USDT", settle="USDT"))
    risk = account(
        MarginPool(currency="BNB"),
        row,
        assets=(Asset(asset="BTC"),),
        prices={"BTC": 9.0, "ETH": 8.0, "BNB": 7.0, "SOL": 6.0},
    )
    assert risk.prices_usd == {"BTC": 9.0, "ETH": 8.0, "BNB": 7.0, "USDT": 1.0, "USD": 1.0}


def test_rows_of_one_symbol_share_its_mark() -> None:
    rows = (
        position(X, "long", 1, mark_price=120.0),
        position(X, "short", 5, 100.0, unrealized_pnl=50.0),
        position(Y, "short", 5, 100.0, unrealized_pnl=50.0),
    )
    risk = account(MarginPool(currency="USDT"), *rows)
    assert [row.mark_price for row in risk.positions] == [120.0, 120.0, 90.0]


@pytest.mark.parametrize("order", [1, -1])
def test_the_largest_row_of_a_symbol_gives_its_derived_mark(order: int) -> None:
    """Its rounding error is the smallest."""
    rows = (
        position(X, "long", 1000, 100.0, unrealized_pnl=1000.01),
        position(X, "short", 0.001, 100.0, unrealized_pnl=-0.0),
    )
    risk = account(MarginPool(currency="USDT"), *rows[::order])
    assert [row.mark_price for row in risk.positions] == pytest.approx([101.00001, 101.00001], rel=1e-12)


def test_a_mark_that_is_no_price_is_not_derived() -> None:
    row = position(X, entry_price=100.0, unrealized_pnl=-150.0)
    assert account(MarginPool(currency="USDT"), row).positions[0].mark_price is None


def test_rows_keep_the_snapshots_order() -> None:
    rows = (
        position(X, "short", margin_mode="isolated"),
        position(Y),
        position(X),
        position(Y, "short"),
    )
    risk = account(MarginPool(currency="USDT"), *rows)
    assert tuple(row.position for row in risk.positions) == rows


def test_a_flat_schedule_gives_the_maintenance_margin_of_every_kind_of_position() -> None:
    rows = (
        position(X, mark_price=100.0, maintenance_tiers=flat_rate(0.01)),
        position(Y, margin_mode="isolated", mark_price=100.0, margin=10.0, maintenance_tiers=flat_rate(0.02)),
    )
    risk = account(MarginPool(currency="USDT", equity=50.0, margin_equity=40.0), *rows, settings=SETTINGS)
    assert [row.maintenance_margin for row in risk.positions] == pytest.approx([1.0, 2.0])
    assert risk.positions[1].maintenance_margin_rate == pytest.approx(0.2)


def test_pools_of_one_currency_that_have_names_stand_each_alone() -> None:
    first, second = position(X, maintenance_margin=1.0), position(Y, maintenance_margin=2.0)
    alone = [
        account(MarginPool(currency="USDT", equity=equity), replace(row, mark_price=mark))
        for equity, row, mark in ((50.0, first, 100.0), (40.0, second, 90.0))
    ]
    together = account(
        (
            MarginPool(currency="USDT", equity=50.0),
            MarginPool(currency="USDT", name="xyz:USDT", equity=40.0),
        ),
        replace(first, mark_price=100.0),
        replace(second, mark_price=90.0, pool_currency="xyz:USDT"),
    )
    for place, risk in enumerate(alone):
        pool = replace(together.pools[place], pool=replace(together.pools[place].pool, name=""))
        assert pool == risk.pools[0]
        assert together.positions[place].liquidation_price == risk.positions[0].liquidation_price
        assert risk.positions[0].liquidation_price is not None
    text = "".join(part.decode() for part in render("venue", "desk", together).values())
    assert 'risk_account_equity{exchange="venue",account="desk",currency="xyz:USDT"} 40' in text
    assert "xyz:USDT" not in together.prices_usd


def test_past_positions_that_are_not_listed_nothing_is_computed_but_the_venue_s_figures_stand() -> None:
    """Options count in what a pool has and requires; what another price does to them is not known here."""
    row = position(X, mark_price=100.0, maintenance_margin=1.0, maintenance_tiers=flat_rate(0.01))
    whole = MarginPool(currency="USDT", equity=90.0, margin_equity=90.0, maintenance_margin=30.0)
    known = account(whole, row)
    assert known.positions[0].liquidation_source == "computed"
    for one in (row, replace(row, maintenance_margin=None, maintenance_tiers=())):
        found = account(replace(whole, unlisted=True), one)
        pool = pool_of(found)
        assert pool.maintenance_margin_rate == pytest.approx(30.0 / 90.0)
        assert (pool.liquidation_shock_down, pool.liquidation_shock_up, pool.stress) == (None, None, ())
        assert found.positions[0].liquidation_source == "unknown"
        # What is left of the pool's requirement is not the position's alone.
        assert found.positions[0].maintenance_margin == one.maintenance_margin


def test_where_a_venue_liquidates_at_a_multiple_of_the_margin_it_counts_so_many_times() -> None:
    """One unit long at 100 requires 1 %; another 1.0 is for open orders; 1.05 times both liquidates."""
    row = position(X, mark_price=100.0, maintenance_margin=1.0, maintenance_tiers=flat_rate(0.01))
    whole = MarginPool(currency="USDT", equity=42.0, maintenance_margin=2.0, liquidation_multiple=1.05)
    found = account(whole, row, settings=RiskSettings(shocks=(-0.2,), target_rate=0.02))
    pool = pool_of(found)
    assert pool.maintenance_margin == pytest.approx(2.0)
    assert pool.maintenance_margin_rate == pytest.approx(1.05 * 2.0 / 42.0)
    assert dict(pool.stress) == {-0.2: pytest.approx(1.05 * (1.0 + 0.8) / 22.0)}
    assert pool.margin_to_target == pytest.approx(1.05 * 2.0 / 0.02 - 42.0)
    price = found.positions[0].liquidation_price
    assert price == pytest.approx((58.0 + 1.05) / (1.0 - 0.0105))
    # Of the venue's total, what is left for the only position that has no margin of its own.
    bare = account(
        replace(whole, maintenance_margin=1.5), replace(row, maintenance_margin=None, maintenance_tiers=())
    )
    assert bare.positions[0].maintenance_margin == pytest.approx(1.5)
    # Without a total, what the positions require.
    summed = account(replace(whole, maintenance_margin=None), row)
    assert pool_of(summed).maintenance_margin == pytest.approx(1.0)
    assert pool_of(summed).maintenance_margin_rate == pytest.approx(1.05 / 42.0)
