"""Assessed accounts with numbers of their own: what they look like decides how well a page packs."""

from __future__ import annotations

import random

from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    Contract,
    MarginPool,
    PoolRisk,
    Position,
    PositionRisk,
)


def account(draw: random.Random, positions: int) -> AccountRisk:
    """An account with cross positions of which a venue tells what it usually tells."""
    rows = tuple(_position(draw, place) for place in range(positions))
    equity = draw.uniform(1e3, 1e7)
    pool = MarginPool(
        currency="USDT",
        equity=equity,
        margin_equity=equity,
        maintenance_margin=draw.uniform(0.0, equity),
        wallet_balance=draw.uniform(0.0, equity),
        available_balance=draw.uniform(0.0, equity),
        unrealized_pnl=draw.uniform(-equity, equity),
        initial_margin=draw.uniform(0.0, equity),
    )
    risk = PoolRisk(
        pool=pool,
        equity=equity,
        adjusted_equity=equity,
        equity_usd=equity,
        margin_equity=equity,
        maintenance_margin=pool.maintenance_margin,
        maintenance_margin_rate=draw.random(),
        gross_notional_usd=draw.uniform(0.0, 10.0 * equity),
        net_notional_usd=draw.uniform(-equity, equity),
        leverage_ratio=draw.uniform(0.0, 10.0),
        liquidation_shock_up=draw.random(),
        liquidation_shock_down=draw.random(),
    )
    snapshot = AccountSnapshot(pools=(pool,), positions=tuple(row.position for row in rows))
    return AccountRisk(snapshot=snapshot, pools=(risk,), positions=rows)


def _position(draw: random.Random, place: int) -> PositionRisk:
    price = draw.uniform(0.001, 100_000.0)
    coin = f"COIN{place}"
    position = Position(
        symbol=f"{coin}USDT",
        side=draw.choice(("long", "short")),
        margin_mode="cross",
        quantity=draw.uniform(0.001, 1000.0),
        contract=Contract(kind="linear", size=1.0, base=coin, quote="USDT", settle="USDT"),
        entry_price=price * draw.uniform(0.9, 1.1),
        leverage=float(draw.randrange(1, 100)),
        initial_margin=draw.uniform(0.0, 1e4),
        funding_rate=draw.uniform(-1e-3, 1e-3),
        next_funding_at=1.8e9,
        adl_ratio=draw.randrange(5) / 4,
    )
    return PositionRisk(
        position=position,
        mark_price=price,
        notional_usd=draw.uniform(0.0, 1e6),
        unrealized_pnl=draw.uniform(-1e4, 1e4),
        maintenance_margin=draw.uniform(0.0, 1e3),
        liquidation_price=price * draw.uniform(0.5, 1.5),
        liquidation_source="venue",
        liquidation_distance_ratio=draw.random(),
    )
