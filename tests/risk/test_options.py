"""Options of one account: what liquidates, what is known where, and what the families say."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from exporter.exposition import render
from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    Contract,
    Greeks,
    MarginPool,
    Marks,
    Position,
    PublicPrice,
    RiskSettings,
)
from exporter.risk import Revaluation, assess
from tests.risk.accounts import pool_of, position
from tests.risk.optioned import AT, DAY, PRICE, SHARE, Book, Line

STRANGLE = (
    Line("call", 70_000.0, "short", 10.0, days=20.0),
    Line("put", 50_000.0, "short", 10.0, days=20.0),
)
SETTINGS = RiskSettings()


def greeks_of(risk: AccountRisk) -> dict[str, tuple[float | None, ...]]:
    return {one.base: (one.delta_usd, one.gamma_usd, one.vega_usd, one.theta_usd) for one in risk.greeks}


@pytest.mark.parametrize("in_coins", [True, False], ids=["coins", "dollars"])
def test_a_short_strangle_is_in_danger_on_both_sides(in_coins: bool) -> None:
    book = Book(STRANGLE, coins=2.9, in_coins=in_coins)
    pool = book.pool()
    for shock, sign in ((pool.liquidation_shock_up, 1.0), (pool.liquidation_shock_down, -1.0)):
        assert shock is not None
        backing, required, _ = book.at(1.0 + sign * shock)
        assert backing == pytest.approx(required, rel=1e-9)
    assert 0.2 < (pool.liquidation_shock_down or 0.0) < (pool.liquidation_shock_up or 0.0) < 0.5
    # The calm middle is the safest.
    rates = dict(pool.stress)
    assert rates[-0.2] > rates[-0.05] < rates[0.2]


def test_an_excess_that_dips_between_two_strikes_is_found_where_it_dips() -> None:
    """Short in the middle and long outside: the loss ends before either end of the search."""
    lines = (
        Line("call", 66_000.0, "short", 40.0, days=0.01),
        Line("call", 69_000.0, "long", 120.0, days=0.01),
        Line("put", 50_000.0, "long", 1.0, days=0.01),
    )
    backing = 40.0 * SHARE * PRICE + 30_000.0
    book = Book(lines, coins=0.0, dollars=backing, apart=False, in_coins=False)
    pool, far = book.pool(), book.at(1.9)
    assert far[0] > far[1]
    shock = pool.cross_liquidation_shock_up
    assert shock is not None
    assert 0.09 < shock < 0.12
    steps = [1.0 + shock * step / 200.0 for step in range(200)]
    assert all(book.at(factor)[0] > book.at(factor)[1] for factor in steps)


def test_an_excess_that_touches_nothing_by_a_hair_is_no_liquidation_far_away() -> None:
    """The minimum of a curve that stays above 0: what is reported, if anything, is not beyond it."""
    line = (
        Line("call", 60_000.0, "long", 2.0, settle="USDC"),
        Line("put", 60_000.0, "long", 2.0, settle="USDC"),
    )
    book = Book(line, coins=0.0, dollars=0.0, apart=False, in_coins=False)
    low = min(book.at(1.0 + step / 20_000.0)[0] for step in range(-2000, 2000))
    for spare in (1.0, 1e-3, 1e-6):
        pool = Book(line, coins=0.0, dollars=spare - low, apart=False, in_coins=False).pool()
        assert (pool.liquidation_shock_up or 0.0) < 0.1
        assert (pool.liquidation_shock_down or 0.0) < 0.1


def test_bought_options_require_nothing_and_cannot_be_liquidated() -> None:
    """Paid in full, with nothing left beside them: that is no account without equity."""
    line = Line("call", 70_000.0, "long", 3.0)
    book = Book((line,), coins=3.0 * line.mark())
    pool = book.pool()
    assert pool.margin_equity == pytest.approx(0.0, abs=1e-12)
    assert pool.maintenance_margin_rate == 0.0
    assert (pool.liquidation_shock_up, pool.liquidation_shock_down) == (None, None)
    owing = Book((line,), coins=3.0 * line.mark() - 0.5).pool()
    assert owing.maintenance_margin_rate == math.inf


def test_the_value_of_options_backs_nothing_where_it_is_counted_apart() -> None:
    line = Line("put", 60_000.0, "short", 5.0)
    told = Book((line,), coins=2.0).snapshot()
    (pool,) = told.pools
    computed = pool_of(assess(replace(told, pools=(replace(pool, margin_equity=None),)), SETTINGS, AT))
    assert computed.margin_equity == pytest.approx(2.0 + 5.0 * line.mark())
    inside = replace(pool, margin_equity=None, options_apart=False)
    assert pool_of(assess(replace(told, pools=(inside,)), SETTINGS, AT)).margin_equity == 2.0


def test_portfolio_margin_has_a_value_at_other_prices_and_no_rate() -> None:
    told = Book((*STRANGLE,), coins=5.0, future=1.0).snapshot()
    (pool,) = told.pools
    scenario = replace(pool, scenario_margin=True, maintenance_margin=1.2)
    risk = assess(replace(told, pools=(scenario,)), SETTINGS, AT)
    found = pool_of(risk)
    assert found.maintenance_margin_rate is not None
    assert found.stress_equity == Book((*STRANGLE,), coins=5.0, future=1.0).pool().stress_equity
    assert (found.stress, found.volatility_stress, found.reduction_to_target) == ((), (), 0.0)
    assert (found.liquidation_shock_up, found.liquidation_shock_down) == (None, None)
    assert {one.liquidation_source for one in risk.positions} == {"none", "unknown"}
    lost = pool_of(assess(replace(told, pools=(replace(scenario, maintenance_margin=99.0),)), SETTINGS, AT))
    assert (lost.liquidation_shock_up, lost.liquidation_shock_down) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("known", "margin"),
    [
        ({"option_margin": None}, None),
        ({"maintenance_margin": 0.9}, 0.9),
        ({"option": None}, None),
        ({"mark_price": None}, None),
    ],
    ids=["no rule", "not its rule", "no terms", "no mark"],
)
def test_nothing_is_told_of_other_prices_where_an_option_cannot_be_valued(
    known: dict[str, Any], margin: float | None
) -> None:
    line = Line("call", 66_000.0, "short", 1.0)
    told = Book((line,), coins=5.0).snapshot()
    risk = assess(replace(told, positions=(line.position(**known),)), SETTINGS, AT)
    (row,), pool = risk.positions, pool_of(risk)
    assert row.maintenance_margin == margin
    assert (pool.stress, pool.volatility_stress) == ((), ())
    assert (pool.liquidation_shock_up, pool.liquidation_shock_down) == (None, None)


@pytest.mark.parametrize(
    ("base", "quote", "settle", "known"),
    [
        ("BTC", "USD", "BTC", True),
        ("BTC", "USD", "USDC", True),
        ("BTC", "USD", "ETH", False),
        ("USDC", "BTC", "USDC", False),
    ],
)
def test_an_option_paid_in_a_coin_that_moves_by_itself_has_no_value_at_other_prices(
    base: str, quote: str, settle: str, known: bool
) -> None:
    """Nor has one on a dollar that is counted in coins: the formula says nothing of either."""
    contract = Contract(kind="option", size=1.0, base=base, quote=quote, settle=settle)
    told = Line("call", 66_000.0, "long").position(mark_price=0.05, maintenance_margin=0.0)
    coins = {"BTC": PRICE, "ETH": 3_000.0, "USDC": 1.0}
    forward = coins[base] / coins.get(quote, 1.0)
    assert told.option is not None
    told = replace(
        told,
        contract=contract,
        mark_price=0.05 * forward * coins.get(quote, 1.0) / coins[settle],
        option=replace(told.option, strike=1.1 * forward),
        greeks=Greeks(underlying_price=forward),
    )
    pool = MarginPool(currency=settle, equity=5.0, margin_equity=5.0)
    risk = assess(AccountSnapshot(pools=(pool,), positions=(told,), prices=coins), SETTINGS, AT)
    assert risk.positions[0].option_value_usd is not None
    assert bool(pool_of(risk).stress_equity) is known
    assert bool(pool_of(risk).stress) is known


def test_without_the_time_options_are_shown_and_not_valued() -> None:
    risk = assess(Book(STRANGLE, coins=5.0).snapshot(), SETTINGS)
    assert pool_of(risk).stress_equity == ()
    assert [row.option_value_usd for row in risk.positions] == [
        pytest.approx(line.signed * line.mark() * PRICE) for line in STRANGLE
    ]


def test_an_option_has_no_liquidation_price_and_none_that_is_missed() -> None:
    risk = Book((*STRANGLE, Line("call", 60_000.0, "long")), coins=5.0).assessed()
    for row in risk.positions:
        assert (row.liquidation_price, row.liquidation_distance_ratio) == (None, None)
        assert (row.liquidation_source, row.notional_usd) == ("none", None)
    chunks = render("x", "a", risk)
    assert b"risk_positions_without_liquidation_price{" in chunks["risk_positions_without_liquidation_price"]
    assert chunks["risk_positions_without_liquidation_price"].endswith(b" 0.0\n")
    assert "risk_position_liquidation_price" not in chunks
    assert "risk_position_notional_usd" not in chunks


def test_a_worthless_option_costs_its_account_nothing() -> None:
    line = Line("call", 900_000.0, "short", 1.0, days=1.0, digits=4)
    risk = Book((line, STRANGLE[1]), coins=5.0).assessed()
    assert risk.positions[0].mark_price == 0.0
    assert pool_of(risk).liquidation_shock_down is not None
    assert b"BTC-0-call" not in render("x", "a", risk)["risk_position_mark_price"]


def test_greeks_of_an_account_are_sums_by_coin_with_its_futures() -> None:
    line = Line("call", 60_000.0, "short", 10.0)
    eth = position(
        Contract(kind="linear", size=1.0, base="ETH", quote="USDC", settle="USDC"),
        quantity=2.0,
        mark_price=3000.0,
    )
    told = Book((line,), coins=5.0, future=3.0).snapshot()
    risk = assess(replace(told, positions=(*told.positions, eth)), SETTINGS, AT)
    own = risk.positions[0].greeks
    assert own is not None
    assert own.delta is not None
    assert own.gamma is not None
    step = 1e-4
    up, down = (
        line.model(1.0 + sign * step) * PRICE * (1.0 + sign * step) * line.signed for sign in (1.0, -1.0)
    )
    assert own.delta == pytest.approx((up - down) / (2.0 * step * PRICE), rel=1e-5)
    assert greeks_of(risk) == {
        "BTC": (
            pytest.approx(own.delta * PRICE + 3.0 * PRICE),
            pytest.approx(own.gamma * PRICE * PRICE / 100.0),
            own.vega,
            own.theta,
        ),
        "ETH": (6000.0, 0.0, 0.0, 0.0),
    }
    assert own.gamma < 0.0 < (own.theta or 0.0)
    assert [row.delta_usd for row in risk.positions] == [pytest.approx(own.delta * PRICE), None, None]


def test_in_its_last_hour_an_option_loses_no_whole_day() -> None:
    day, hour = (Line("call", PRICE, "long", days=days) for days in (1.0, 1.0 / 24.0))
    thetas = [
        (Book((line,), coins=1.0).assessed().positions[0].greeks or Greeks()).theta for line in (day, hour)
    ]
    assert -day.model() * PRICE < (thetas[0] or 0.0) < -0.4 * day.model() * PRICE
    assert (thetas[1] or 0.0) / (thetas[0] or 1.0) == pytest.approx(24.0**-0.5, rel=1e-3)


def test_the_venues_greeks_come_first_and_a_missing_one_leaves_its_sum_out() -> None:
    line = Line("call", 60_000.0, "short", 10.0)
    told = Greeks(delta=-5.5, implied_volatility=0.6, underlying_price=PRICE)
    snapshot = Book((line,), coins=5.0).snapshot()
    known = assess(replace(snapshot, positions=(line.position(greeks=told),)), SETTINGS, AT)
    assert greeks_of(known)["BTC"][0] == -5.5 * PRICE
    assert greeks_of(known)["BTC"][2] is not None
    # Without the time the formula cannot help.
    unknown = assess(replace(snapshot, positions=(line.position(greeks=told),)), SETTINGS)
    assert greeks_of(unknown) == {"BTC": (-5.5 * PRICE, None, None, None)}


def test_an_account_without_options_has_none_of_it() -> None:
    future = Book((), coins=5.0, future=1.0)
    risk = future.assessed()
    assert (risk.greeks, pool_of(risk).stress_equity, pool_of(risk).volatility_stress) == ((), (), ())
    assert not {name for name in render("x", "a", risk) if "delta" in name or "option" in name}


def test_options_count_with_their_delta_among_notionals() -> None:
    """Far from their strikes they are no leverage, however many coins they are written on."""
    far = Book((Line("put", 20_000.0, "long", 500.0),), coins=1.0).pool()
    assert (far.leverage_ratio or 0.0) < 0.1
    short = Book((Line("put", 60_000.0, "short", 4.0),), coins=2.0, future=-1.0)
    risk = short.assessed()
    assert risk.positions[0].greeks is not None
    delta = risk.positions[0].greeks.delta or 0.0
    assert delta > 0.0
    pool = pool_of(risk)
    assert pool.gross_notional_usd == pytest.approx((delta + 1.0) * PRICE)
    assert pool.net_notional_usd == pytest.approx((delta - 1.0) * PRICE)
    assert pool.leverage_ratio == pytest.approx((delta + 1.0) / 2.0)


@pytest.mark.parametrize("told", [None, 60.0, 0.2], ids=["none", "percent", "another moment's"])
def test_the_volatility_is_that_of_the_mark_where_the_venues_is_not(told: float | None) -> None:
    line = Line("call", 61_000.0, "short", 1.0)
    greeks = Greeks(implied_volatility=told, underlying_price=PRICE)
    book = Book((line,), coins=0.25)
    snapshot = replace(book.snapshot(), positions=(line.position(greeks=greeks),))
    found, expected = pool_of(assess(snapshot, SETTINGS, AT)), book.pool()
    assert expected.liquidation_shock_up is not None
    published = assess(snapshot, SETTINGS, AT).positions[0].greeks
    assert published is not None
    assert published.implied_volatility == pytest.approx(0.6)
    assert found.liquidation_shock_up == pytest.approx(expected.liquidation_shock_up, rel=1e-9)


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        (Line("call", 75_000.0, "short", 1.0, days=3.0), 0.0),
        (Line("put", 90_000.0, "short", 1.0, days=60.0), 0.5),
    ],
    ids=["worthless", "deep in the money"],
)
@pytest.mark.parametrize("told", [None, 0.0, 0.6], ids=["none", "nothing", "told"])
def test_a_mark_without_time_value_says_no_volatility(line: Line, mark: float, told: float | None) -> None:
    """With none of it, what was sold would liquidate at a far larger move than it does."""
    position = line.position(
        mark_price=mark,
        greeks=Greeks(implied_volatility=told, underlying_price=PRICE),
        maintenance_margin=0.6,
    )
    snapshot = replace(Book((line,), coins=0.7).snapshot(), positions=(position,))
    pool = pool_of(assess(snapshot, SETTINGS, AT))
    known = told == 0.6
    assert bool(pool.stress_equity) is known
    shocks = (pool.liquidation_shock_up, pool.liquidation_shock_down)
    assert shocks == (None, None) or known


def test_closing_a_share_of_everything_leads_back_to_the_target() -> None:
    book = Book(STRANGLE, coins=1.9, future=0.5)
    pool = book.pool()
    assert (pool.maintenance_margin_rate or 0.0) > 0.5
    share = pool.reduction_to_target
    assert share is not None
    kept = [replace_quantity(line, 1.0 - share) for line in STRANGLE]
    # What is paid for closing is paid out of the coins; the value of the rest stands still.
    paid = share * sum(line.signed * line.mark() for line in STRANGLE)
    rest = Book(kept, coins=1.9, future=0.5 * (1.0 - share))
    backing, required, _ = rest.at()
    assert backing == pytest.approx(book.at()[0] + paid)
    assert required / backing == pytest.approx(0.5)


def replace_quantity(line: Line, by: float) -> Line:
    return Line(line.right, line.strike, line.side, line.quantity * by, line.days, line.volatility)


def test_a_future_is_liquidated_where_it_takes_the_options_with_it() -> None:
    """A short future beside short calls: both lose as the coin rises."""
    line = Line("call", 66_000.0, "short", 5.0)
    book = Book((line,), coins=1.2, future=-3.0)
    future = book.assessed().positions[1]
    assert future.liquidation_source == "computed"
    factor = (future.liquidation_price or 0.0) / PRICE
    backing, required, _ = book.at(factor)
    assert factor > 1.0
    assert backing == pytest.approx(required, rel=1e-9)


def marks(price: float, **symbols: float) -> Marks:
    now = AT + 5.0
    return Marks(
        {name: PublicPrice(value, now) for name, value in symbols.items()}, {"BTC": PublicPrice(price, now)}
    )


def revalued(snapshot: AccountSnapshot, told: Marks) -> AccountSnapshot:
    revaluation = Revaluation(snapshot, SETTINGS, AT)
    return revaluation.at(revaluation.usable(told, newer_than=AT))


def test_at_live_marks_options_follow_their_coin_and_the_time_is_held() -> None:
    lines = (*STRANGLE, Line("call", 62_000.0, "long", 2.0))
    book, factor = Book(lines, coins=3.0, future=2.0), 1.04
    new = revalued(book.snapshot(), marks(PRICE * factor, **{"BTC-PERPETUAL": PRICE * factor}))
    risk = assess(new, SETTINGS, AT)
    pool, (backing, required, equity) = pool_of(risk), book.at(factor)
    assert pool.margin_equity == pytest.approx(backing)
    assert pool.maintenance_margin == pytest.approx(required)
    assert pool.equity_usd == pytest.approx(equity)
    assert [row.mark_price for row in risk.positions[:3]] == [
        pytest.approx(line.mark(factor)) for line in lines
    ]
    expected = (book.pool().liquidation_shock_up or 0.0) + 1.0
    assert (pool.liquidation_shock_up or 0.0) + 1.0 == pytest.approx(expected / factor, rel=1e-9)


def test_a_newer_mark_of_the_option_itself_comes_first() -> None:
    line = Line("call", 61_000.0, "long", 2.0)
    book, dear = Book((line,), coins=1.0), 3.0 * line.mark()
    new = revalued(book.snapshot(), marks(PRICE * 1.1, **{"BTC-0-call": dear}))
    assert new.positions[0].mark_price == dear
    assert new.pools[0].equity == pytest.approx(1.0 + 2.0 * (dear - line.mark()))


@pytest.mark.parametrize(
    "change", [{"scenario_margin": True}, {}], ids=["portfolio margin", "no index price"]
)
def test_a_pool_that_cannot_be_valued_stays_as_it_was_collected(change: dict[str, Any]) -> None:
    book = Book(STRANGLE, coins=3.0, future=2.0)
    told = book.snapshot()
    told = replace(told, pools=(replace(told.pools[0], **change),))
    new = marks(PRICE * 1.04, **{"BTC-PERPETUAL": PRICE * 1.04})
    if not change:
        new = Marks(new.symbols)
    assert revalued(told, new).positions == told.positions
    assert revalued(told, new).pools == told.pools
    # In USD too: its coins of then are not counted at a price of now.
    assert revalued(told, new).prices == told.prices


def test_an_expired_option_is_worth_what_it_pays() -> None:
    line = Line("put", 66_000.0, "short", 1.0, days=-1.0 / 24.0)
    told = position_without(line)
    pool = pool_of(assess(replace(Book((), coins=1.0).snapshot(), positions=(told,)), SETTINGS, AT))
    worth = {(shock, shift): value for shock, shift, value in pool.stress_equity}
    assert worth[0.05, 0.1] == pytest.approx((1.0 - 3_000.0 / 63_000.0 + 6_000.0 / 60_000.0) * 63_000.0)


def position_without(line: Line) -> Position:
    """At its settlement: marked at what it pays."""
    told = Line(line.right, line.strike, line.side, line.quantity, 1.0).position(
        mark_price=6_000.0 / 60_000.0, greeks=None
    )
    assert told.option is not None
    return replace(told, option=replace(told.option, expires_at=AT + line.days * DAY))


def test_a_pool_of_which_not_all_is_listed_has_no_value_at_other_prices() -> None:
    told = Book(STRANGLE, coins=5.0).snapshot()
    risk = assess(replace(told, pools=(replace(told.pools[0], unlisted=True),)), SETTINGS, AT)
    assert (risk.greeks, pool_of(risk).stress_equity, pool_of(risk).stress) == ((), (), ())


def test_isolated_options_are_shown_without_a_distance() -> None:
    line = Line("call", 66_000.0, "short", 1.0)
    told = replace(line.position(), margin_mode="isolated", margin=0.4, entry_price=0.01)
    pool = MarginPool(currency="BTC", equity=3.0)
    risk = assess(AccountSnapshot(pools=(pool,), positions=(told,), prices={"BTC": PRICE}), SETTINGS, AT)
    (row,) = risk.positions
    assert row.liquidation_source == "none"
    assert row.greeks is not None
    assert pool_of(risk).isolated_stress == ()
