"""Builders of snapshots, with nothing known that is not given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    Contract,
    MaintenanceTier,
    MarginMode,
    MarginPool,
    PoolRisk,
    Position,
    RiskSettings,
    Side,
)
from exporter.risk import assess

SETTINGS = RiskSettings()
CHECKED = RiskSettings(cross_check=True)


def linear(coin: str, settle: str = "USDT", size: float = 1.0) -> Contract:
    return Contract(kind="linear", size=size, base=coin, quote=settle, settle=settle)


def inverse(coin: str, size: float = 100.0) -> Contract:
    return Contract(kind="inverse", size=size, base=coin, quote="USD", settle=coin)


def tiers(*steps: tuple[float, float], jump: bool = False) -> tuple[MaintenanceTier, ...]:
    """Tiers from (floor, rate); deductions make the margin continuous unless it shall jump."""
    deduction = 0.0
    rows = []
    for index, (floor, rate) in enumerate(steps):
        if index and not jump:
            deduction += floor * (rate - steps[index - 1][1])
        cap = steps[index + 1][0] if index + 1 < len(steps) else math.inf
        rows.append(MaintenanceTier(floor=floor, cap=cap, rate=rate, deduction=deduction))
    return tuple(rows)


def flat_rate(rate: float, deduction: float = 0.0) -> tuple[MaintenanceTier, ...]:
    return (MaintenanceTier(floor=0.0, cap=math.inf, rate=rate, deduction=deduction),)


def position(
    contract: Contract,
    side: Side = "long",
    quantity: float = 1.0,
    entry_price: float | None = 100.0,
    *,
    symbol: str | None = None,
    margin_mode: MarginMode = "cross",
    **known: Any,
) -> Position:
    return Position(
        symbol=symbol if symbol is not None else f"{contract.base}{contract.quote}",
        side=side,
        margin_mode=margin_mode,
        quantity=quantity,
        contract=contract,
        entry_price=entry_price,
        **known,
    )


def account(
    pool: MarginPool | Sequence[MarginPool],
    *positions: Position,
    settings: RiskSettings = SETTINGS,
    **known: Any,
) -> AccountRisk:
    """The assessment of an account with these pools and positions."""
    pools = (pool,) if isinstance(pool, MarginPool) else tuple(pool)
    return assess(AccountSnapshot(pools=pools, positions=positions, **known), settings)


def pool_of(risk: AccountRisk) -> PoolRisk:
    (only,) = risk.pools
    return only
