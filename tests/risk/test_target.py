"""The way back: how much to add, or which share to close, until the rate is at the target."""

from __future__ import annotations

import pytest

from exporter.model import Asset, MarginPool, RiskSettings
from tests.risk.accounts import account, linear, pool_of, position, tiers

X, Y = linear("X"), linear("Y")


def test_a_rate_above_the_target_needs_money_or_a_cut() -> None:
    """80 of 100 required: 60 more make 80 of 160; closing 37.5 % leaves 50 of 100."""
    row = position(X, quantity=100.0, mark_price=100.0, maintenance_margin=80.0)
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=100.0), row))
    assert pool.margin_to_target == pytest.approx(60.0)
    assert pool.reduction_to_target == pytest.approx(0.375)


def test_the_target_is_the_desks() -> None:
    row = position(X, quantity=100.0, mark_price=100.0, maintenance_margin=80.0)
    pool = pool_of(
        account(MarginPool(currency="USDT", margin_equity=100.0), row, settings=RiskSettings(target_rate=0.2))
    )
    assert pool.margin_to_target == pytest.approx(300.0)
    assert pool.reduction_to_target == pytest.approx(0.75)


@pytest.mark.parametrize("equity", [160.0, 1_000.0])
def test_a_rate_at_or_below_the_target_needs_nothing(equity: float) -> None:
    row = position(X, quantity=100.0, mark_price=100.0, maintenance_margin=80.0)
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=equity), row))
    assert (pool.margin_to_target, pool.reduction_to_target) == (0.0, 0.0)


def test_a_smaller_position_is_in_a_lower_tier() -> None:
    """10,000 at 1 % up to 5,000 and 3 % above: 200. At 0.5 of 150 = 75: 3 % of N - 100 = 75 at 5,833."""
    row = position(X, quantity=100.0, mark_price=100.0, maintenance_tiers=tiers((0.0, 0.01), (5_000.0, 0.03)))
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=150.0), row))
    assert pool.maintenance_margin == pytest.approx(200.0)
    assert pool.reduction_to_target == pytest.approx(1.0 - 175.0 / 0.03 / 10_000.0)
    # And at 0.5 of 60 = 30: in the lower one, 1 % of 3,000.
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=60.0), row))
    assert pool.reduction_to_target == pytest.approx(0.7)


def test_a_tier_that_jumps_is_left_where_it_begins() -> None:
    """From 1 % to 3 % at 5,000: 50 or 150. 0.5 of 200 = 100 is in between."""
    row = position(
        X, quantity=100.0, mark_price=100.0, maintenance_tiers=tiers((0.0, 0.01), (5_000.0, 0.03), jump=True)
    )
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=200.0), row))
    assert pool.reduction_to_target == pytest.approx(0.5)


def test_closing_costs_its_fees() -> None:
    """10,000 at 0.6 % + 0.2 %, equity 100: 80 (1 - s) = 0.5 (100 - 20 s)."""
    row = position(X, quantity=100.0, mark_price=100.0, maintenance_margin=60.0, closing_fee_rate=0.002)
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=100.0), row))
    assert pool.maintenance_margin_rate == pytest.approx(0.8)
    assert pool.reduction_to_target == pytest.approx(30.0 / 70.0)


@pytest.mark.parametrize(
    ("held", "share"),
    [(4.0, 29.0 / 70.0), (0.0, 30.0 / 70.0), (50.0, 30.0 / 75.0), (-1.0, 30.0 / 70.0)],
)
def test_fees_that_use_up_a_coin_make_a_debt_in_it_which_counts_more(held: float, share: float) -> None:
    """As above, where a USDT that is held counts 0.5 and one that is owed 1.

    With 4 of them, closing the share s costs 4 x 0.5 + (20 s - 4): 80 (1 - s) = 0.5 (102 - 20 s). With 50,
    20 s x 0.5; with none, or a debt, 20 s.
    """
    row = position(
        X,
        quantity=100.0,
        mark_price=100.0,
        maintenance_margin=60.0,
        closing_fee_rate=0.002,
        pool_currency="USD",
    )
    asset = Asset(asset="USDT", equity=held, collateral_price_usd=0.5, debt_price_usd=1.0)
    pool = pool_of(account(MarginPool(currency="USD", margin_equity=100.0), row, assets=(asset,)))
    assert pool.reduction_to_target == pytest.approx(share)


def test_open_orders_go_on_requiring_what_they_do() -> None:
    """50 of the 80 are the position's: 80 - 50 s = 50."""
    row = position(X, quantity=100.0, mark_price=100.0, maintenance_margin=50.0)
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=100.0, maintenance_margin=80.0), row))
    assert pool.reduction_to_target == pytest.approx(0.6)
    # With 60 for the orders closing everything leaves a rate of 0.6.
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=100.0, maintenance_margin=110.0), row))
    assert pool.margin_to_target == pytest.approx(120.0)
    assert pool.reduction_to_target is None


@pytest.mark.parametrize("equity", [-1.0, -1_000.0])
def test_without_equity_only_money_helps(equity: float) -> None:
    row = position(X, quantity=100.0, mark_price=100.0, maintenance_margin=80.0)
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=equity), row))
    assert pool.margin_to_target == pytest.approx(160.0 - equity)
    assert pool.reduction_to_target is None


def test_what_is_not_known_of_one_position_leaves_the_cut_unknown_and_the_money_known() -> None:
    rows = (
        position(X, mark_price=100.0, maintenance_margin=1.0),
        position(Y, mark_price=100.0),
        position(linear("Z"), mark_price=100.0),
    )
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=4.0, maintenance_margin=3.0), *rows))
    assert pool.margin_to_target == pytest.approx(2.0)
    assert pool.reduction_to_target is None


def test_an_unknown_rate_has_no_way_back() -> None:
    pool = pool_of(
        account(MarginPool(currency="USDT"), position(X, mark_price=100.0, maintenance_margin=1.0))
    )
    assert (pool.margin_to_target, pool.reduction_to_target) == (None, None)


def test_an_isolated_position_has_its_own_way_back_and_its_pool_none() -> None:
    """80 of 100 required, of which 10 are PnL; as above."""
    row = position(
        X, quantity=100.0, entry_price=99.9, mark_price=100.0, maintenance_margin=80.0,
        margin_mode="isolated", margin=90.0,
    )  # fmt: skip
    risk = account(MarginPool(currency="USDT", equity=1_000.0), row)
    (found,) = risk.positions
    assert found.maintenance_margin_rate == pytest.approx(0.8)
    assert found.margin_to_target == pytest.approx(60.0)
    # Its collateral goes with what is closed: no smaller position has a lower rate.
    assert found.reduction_to_target == 1.0
    assert (pool_of(risk).margin_to_target, pool_of(risk).reduction_to_target) == (None, None)


def isolated_cut(equity: float, *, jump: bool = False, fee: float = 0.0) -> float | None:
    """Of 10,000 at 1 % up to 5,000 and 3 % above."""
    row = position(
        X, quantity=100.0, mark_price=100.0, margin_mode="isolated", margin=equity, closing_fee_rate=fee,
        maintenance_tiers=tiers((0.0, 0.01), (5_000.0, 0.03), jump=jump),
    )  # fmt: skip
    return account(MarginPool(currency="USDT"), row).positions[0].reduction_to_target


def test_a_smaller_isolated_position_has_a_lower_rate_where_its_tier_is_lower() -> None:
    # 300 u - 100 = 0.5 * 350 u
    assert isolated_cut(350.0) == pytest.approx(1.0 - 100.0 / 125.0)
    # With a fee of 0.1 %: 310 u - 100 = 175 u
    assert isolated_cut(350.0, fee=0.001) == pytest.approx(1.0 - 100.0 / 135.0)
    # 1 % of 10,000 is half of 200: the whole of the lower tier will do, and nothing of it with less.
    assert isolated_cut(200.0) == pytest.approx(0.5)
    assert isolated_cut(199.0) == 1.0
    assert isolated_cut(-5.0) == 1.0


def test_an_isolated_position_leaves_a_tier_that_jumps_where_it_begins() -> None:
    assert isolated_cut(350.0, jump=True) == pytest.approx(0.5)


def test_a_cross_position_has_the_way_back_of_its_pool() -> None:
    row = position(X, quantity=100.0, mark_price=100.0, maintenance_margin=80.0)
    (found,) = account(MarginPool(currency="USDT", margin_equity=100.0), row).positions
    assert (found.margin_to_target, found.reduction_to_target) == (None, None)


def test_a_flat_account_needs_nothing() -> None:
    pool = pool_of(account(MarginPool(currency="USDT", margin_equity=100.0)))
    assert (pool.margin_to_target, pool.reduction_to_target) == (0.0, 0.0)
