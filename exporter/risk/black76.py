"""What an option is worth, and how that changes: Black's formula on a forward price, without interest.

Source: F. Black, "The pricing of commodity contracts", Journal of Financial Economics 3 (1976), 167-179; the
greeks as in E. G. Haug, "The Complete Guide to Option Pricing Formulas", 2nd edition, chapters 1 and 2.
Crypto venues credit and charge no interest on premiums and mark options so: what stands here is the
undiscounted value, in the currency of the strike for one unit of base.

Prices are above 0, `years` is the time to expiry and `volatility` a year's, as a fraction; both are at least
0. Where either is 0 the option is worth what it pays at the forward price.
"""

from __future__ import annotations

import math

YEAR = 365.0 * 86_400.0
"""Seconds: venues count 365 days."""

_ROOT_2 = math.sqrt(2.0)
_ROOT_2_PI = math.sqrt(2.0 * math.pi)
_HIGHEST_DEVIATION = 50.0
"""Standard deviations up to expiry: at more, every call is worth its forward price to the last bit."""


def normal(x: float) -> float:
    """Share of the standard normal distribution below x, exact in its lower tail too."""
    return 0.5 * math.erfc(-x / _ROOT_2)


def value(forward: float, strike: float, deviation: float, *, call: bool) -> float:
    """Of an option, where `deviation` is ``volatility * sqrt(years)``.

    Call ``F N(d1) - K N(d2)``, put ``K N(-d2) - F N(-d1)``.
    """
    if deviation <= 0.0:
        return max(forward - strike if call else strike - forward, 0.0)
    d1 = math.log(forward / strike) / deviation + 0.5 * deviation
    # normal() written out: this is where the time goes.
    if call:
        return 0.5 * (forward * math.erfc(-d1 / _ROOT_2) - strike * math.erfc((deviation - d1) / _ROOT_2))
    return 0.5 * (strike * math.erfc((d1 - deviation) / _ROOT_2) - forward * math.erfc(d1 / _ROOT_2))


def likely(forward: float, strike: float, deviation: float, *, call: bool) -> tuple[float, float]:
    """Of a call ``N(d1), N(d2)``, of a put ``-N(-d1), -N(-d2)``.

    The value is ``forward * first - strike * second``, and these are its derivatives: by the forward price
    the first, by the strike minus the second.
    """
    sign = 1.0 if call else -1.0
    if deviation <= 0.0:
        inside = sign if sign * (forward - strike) > 0.0 else 0.0
        return inside, inside
    d1 = math.log(forward / strike) / deviation + 0.5 * deviation
    return sign * normal(sign * d1), sign * normal(sign * (d1 - deviation))


def _bell(forward: float, strike: float, deviation: float) -> float:
    """Density of the standard normal distribution at d1; the deviation is above 0."""
    d1 = math.log(forward / strike) / deviation + 0.5 * deviation
    return math.exp(-0.5 * d1 * d1) / _ROOT_2_PI


def delta(forward: float, strike: float, years: float, volatility: float, *, call: bool) -> float:
    """Change of the value for one unit in the forward price: ``N(d1)``, of a put ``N(d1) - 1``."""
    return likely(forward, strike, volatility * math.sqrt(years), call=call)[0]


def gamma(forward: float, strike: float, years: float, volatility: float) -> float:
    """Change of the delta for one unit in the forward price: ``n(d1) / (F * deviation)``."""
    deviation = volatility * math.sqrt(years)
    if deviation <= 0.0:
        return 0.0
    return _bell(forward, strike, deviation) / (forward * deviation)


def vega(forward: float, strike: float, years: float, volatility: float) -> float:
    """Change of the value for one percentage point of volatility: ``F n(d1) sqrt(T) / 100``."""
    deviation = volatility * math.sqrt(years)
    if deviation <= 0.0:
        return 0.0
    return forward * _bell(forward, strike, deviation) * math.sqrt(years) / 100.0


def theta(forward: float, strike: float, years: float, volatility: float) -> float:
    """Change of the value in one day that passes: ``-F n(d1) sigma / (2 sqrt(T)) / 365``."""
    deviation = volatility * math.sqrt(years)
    if deviation <= 0.0:
        return 0.0
    return -forward * _bell(forward, strike, deviation) * volatility / (2.0 * math.sqrt(years)) / 365.0


def implied_deviation(price: float, forward: float, strike: float, *, call: bool) -> float | None:
    """The ``volatility * sqrt(years)`` at which an option has a price; None where none has.

    None too of a price without any time value, which all small ones have. Bisection: the value grows with
    the deviation, from what the option pays at the forward price to the forward price (call) or the strike.
    """
    inside = max(forward - strike if call else strike - forward, 0.0)
    if not inside < price < (forward if call else strike):
        return None
    low, high = 0.0, _HIGHEST_DEVIATION
    for _ in range(100):
        middle = 0.5 * (low + high)
        if middle in {low, high}:
            break
        if value(forward, strike, middle, call=call) < price:
            low = middle
        else:
            high = middle
    return high
