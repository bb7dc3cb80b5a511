"""Deribit: options, their names, and what they require."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exporter.model import Contract, Greeks, OptionTerms, RiskSettings
from exporter.risk import assess
from exporter.venues._deribit import BOOKS, POSITIONS, SUMMARIES, Book, PositionRow, named
from exporter.venues._deribit_account import held_of
from tests.venues.harness import NOW, QuietObserver
from tests.venues.payloads.deribit.bench import (
    FLAT,
    book,
    future,
    option,
    put,
    snapshot_of,
    strangle,
    success,
    summaries,
)

EXPIRY = 1_703_836_800.0
"""29 December 2023, 08:00 UTC."""


# Names


@pytest.mark.parametrize(
    ("kind", "name", "contract", "option"),
    [
        ("future", "BTC-PERPETUAL", Contract("inverse", 1.0, "BTC", "USD", "BTC"), None),
        ("future", "ETH-5AUG25", Contract("inverse", 1.0, "ETH", "USD", "ETH"), None),
        ("future", "SOL_USDC-PERPETUAL", Contract("linear", 1.0, "SOL", "USDC", "USDC"), None),
        ("future", "BTC_USDT-25DEC26", Contract("linear", 1.0, "BTC", "USDT", "USDT"), None),
        (
            "option",
            "BTC-29DEC23-40000-C",
            Contract("option", 1.0, "BTC", "USD", "BTC"),
            OptionTerms(strike=40_000.0, expires_at=EXPIRY, right="call"),
        ),
        (
            "option",
            "XRP_USDC-29DEC23-0d625-P",
            Contract("option", 1.0, "XRP", "USDC", "USDC"),
            OptionTerms(strike=0.625, expires_at=EXPIRY, right="put"),
        ),
    ],
)
def test_a_name_says_what_a_contract_is(
    kind: str, name: str, contract: Contract, option: OptionTerms | None
) -> None:
    found = named(kind, name)
    assert found is not None
    assert (found.contract, found.option) == (contract, option)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("future_combo", "BTC-FS-19MAY26_PERP"),
        ("option_combo", "BTC-CS-19MAY26-70000_75000"),
        ("future_combo", "BTC-29DEC23"),
        ("future", "BTC-29DEC23-40000-C"),
        ("option", "BTC-29DEC23"),
        ("option", "BTC-31FEB23-40000-C"),
        ("option", "BTC-29XXX23-40000-C"),
        ("option", "BTC-29DEC23-0-C"),
    ],
)
def test_a_name_that_is_not_understood_is_none(kind: str, name: str) -> None:
    assert named(kind, name) is None


# Options


async def test_an_option_has_its_terms_greeks_and_volatility() -> None:
    call, _, other = (await snapshot_of({}, scenario="segregated")).positions
    assert call.option == OptionTerms(strike=40_000.0, expires_at=EXPIRY, right="call")
    assert call.greeks == Greeks(
        delta=-3.94396852,
        gamma=-0.00049704,
        vega=-496.71920545,
        theta=335.56510126,
        implied_volatility=0.6,
        underlying_price=37_000.0,
    )
    assert (call.side, call.quantity, call.mark_price) == ("short", 10.0, 0.0521)
    assert (other.greeks, other.option, other.option_margin) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "index", "expected"),
    [
        ("BTC-29DEC23-40000-C", 36_950.0, 37_000.0),
        ("BTC-29DEC23-40000-C", 33_255.0, 33_300.0),
        ("BTC-29DEC23-40000-C", 3695.0, 37_000.0),  # another index
        ("BTC-29DEC23-40000-C", ..., 37_000.0),
    ],
)
async def test_an_underlying_price_that_is_older_than_the_position_follows_the_index(
    name: str, index: Any, expected: float
) -> None:
    """In a fall, the price of a moment ago would make the next fall seem further than it is."""
    answers = {
        POSITIONS: success([option(instrument_name=name, index_price=index)]),
        (BOOKS, "kind=option"): success([book(name, 60.0, 0.0521)]),
    }
    greeks = (await snapshot_of(answers, scenario="segregated")).positions[0].greeks
    assert greeks is not None
    assert greeks.underlying_price == pytest.approx(expected)


@pytest.mark.parametrize(("left", "expected"), [(1801.0, 33_300.0), (1799.0, 37_000.0), (-1.0, 37_000.0)])
def test_in_its_last_half_hour_an_option_is_delivered_at_an_average_which_follows_no_index(
    left: float, expected: float
) -> None:
    row = msgspec.convert(option(index_price=33_255.0), PositionRow)
    name, told = named("option", row.instrument_name), msgspec.convert(book("X", 60.0, 0.0521), Book)
    assert name is not None
    assert held_of(row, name, told, EXPIRY - left).underlying_price == pytest.approx(expected)


async def test_without_the_public_call_volatilities_are_unknown_and_the_rest_is_there() -> None:
    observer = QuietObserver()
    snapshot = await snapshot_of({(BOOKS, "kind=option"): None}, scenario="segregated", observer=observer)
    greeks = snapshot.positions[0].greeks
    assert greeks is not None
    assert (greeks.delta, greeks.implied_volatility, greeks.underlying_price) == (-3.94396852, None, None)
    assert observer.optional_failures


@pytest.mark.parametrize(
    ("leg", "expected"),
    [
        (option(), (0.075, 0.0)),
        (put(), (0.075, 0.075)),
        (option(maintenance_margin=1.521), (0.1, 0.0)),
        (option(direction="buy", size=10.0, maintenance_margin=0.0), (0.0, 0.0)),
        (option(direction="buy", size=10.0), None),  # a bought one should require nothing
        (option(maintenance_margin=0.0), None),
        (option(maintenance_margin=0.5), None),  # less than its mark
        (option(maintenance_margin=11.0), None),  # more than the coin that it is on
        (option(mark_price=...), None),
        (put(mark_price=2.0, maintenance_margin=21.5), (0.075, 0.075)),  # 0.075 of the mark, not of the coin
    ],
)
async def test_the_rule_of_standard_margin_is_that_of_the_venue_s_own_figure(
    leg: dict[str, Any], expected: tuple[float, float] | None
) -> None:
    found = (await snapshot_of({POSITIONS: success([leg])}, scenario="segregated")).positions[0].option_margin
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (found.underlying_rate, found.mark_rate) == pytest.approx(expected)


async def test_a_linear_option_requires_a_share_of_the_price_of_its_underlying() -> None:
    leg = option(
        instrument_name="SOL_USDC-29DEC23-64-C", mark_price=3.2, size=-100.0, maintenance_margin=800.0
    )
    books = success([book("SOL_USDC-29DEC23-64-C", 80.0, 3.2, underlying=64.0)])
    answers: dict[Any, Any] = {POSITIONS: success([leg]), (BOOKS, "kind=option"): books}
    (found,) = (await snapshot_of(answers, scenario="segregated")).positions
    assert found.option_margin is not None
    assert found.option_margin.underlying_rate == pytest.approx((8.0 - 3.2) / 64.0)
    (without,) = (
        await snapshot_of({**answers, (BOOKS, "kind=option"): FLAT}, scenario="segregated")
    ).positions
    assert without.option_margin is None


@pytest.mark.parametrize(
    ("model", "backing", "apart"),
    [
        ("segregated_sm", 6.973, True),
        ("segregated_sm", 6.03291, False),
        ("segregated_pm", 6.03291, False),
        ("segregated_pm", 6.973, True),
    ],
)
async def test_whether_options_are_part_of_what_backs_positions_is_what_the_figures_say(
    model: str, backing: float, apart: bool
) -> None:
    rows = summaries(strangle(model) | {"margin_balance": backing})
    pool = (await snapshot_of({SUMMARIES: rows, POSITIONS: success([option(), put()])})).pools[0]
    assert (pool.options_apart, pool.scenario_margin) == (apart, model.endswith("pm"))


@pytest.mark.parametrize(("model", "apart"), [("segregated_sm", True), ("segregated_pm", False)])
@pytest.mark.parametrize("worth", [-1e-12, 0.0, 1e-9, None])
async def test_options_that_are_worth_nothing_do_not_say_what_backs_positions(
    model: str, apart: bool, worth: float | None
) -> None:
    told = {"margin_balance": 6.0, "equity": 6.0, "options_value": worth}
    rows = summaries(strangle(model) | told)
    pool = (await snapshot_of({SUMMARIES: rows, POSITIONS: success([option(mark_price=0.0)])})).pools[0]
    assert pool.options_apart is apart


def worthless(**changed: Any) -> dict[str, Any]:
    return option(**{"mark_price": 0.0, "delta": -0.0002, "maintenance_margin": 0.75, **changed})


async def test_a_worthless_option_has_a_mark_of_nothing_and_hides_nothing_of_its_account() -> None:
    answers = {
        POSITIONS: success([worthless(instrument_name="BTC-17NOV23-52000-C"), put()]),
        (BOOKS, "kind=option"): success(
            [book("BTC-17NOV23-52000-C", 60.0, 0.0), book("BTC-29DEC23-33000-P", 65.0, 0.041909)]
        ),
    }
    snapshot = await snapshot_of(answers, scenario="segregated")
    assert snapshot.positions[0].mark_price == 0.0
    risk = assess(snapshot, RiskSettings(), NOW)
    assert risk.positions[0].option_value_usd == 0.0
    assert risk.pools[0].liquidation_shock_up is not None
    assert risk.pools[0].liquidation_shock_down is not None
    assert risk.pools[0].stress


@pytest.mark.parametrize(
    "leg",
    [
        worthless(delta=-3.9),  # what has a delta is worth something
        worthless(delta=...),
        worthless(mark_price=-0.1),
        worthless(mark_price=None),
        future(mark_price=0.0),
    ],
)
async def test_a_mark_of_nothing_that_stands_for_a_missing_one_is_unknown(leg: dict[str, Any]) -> None:
    (found,) = (await snapshot_of({POSITIONS: success([leg])}, scenario="segregated")).positions
    assert found.mark_price is None


async def test_in_portfolio_margin_no_position_requires_anything_by_itself() -> None:
    for one in (await snapshot_of({}, scenario="segregated portfolio")).positions:
        assert (one.maintenance_margin, one.initial_margin, one.option_margin) == (None, None, None)
