"""What is known of each position: its own row, completed by its schedule and by its pool's totals.

Rules, where the venue leaves something out:

* *Unrealized PnL* of a pool's only position is the pool's, and its mark follows from that.
* *Maintenance margin* of a position: the venue's, else from its schedule at the mark. If only one cross
  position of a pool remains unknown and the venue gives the pool's total, it is given what the total
  leaves, provided that this is a plausible requirement (`LOWEST_RATE` to 1 of its notional).
* Positions of one symbol and side in one pool share one schedule, as if they were one position.
* An option has no schedule: its rule says what it requires (`exporter.risk.options`), else the venue alone.
* A *closing fee* is counted beside the maintenance margin where the venue does so: a share of the notional.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from exporter.model import AccountSnapshot, Greeks, MarginPool, Position, liquidation_price
from exporter.risk import notional as formulas
from exporter.risk.maintenance import Schedule, schedule_from
from exporter.risk.notional import finite, not_negative, positive
from exporter.risk.options import Option, option_of, told_greeks
from exporter.risk.prices import Prices

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
    closing_fee: float | None = None
    """Settle currency; 0 where the venue requires none."""
    from_schedule: bool = False
    """True where the maintenance margin is the schedule's own value."""
    option: Option | None = None
    """Of a position in options, ready to be valued; None where something it needs is unknown."""
    greeks: Greeks | None = None
    """Of a position in options, and of no other."""

    @property
    def is_option(self) -> bool:
        """Whether it is one in options: it has no notional of its own."""
        return self.position.contract.kind == "option"

    @property
    def alone(self) -> bool:
        """True of an isolated position, unless the cross wallet backs it too: it is a pool of its own."""
        return self.position.margin_mode == "isolated" and not self.position.auto_add_margin

    @property
    def requirement(self) -> float | None:
        """What keeps the position from liquidation: maintenance margin and closing fee."""
        if self.maintenance_margin is None or self.closing_fee is None:
            return None
        return finite(self.maintenance_margin + self.closing_fee)

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

    @property
    def isolated_excess(self) -> float | None:
        """Own collateral with the unrealized PnL, minus what it requires."""
        equity, requirement = self.isolated_equity, self.requirement
        return None if equity is None or requirement is None else finite(equity - requirement)


def facts_of(snapshot: AccountSnapshot, prices: Prices, at: float | None) -> list[Facts]:
    """What every position's own row says, in the snapshot's order; `at` is Unix seconds."""
    marks = formulas.symbol_marks(snapshot.positions)
    return [
        _own_facts(place, position, positive(position.mark_price) or marks.get(position.symbol), prices)
        if position.contract.kind != "option"
        else _option_facts(place, position, marks.get(position.symbol), prices, at)
        for place, position in enumerate(snapshot.positions)
    ]


def _option_facts(
    place: int, position: Position, derived: float | None, prices: Prices, at: float | None
) -> Facts:
    """Of a position in options, which may be worth nothing, and whose own price liquidates nobody."""
    mark = not_negative(position.mark_price)
    if mark is None:
        mark = derived
    option = option_of(position, mark, prices, at)
    margin = not_negative(position.maintenance_margin)
    if margin is None and option is not None:
        margin = finite(option.required(option.mark))
    return Facts(
        place=place,
        position=position,
        pool=position.pool_currency or position.contract.settle,
        schedule=None,
        mark=mark,
        notional=None,
        notional_usd=None,
        unrealized_pnl=formulas.unrealized_pnl(position, mark),
        maintenance_margin=margin,
        closing_fee=0.0,
        option=option,
        greeks=told_greeks(position, option),
    )


def _own_facts(place: int, position: Position, mark: float | None, prices: Prices) -> Facts:
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
        notional_usd=formulas.notional_usd(position, settle_notional, prices.known),
        unrealized_pnl=formulas.unrealized_pnl(position, mark),
        maintenance_margin=not_negative(position.maintenance_margin),
        closing_fee=_closing_fee(position, settle_notional),
    )


def _closing_fee(position: Position, settle_notional: float | None) -> float | None:
    """What the venue requires for closing at the mark, in the settle currency; None where it is unknown."""
    if position.closing_fee_rate == 0.0:
        return 0.0
    rate = not_negative(position.closing_fee_rate)
    return None if rate is None or settle_notional is None else finite(rate * settle_notional)


def with_pool_pnl(rows: list[Facts], pool: MarginPool, prices: Prices) -> list[Facts]:
    """The rows of one pool; where it has one position only, the pool's PnL is that position's."""
    total = finite(pool.unrealized_pnl)
    if total is None or len(rows) != 1:
        return rows
    (row,) = rows
    position = row.position
    if row.mark is not None or row.unrealized_pnl is not None or position.contract.settle != pool.currency:
        return rows
    if row.is_option:
        return rows
    mark = formulas.mark_from_pnl(position, total)
    settle_notional = formulas.notional(position, mark)
    return [
        replace(
            row,
            unrealized_pnl=total,
            mark=mark,
            notional=settle_notional,
            notional_usd=formulas.notional_usd(position, settle_notional, prices.known),
            closing_fee=_closing_fee(position, settle_notional),
        )
    ]


def with_scheduled_margins(rows: Iterable[Facts]) -> list[Facts]:
    """The rows with the margin of their schedule where the venue gives none.

    Positions of one symbol and side that one pool backs share one schedule; one that stands alone has its
    own.
    """
    rows = list(rows)
    if all(row.maintenance_margin is not None for row in rows):
        return rows
    sharing: dict[tuple[str, str], list[Facts]] = {}
    for row in rows:
        if not row.alone:
            sharing.setdefault((row.position.symbol, row.position.side), []).append(row)
    return [_scheduled(row, sharing.get((row.position.symbol, row.position.side), ())) for row in rows]


def _scheduled(row: Facts, sharing: Sequence[Facts]) -> Facts:
    """A row with the margin of its schedule, read at the joint notional of the rows that share it."""
    if row.maintenance_margin is not None or row.notional is None:
        return row
    schedule, total = row.schedule, row.notional
    if not row.alone and len(sharing) > 1:
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


def required_in_total(pool: MarginPool) -> float | None:
    """The venue's maintenance margin of a pool, as many times as liquidate."""
    total = not_negative(pool.maintenance_margin)
    return None if total is None else finite(total * pool.liquidation_multiple)


def with_rest_of_total(
    rows: Sequence[Facts], pool: MarginPool, required: Callable[[str], float | None]
) -> tuple[list[Facts], float | None]:
    """The rows a pool backs, the only unknown one with what the pool's total leaves for it.

    Also gives the sum of their margins in the pool's currency; None while one is unknown. ``required`` says
    what a unit of margin in a coin counts there.
    """
    rows = list(rows)
    known = 0.0
    unknown: list[tuple[int, Facts, float | None]] = []
    for index, row in enumerate(rows):
        rate = required(row.position.contract.settle)
        if row.maintenance_margin is None or rate is None:
            unknown.append((index, row, rate))
        else:
            known += row.maintenance_margin * rate
    if not unknown:
        return rows, known
    total = required_in_total(pool)
    if total is None or len(unknown) > 1 or pool.unlisted:
        return rows, None
    ((index, row, rate),) = unknown
    if rate is None or row.notional is None:
        return rows, None
    rest = (total - known) / rate
    if not LOWEST_RATE * row.notional <= rest <= row.notional:
        return rows, None
    rows[index] = replace(row, maintenance_margin=rest)
    return rows, total
