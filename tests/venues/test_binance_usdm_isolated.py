"""Binance: which positions of a sub-account are isolated, as liquidation prices tell."""

from __future__ import annotations

import math

import pytest

from exporter.model import MaintenanceTier
from exporter.venues._binance_usdm_isolated import Standing, isolated

RATE, NOTIONAL = 0.004, 100_000.0
REQUIRED = RATE * NOTIONAL
TIERS = (MaintenanceTier(0.0, math.inf, RATE, 0.0),)


def long(symbol: str, mark: float, excess: float) -> Standing:
    """A position behind which so much stands besides what is required, with the price that says so."""
    quantity = NOTIONAL / mark
    price = mark - excess / (quantity * (1.0 - RATE))
    return Standing(symbol, quantity, mark, 0.0, price, TIERS)


@pytest.mark.parametrize(
    ("own", "shared"), [(600.0, 300.0), (300.0, 600.0), (900.0, 100.0), (20.0, 5000.0), (5000.0, 20.0)]
)
def test_what_stands_behind_large_positions_is_told_apart_however_little_it_is(
    own: float, shared: float
) -> None:
    """An isolated one and two cross ones: 0.02 % of 100,000 is less than marks of two moments differ by."""
    positions = [long("A", 25.0, own), long("B", 4000.0, shared), long("C", 0.5, shared)]
    wallet = own + REQUIRED + shared + 2 * REQUIRED
    found = isolated(wallet, positions)
    assert found is not None
    ((one, equity),) = found
    assert one.symbol == "A"
    assert equity == pytest.approx(own + REQUIRED)


def test_prices_of_another_moment_than_the_wallet_still_tell() -> None:
    positions = [long("A", 25.0, 9000.0), long("B", 4000.0, 4100.0), long("C", 0.5, 4050.0)]
    found = isolated(9000.0 + 4000.0 + 3 * REQUIRED, positions) or ()
    assert [one.symbol for one, _ in found] == ["A"]
