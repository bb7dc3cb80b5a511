"""Black's formula: published values, parity, and what its derivatives are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.risk import black76

# "volkit", "Call/Put prices across strikes (futures, Black-76)": forward 100, half a year, 2 % interest, 20 %
# volatility (https://volkit.readthedocs.io/en/latest/examples/strikes_table.html). Strike, call, put.
TABLE = (
    (70.0, 29.723370, 0.021875),
    (75.0, 24.844950, 0.093704),
    (80.0, 20.107035, 0.306039),
    (85.0, 15.652410, 0.801663),
    (90.0, 11.655313, 1.754815),
    (95.0, 8.270065, 3.319816),
    (100.0, 5.581107, 5.581107),
    (105.0, 3.581974, 8.532224),
    (110.0, 2.189244, 12.089743),
    (115.0, 1.277152, 16.127900),
    (120.0, 0.713244, 20.514241),
    (125.0, 0.382548, 25.133794),
    (130.0, 0.197713, 29.899208),
)
# py_vollib, the documentation of `black.greeks.analytical`: with 5 % interest.
FORWARD, STRIKE, YEARS, VOLATILITY, INTEREST = 49.0, 50.0, 0.3846, 0.2, 0.05
DISCOUNT = math.exp(-INTEREST * YEARS)
GREEKS = (FORWARD, STRIKE, YEARS, VOLATILITY)

prices = st.floats(1e-3, 1e6)
deviations = st.floats(0.0, 5.0)


@pytest.mark.parametrize(("strike", "call", "put"), TABLE)
def test_values_are_those_of_a_published_table(strike: float, call: float, put: float) -> None:
    deviation, growth = 0.2 * math.sqrt(0.5), math.exp(0.02 * 0.5)
    assert black76.value(100.0, strike, deviation, call=True) / growth == pytest.approx(call, abs=1e-6)
    assert black76.value(100.0, strike, deviation, call=False) / growth == pytest.approx(put, abs=1e-6)


def test_the_undiscounted_value_is_the_published_one() -> None:
    assert black76.value(100.0, 100.0, 0.2 * math.sqrt(0.5), call=True) == pytest.approx(
        5.637197779701664, abs=1e-12
    )


def test_greeks_are_the_published_ones() -> None:
    call = black76.value(FORWARD, STRIKE, VOLATILITY * math.sqrt(YEARS), call=True)
    assert DISCOUNT * black76.delta(*GREEKS, call=True) == pytest.approx(0.45107017482201828, abs=1e-6)
    assert DISCOUNT * black76.gamma(*GREEKS) == pytest.approx(0.0640646705882, abs=1e-6)
    assert DISCOUNT * black76.vega(*GREEKS) == pytest.approx(0.118317785624, abs=1e-6)
    # Their theta has the interest on the premium in it.
    interest = INTEREST * DISCOUNT * call / 365.0
    assert DISCOUNT * black76.theta(*GREEKS) + interest == pytest.approx(-0.00816236877462, abs=1e-6)


@given(prices, prices, deviations)
def test_a_call_less_a_put_is_the_forward_less_the_strike(f: float, k: float, deviation: float) -> None:
    call, put = (black76.value(f, k, deviation, call=side) for side in (True, False))
    assert call - put == pytest.approx(f - k, abs=1e-12 * (f + k))
    assert 0.0 <= call <= f
    assert 0.0 <= put <= k


@given(st.floats(70.0, 140.0), st.floats(0.1, 2.0), st.floats(0.2, 2.0), st.booleans())
def test_greeks_are_the_slopes_of_the_value(k: float, years: float, volatility: float, call: bool) -> None:
    def value(f: float = 100.0, t: float = years, v: float = volatility) -> float:
        return black76.value(f, k, v * math.sqrt(t), call=call)

    at, h = (100.0, k, years, volatility), 1e-4
    assert black76.delta(*at, call=call) == pytest.approx((value(100 + h) - value(100 - h)) / 2 / h, abs=1e-6)
    slope = (black76.delta(100 + h, *at[1:], call=call) - black76.delta(100 - h, *at[1:], call=call)) / 2 / h
    assert black76.gamma(*at) == pytest.approx(slope, rel=1e-4, abs=1e-8)
    vega = (value(v=volatility + h) - value(v=volatility - h)) / 2 / h / 100.0
    assert black76.vega(*at) == pytest.approx(vega, rel=1e-4, abs=1e-6)
    theta = (value(t=years - 1e-6) - value(t=years + 1e-6)) / 2e-6 / 365.0
    assert black76.theta(*at) == pytest.approx(theta, rel=1e-4, abs=1e-6)


@given(st.floats(60.0, 160.0), st.floats(0.02, 3.0), st.booleans())
def test_the_deviation_is_found_again_from_the_value(strike: float, deviation: float, call: bool) -> None:
    price = black76.value(100.0, strike, deviation, call=call)
    found = black76.implied_deviation(price, 100.0, strike, call=call)
    if found is None:
        # No time value is left in the digits.
        assert price == pytest.approx(max(100.0 - strike if call else strike - 100.0, 0.0), abs=1e-12)
    else:
        assert black76.value(100.0, strike, found, call=call) == pytest.approx(price, abs=1e-11)


@pytest.mark.parametrize("price", [-1.0, 0.0, 20.0, 100.0, math.inf, math.nan])
def test_a_price_that_no_volatility_gives_has_none(price: float) -> None:
    assert black76.implied_deviation(price, 100.0, 80.0, call=True) is None


@pytest.mark.parametrize(("call", "worth", "delta"), [(True, 20.0, 1.0), (False, 0.0, 0.0)])
def test_at_expiry_an_option_is_worth_what_it_pays(call: bool, worth: float, delta: float) -> None:
    at = (100.0, 80.0, 0.0, 0.6)
    assert black76.value(100.0, 80.0, 0.0, call=call) == worth
    assert black76.delta(*at, call=call) == delta
    assert black76.gamma(*at) == black76.vega(*at) == black76.theta(*at) == 0.0
