"""The definition of liquidation, evaluated directly: slow, obvious, and sharing no code with the engine.

A pool's rate after moves is its maintenance margin over its margin equity, both recomputed from the
snapshot's rows at the moved marks. The first liquidating move is found by walking outward in small steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from exporter.model import AccountSnapshot, MarginPool, Position, RiskSettings


def _price(snapshot: AccountSnapshot, settings: RiskSettings, coin: str) -> float:
    return settings.usd_pegs[coin] if coin in settings.usd_pegs else snapshot.prices[coin]


def _amount(row: Position) -> float:
    """Base units of a linear contract, quote value of an inverse one; sizes are known here."""
    assert row.contract.size is not None
    return row.quantity * row.contract.size


def _notional(row: Position, mark: float) -> float:
    amount = _amount(row)
    return amount * mark if row.contract.kind == "linear" else amount / mark


def _profit(row: Position, start: float, end: float) -> float:
    amount = _amount(row)
    gain = amount * (end - start) if row.contract.kind == "linear" else amount * (1 / start - 1 / end)
    return gain if row.side == "long" else -gain


def tier_margin(row: Position, notional: float) -> float:
    for tier in row.maintenance_tiers:
        if tier.floor <= notional < tier.cap:
            return notional * tier.rate - tier.deduction
    raise AssertionError("no tier for this notional")


def leg_margin(rows: list[Position], factor: float) -> float:
    """Maintenance margin of positions of one symbol and side: their sum decides the tier."""
    marks = [row.mark_price for row in rows]
    before = after = venue = 0.0
    for row, mark in zip(rows, marks, strict=True):
        assert mark is not None
        before += _notional(row, mark)
        after += _notional(row, mark * factor)
        venue += row.maintenance_margin or 0.0
    if rows[0].maintenance_tiers:
        return tier_margin(rows[0], after)
    return venue * after / before


def rate_after(
    snapshot: AccountSnapshot,
    pool: MarginPool,
    settings: RiskSettings,
    moves: Mapping[str, float],
    coins: float = 1.0,
) -> float:
    """Rate of a pool with symbols' marks times ``moves[symbol]`` and unpegged coins times ``coins``."""
    cross = [
        row
        for row in snapshot.positions
        if row.margin_mode == "cross" and (row.pool_currency or row.contract.settle) == pool.currency
    ]
    unit = _price(snapshot, settings, pool.currency)

    def convert(coin: str, moved: bool) -> float:
        if coin == pool.currency:
            return 1.0
        factor = 1.0
        if moved and coin not in settings.usd_pegs:
            factor *= coins
        if moved and pool.currency not in settings.usd_pegs:
            factor /= coins
        return _price(snapshot, settings, coin) / unit * factor

    assert pool.margin_equity is not None
    equity = pool.margin_equity
    for asset in snapshot.assets:
        if asset.equity is not None:
            equity += asset.equity * (convert(asset.asset, True) - convert(asset.asset, False))
    margin_now = margin_then = 0.0
    legs: dict[tuple[str, str], list[Position]] = {}
    for row in cross:
        assert row.mark_price is not None
        factor = moves.get(row.symbol, 1.0)
        equity += _profit(row, row.mark_price, row.mark_price * factor) * convert(row.contract.settle, True)
        legs.setdefault((row.symbol, row.side), []).append(row)
    for (symbol, _), rows in legs.items():
        settle = rows[0].contract.settle
        margin_now += leg_margin(rows, 1.0) * convert(settle, False)
        margin_then += leg_margin(rows, moves.get(symbol, 1.0)) * convert(settle, True)
    margin = margin_then
    if pool.maintenance_margin is not None:
        margin += pool.maintenance_margin - margin_now
    if equity <= 0.0:
        return math.inf
    return margin / equity


def first_move(
    rate: Callable[[float], float], *, rising: bool, limit: float, step: float = 1e-3
) -> float | None:
    """First factor at which ``rate(factor)`` reaches 1, walking outward from 1 in relative steps."""
    before = 1.0
    while True:
        after = before * (1.0 + step) if rising else before / (1.0 + step)
        if after > limit if rising else after < limit:
            return None
        if rate(after) >= 1.0:
            break
        before = after
    for _ in range(200):
        middle = 0.5 * (before + after)
        if rate(middle) >= 1.0:
            after = middle
        else:
            before = middle
    return after
