"""Which positions stand or fall together, and what backs and burdens them.

Rules, where the venue leaves something out:

* *Margin equity* of a pool: the venue's, else its equity less margin and PnL of its isolated positions.
* *Maintenance margin* of a position: the venue's, else from its schedule at the mark. If only one cross
  position of a pool remains unknown and the venue gives the pool's total, it is given what the total
  leaves, provided that this is a plausible requirement (`LOWEST_RATE` to 1 of its notional).
* *Maintenance margin* of a pool: the venue's, else the sum over its cross positions if all are known.
* A pool's total above the sum of its positions is other requirements (open orders) and stays constant
  when marks move. A total below the sum (a venue that nets hedged legs, or rounds) scales every
  position's requirement down by the same share, so that no requirement can become negative.
* A schedule is scaled to the venue's own figure for the position. One that misses it by more than a
  factor of two is not this position's schedule; then the position's current rate is kept.
* Positions of one symbol and side in one pool share one schedule, as if they were one position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from exporter.model import AccountSnapshot, Asset, MarginPool, Position, RiskSettings
from exporter.risk import notional as formulas
from exporter.risk.crossing import Collateral, Leg
from exporter.risk.maintenance import Schedule, constant_rate, schedule_from
from exporter.risk.notional import finite, positive

# No venue requires less than this share of a notional; a smaller remainder of a pool's total is rounding.
LOWEST_RATE = 1e-4
# How far a schedule may be from the venue's own figure, as a factor, and still be the position's.
_SCHEDULE_TOLERANCE = 2.0

# Two figures for one PnL that differ by less than this share of the notional differ by rounding only.
_ROUNDING = 1e-4


@dataclass(slots=True)
class Facts:
    """One position with what follows from its own row; None means unknown."""

    position: Position
    pool: str
    """Currency of the pool the position belongs to."""
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


@dataclass(slots=True)
class Pool:
    """One margin pool with its positions and the figures the searches start from."""

    pool: MarginPool
    cross: list[Facts] = field(default_factory=list)
    isolated: list[Facts] = field(default_factory=list)
    assets: list[Asset] = field(default_factory=list)
    margin_equity: float | None = None
    maintenance_margin: float | None = None
    position_share: float | None = None
    """Share of each position's own requirement that the pool's total has room for; None if not known."""
    symbols: dict[str, list[Facts]] = field(default_factory=dict)
    """The cross positions by symbol: what moves together."""
    legs: dict[tuple[str, int], list[Leg] | None] = field(default_factory=dict)
    """The legs of a symbol by the power of a market move in their settle currency, once made."""

    @property
    def excess(self) -> float | None:
        """Margin equity minus maintenance margin; the pool is liquidated where it is not above 0."""
        if self.margin_equity is None or self.maintenance_margin is None:
            return None
        return finite(self.margin_equity - self.maintenance_margin)

    @property
    def exposed(self) -> bool:
        """True where there is something to liquidate."""
        return bool(self.cross) or bool(self.maintenance_margin)


def position_facts(snapshot: AccountSnapshot, prices: Mapping[str, float]) -> list[Facts]:
    """What every position's own row says, in the snapshot's order."""
    positions = snapshot.positions
    marks = formulas.symbol_marks(positions)
    facts = []
    for position in positions:
        mark = positive(position.mark_price) or marks.get(position.symbol)
        settle_notional = formulas.notional(position, mark)
        facts.append(
            Facts(
                position=position,
                pool=position.pool_currency or position.contract.settle,
                schedule=schedule_from(position.maintenance_tiers),
                mark=mark,
                notional=settle_notional,
                notional_usd=formulas.notional_usd(position, settle_notional, prices),
                unrealized_pnl=formulas.unrealized_pnl(position, mark),
                maintenance_margin=_not_negative(position.maintenance_margin),
            )
        )
    return facts


def _not_negative(value: float | None) -> float | None:
    number = finite(value)
    return number if number is not None and number >= 0.0 else None


def conversion(coin: str, currency: str, prices: Mapping[str, float]) -> float | None:
    """Units of ``currency`` for one ``coin``; None where a price is missing."""
    if coin == currency:
        return 1.0
    price, unit = prices.get(coin), prices.get(currency)
    return None if price is None or unit is None else positive(price / unit)


def group_pools(snapshot: AccountSnapshot, facts: Iterable[Facts], prices: Mapping[str, float]) -> list[Pool]:
    """The snapshot's pools in its order, each with its positions and everything its rules give.

    Completes the facts' marks, PnL and maintenance margins where the pool's totals determine them.
    A position whose pool is not in the snapshot belongs to none.
    """
    pools = [Pool(pool) for pool in snapshot.pools]
    by_currency: dict[str, Pool] = {}
    for entry in pools:
        by_currency.setdefault(entry.pool.currency, entry)
    for row in facts:
        home = by_currency.get(row.pool)
        if home is not None:
            (home.cross if row.position.margin_mode == "cross" else home.isolated).append(row)
    for asset in snapshot.assets:
        home = by_currency.get(asset.pool_currency)
        if home is not None:
            home.assets.append(asset)
    for entry in pools:
        _attribute_pnl(entry, prices)
        for row in entry.cross:
            entry.symbols.setdefault(row.position.symbol, []).append(row)
        _fill_maintenance(entry, prices)
        entry.margin_equity = _margin_equity(entry, prices)
    return pools


def fill_isolated(facts: Iterable[Facts]) -> None:
    """Give isolated positions the maintenance margin of their schedule where the venue gives none.

    After `group_pools`, which completes the marks that the schedule is read at.
    """
    for row in facts:
        if row.position.margin_mode == "isolated" and row.maintenance_margin is None:
            _from_schedule([row])


def _attribute_pnl(entry: Pool, prices: Mapping[str, float]) -> None:
    """A pool's unrealized PnL is that of its only position: it gives the PnL, and the mark with it."""
    rows = [*entry.cross, *entry.isolated]
    total = finite(entry.pool.unrealized_pnl)
    if total is None or len(rows) != 1:
        return
    (row,) = rows
    position = row.position
    if (
        row.mark is not None
        or row.unrealized_pnl is not None
        or position.contract.settle != entry.pool.currency
    ):
        return
    row.unrealized_pnl = total
    row.mark = formulas.mark_from_pnl(position, total)
    row.notional = formulas.notional(position, row.mark)
    row.notional_usd = formulas.notional_usd(position, row.notional, prices)


def _from_schedule(rows: list[Facts]) -> None:
    """Maintenance margin of the rows of one symbol and side that lack one, from their joint notional."""
    schedule = next((row.schedule for row in rows if row.schedule is not None), None)
    if schedule is None:
        return
    total = 0.0
    for row in rows:
        if row.notional is None:
            return
        total += row.notional
    margin = positive(schedule.at(total))
    if margin is None:
        return
    for row in rows:
        if row.maintenance_margin is None and row.notional is not None:
            row.maintenance_margin = margin * (row.notional / total) if len(rows) > 1 else margin
            row.from_schedule = True


def _fill_maintenance(entry: Pool, prices: Mapping[str, float]) -> None:
    """Set the cross positions' maintenance margins, the pool's and the share that fits into it."""
    for rows in entry.symbols.values():
        if len(rows) == 1:
            if rows[0].maintenance_margin is None:
                _from_schedule(rows)
            continue
        for side in ("long", "short"):
            leg = [row for row in rows if row.position.side == side]
            if any(row.maintenance_margin is None for row in leg):
                _from_schedule(leg)
    total = _not_negative(entry.pool.maintenance_margin)
    known = 0.0
    unknown: list[Facts] = []
    for row in entry.cross:
        rate = conversion(row.position.contract.settle, entry.pool.currency, prices)
        if row.maintenance_margin is None or rate is None:
            unknown.append(row)
        else:
            known += row.maintenance_margin * rate
    if total is not None and len(unknown) == 1:
        (row,) = unknown
        rate = conversion(row.position.contract.settle, entry.pool.currency, prices)
        if rate is not None and row.notional is not None:
            rest = (total - known) / rate
            if LOWEST_RATE * row.notional <= rest <= row.notional:
                row.maintenance_margin = rest
                known, unknown = total, []
    if not unknown:
        entry.maintenance_margin = finite(total if total is not None else known)
        entry.position_share = 1.0 if total is None or total >= known else total / known
    else:
        entry.maintenance_margin = total


def _margin_equity(entry: Pool, prices: Mapping[str, float]) -> float | None:
    """The part of the equity that backs the cross positions, in the pool's currency."""
    if entry.pool.margin_equity is not None:
        return finite(entry.pool.margin_equity)
    equity = finite(entry.pool.equity)
    if equity is None:
        return None
    for row in entry.isolated:
        own = row.isolated_equity
        rate = conversion(row.position.contract.settle, entry.pool.currency, prices)
        if own is None or rate is None:
            return None
        equity -= own * rate
    return finite(equity)


def leg_from(
    rows: list[Facts], *, equity_weight: float = 1.0, margin_weight: float = 1.0, coin_power: int = 0
) -> Leg | None:
    """Rows of one symbol, side and pool as one leg; None where a figure of one is unknown.

    The weights are the conversions from the settle currency to the pool's; the calibration of the
    schedule to the venue's figures is added here.
    """
    first = rows[0]
    total, margin = first.notional, first.maintenance_margin
    if total is None or margin is None:
        return None
    exact = first.from_schedule
    schedule = first.schedule
    for row in rows[1:]:
        if row.notional is None or row.maintenance_margin is None:
            return None
        total += row.notional
        margin += row.maintenance_margin
        exact = exact and row.from_schedule
        schedule = schedule or row.schedule
    scale = 1.0
    if schedule is not None and not exact:
        expected = schedule.at(total)
        if expected > 0.0 and expected / _SCHEDULE_TOLERANCE <= margin <= expected * _SCHEDULE_TOLERANCE:
            scale = margin / expected
        else:
            schedule = None
    return Leg(
        notional=total,
        linear=first.position.contract.kind == "linear",
        long=first.position.side == "long",
        schedule=schedule if schedule is not None else constant_rate(margin / total),
        equity_weight=equity_weight,
        margin_weight=margin_weight * scale,
        coin_power=coin_power,
    )


def legs_of(
    rows: list[Facts], entry: Pool, settings: RiskSettings, prices: Mapping[str, float], *, coins_move: bool
) -> list[Leg] | None:
    """The legs of one symbol in a pool, in the pool's currency; None where something is unknown.

    ``coins_move`` says whether coins that are not pegged move with the marks (a shock of everything) or
    stand still (one symbol alone).
    """
    settle, currency = rows[0].position.contract.settle, entry.pool.currency
    power = coin_power(settle, currency, settings) if coins_move else 0
    key = (rows[0].position.symbol, power)
    if key not in entry.legs:
        entry.legs[key] = _make_legs(rows, entry, prices, power)
    return entry.legs[key]


def _make_legs(rows: list[Facts], entry: Pool, prices: Mapping[str, float], power: int) -> list[Leg] | None:
    settle = rows[0].position.contract.settle
    margin_rate = conversion(settle, entry.pool.currency, prices)
    equity_rate = credited(settle, entry, prices)
    if margin_rate is None or equity_rate is None:
        return None
    share = entry.position_share if entry.position_share is not None else 1.0
    sides = [rows]
    if len(rows) > 1:
        sides = [[row for row in rows if row.position.side == side] for side in ("long", "short")]
    legs = []
    for side_rows in sides:
        if not side_rows:
            continue
        leg = leg_from(
            side_rows, equity_weight=equity_rate, margin_weight=margin_rate * share, coin_power=power
        )
        if leg is None:
            return None
        legs.append(leg)
    return legs


def credited(coin: str, entry: Pool, prices: Mapping[str, float]) -> float | None:
    """Units of the pool's currency the venue credits for one ``coin`` of PnL, after its haircut."""
    if coin == entry.pool.currency:
        return 1.0
    for asset in entry.assets:
        if asset.asset == coin and asset.collateral_price_usd is not None:
            price, unit = positive(asset.collateral_price_usd), prices.get(entry.pool.currency)
            return None if price is None or unit is None else positive(price / unit)
    return conversion(coin, entry.pool.currency, prices)


def coin_power(coin: str, currency: str, settings: RiskSettings) -> int:
    """Power of a market move in the value of ``coin`` measured in ``currency``: pegged coins stand still."""
    return int(coin not in settings.usd_pegs) - int(currency not in settings.usd_pegs)


def collateral_of(
    entry: Pool, settings: RiskSettings, prices: Mapping[str, float]
) -> list[Collateral] | None:
    """The pool's collateral that moves with the marks; None where some of it cannot be valued.

    An asset's equity is used, else its wallet balance if no position of the pool settles in it. A pool
    without asset rows holds its own currency, which does not move against itself.
    """
    settles = {row.position.contract.settle for row in entry.cross}
    moving = []
    for asset in entry.assets:
        power = coin_power(asset.asset, entry.pool.currency, settings)
        if power == 0:
            continue
        amount = asset.equity
        if amount is None and asset.asset not in settles:
            amount = asset.wallet_balance
        if amount == 0.0:
            continue
        rate = credited(asset.asset, entry, prices)
        value = None if finite(amount) is None or amount is None or rate is None else finite(amount * rate)
        if value is None:
            return None
        moving.append(Collateral(value, power))
    return moving
