"""Deribit: options, their names, and what they require."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.model import Contract, Greeks, OptionTerms
from exporter.venues._deribit import BOOKS, POSITIONS, SUMMARIES, named
from tests.venues.harness import QuietObserver
from tests.venues.payloads.deribit.bench import (
    FLAT,
    book,
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
        (option(direction="buy", size=10.0, maintenance_margin=0.0), (0.075, 0.075)),
        (option(direction="buy", size=10.0), None),  # a bought one should require nothing
        (option(maintenance_margin=0.0), None),
        (option(maintenance_margin=0.5), None),  # less than its mark
        (option(mark_price=...), None),
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


async def test_in_portfolio_margin_no_position_requires_anything_by_itself() -> None:
    for one in (await snapshot_of({}, scenario="segregated portfolio")).positions:
        assert (one.maintenance_margin, one.initial_margin, one.option_margin) == (None, None, None)
