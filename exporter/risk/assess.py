"""One account's snapshot, assessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    LiquidationSource,
    PoolRisk,
    Position,
    PositionRisk,
    RiskSettings,
)
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
from exporter.risk.notional import conversion, finite, positive
from exporter.risk.pools import Book, Pool, book_of
from exporter.risk.shock import exposure_of, liquidation_shocks, margin_rate, pool_rate, stressed_rates

Placed = Iterable[tuple[int, PositionRisk]]
"""Positions with their places in the snapshot."""


def assess(snapshot: AccountSnapshot, settings: RiskSettings) -> AccountRisk:
    """Compute everything the exporter publishes about one collected account.

    Pure: the same snapshot and settings give the same result. Pools and positions keep the snapshot's
    order. Whatever cannot be known from the snapshot is None; no NaN comes out, and an infinity only as
    the rate of a pool or position that has something to liquidate and no equity left.
    """
    book = book_of(snapshot, settings)
    positions = dict(_positions(book, settings))
    return AccountRisk(
        snapshot=snapshot,
        pools=tuple(_assess_pool(entry, settings, book.prices) for entry in book.pools),
        positions=tuple(positions[place] for place in range(len(positions))),
        prices_usd=book.prices,
    )


def computed_liquidation_prices(
    snapshot: AccountSnapshot, settings: RiskSettings
) -> tuple[tuple[Position, float | None], ...]:
    """Every position with the engine's own liquidation price, whether or not the venue gives one.

    For whoever compares the engine with a venue: move a symbol's mark to the price, and the pool's margin
    equity equals its maintenance margin. None where no price liquidates or it cannot be known.
    """
    book = book_of(snapshot, settings)
    found: dict[int, float | None] = {}
    for entry in book.pools:
        for rows in entry.symbols.values():
            liquidation = symbol_liquidation(entry, rows, settings, book.prices)
            found |= {row.place: price_of(row, liquidation) for row in rows}
    found |= {row.place: price_of(row, isolated_liquidation(row)) for row in book.isolated}
    return tuple((position, found.get(place)) for place, position in enumerate(snapshot.positions))


def _positions(book: Book, settings: RiskSettings) -> Placed:
    for entry in book.pools:
        for rows in entry.symbols.values():
            yield from _assess_symbol(entry, rows, settings, book.prices)
    for rows in book.homeless:
        yield from _assess_symbol(None, rows, settings, book.prices)
    for row in book.isolated:
        yield row.place, _assess_isolated(row, settings)


def _assess_symbol(
    entry: Pool | None, rows: list[Facts], settings: RiskSettings, prices: Mapping[str, float]
) -> Placed:
    """Assess the cross positions of one symbol in one pool, which share one liquidation.

    A pool that the snapshot does not have leaves the venue's prices, and a hedged pair is still a pair.
    """
    venue_prices = [positive(row.position.liquidation_price) for row in rows]
    pair = is_pair(rows)
    shared = next((price for price in venue_prices if price is not None), None) if pair else None
    missing = shared is None and None in venue_prices
    liquidation: Liquidation | NoLiquidation = NoLiquidation.UNKNOWN
    if entry is not None and (missing or settings.cross_check):
        liquidation = symbol_liquidation(entry, rows, settings, prices)
    excess = None if entry is None else entry.excess
    alive = None if excess is None else excess > 0.0
    for row, printed in zip(rows, venue_prices, strict=True):
        venue = printed if printed is not None else shared
        distance = None
        if venue is not None:
            distance = pair_distance(rows, alive=alive) if pair else one_way_distance(row, venue)
        yield row.place, _position_risk(row, venue, distance, liquidation, settings)


def _assess_isolated(row: Facts, settings: RiskSettings) -> PositionRisk:
    """Assess an isolated position, which is a pool of its own."""
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
    rate = None
    if row.position.margin_mode == "isolated":
        equity = row.isolated_equity
        if equity is not None and row.maintenance_margin is not None:
            rate = margin_rate(row.maintenance_margin, equity, exposed=True)
    return PositionRisk(
        position=row.position,
        mark_price=row.mark,
        notional_usd=row.notional_usd,
        unrealized_pnl=row.unrealized_pnl,
        maintenance_margin=row.maintenance_margin,
        maintenance_margin_rate=rate,
        liquidation_price=price,
        liquidation_source=source,
        liquidation_distance_ratio=distance,
        liquidation_cross_check_ratio=check,
    )


def _assess_pool(entry: Pool, settings: RiskSettings, prices: Mapping[str, float]) -> PoolRisk:
    pool = entry.pool
    equity = finite(pool.equity)
    price = prices.get(pool.currency)
    gross: float | None = 0.0
    net: float | None = 0.0
    in_currency: float | None = 0.0
    for row in (*entry.cross, *entry.isolated):
        rate = conversion(row.position.contract.settle, pool.currency, prices)
        if in_currency is not None:
            in_currency = None if row.notional is None or rate is None else in_currency + row.notional * rate
        if gross is not None and net is not None:
            if row.notional_usd is None:
                gross = net = None
            else:
                gross += row.notional_usd
                net += row.notional_usd if row.position.side == "long" else -row.notional_usd
    exposure = exposure_of(entry, settings, prices)
    rise, fall = liquidation_shocks(entry, exposure)
    return PoolRisk(
        pool=pool,
        equity=equity,
        adjusted_equity=equity,
        equity_usd=None if equity is None or price is None else finite(equity * price),
        margin_equity=entry.margin_equity,
        maintenance_margin=entry.maintenance_margin,
        maintenance_margin_rate=pool_rate(entry),
        gross_notional_usd=finite(gross),
        net_notional_usd=finite(net),
        leverage_ratio=None
        if equity is None or equity <= 0.0 or in_currency is None
        else finite(in_currency / equity),
        liquidation_shock_up=rise,
        liquidation_shock_down=fall,
        cross_liquidation_shock_up=rise,
        cross_liquidation_shock_down=fall,
        stress=stressed_rates(entry, exposure, settings.shocks),
    )
