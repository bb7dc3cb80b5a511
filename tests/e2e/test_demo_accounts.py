"""What the demo shows of every simulated venue: nothing a desk looks for is missing without a reason."""

from __future__ import annotations

import math

import pytest

from exporter.demo import discover
from exporter.demo.running import running
from exporter.model import RiskSettings
from exporter.risk import assess
from tests.e2e.test_liquidation_price import snapshots

SIMULATORS = discover()

# What a venue does not tell and nobody can compute, each with the reason.
WITHOUT_RATE = {"bingx_v1": "it states no maintenance margin and no tiers"}
WITHOUT_MARK = {"zkx-cross": "the venue tells no mark prices, and the PnL is of several positions"}

BY_SCENARIOS = {"deribit-portfolio", "deribit-cross-portfolio", "gate-portfolio"}
"""Accounts of whose futures no price can be computed: what others would require only their venue can tell."""
WITHOUT_POSITIONS = {"okx-spot": "there are no derivatives at this level of account"}


def test_every_documented_venue_is_simulated() -> None:
    named = {
        "binance_usdm",
        "binance_coinm",
        "binance_pm",
        "bingx",
        "bingx_v1",
        "bitget",
        "bittap",
        "bybit",
        "deribit",
        "gate",
        "hyperliquid",
        "okx",
        "zkx",
    }
    assert set(SIMULATORS) == named


@pytest.mark.parametrize("name", sorted(SIMULATORS))
async def test_every_account_has_equity_rate_pnl_and_a_distance_for_every_position_with_a_price(
    name: str,
) -> None:
    found = await snapshots(name)
    distances = 0
    for account, snapshot in found.items():
        risk = assess(snapshot, RiskSettings())
        assert bool(risk.positions) == (account not in WITHOUT_POSITIONS), account
        for pool in risk.pools:
            assert pool.equity is not None
            assert pool.equity_usd is not None
            assert pool.pool.unrealized_pnl is not None
            assert (pool.maintenance_margin_rate is None) == (name in WITHOUT_RATE), account
        for row in risk.positions:
            if account in BY_SCENARIOS and row.position.option is None:
                assert row.liquidation_source == "unknown"
                continue
            assert row.liquidation_source in {"venue", "computed", "none"}, (account, row.position.symbol)
            if account in WITHOUT_MARK:
                assert row.liquidation_price is not None
                assert row.liquidation_distance_ratio is None
                continue
            assert row.mark_price is not None
            assert row.unrealized_pnl is not None
            assert (row.liquidation_distance_ratio is None) == (row.liquidation_price is None)
            if row.liquidation_distance_ratio is not None:
                assert 0.0 < row.liquidation_distance_ratio < math.inf, (account, row.position.symbol)
                distances += 1
    assert distances > 0


async def test_the_demo_compares_the_venues_liquidation_prices_with_its_own() -> None:
    async with running(seed=1, interval=5.0) as config:
        assert config.risk == RiskSettings(cross_check=True)


@pytest.mark.parametrize("name", sorted(SIMULATORS))
async def test_both_legs_of_every_cross_hedge_have_one_distance(name: str) -> None:
    for account, snapshot in (await snapshots(name)).items():
        by_symbol: dict[str, dict[str, float | None]] = {}
        for row in assess(snapshot, RiskSettings()).positions:
            if row.position.margin_mode == "cross":
                legs = by_symbol.setdefault(row.position.symbol, {})
                legs[row.position.side] = row.liquidation_distance_ratio
        for symbol, legs in by_symbol.items():
            assert len(set(legs.values())) == 1, (account, symbol, legs)
