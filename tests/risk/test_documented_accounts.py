"""Rows and accounts that venues document, with the figures they print."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.model import AccountSnapshot, MarginPool
from exporter.risk import computed_liquidation_prices
from tests.risk.accounts import CHECKED, SETTINGS, account, flat_rate, inverse, linear, pool_of, position


@pytest.mark.parametrize(("deduction", "price"), [(11.605, 33599.4186), (11.81, 33578.8597)])
def test_an_inverse_long_liquidates_where_binances_calculator_says(deduction: float, price: float) -> None:
    """100,000 contracts of 100 USD at 45,000, wallet 101 BTC (https://dev.binance.vision/t/6292)."""
    row = position(
        inverse("BTC"),
        quantity=100_000,
        entry_price=45_000.0,
        mark_price=45_000.0,
        maintenance_tiers=flat_rate(0.125, deduction),
    )
    risk = account(MarginPool(currency="BTC", margin_equity=101.0), row)
    assert risk.positions[0].liquidation_price == pytest.approx(price, abs=5e-5)
    assert risk.positions[0].liquidation_source == "computed"


def test_the_same_inverse_long_liquidates_at_the_same_price_from_another_mark() -> None:
    """The price follows from wallet and entry; today's mark has no part in it."""
    row = position(
        inverse("BTC"),
        quantity=100_000,
        entry_price=45_000.0,
        mark_price=40_000.0,
        maintenance_tiers=flat_rate(0.125, 11.605),
    )
    loss = 100_000 * 100 * (1 / 45_000 - 1 / 40_000)
    risk = account(MarginPool(currency="BTC", margin_equity=101.0 + loss), row)
    assert risk.positions[0].liquidation_price == pytest.approx(33599.4186, abs=5e-5)


def test_an_isolated_inverse_row_agrees_with_binance_to_eleven_digits() -> None:
    """BTCUSD_PERP: the venue prints 25119.97445760, wallet and entry give 25119.97445761."""
    row = position(
        inverse("BTC"),
        symbol="BTCUSD_PERP",
        margin_mode="isolated",
        quantity=2,
        entry_price=37643.10000021,
        mark_price=38103.05510455,
        unrealized_pnl=0.00006413,
        margin=0.00268058,
        liquidation_price=25119.97445760,
        maintenance_tiers=flat_rate(0.004),
    )
    snapshot = AccountSnapshot(pools=(), positions=(row,))
    ((_, computed),) = computed_liquidation_prices(snapshot, SETTINGS)
    assert computed == pytest.approx(25119.97445761, abs=6e-9)
    (risk,) = account((), row, settings=CHECKED).positions
    assert (risk.liquidation_price, risk.liquidation_source) == (25119.97445760, "venue")
    assert risk.liquidation_cross_check_ratio == pytest.approx(0.0, abs=1e-12)
    assert risk.maintenance_margin == pytest.approx(0.004 * 0.00524892, rel=1e-6)
    assert risk.maintenance_margin_rate == pytest.approx(0.004 * 0.00524892 / 0.00274471, rel=1e-5)


def test_a_cross_inverse_row_agrees_with_bingx_within_the_rounding_of_its_rate() -> None:
    """SOL-USD (https://bingx-api.github.io/docs-v3/#/en/Coin-M%20Futures/): riskRate has six digits."""
    equity = 0.35707951 - 0.00009074
    row = position(
        inverse("SOL", 10.0),
        symbol="SOL-USD",
        entry_price=158.63,
        mark_price=158.402,
        unrealized_pnl=-0.00009074,
        liquidation_price=23.968303426677032,
        maintenance_margin=0.00123783 * equity,
    )
    risk = account(MarginPool(currency="SOL", margin_equity=equity), row, settings=CHECKED)
    assert risk.positions[0].liquidation_cross_check_ratio == pytest.approx(0.0, abs=5e-5)
    assert pool_of(risk).maintenance_margin_rate == pytest.approx(0.00123783)


def test_the_other_positions_requirements_bring_liquidation_close() -> None:
    """Equity 5, a long of 1 at mark 100 with rate 0.004, others require 4: 99.3976 and not 95.4."""
    row = position(linear("X"), mark_price=100.0, maintenance_margin=0.4)
    risk = account(MarginPool(currency="USDT", margin_equity=5.0, maintenance_margin=4.4), row)
    assert risk.positions[0].liquidation_price == pytest.approx(99.3976, abs=5e-5)
    assert risk.positions[0].liquidation_distance_ratio == pytest.approx(0.006024, abs=5e-7)


def test_the_documented_ada_row_of_binance_has_its_maintenance_rate() -> None:
    """30 ADAUSDT at 0.4104759: maintenance margin 0.0800428 is 0.65 % of the notional."""
    known: dict[str, Any] = {"mark_price": 0.4104759, "unrealized_pnl": 0.764277}
    row = position(linear("ADA"), quantity=30, entry_price=0.385, maintenance_margin=0.0800428, **known)
    tiered = position(
        linear("ADA"), quantity=30, entry_price=0.385, maintenance_tiers=flat_rate(0.0065), **known
    )
    pool = MarginPool(currency="USDT", margin_equity=103.12345678)
    for risk in (account(pool, row), account(pool, tiered)):
        (ada,) = risk.positions
        assert ada.notional_usd == pytest.approx(12.314277, abs=5e-9)
        assert ada.maintenance_margin is not None
        assert ada.notional_usd is not None
        assert ada.maintenance_margin == pytest.approx(0.0800428, abs=5e-9)
        assert ada.maintenance_margin / ada.notional_usd == pytest.approx(0.0065, rel=1e-6)
        assert (ada.liquidation_price, ada.liquidation_source) == (None, "none")
        assert pool_of(risk).maintenance_margin_rate == pytest.approx(0.0800428 / 103.12345678)


def test_the_recorded_etc_short_of_binance_has_its_mark_and_maintenance_rate() -> None:
    """ETCUSDT (https://github.com/ccxt/ccxt/issues/15833): the mark follows from the PnL."""
    row = position(
        linear("ETC"),
        "short",
        quantity=2.92,
        entry_price=20.176,
        unrealized_pnl=-0.03907065,
        maintenance_margin=0.38319443,
    )
    risk = account(MarginPool(currency="USDT", margin_equity=100.0), row)
    (etc,) = risk.positions
    assert etc.mark_price == pytest.approx(20.18938035958904, rel=1e-9)
    assert etc.notional_usd == pytest.approx(58.95299065, abs=5e-8)
    assert etc.maintenance_margin is not None
    assert etc.notional_usd is not None
    assert etc.maintenance_margin / etc.notional_usd == pytest.approx(0.0065, rel=1e-6)
    expected = (100.0 + 2.92 * 20.18938035958904) / (2.92 * 1.0065)
    assert etc.liquidation_price == pytest.approx(expected, rel=1e-7)


def test_bittaps_documented_account() -> None:
    """A cross long of 871.1 XRP whose row has no mark, PnL or margin: the totals give them."""
    row = position(linear("XRP"), symbol="XRP-USDT-M", quantity=871.1, entry_price=3.0721, leverage=20.0)
    equity = 11765.70795680674743639045
    pool = MarginPool(
        currency="USDT",
        equity=equity,
        margin_equity=equity,
        maintenance_margin=21.5893424,
        unrealized_pnl=-517.17207,
        venue_margin_rate=0.0018351061760195,
    )
    risk = account(pool, row)
    (xrp,) = risk.positions
    assert xrp.mark_price == pytest.approx(2.4784, rel=1e-12)
    assert xrp.notional_usd == pytest.approx(2158.93424, rel=1e-12)
    assert xrp.unrealized_pnl == -517.17207
    assert xrp.maintenance_margin == 21.5893424
    assert pool_of(risk).maintenance_margin_rate == pytest.approx(0.00183493781073412, rel=1e-13)
    assert pool_of(risk).pool.venue_margin_rate == 0.0018351061760195
    # The equity covers the whole notional: no price liquidates, as the venue's "0" says.
    assert (xrp.liquidation_price, xrp.liquidation_source) == (None, "none")
    assert pool_of(risk).liquidation_shock_down is None
    assert pool_of(risk).liquidation_shock_up is None


def test_zkxs_documented_account() -> None:
    """Two cross shorts without marks: the rate is known, what needs a mark is not."""
    rows = (
        position(
            linear("SOL", "USDC"),
            "short",
            quantity=17.6,
            entry_price=149.566,
            maintenance_margin=78.970848,
            liquidation_price=372.988834,
        ),
        position(
            linear("ETH", "USDC"),
            "short",
            quantity=0.22,
            entry_price=3993.99,
            maintenance_margin=26.360334,
            liquidation_price=21204.717038,
        ),
    )
    pool = MarginPool(currency="USDC", equity=3634.378226, margin_equity=3634.378226, unrealized_pnl=6.662591)
    risk = account(pool, *rows)
    assert pool_of(risk).maintenance_margin == pytest.approx(105.331182, rel=1e-12)
    assert pool_of(risk).maintenance_margin_rate == pytest.approx(0.02898, abs=5e-6)
    for row, venue in zip(risk.positions, (372.988834, 21204.717038), strict=True):
        assert (row.liquidation_price, row.liquidation_source) == (venue, "venue")
        assert (row.mark_price, row.notional_usd, row.liquidation_distance_ratio) == (None, None, None)
    assert pool_of(risk).gross_notional_usd is None
    assert pool_of(risk).liquidation_shock_up is None
    assert pool_of(risk).stress == ()


def test_a_documented_bingx_long_in_a_large_account_has_no_liquidation_price() -> None:
    """LTC-USDT 0.1 at 73.14 with 196.7431 of equity: the venue prints 0, and no price liquidates."""
    row = position(
        linear("LTC"),
        symbol="LTC-USDT",
        quantity=0.1,
        entry_price=83.53,
        mark_price=73.14,
        unrealized_pnl=-1.0393,
        maintenance_tiers=flat_rate(0.0065),
    )
    risk = account(MarginPool(currency="USDT", margin_equity=196.7431), row)
    assert risk.positions[0].liquidation_price is None
    assert pool_of(risk).liquidation_shock_down is None
