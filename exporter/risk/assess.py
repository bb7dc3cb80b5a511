"""One account's snapshot, assessed."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    LiquidationSource,
    PoolRisk,
    Position,
    PositionRisk,
    RiskSettings,
)
from exporter.risk.exposure import of_isolated, of_pool
from exporter.risk.facts import Facts
from exporter.risk.liquidation import (
    Liquidation,
    NoLiquidation,
    is_pair,
    isolated_liquidation,
    one_way_distance,
    pair_distance,
    price_of,
    symbol_liquidation,
)
from exporter.risk.notional import finite, positive
from exporter.risk.options import value_of
from exporter.risk.pools import Pool, book_of
from exporter.risk.prices import Prices
from exporter.risk.shock import (
    isolated_rate,
    isolated_shocks,
    isolated_stress,
    pool_rate,
    pool_shocks,
    pool_stress,
    smallest,
    volatility_stress,
)
from exporter.risk.sums import coin_greeks, delta_usd, leverage, notionals_usd
from exporter.risk.target import UNKNOWN, isolated_way_back, pool_way_back
from exporter.risk.worth import stress_equity

Placed = Iterable[tuple[int, PositionRisk]]
"""Positions with their places in the snapshot."""


def assess(snapshot: AccountSnapshot, settings: RiskSettings, at: float | None = None) -> AccountRisk:
    """Compute everything the exporter publishes about one collected account.

    `at` is the time of the snapshot in Unix seconds; options cannot be valued without it.

    Pure: the same snapshot and settings give the same result. Pools and positions keep the snapshot's
    order; a currency in which there are positions and no pool gets one of which nothing is known. Whatever
    cannot be known from the snapshot is None; no NaN comes out, and an infinity only as the rate of a pool or
    position that has something to liquidate and no equity left.
    """
    book = book_of(snapshot, settings, at)
    found = dict(row for entry in book.pools for row in _positions(entry, settings, book.prices))
    positions = tuple(found[place] for place in range(len(found)))
    return AccountRisk(
        snapshot=snapshot,
        pools=tuple(_assess_pool(entry, settings, book.prices) for entry in book.pools),
        positions=positions,
        prices_usd=book.prices.known,
        greeks=coin_greeks(book.pools, positions, book.prices),
    )


def computed_liquidation_prices(
    snapshot: AccountSnapshot, settings: RiskSettings, at: float | None = None
) -> tuple[tuple[Position, float | None], ...]:
    """Every position with the engine's own liquidation price, whether or not the venue gives one.

    For whoever compares the engine with a venue: move a symbol's mark to the price, and the pool's margin
    equity equals its requirement. None where no price liquidates or it cannot be known.
    """
    book = book_of(snapshot, settings, at)
    found: dict[int, float | None] = {}
    for entry in book.pools:
        for rows in entry.symbols.values():
            liquidation = symbol_liquidation(entry, rows, book.prices)
            found |= {row.place: price_of(row, liquidation) for row in rows}
        found |= {row.place: price_of(row, isolated_liquidation(row)) for row in entry.isolated}
    return tuple((position, found.get(place)) for place, position in enumerate(snapshot.positions))


def _positions(entry: Pool, settings: RiskSettings, prices: Prices) -> Placed:
    for rows in entry.symbols.values():
        yield from _assess_symbol(entry, rows, settings, prices)
    for row in entry.options:
        yield row.place, _assess_option(row, prices, settings)
    for row in entry.isolated:
        if row.is_option:
            yield row.place, _assess_option(row, prices, settings)
        else:
            yield row.place, _assess_isolated(row, settings)


def _assess_option(row: Facts, prices: Prices, settings: RiskSettings) -> PositionRisk:
    """Assess a position in options, whose underlying liquidates and not its own price."""
    value, coin = value_of(row.position, row.mark), prices.known.get(row.position.contract.settle)
    return replace(
        _position_risk(row, None, None, NoLiquidation.IMPOSSIBLE, settings),
        option_value_usd=None if value is None or coin is None else finite(value * coin),
        delta_usd=delta_usd(row, prices),
        greeks=row.greeks,
    )


def _assess_symbol(entry: Pool, rows: list[Facts], settings: RiskSettings, prices: Prices) -> Placed:
    """Assess the positions of one symbol that one pool backs, which share one liquidation."""
    venue_prices = [positive(row.position.liquidation_price) for row in rows]
    pair = is_pair(rows)
    shared = next((price for price in venue_prices if price is not None), None) if pair else None
    missing = shared is None and None in venue_prices
    liquidation: Liquidation | NoLiquidation = NoLiquidation.UNKNOWN
    if missing or settings.cross_check:
        liquidation = symbol_liquidation(entry, rows, prices)
    excess = entry.excess
    alive = None if excess is None else excess > 0.0
    for row, printed in zip(rows, venue_prices, strict=True):
        venue = printed if printed is not None else shared
        distance = None
        if venue is not None:
            distance = pair_distance(rows, alive=alive) if pair else one_way_distance(row, venue)
        yield row.place, _position_risk(row, venue, distance, liquidation, settings)


def _assess_isolated(row: Facts, settings: RiskSettings) -> PositionRisk:
    """Assess a position that stands alone, which is a pool of its own."""
    venue = positive(row.position.liquidation_price)
    wanted = venue is None or settings.cross_check
    liquidation = isolated_liquidation(row) if wanted else NoLiquidation.UNKNOWN
    distance = None if venue is None else one_way_distance(row, venue)
    return _position_risk(row, venue, distance, liquidation, settings)


def _position_risk(
    row: Facts,
    venue: float | None,
    venue_distance: float | None,
    computed_at: Liquidation | NoLiquidation,
    settings: RiskSettings,
) -> PositionRisk:
    """Join what the venue says about liquidation with what was computed; the venue's word comes first."""
    computed = price_of(row, computed_at)
    # "none" is said only where it is certain that no price liquidates: a venue's silence is not enough.
    source: LiquidationSource = "none" if computed_at is NoLiquidation.IMPOSSIBLE else "unknown"
    price = distance = check = None
    if venue is not None:
        source, price, distance = "venue", venue, venue_distance
        if settings.cross_check and computed is not None:
            check = finite((computed - venue) / venue)
    elif isinstance(computed_at, Liquidation) and computed is not None:
        source, price, distance = "computed", computed, finite(computed_at.distance)
    way_back = isolated_way_back(row, settings.target_rate) if row.alone else UNKNOWN
    return PositionRisk(
        position=row.position,
        mark_price=row.mark,
        notional_usd=row.notional_usd,
        unrealized_pnl=row.unrealized_pnl,
        maintenance_margin=row.maintenance_margin,
        closing_fee=row.closing_fee if row.position.closing_fee_rate else None,
        maintenance_margin_rate=isolated_rate(row) if row.alone else None,
        margin_to_target=way_back.margin,
        reduction_to_target=way_back.reduction,
        liquidation_price=price,
        liquidation_source=source,
        liquidation_distance_ratio=distance,
        liquidation_cross_check_ratio=check,
    )


def _assess_pool(entry: Pool, settings: RiskSettings, prices: Prices) -> PoolRisk:
    pool = entry.pool
    rows = (*entry.cross, *entry.isolated)
    price = prices.known.get(pool.currency)
    exposure = of_pool(entry, prices)
    alone = [(row, of_isolated(row, prices)) for row in entry.isolated]
    shocks = pool_shocks(entry, exposure)
    any_shocks = smallest([shocks, *(isolated_shocks(row, moving) for row, moving in alone)])
    way_back = pool_way_back(entry, exposure, settings.target_rate)
    # A sum without those that are not listed would mislead.
    gross, net = (None, None) if entry.pool.unlisted else notionals_usd(rows, prices)
    shifts = settings.volatility_shifts
    return PoolRisk(
        pool=pool,
        equity=entry.equity,
        adjusted_equity=entry.adjusted_equity,
        equity_usd=None if entry.equity is None or price is None else finite(entry.equity * price),
        margin_equity=entry.margin_equity,
        maintenance_margin=entry.maintenance_margin,
        closing_fees=entry.closing_fees if entry.charged else None,
        maintenance_margin_rate=pool_rate(entry),
        margin_to_target=way_back.margin,
        reduction_to_target=way_back.reduction,
        gross_notional_usd=gross,
        net_notional_usd=net,
        leverage_ratio=leverage(entry, rows, prices),
        liquidation_shock_up=any_shocks[0],
        liquidation_shock_down=any_shocks[1],
        cross_liquidation_shock_up=shocks[0],
        cross_liquidation_shock_down=shocks[1],
        stress=pool_stress(entry, exposure, settings.shocks),
        isolated_stress=isolated_stress(alone, settings.shocks),
        volatility_stress=volatility_stress(entry, exposure, settings.shocks, shifts),
        stress_equity=stress_equity(entry, prices, settings.shocks, shifts),
    )
