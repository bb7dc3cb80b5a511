"""One account's snapshot, assessed."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    LiquidationSource,
    PoolRisk,
    Position,
    PositionRisk,
    RiskSettings,
)
from exporter.risk.liquidation import (
    is_pair,
    isolated_liquidation,
    one_way_distance,
    pair_distance,
    price_at,
    symbol_liquidation,
)
from exporter.risk.notional import finite, positive, usd_prices
from exporter.risk.pools import Facts, Pool, conversion, fill_isolated, group_pools, position_facts
from exporter.risk.shock import exposure_of, liquidation_shocks, margin_rate, pool_rate, stressed_rates

_Move = tuple[float, float]


def assess(snapshot: AccountSnapshot, settings: RiskSettings) -> AccountRisk:
    """Compute everything the exporter publishes about one collected account.

    Pure: the same snapshot and settings give the same result. Pools and positions keep the snapshot's
    order. Whatever cannot be known from the snapshot is None; no NaN comes out, and an infinity only as
    the rate of a pool or position that has something to liquidate and no equity left.
    """
    prices = usd_prices(snapshot, settings)
    facts = position_facts(snapshot, prices)
    fill_isolated(facts)
    pools = group_pools(snapshot, facts, prices)
    assessed: dict[int, PositionRisk] = {}
    for entry in pools:
        for rows in entry.symbols.values():
            _assess_symbol(entry, rows, settings, prices, assessed)
    for row in facts:
        if id(row) not in assessed:
            assessed[id(row)] = _assess_single(row, settings)
    return AccountRisk(
        snapshot=snapshot,
        pools=tuple(_assess_pool(entry, settings, prices) for entry in pools),
        positions=tuple(assessed[id(row)] for row in facts),
        prices_usd=prices,
    )


def computed_liquidation_prices(
    snapshot: AccountSnapshot, settings: RiskSettings
) -> tuple[tuple[Position, float | None], ...]:
    """Every position with the engine's own liquidation price, whether or not the venue gives one.

    For whoever wants to compare the engine with a venue: move a symbol's mark to the price and the pool's
    margin equity equals its maintenance margin. None where no price liquidates or it cannot be known.
    """
    prices = usd_prices(snapshot, settings)
    facts = position_facts(snapshot, prices)
    fill_isolated(facts)
    pools = group_pools(snapshot, facts, prices)
    found: dict[int, float | None] = {}
    for entry in pools:
        for rows in entry.symbols.values():
            move = symbol_liquidation(entry, rows, settings, prices)
            for row in rows:
                found[id(row)] = None if move is None else price_at(row, move[0])
    for row in facts:
        if row.position.margin_mode == "isolated":
            move = isolated_liquidation(row)
            found[id(row)] = None if move is None else price_at(row, move[0])
    return tuple((row.position, found.get(id(row))) for row in facts)


def _assess_symbol(
    entry: Pool,
    rows: list[Facts],
    settings: RiskSettings,
    prices: Mapping[str, float],
    assessed: dict[int, PositionRisk],
) -> None:
    """Assess the cross positions of one symbol in one pool, which share one liquidation."""
    venue_prices = [positive(row.position.liquidation_price) for row in rows]
    pair = is_pair(rows)
    shared = next((price for price in venue_prices if price is not None), None) if pair else None
    missing = shared is None and None in venue_prices
    move = symbol_liquidation(entry, rows, settings, prices) if missing or settings.cross_check else None
    excess = entry.excess
    alive = None if excess is None else excess > 0.0
    for row, own in zip(rows, venue_prices, strict=True):
        venue = own if own is not None else shared
        distance = None
        if venue is not None:
            distance = pair_distance(rows, alive=alive) if pair else one_way_distance(row, venue)
        assessed[id(row)] = _position_risk(row, venue, distance, move, settings)


def _assess_single(row: Facts, settings: RiskSettings) -> PositionRisk:
    """Assess an isolated position, or a cross one whose pool the snapshot does not have."""
    venue = positive(row.position.liquidation_price)
    move = None
    if row.position.margin_mode == "isolated" and (venue is None or settings.cross_check):
        move = isolated_liquidation(row)
    distance = None if venue is None else one_way_distance(row, venue)
    return _position_risk(row, venue, distance, move, settings)


def _position_risk(
    row: Facts,
    venue: float | None,
    venue_distance: float | None,
    move: _Move | None,
    settings: RiskSettings,
) -> PositionRisk:
    """Join what the venue says about liquidation with what was computed; the venue's word comes first."""
    computed = None if move is None else price_at(row, move[0])
    source: LiquidationSource = "none"
    price = distance = check = None
    if venue is not None:
        source, price, distance = "venue", venue, venue_distance
        if settings.cross_check and computed is not None:
            check = finite((computed - venue) / venue)
    elif move is not None and computed is not None:
        source, price, distance = "computed", computed, finite(move[1])
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
        equity_usd=None if equity is None or price is None else finite(equity * price),
        maintenance_margin=entry.maintenance_margin,
        maintenance_margin_rate=pool_rate(entry),
        gross_notional_usd=finite(gross),
        net_notional_usd=finite(net),
        leverage_ratio=None
        if equity is None or equity <= 0.0 or in_currency is None
        else finite(in_currency / equity),
        liquidation_shock_up=rise,
        liquidation_shock_down=fall,
        stress=stressed_rates(entry, exposure, settings.shocks),
    )
