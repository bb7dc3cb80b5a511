"""What holds for the oddest numbers that a venue could send."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model import (
    AccountSnapshot,
    Asset,
    Contract,
    MaintenanceTier,
    MarginPool,
    Position,
    RiskSettings,
)
from exporter.risk import assess
from tests.risk.accounts import SETTINGS, linear

wild = st.one_of(
    st.none(), st.floats(), st.sampled_from([0.0, -0.0, 1e-308, 5e-324, 1e308, -1e308, 1.0, 100.0])
)
sized = st.one_of(st.floats(), st.sampled_from([0.0, 1e-308, 1e308, 1.0]))
wild_tiers = st.lists(
    st.builds(MaintenanceTier, floor=sized, cap=sized, rate=sized, deduction=sized), max_size=3
).map(tuple)
wild_positions = st.builds(
    Position,
    symbol=st.sampled_from(["A", "B"]),
    side=st.sampled_from(["long", "short"]),
    margin_mode=st.sampled_from(["cross", "isolated"]),
    quantity=sized,
    contract=st.builds(
        Contract,
        kind=st.sampled_from(["linear", "inverse"]),
        size=sized,
        base=st.sampled_from(["A", "USDC"]),
        quote=st.sampled_from(["USD", "A"]),
        settle=st.sampled_from(["USDT", "A"]),
    ),
    entry_price=wild,
    mark_price=wild,
    liquidation_price=wild,
    unrealized_pnl=wild,
    maintenance_margin=wild,
    margin=wild,
    closing_fee_rate=sized,
    auto_add_margin=st.booleans(),
    maintenance_tiers=wild_tiers,
    pool_currency=st.sampled_from([None, "USD"]),
)
wild_pools = st.builds(
    MarginPool,
    currency=st.sampled_from(["USDT", "USD", "A"]),
    equity=wild,
    adjusted_equity=wild,
    margin_equity=wild,
    maintenance_margin=wild,
    unrealized_pnl=wild,
)
wild_assets = st.builds(
    Asset,
    asset=st.sampled_from(["A", "USDT"]),
    equity=wild,
    wallet_balance=wild,
    collateral_price_usd=wild,
    debt_price_usd=wild,
    margin_price_usd=wild,
)


NOT_NEGATIVE = (
    "closing_fee",
    "closing_fees",
    "cross_liquidation_shock_down",
    "cross_liquidation_shock_up",
    "gross_notional_usd",
    "leverage_ratio",
    "liquidation_price",
    "liquidation_shock_down",
    "liquidation_shock_up",
    "maintenance_margin",
    "maintenance_margin_rate",
    "margin_to_target",
    "mark_price",
    "notional_usd",
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(wild_pools, min_size=1, max_size=2),
    st.lists(wild_positions, max_size=4),
    st.lists(wild_assets, max_size=2),
    sized,
)
def test_no_nan_and_no_infinity_but_a_rates_comes_out(
    pools: list[MarginPool], positions: list[Position], assets: list[Asset], price: float
) -> None:
    snapshot = AccountSnapshot(
        pools=tuple(pools), positions=tuple(positions), assets=tuple(assets), prices={"A": price}
    )
    risk = assess(snapshot, RiskSettings(cross_check=True))
    for item in (*risk.pools, *risk.positions):
        for name in item.__struct_fields__:
            value = getattr(item, name)
            if not isinstance(value, float):
                continue
            assert not math.isnan(value), name
            assert math.isfinite(value) or name == "maintenance_margin_rate", name
            if name in NOT_NEGATIVE:
                assert value >= 0.0, name
            if name == "reduction_to_target":
                assert 0.0 <= value <= 1.0
    for pool in risk.pools:
        assert all(rate >= 0.0 for _, rate in (*pool.stress, *pool.isolated_stress))


def test_a_symbol_without_contract_size_has_no_notional_and_no_price() -> None:
    row = Position(
        symbol="X",
        side="long",
        margin_mode="cross",
        quantity=1.0,
        contract=linear("X", size=0.0),
        entry_price=1.0,
        mark_price=1.0,
        maintenance_margin=1.0,
    )
    snapshot = AccountSnapshot(pools=(MarginPool(currency="USDT", margin_equity=5.0),), positions=(row,))
    risk = assess(snapshot, SETTINGS)
    assert (risk.positions[0].notional_usd, risk.positions[0].liquidation_source) == (None, "unknown")
    assert risk.pools[0].maintenance_margin_rate == pytest.approx(0.2)
    assert risk.pools[0].liquidation_shock_down is None
