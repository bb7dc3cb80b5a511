"""Accounts for tests of the risk page, made as the collector makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exporter.board.figures import Figures, figures_of
from exporter.board.standing import Standing
from exporter.errors import Reason
from exporter.model import MarginPool, PoolRisk, PositionRisk
from tests.accounts import position, risk_of

NOW, AT = 1000.0, 1_700_000_000.0
"""Elapsed and Unix seconds of one moment."""
MAX_AGE = 45.0


def pool(currency: str = "USDT", **fields: Any) -> PoolRisk:
    """A pool of which is known what is said."""
    return PoolRisk(pool=MarginPool(currency=currency), **fields)


def leg(symbol: str = "BTCUSDT", distance: float | None = None, **fields: Any) -> PositionRisk:
    """A long cross position with this distance."""
    mine = {name: fields.pop(name) for name in ("side", "margin_mode", "position_id") if name in fields}
    source = "unknown" if distance is None else "venue"
    return PositionRisk(
        position=position(symbol, **mine),
        **{"liquidation_distance_ratio": distance, "liquidation_source": source, **fields},
    )


def figures(*positions: PositionRisk, pools: tuple[PoolRisk, ...] = (), **fields: Any) -> Figures:
    """What is shown of these."""
    return figures_of(risk_of(*positions, pools=pools, **fields))


def standing(
    account: str = "desk-a",
    found: Figures | None = None,
    *,
    exchange: str = "binance_usdm",
    age: float = 4.0,
    failed: tuple[Reason, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Standing:
    """An account with figures of so many seconds ago, whose last collection failed or did not."""
    one = Standing(exchange, account)
    one.interval, one.max_age = 15.0, MAX_AGE
    one.configured(labels or {}, one.trail)
    if found is not None:
        one.found(found, began=NOW - age, began_at=AT - age, now=NOW - age, max_age=MAX_AGE)
        one.succeeded(())
    if failed is not None:
        one.failed(*failed, AT - 2.0)
    return one


def near(distance: float, symbol: str = "BTCUSDT", *, equity: float = 1000.0, rate: float = 0.1) -> Figures:
    """An account with one position as far from its liquidation."""
    return figures(leg(symbol, distance), pools=(pool(equity_usd=equity, maintenance_margin_rate=rate),))
