"""Binance: which positions of a sub-account are isolated, as liquidation prices tell."""

from __future__ import annotations

import math

import pytest

from exporter.model import MaintenanceTier
from exporter.venues._binance_usdm_isolated import Standing, isolated

RATE, NOTIONAL = 0.004, 100_000.0
REQUIRED = RATE * NOTIONAL
TIERS = (MaintenanceTier(0.0, math.inf, RATE, 0.0),)


def standing(symbol: str, mark: float, excess: float, sign: int = 1) -> Standing:
    """A position behind which so much stands besides what is required, with the price that says so."""
    quantity = NOTIONAL / mark
    price = mark - sign * excess / (quantity * (1.0 - sign * RATE))
    return Standing(symbol, sign * quantity, mark, 0.0, price, TIERS)


@pytest.mark.parametrize(
    ("own", "shared"), [(600.0, 300.0), (300.0, 600.0), (900.0, 100.0), (20.0, 5000.0), (5000.0, 20.0)]
)
def test_what_stands_behind_large_positions_is_told_apart_however_little_it_is(
    own: float, shared: float
) -> None:
    """An isolated one and two cross ones: 0.02 % of 100,000 is less than marks of two moments differ by."""
    positions = [standing("A", 25.0, own), standing("B", 4000.0, shared), standing("C", 0.5, shared)]
    wallet = own + REQUIRED + shared + 2 * REQUIRED
    found = isolated(wallet, positions)
    assert found is not None
    ((one, equity),) = found
    assert one.symbol == "A"
    assert equity == pytest.approx(own + REQUIRED)


def test_prices_of_another_moment_than_the_wallet_still_tell() -> None:
    positions = [standing("A", 25.0, 9000.0), standing("B", 4000.0, 4100.0), standing("C", 0.5, 4050.0)]
    found = isolated(9000.0 + 4000.0 + 3 * REQUIRED, positions) or ()
    assert [one.symbol for one, _ in found] == ["A"]


@pytest.mark.parametrize(("off", "modes"), [(1100.0, []), (1300.0, ["A"])])
def test_a_lonely_position_is_cross_within_what_a_price_of_another_moment_explains(
    off: float, modes: list[str]
) -> None:
    """1 % of its notional, and 0.2 % of all that is in the coin."""
    found = isolated(4000.0 + off + REQUIRED, [standing("A", 25.0, 4000.0)]) or ()
    assert [one.symbol for one, _ in found] == modes


def test_legs_with_prices_of_their_own_are_told_apart() -> None:
    """Either may be the isolated one: alike for both, and the one with more behind it is taken as cross."""
    legs = [standing("A", 25.0, 6000.0), standing("A", 25.0, 9000.0, sign=-1)]
    found = isolated(15_000.0 + 2 * REQUIRED, legs)
    assert found is not None
    ((leg, equity),) = found
    assert leg.quantity == 4000.0
    assert equity == pytest.approx(6000.0 + REQUIRED)


def test_legs_with_one_price_are_never_isolated_together() -> None:
    """It tells that 300 stand behind both, and not how much behind each."""
    price = 25.0 - 300.0 / (3000.0 - 5000.0 * RATE)
    legs = [Standing("A", size, 25.0, 0.0, price, TIERS) for size in (4000.0, -1000.0)]
    cross = [standing("B", 4000.0, 9000.0), standing("C", 0.5, 9000.0)]
    required = RATE * 5000.0 * 25.0 + 2 * REQUIRED
    assert isolated(300.0 + 9000.0 + required, [*legs, *cross]) is None
