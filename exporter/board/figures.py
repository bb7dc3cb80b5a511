"""The figures of one collection, as the risk page and `/api/v1/accounts` show them.

Made once for each collection, like the text of the metrics: of many accounts a page only chooses. Fields that
are named like a metric family mean what it means. None is unknown; a rate without equity left is ``+Inf``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from exporter.board.levels import (
    UNKNOWN_ROOM,
    Level,
    level_of_distance,
    level_of_room,
    room_of_rate,
)
from exporter.model import (
    AccountRisk,
    Greeks,
    LiquidationSource,
    MarginMode,
    OptionTerms,
    PoolRisk,
    PositionRisk,
    Side,
)

Rate = float | Literal["+Inf"]
"""JSON has no infinity."""


class OptionFigures(Struct, frozen=True, kw_only=True, gc=False):
    """What an option is, and how its value changes."""

    right: Literal["call", "put"]
    strike_price: float
    expiry_timestamp_seconds: float
    value_usd: Annotated[float | None, Meta(description="At the mark; negative of a short one.")]
    implied_volatility: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None


class PositionFigures(Struct, frozen=True, kw_only=True, gc=False):
    """One open position."""

    symbol: str
    side: Side
    margin_mode: MarginMode
    currency: Annotated[str, Meta(description="What its PnL and margins are paid in.")]
    position_id: str
    level: Annotated[Level, Meta(description="Of the distance.")]
    quantity: float
    notional_usd: float | None
    entry_price: float | None
    mark_price: float | None
    liquidation_price: float | None
    liquidation_source: Annotated[
        LiquidationSource,
        Meta(description="Who gives the price; none: no price liquidates; unknown: it cannot be told."),
    ]
    liquidation_distance_ratio: float | None
    unrealized_pnl: float | None
    leverage_ratio: float | None
    margin: float | None
    maintenance_margin_rate: Rate | None
    margin_to_target: float | None
    option: Annotated[
        OptionFigures | None,
        Meta(
            description="Null of every other contract. What liquidates is its underlying: see the joint move."
        ),
    ]


class PoolFigures(Struct, frozen=True, kw_only=True, gc=False):
    """What is liquidated together: the cross positions of one margin currency and what backs them."""

    currency: str
    equity: float | None
    equity_usd: float | None
    margin_equity: float | None
    wallet_balance: float | None
    available_balance: float | None
    unrealized_pnl: float | None
    initial_margin: float | None
    maintenance_margin: float | None
    closing_fees: float | None
    maintenance_margin_rate: Rate | None
    venue_margin_rate: Rate | None
    margin_to_target: float | None
    reduction_to_target_ratio: float | None
    gross_notional_usd: float | None
    net_notional_usd: float | None
    leverage_ratio: float | None
    liquidation_shock_down: Annotated[
        float | None, Meta(description="Smallest joint fall of all coins that liquidates anything in it.")
    ]
    liquidation_shock_up: Annotated[
        float | None, Meta(description="Smallest joint rise of all coins that liquidates anything in it.")
    ]


class AssetFigures(Struct, frozen=True, kw_only=True, gc=False):
    """Collateral in one coin."""

    asset: str
    wallet_balance: float | None
    equity: float | None
    price_usd: float | None


class Stress(Struct, frozen=True, gc=False):
    """The worst rate of anything in the account after a joint move of all coins."""

    shock: float
    maintenance_margin_rate: Rate


class Figures(Struct, frozen=True, kw_only=True, gc=False):
    """All of one collection."""

    level: Annotated[Level, Meta(description="The worst of anything in the account.")]
    room: Annotated[
        float | None,
        Meta(
            description="The least that is left of anything before it is liquidated, as a relative move of "
            "prices: the nearest distance, the smallest joint move, or what the highest rate leaves. "
            "Accounts are in its order. Null where nothing can be liquidated or nothing is known."
        ),
    ]
    equity_usd: Annotated[
        float | None, Meta(description="Of all currencies; null where one of them is not known.")
    ]
    leverage_ratio: Annotated[float | None, Meta(description="Gross notional / equity, of all currencies.")]
    nearest_distance: Annotated[
        float | None, Meta(description="Distance to liquidation of the first position.")
    ]
    highest_rate: Annotated[
        Rate | None,
        Meta(description="The highest maintenance margin rate of a currency or isolated position."),
    ]
    highest_rate_of: Annotated[str, Meta(description="That currency, or the symbol of that position.")]
    shock_down: Annotated[float | None, Meta(description="The smallest of all currencies.")]
    shock_up: Annotated[float | None, Meta(description="The smallest of all currencies.")]
    margin_to_target_usd: Annotated[
        float | None, Meta(description="US dollars to add in all until every rate is at risk.target_rate.")
    ]
    without_distance: Annotated[
        int,
        Meta(description="How many positions have no known distance although a price may liquidate them."),
    ]
    stress: tuple[Stress, ...]
    positions: Annotated[tuple[PositionFigures, ...], Meta(description="The nearest to liquidation first.")]
    pools: tuple[PoolFigures, ...]
    assets: tuple[AssetFigures, ...]
    modes: Mapping[str, str]


def number_of(rate: Rate | None) -> float | None:
    """The rate as a number."""
    return math.inf if isinstance(rate, str) else rate


def order_of(figures: Figures) -> float:
    """Where an account stands in the order of danger; the lowest is in most."""
    if number_of(figures.highest_rate) == math.inf:
        return -math.inf
    room = math.inf if figures.room is None else figures.room
    return min(room, UNKNOWN_ROOM) if figures.level == "unknown" else room


def figures_of(risk: AccountRisk) -> Figures:
    """What is shown of a collection."""
    positions = tuple(sorted(map(_position, risk.positions), key=_by_distance))
    rates = _rates(risk)
    highest, highest_of = max(rates, default=(None, ""), key=lambda rate: rate[0])
    nearest = positions[0].liquidation_distance_ratio if positions else None
    down = _least(pool.liquidation_shock_down for pool in risk.pools)
    up = _least(pool.liquidation_shock_up for pool in risk.pools)
    room = _least((nearest, down, up, None if highest is None or not positions else room_of_rate(highest)))
    equity = _sum(pool.equity_usd for pool in risk.pools)
    gross = _sum(pool.gross_notional_usd for pool in risk.pools)
    without = sum(
        one.liquidation_distance_ratio is None and one.liquidation_source != "none" for one in positions
    )
    return Figures(
        level=_level(room, positions, without),
        room=None if room is None or math.isinf(room) else room,
        equity_usd=equity,
        leverage_ratio=gross / equity if gross is not None and equity is not None and equity > 0.0 else None,
        nearest_distance=nearest,
        highest_rate=_rate(highest),
        highest_rate_of=highest_of,
        shock_down=down,
        shock_up=up,
        margin_to_target_usd=_to_target(risk),
        without_distance=without,
        stress=_stress(risk.pools),
        positions=positions,
        pools=tuple(map(_pool, risk.pools)),
        assets=tuple(
            AssetFigures(
                asset=one.asset,
                wallet_balance=one.wallet_balance,
                equity=one.equity,
                price_usd=risk.snapshot.prices.get(one.asset) or None,
            )
            for one in risk.snapshot.assets
        ),
        modes=dict(risk.snapshot.modes),
    )


def _level(room: float | None, positions: tuple[PositionFigures, ...], without: int) -> Level:
    """An account is not safe while nobody knows what liquidates one of its positions."""
    known = "unknown" if room is None else level_of_room(room)
    if not positions:
        return "ok"
    return "unknown" if known == "ok" and without else known


def _position(row: PositionRisk) -> PositionFigures:
    position, distance = row.position, row.liquidation_distance_ratio
    return PositionFigures(
        symbol=position.symbol,
        side=position.side,
        margin_mode=position.margin_mode,
        currency=position.contract.settle,
        position_id=position.position_id,
        level="ok" if distance is None and row.liquidation_source == "none" else level_of_distance(distance),
        quantity=position.quantity,
        notional_usd=row.notional_usd,
        entry_price=position.entry_price,
        mark_price=row.mark_price,
        liquidation_price=row.liquidation_price,
        liquidation_source=row.liquidation_source,
        liquidation_distance_ratio=distance,
        unrealized_pnl=row.unrealized_pnl,
        leverage_ratio=position.leverage,
        margin=position.margin,
        maintenance_margin_rate=_rate(row.maintenance_margin_rate),
        margin_to_target=row.margin_to_target,
        option=None if position.option is None else _option(row, position.option),
    )


def _option(row: PositionRisk, terms: OptionTerms) -> OptionFigures:
    greeks = row.greeks or Greeks()
    return OptionFigures(
        right=terms.right,
        strike_price=terms.strike,
        expiry_timestamp_seconds=terms.expires_at,
        value_usd=row.option_value_usd,
        implied_volatility=greeks.implied_volatility,
        delta=greeks.delta,
        gamma=greeks.gamma,
        vega=greeks.vega,
        theta=greeks.theta,
    )


def _by_distance(position: PositionFigures) -> tuple[float, bool, float, str, str]:
    """The nearest first; then those of which it is not known; then those that no price liquidates."""
    distance = position.liquidation_distance_ratio
    return (
        math.inf if distance is None else distance,
        position.liquidation_source == "none",
        -(position.notional_usd or 0.0)
        if position.option is None
        else -abs(position.option.value_usd or 0.0),
        position.symbol,
        position.side,
    )


def _pool(row: PoolRisk) -> PoolFigures:
    pool = row.pool
    return PoolFigures(
        currency=pool.key,
        equity=row.equity,
        equity_usd=row.equity_usd,
        margin_equity=row.margin_equity,
        wallet_balance=pool.wallet_balance,
        available_balance=pool.available_balance,
        unrealized_pnl=pool.unrealized_pnl,
        initial_margin=pool.initial_margin,
        maintenance_margin=row.maintenance_margin,
        closing_fees=row.closing_fees,
        maintenance_margin_rate=_rate(row.maintenance_margin_rate),
        venue_margin_rate=_rate(pool.venue_margin_rate),
        margin_to_target=row.margin_to_target,
        reduction_to_target_ratio=row.reduction_to_target,
        gross_notional_usd=row.gross_notional_usd,
        net_notional_usd=row.net_notional_usd,
        leverage_ratio=row.leverage_ratio,
        liquidation_shock_down=row.liquidation_shock_down,
        liquidation_shock_up=row.liquidation_shock_up,
    )


def _rates(risk: AccountRisk) -> list[tuple[float, str]]:
    """Every rate with the currency or the symbol that it is of."""
    pools = ((row.maintenance_margin_rate, row.pool.key) for row in risk.pools)
    positions = ((row.maintenance_margin_rate, row.position.symbol) for row in risk.positions)
    return [(rate, name) for rate, name in (*pools, *positions) if rate is not None and not math.isnan(rate)]


def _rate(rate: float | None) -> Rate | None:
    return "+Inf" if rate == math.inf else rate


def _stress(pools: Iterable[PoolRisk]) -> tuple[Stress, ...]:
    worst: dict[float, float] = {}
    for pool in pools:
        for shock, rate in (*pool.stress, *pool.isolated_stress):
            worst[shock] = max(worst.get(shock, rate), rate)
    return tuple(Stress(shock, "+Inf" if math.isinf(rate) else rate) for shock, rate in sorted(worst.items()))


def _to_target(risk: AccountRisk) -> float | None:
    """In all, US dollars; None where one amount, or the price of its coin, is not known.

    A currency without cross positions has no rate and needs nothing.
    """
    amounts = [
        *((row.margin_to_target, row.pool.currency) for row in risk.pools if _crossed(row, risk)),
        *(
            (row.margin_to_target, row.position.contract.settle)
            for row in risk.positions
            if row.position.margin_mode == "isolated" and not row.position.auto_add_margin
        ),
    ]
    total = 0.0
    for amount, currency in amounts:
        if amount is None:
            return None
        if amount > 0.0:
            price = 1.0 if currency == "USD" else risk.prices_usd.get(currency)
            if price is None:
                return None
            total += amount * price
    return total


def _crossed(pool: PoolRisk, risk: AccountRisk) -> bool:
    key = pool.pool.key
    return any(
        (position.pool_currency or position.contract.settle) == key
        for position in (row.position for row in risk.positions)
        if position.margin_mode == "cross" or position.auto_add_margin
    )


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    """None where one is not known: a sum without it would be a wrong number."""
    total = 0.0
    known = False
    for value in values:
        if value is None:
            return None
        total, known = total + value, True
    return total if known else None
