"""Random books with options against a valuation written once more, and a scan of every move."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.model import Greeks, OptionTerms, RiskSettings
from exporter.risk import assess
from tests.risk.optioned import AT, PRICE, Book, Line, Settle

SETTINGS = RiskSettings(shocks=(-0.9, -0.3, -0.1, 0.1, 0.5, 3.0), volatility_shifts=(-0.4, 0.15))
UP = [1.0 + 10.0 * (step / 400.0) ** 2 for step in range(401)]
DOWN = [1.0 - 0.999999 * step / 400.0 for step in range(401)]


@st.composite
def books(draw: st.DrawFn) -> Book:
    in_coins = draw(st.booleans())
    settles: Sequence[Settle] = ("BTC",) if in_coins else ("BTC", "USDC")
    lines = [
        Line(
            right=draw(st.sampled_from(["call", "put"])),
            strike=draw(st.floats(0.4, 2.5)) * PRICE,
            side=draw(st.sampled_from(["long", "short"])),
            quantity=draw(st.sampled_from([0.1, 1.0, 7.0, 25.0])),
            days=draw(st.sampled_from([0.05, 1.0, 9.0, 60.0, 300.0])),
            volatility=draw(st.floats(0.2, 1.5)),
            settle=(settle := draw(st.sampled_from(settles))),
            digits=draw(st.sampled_from([None, 4 if settle == "BTC" else 1])),
        )
        for _ in range(draw(st.integers(1, 6)))
    ]
    return Book(
        lines,
        coins=draw(st.integers(0, 400)) / 10.0,
        dollars=0.0 if in_coins else 1000.0 * draw(st.integers(-500, 2000)),
        future=draw(st.sampled_from([0.0, 0.0, 2.0, -2.0, 15.0, -15.0])),
        apart=draw(st.booleans()),
        in_coins=in_coins,
    )


@given(books())
def test_the_stress_grid_is_that_of_a_valuation_by_hand(book: Book) -> None:
    pool = book.pool(SETTINGS)
    backing, required, equity = book.at()
    scale = abs(backing) + required + 1.0
    assert pool.equity_usd == pytest.approx(equity, rel=1e-9, abs=1e-6 * PRICE)
    worth = {(shock, shift): value for shock, shift, value in pool.stress_equity}
    assert set(worth) == {(s, v) for s in (*SETTINGS.shocks, 0.0) for v in (0.0, *SETTINGS.volatility_shifts)}
    for (shock, shift), value in worth.items():
        assert value == pytest.approx(book.at(1.0 + shock, shift)[2], rel=1e-9, abs=1e-9 * PRICE * scale)
    rates = {(shock, 0.0): rate for shock, rate in pool.stress}
    rates |= {(shock, shift): rate for shock, shift, rate in pool.volatility_stress}
    assert len(rates) == len(SETTINGS.shocks) + 2 * (len(SETTINGS.shocks) + 1)
    for (shock, shift), rate in rates.items():
        backing, required, _ = book.at(1.0 + shock, shift)
        # A rounding above or below 0 is the difference between no rate and an infinite one.
        if abs(backing) > 1e-9 * scale:
            expected = required / backing if backing > 0.0 else math.inf
            if not math.isinf(expected) or required or rate:
                assert rate == pytest.approx(expected, rel=1e-7, abs=1e-9)


@given(books())
def test_no_move_liquidates_before_the_one_that_is_reported(book: Book) -> None:
    """Whatever the book looks like: on the way there the excess is above 0, and there it is 0."""
    pool = book.pool(SETTINGS)
    backing, required, _ = book.at()
    if backing <= required:
        return
    rounding = 1e-9 * (abs(backing) + required)
    for path, shock in ((UP, pool.cross_liquidation_shock_up), (DOWN, pool.cross_liquidation_shock_down)):
        sign = 1.0 if path is UP else -1.0
        for factor in path:
            if shock is not None and abs(factor - 1.0) >= shock:
                break
            equity, needed, _ = book.at(factor)
            assert equity - needed > -rounding, factor
        if shock is not None:
            equity, needed, _ = book.at(1.0 + sign * shock)
            assert abs(equity - needed) <= 1e-6 * (abs(equity) + needed) + rounding


odd = st.sampled_from(
    [None, 0.0, -1.0, 5e-324, 1e-12, 0.05, 1.0, PRICE, 1e15, 1e200, 1.7e308, math.inf, math.nan]
)


@given(books(), st.tuples(odd, odd, odd, odd), st.sampled_from([-1e18, 0.0, AT, AT + 1e-6, 1e300, math.nan]))
def test_no_figure_of_a_venue_makes_nonsense_of_an_account(
    book: Book, figures_told: tuple[float | None, ...], expires_at: float
) -> None:
    mark, strike, volatility, forward = figures_told
    told, line = book.snapshot(), book.lines[0]
    one = line.position(
        mark_price=mark,
        maintenance_margin=mark,
        option=OptionTerms(strike=strike or 0.0, expires_at=expires_at, right=line.right),
        greeks=Greeks(delta=mark, gamma=forward, implied_volatility=volatility, underlying_price=forward),
        pool_currency=told.positions[0].pool_currency,
    )
    risk = assess(replace(told, positions=(one, *told.positions[1:])), SETTINGS, AT)
    (pool,) = risk.pools
    shocks = (pool.liquidation_shock_up, pool.liquidation_shock_down)
    figures = [
        *(figure for row in pool.stress_equity for figure in row),
        *(shock for shock in shocks if shock),
    ]
    for coin in risk.greeks:
        figures += [
            getattr(coin, name) or 0.0 for name in ("delta_usd", "gamma_usd", "vega_usd", "theta_usd")
        ]
    assert all(math.isfinite(figure) for figure in figures)
    assert not any(math.isnan(rate) for *_, rate in (*pool.stress, *pool.volatility_stress))
