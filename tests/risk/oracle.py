"""The definition of liquidation, evaluated directly: slow, obvious, and sharing no code with the engine.

A rate after a move is what is required over what backs it, both recomputed from the snapshot's rows at the
moved prices: coin by coin, mark by mark, tier by tier. The first liquidating move is found by walking outward
in small steps, the smallest cut by halving.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from exporter.model import AccountSnapshot, Asset, MarginPool, Position, RiskSettings

# Written out once more, by hand.
DOLLARS = {"USD", "USDT", "USDC", "BFUSD", "LDUSDT", "RWUSD", "BNFCR", "FDUSD", "USD1", "USDE", "VST"}
STANDING = DOLLARS | {"EUR"}


@dataclass(frozen=True)
class Move:
    """What the market does: single marks alone, or the USD price of every coin that does not stand still."""

    marks: Mapping[str, float] = field(default_factory=dict)
    coins: float = 1.0
    settings: RiskSettings = field(default_factory=RiskSettings)

    def of_coin(self, coin: str) -> float:
        """Factor on the coin's USD price."""
        return 1.0 if coin in STANDING or coin in self.settings.usd_pegs else self.coins

    def of_mark(self, row: Position) -> float:
        """Factor on the mark: alone, or as the price of the base in the quote."""
        together = self.of_coin(row.contract.base) / self.of_coin(row.contract.quote)
        return self.marks.get(row.symbol, 1.0) * together


STILL = Move()


def _usd(snapshot: AccountSnapshot, settings: RiskSettings, coin: str) -> float:
    if coin == "USD":
        return 1.0
    if coin in snapshot.prices:
        return snapshot.prices[coin]
    if coin in settings.usd_pegs:
        return settings.usd_pegs[coin]
    assert coin in DOLLARS
    return 1.0


def _amount(row: Position) -> float:
    """Base units of a linear contract, quote value of an inverse one; sizes are known here."""
    assert row.contract.size is not None
    return row.quantity * row.contract.size


def _mark(row: Position) -> float:
    assert row.mark_price is not None
    return row.mark_price


def _notional(row: Position, move: Move = STILL) -> float:
    mark = _mark(row) * move.of_mark(row)
    return _amount(row) * mark if row.contract.kind == "linear" else _amount(row) / mark


def _profit(row: Position, start: float, end: float) -> float:
    amount = _amount(row)
    gain = amount * (end - start) if row.contract.kind == "linear" else amount * (1 / start - 1 / end)
    return gain if row.side == "long" else -gain


def _gain(row: Position, move: Move) -> float:
    """PnL since today."""
    return _profit(row, _mark(row), _mark(row) * move.of_mark(row))


def tier_margin(row: Position, notional: float) -> float:
    if notional == 0.0:
        return 0.0
    for tier in row.maintenance_tiers:
        if tier.floor <= notional < tier.cap:
            return notional * tier.rate - tier.deduction
    raise AssertionError("no tier for this notional")


def leg_requirement(rows: list[Position], move: Move, kept: float = 1.0) -> tuple[float, float]:
    """Maintenance margin and closing fees of positions of one symbol and side: their sum decides the tier.

    `kept` is the share of them that is not closed.
    """
    before = sum(_notional(row) for row in rows)
    after = sum(_notional(row, move) for row in rows) * kept
    venue = sum(row.maintenance_margin or 0.0 for row in rows)
    margin = tier_margin(rows[0], after) if rows[0].maintenance_tiers else venue * after / before
    fees = sum(row.closing_fee_rate * _notional(row, move) for row in rows) * kept
    return margin, fees


def stands_alone(row: Position) -> bool:
    return row.margin_mode == "isolated" and not row.auto_add_margin


def isolated_rate(row: Position, move: Move, kept: float = 1.0, added: float = 0.0) -> float:
    """Rate of an isolated position, of which the share `kept` is left with the same share of its collateral.

    Money may be added to it.
    """
    assert row.margin is not None
    assert row.entry_price is not None
    equity = row.margin + added + _profit(row, row.entry_price, _mark(row) * move.of_mark(row))
    equity *= kept
    if kept == 0.0 and added == 0.0:
        return 0.0  # there is nothing to liquidate
    return _rate(sum(leg_requirement([row], move, kept)), equity)


def pool_rate(
    snapshot: AccountSnapshot,
    pool: MarginPool,
    move: Move = STILL,
    kept: float = 1.0,
    added: float = 0.0,
) -> float:
    """Rate of a pool after a move, with the share `kept` of its positions left, and money added to it."""
    rows = [
        row
        for row in snapshot.positions
        if not stands_alone(row) and (row.pool_currency or row.contract.settle) == pool.currency
    ]

    def relative(usd: float, coin: str, moved: Move) -> float:
        if coin == pool.currency:
            return 1.0
        unit = _usd(snapshot, move.settings, pool.currency) * moved.of_coin(pool.currency)
        return usd * moved.of_coin(coin) / unit

    def market(coin: str) -> float:
        return _usd(snapshot, move.settings, coin)

    listed = {asset.asset: asset for asset in snapshot.assets if asset.pool_currency == pool.currency}

    def worth(coin: str, amount: float, moved: Move) -> float:
        """What the pool counts for an amount of a coin: as a debt if there is less than nothing."""
        asset = listed.get(coin, Asset(asset=coin))
        usd = asset.collateral_price_usd or market(coin)
        if amount < 0.0:
            usd = asset.debt_price_usd or usd
        return amount * relative(usd, coin, moved)

    def charged(coin: str, amount: float, moved: Move) -> float:
        """What the pool requires for a requirement in a coin."""
        asset = listed.get(coin, Asset(asset=coin))
        return amount * relative(asset.margin_price_usd or market(coin), coin, moved)

    legs: dict[tuple[str, str], list[Position]] = {}
    gains: dict[str, float] = {}
    for row in rows:
        legs.setdefault((row.symbol, row.side), []).append(row)
        coin = row.contract.settle
        fee = (1.0 - kept) * row.closing_fee_rate * _notional(row, move)
        gains[coin] = gains.get(coin, 0.0) + _gain(row, move) - fee
    required_now = required_then = 0.0
    for same in legs.values():
        coin = same[0].contract.settle
        required_now += charged(coin, leg_requirement(same, STILL)[0], STILL)
        required_then += charged(coin, sum(leg_requirement(same, move, kept)), move)
    assert pool.margin_equity is not None
    equity = pool.margin_equity + added
    for coin in {*listed, *gains}:
        # A coin that is not listed: every gain counts as a credit, every loss as less of one.
        gain = gains.get(coin, 0.0)
        if coin not in listed:
            equity += relative(market(coin), coin, move) * gain
            continue
        amount = listed[coin].equity
        assert amount is not None
        amount -= sum(own_equity(row) for row in snapshot.positions if _lies_in(row, coin, pool))
        equity += worth(coin, amount + gain, move) - worth(coin, amount, STILL)
    if pool.maintenance_margin is not None:
        required_then += pool.maintenance_margin - required_now
    if not rows and required_then == 0.0:
        return 0.0  # there is nothing to liquidate
    return _rate(required_then, equity)


def _lies_in(row: Position, coin: str, pool: MarginPool) -> bool:
    return stands_alone(row) and row.contract.settle == coin and (row.pool_currency or coin) == pool.currency


def own_equity(row: Position) -> float:
    """Of an isolated position."""
    assert row.margin is not None
    assert row.entry_price is not None
    return row.margin + _profit(row, row.entry_price, _mark(row))


def _rate(required: float, equity: float) -> float:
    return math.inf if equity <= 0.0 else required / equity


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


def smallest_cut(rate: Callable[[float], float], target: float) -> float | None:
    """Smallest share to close so that ``rate(kept)`` is at most the target; None if all is not enough.

    The rate falls with the share, so that halving finds the place.
    """
    if rate(1.0) <= target:
        return 0.0
    if rate(0.0) > target:
        return None
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if rate(1.0 - middle) <= target:
            high = middle
        else:
            low = middle
    return high
