"""What is known of each position: its own row, completed by its schedule and by its pool's totals.

Rules, where the venue leaves something out:

* *Unrealized PnL* of a pool's only position is the pool's, and its mark follows from that.
* *Maintenance margin* of a position: the venue's, else from its schedule at the mark. If only one cross
  position of a pool remains unknown and the venue gives the pool's total, it is given what the total
  leaves, provided that this is a plausible requirement (`LOWEST_RATE` to 1 of its notional).
* Positions of one symbol and side in one pool share one schedule, as if they were one position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from exporter.model import AccountSnapshot, MarginPool, Position, liquidation_price
from exporter.risk import notional as formulas
from exporter.risk.maintenance import Schedule, schedule_from
from exporter.risk.notional import conversion, finite, not_negative, positive

# No venue requires less than this share of a notional; a smaller remainder of a pool's total is rounding.
LOWEST_RATE = 1e-4

# Two figures for one PnL that differ by less than this share of the notional differ by rounding only.
_ROUNDING = 1e-4


class Facts(msgspec.Struct, frozen=True):
    """One position with everything known about it; None means unknown."""

    place: int
    """In the snapshot."""
    position: Position
    pool: str
    schedule: Schedule | None
    mark: float | None
    notional: float | None
    notional_usd: float | None
    unrealized_pnl: float | None
    maintenance_margin: float | None
    from_schedule: bool = False
    """True where the maintenance margin is the schedule's own value."""

    @property
    def isolated_equity(self) -> float | None:
        """Own collateral with the unrealized PnL, of an isolated position.

        A venue rounds the PnL, and a small position's liquidation price would inherit that. Where mark
        and entry give the same PnL up to rounding, theirs is used.
        """
        margin, pnl = finite(self.position.margin), self.unrealized_pnl
        if margin is None or pnl is None:
            return None
        exact = formulas.computed_pnl(self.position, self.mark)
        if exact is not None and self.notional is not None and abs(exact - pnl) <= _ROUNDING * self.notional:
            pnl = exact
        return finite(margin + pnl)


def facts_of(snapshot: AccountSnapshot, prices: Mapping[str, float]) -> list[Facts]:
    """What every position's own row says, in the snapshot's order."""
    marks = formulas.symbol_marks(snapshot.positions)
    return [
        _own_facts(place, position, positive(position.mark_price) or marks.get(position.symbol), prices)
        for place, position in enumerate(snapshot.positions)
    ]


def _own_facts(place: int, position: Position, mark: float | None, prices: Mapping[str, float]) -> Facts:
    if position.liquidation_price is not None:
        price = liquidation_price(position.liquidation_price, mark or position.entry_price)
        if price is None:
            position = replace(position, liquidation_price=None)
    settle_notional = formulas.notional(position, mark)
    return Facts(
        place=place,
        position=position,
        pool=position.pool_currency or position.contract.settle,
        schedule=schedule_from(position.maintenance_tiers),
        mark=mark,
        notional=settle_notional,
        notional_usd=formulas.notional_usd(position, settle_notional, prices),
        unrealized_pnl=formulas.unrealized_pnl(position, mark),
        maintenance_margin=not_negative(position.maintenance_margin),
    )


def with_pool_pnl(rows: list[Facts], pool: MarginPool, prices: Mapping[str, float]) -> list[Facts]:
    """The rows of one pool; where it has one position only, the pool's PnL is that position's."""
    total = finite(pool.unrealized_pnl)
    if total is None or len(rows) != 1:
        return rows
    (row,) = rows
    position = row.position
    if row.mark is not None or row.unrealized_pnl is not None or position.contract.settle != pool.currency:
        return rows
    mark = formulas.mark_from_pnl(position, total)
    settle_notional = formulas.notional(position, mark)
    return [
        replace(
            row,
            unrealized_pnl=total,
            mark=mark,
            notional=settle_notional,
            notional_usd=formulas.notional_usd(position, settle_notional, prices),
        )
    ]


def with_scheduled_margins(rows: Iterable[Facts]) -> list[Facts]:
    """The rows with the margin of their schedule where the venue gives none.

    Cross positions of one symbol and side share one schedule; an isolated one has its own.
    """
    rows = list(rows)
    if all(row.maintenance_margin is not None for row in rows):
        return rows
    sharing: dict[tuple[str, str], list[Facts]] = {}
    for row in rows:
        if row.position.margin_mode == "cross":
            sharing.setdefault((row.position.symbol, row.position.side), []).append(row)
    return [_scheduled(row, sharing.get((row.position.symbol, row.position.side), ())) for row in rows]


def _scheduled(row: Facts, sharing: Sequence[Facts]) -> Facts:
    """A row with the margin of its schedule, read at the joint notional of the rows that share it."""
    if row.maintenance_margin is not None or row.notional is None:
        return row
    schedule, total = row.schedule, row.notional
    if row.position.margin_mode == "cross" and len(sharing) > 1:
        schedule = next((one.schedule for one in sharing if one.schedule is not None), None)
        notionals = [one.notional for one in sharing if one.notional is not None]
        if len(notionals) < len(sharing):
            return row
        total = sum(notionals)
    margin = None if schedule is None else positive(schedule.at(total))
    if margin is None:
        return row
    if total != row.notional:
        margin *= row.notional / total
    return replace(row, maintenance_margin=margin, from_schedule=True)


def with_rest_of_total(
    rows: Sequence[Facts], pool: MarginPool, prices: Mapping[str, float]
) -> tuple[list[Facts], float | None]:
    """A pool's cross rows, the only unknown one with what the pool's total leaves for it.

    Also gives the sum of their margins in the pool's currency; None while one is unknown.
    """
    rows = list(rows)
    known = 0.0
    unknown: list[tuple[int, Facts, float | None]] = []
    for index, row in enumerate(rows):
        rate = conversion(row.position.contract.settle, pool.currency, prices)
        if row.maintenance_margin is None or rate is None:
            unknown.append((index, row, rate))
        else:
            known += row.maintenance_margin * rate
    if not unknown:
        return rows, known
    total = not_negative(pool.maintenance_margin)
    if total is None or len(unknown) > 1:
        return rows, None
    ((index, row, rate),) = unknown
    if rate is None or row.notional is None:
        return rows, None
    rest = (total - known) / rate
    if not LOWEST_RATE * row.notional <= rest <= row.notional:
        return rows, None
    rows[index] = replace(row, maintenance_margin=rest)
    return rows, total
