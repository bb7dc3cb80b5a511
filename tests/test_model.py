"""What a venue's words mean in the vocabulary of all."""

from __future__ import annotations

import pytest

from exporter.model import liquidation_price


@pytest.mark.parametrize("value", [None, 0.0, -1.0, 99999999.0, 999999999.0])
@pytest.mark.parametrize("reference", [None, 100.0])
def test_prices_that_mean_no_liquidation(value: float | None, reference: float | None) -> None:
    assert liquidation_price(value, reference) is None


def test_a_far_liquidation_price_is_kept_and_an_absurd_one_is_not() -> None:
    assert liquidation_price(21204.717038, 3993.99) == 21204.717038
    assert liquidation_price(5_000_000.0, 100.0) is None
