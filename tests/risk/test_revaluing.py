"""A snapshot at newer marks; that it is what the venue would print, the stand-ins show."""

from __future__ import annotations

import pytest

from exporter.model import (
    AccountSnapshot,
    Asset,
    Contract,
    MarginPool,
    Marks,
    Position,
    PublicPrice,
    RiskSettings,
)
from exporter.risk import Revaluation

PRICE, ENTRY = 40_000.0, 42_000.0


def test_profit_that_turns_a_debt_into_a_holding_is_still_told_at_the_market() -> None:
    """A debt counts at the market, too: the figure of before does not say which of the two is meant."""
    position = Position(
        symbol="BTCUSD_PERP",
        side="long",
        margin_mode="cross",
        quantity=100.0,
        contract=Contract("inverse", 100.0, "BTC", "USD", "BTC"),
        entry_price=ENTRY,
        mark_price=PRICE,
        unrealized_pnl=1e4 / ENTRY - 1e4 / PRICE,
        pool_currency="USD",
    )
    owed = Asset(
        asset="BTC",
        wallet_balance=0.0,
        equity=position.unrealized_pnl,
        collateral_price_usd=0.95 * PRICE,
        debt_price_usd=PRICE,
    )
    pool = MarginPool(currency="USD", equity=5e4, unrealized_pnl=(position.unrealized_pnl or 0.0) * PRICE)
    snapshot = AccountSnapshot(
        pools=(pool,), positions=(position,), assets=(owed,), prices={"BTC": PRICE, "USD": 1.0}
    )
    new = PublicPrice(44_000.0, 1.0)
    found = Revaluation(snapshot, RiskSettings())
    valued = found.at(found.usable(Marks({"BTCUSD_PERP": new}, {"BTC": new}), newer_than=0.0))
    assert valued.pools[0].unrealized_pnl == pytest.approx((1e4 / ENTRY - 1e4 / 44_000.0) * 44_000.0)
