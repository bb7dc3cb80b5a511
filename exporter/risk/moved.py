"""Single positions at newer marks: futures by their contract, options by their mark or Black's formula."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from exporter.model import Greeks, Position
from exporter.risk.exposure import calibration, margin_scale
from exporter.risk.facts import Facts
from exporter.risk.maintenance import Schedule
from exporter.risk.notional import exposure
from exporter.risk.pools import Pool

_LARGEST_PRICE = 2.0
"""Times the larger of underlying and strike: no option is worth more than one of them."""


@dataclass(slots=True, frozen=True)
class Moved:
    """A position at the new mark."""

    row: Facts
    mark: float
    notional: float
    """Nothing of an option."""
    profit: float
    """Change of the unrealized PnL."""
    margin: float | None
    """Maintenance margin."""
    underlying: float | None = None
    """Of an option, the price of what it is written on."""


def moved_position(position: Position, moved: Moved | None) -> Position:
    if moved is None:
        return position
    pnl, margin = position.unrealized_pnl, position.maintenance_margin
    if moved.underlying is not None and moved.row.option is not None:
        # The rest is the formula's, at the new price.
        volatility = moved.row.option.volatility or None
        greeks = Greeks(implied_volatility=volatility, underlying_price=moved.underlying)
        position = replace(position, greeks=greeks)
    return replace(
        position,
        mark_price=moved.mark,
        unrealized_pnl=None if pnl is None else pnl + moved.profit,
        maintenance_margin=None if margin is None else moved.margin,
        liquidation_price=moved.row.position.liquidation_price,
    )


def at_marks(entry: Pool, marks: Mapping[str, float]) -> Iterable[Moved]:
    """The positions of a pool that have a new mark."""
    # One schedule for all that the pool backs of one symbol and side.
    sharing: dict[tuple[str, str, int], list[Moved]] = {}
    for row in (*entry.cross, *entry.isolated):
        mark, size = marks.get(row.position.symbol), exposure(row.position)
        if mark is None or size is None or row.notional is None:
            continue
        linear = row.position.contract.kind != "inverse"
        notional = size * mark if linear else size / mark
        change = notional - row.notional
        profit = change if linear == (row.position.side == "long") else -change
        key = (row.position.symbol, row.position.side, row.place if row.alone else -1)
        sharing.setdefault(key, []).append(Moved(row, mark, notional, profit, None))
    for rows in sharing.values():
        schedule = next((one.row.schedule for one in rows if one.row.schedule is not None), None)
        factor = _margin_factor(schedule, rows)
        for one in rows:
            margin = one.row.maintenance_margin
            by = factor if factor is not None else one.notional / (one.row.notional or one.notional)
            yield Moved(one.row, one.mark, one.notional, one.profit, None if margin is None else margin * by)


def options_at(entry: Pool, marks: Mapping[str, float], moves: Mapping[str, float]) -> Iterable[Moved]:
    """The options of a pool whose coin has a new price."""
    for row in entry.options:
        option, contract = row.option, row.position.contract
        if option is None or contract.base not in moves:
            continue
        factor = moves[contract.base] / moves.get(contract.quote, 1.0)
        mark = marks.get(row.position.symbol)
        if mark is None:
            mark = option.price(factor)
        scale, required = margin_scale(row), option.required(mark, factor)
        if scale is not None and required is not None:
            yield Moved(row, mark, 0.0, option.profit(mark), required * scale, option.forward * factor)


def believed(row: Facts, mark: float) -> bool:
    """Whether an option can have a mark: it may be many times the old one, but has a limit."""
    option = row.option
    return option is not None and mark < max(option.forward, option.strike) * option.unit * _LARGEST_PRICE


def _margin_factor(schedule: Schedule | None, rows: Iterable[Moved]) -> float | None:
    """By what their maintenance margins change along their schedule; None where it is not theirs."""
    if schedule is None:
        return None
    before = after = told = 0.0
    for one in rows:
        if one.row.notional is None or one.row.maintenance_margin is None:
            return None
        before += one.row.notional
        after += one.notional
        told += one.row.maintenance_margin
    expected = schedule.at(before)
    return None if calibration(told, expected) is None else schedule.at(after) / expected
