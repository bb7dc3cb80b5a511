"""What of a pool moves, ready for the searches: when one symbol moves alone, and in a shock of everything.

A schedule is scaled to the venue's own figure for the position. One that misses it by more than a factor of
two is not this position's schedule; then the position's current rate is kept. An option's rule is scaled like
it; one that misses the figure is not the option's, and then nothing is known of the pool at other prices: an
option has no rate that could be kept.

Options move with the coin that they are written on: in a shock, and also when a future on the same coin moves
alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from exporter.risk.crossing import Collateral, Excess, Leg, Purse
from exporter.risk.curves import OptionLeg
from exporter.risk.facts import Facts
from exporter.risk.maintenance import constant_rate
from exporter.risk.pools import Holding, Pool
from exporter.risk.prices import Prices

# How far a schedule may be from the venue's own figure, as a factor, and still be the position's.
_TOLERANCE = 2.0


class Exposure(Struct, frozen=True):
    """Everything that moves, in the currency of the pool."""

    legs: Sequence[Leg]
    collateral: Sequence[Collateral] = ()
    purses: Sequence[Purse] = ()
    options: Sequence[OptionLeg] = ()
    along: int = 1
    """Of `exporter.risk.curves`."""

    @property
    def required(self) -> float:
        """What the legs and the options require today."""
        futures = sum(leg.at(1.0)[1] for leg in self.legs)
        return futures + sum(leg.at(1.0)[1] for leg in self.options) if self.options else futures

    def survives(self, today: float, *, rising: bool) -> bool:
        """True only if it is plain that no move in a direction uses up an excess; else `excess` decides."""
        if len(self.legs) > 1 or self.collateral or self.purses or self.options:
            return False
        return self.legs[0].survives(today, rising=rising)

    def excess(self, today: float) -> Excess:
        """Margin equity minus requirement as a function of the move."""
        return Excess(today, self.legs, self.collateral, self.purses, self.options, self.along)

    def after(self, factor: float, shift: float = 0.0) -> tuple[float, float]:
        """The change of the equity since today, and what all require, at a factor.

        `shift` is that of the volatility of all options.
        """
        equity = required = 0.0
        for leg in self.legs:
            profit, needed = leg.at(factor)
            equity += profit
            required += needed
        for item in self.collateral:
            equity += item.value * (factor**item.coin_power - 1.0)
        for purse in self.purses:
            equity += purse.at(factor)
        for option in self.options:
            profit, needed = option.at(factor, shift)
            equity += profit
            required += needed
        return equity, required


def leg_from(
    rows: Sequence[Facts],
    *,
    equity_weight: float = 1.0,
    margin_weight: float = 1.0,
    fee_weight: float = 1.0,
    mark_power: int = 1,
    coin_power: int = 0,
) -> Leg | None:
    """Rows of one symbol, side and pool as one leg; None where a figure of one is unknown.

    The weights are the conversions from the settle currency to the pool's; the calibration of the
    schedule to the venue's figures is added here.
    """
    first = rows[0]
    total, margin, fee = first.notional, first.maintenance_margin, first.closing_fee
    if total is None or margin is None or fee is None:
        return None
    exact = first.from_schedule
    schedule = first.schedule
    for row in rows[1:]:
        if row.notional is None or row.maintenance_margin is None or row.closing_fee is None:
            return None
        total += row.notional
        margin += row.maintenance_margin
        fee += row.closing_fee
        exact = exact and row.from_schedule
        schedule = schedule or row.schedule
    scale = 1.0
    if schedule is not None and not exact:
        found = calibration(margin, schedule.at(total))
        if found is None:
            schedule = None
        else:
            scale = found
    return Leg(
        notional=total,
        linear=first.position.contract.kind != "inverse",
        long=first.position.side == "long",
        schedule=schedule if schedule is not None else constant_rate(margin / total),
        fee_rate=fee / total if fee else 0.0,
        equity_weight=equity_weight,
        margin_weight=margin_weight * scale,
        fee_weight=fee_weight,
        mark_power=mark_power,
        coin_power=coin_power,
    )


def of_symbol(rows: Sequence[Facts], entry: Pool, prices: Prices) -> Exposure | None:
    """One symbol's positions when its mark moves alone; None where something is unknown."""
    legs = _legs_of(rows, entry, prices, together=False)
    if legs is None:
        return None
    contract = rows[0].position.contract
    holding = entry.holdings[contract.settle]
    purses: Sequence[Purse] = ()
    if holding.credit != holding.debt:
        purses = _purses(holding, legs, coin_power=0)
    if not entry.options:
        return Exposure(legs, purses=purses)
    options = options_of(entry, prices, base=contract.base)
    return None if options is None else Exposure(legs, (), purses, options, along_of(entry, prices))


def of_pool(entry: Pool, prices: Prices) -> Exposure | None:
    """All that a pool has when everything moves together; None where any of it is unknown."""
    if entry.position_share is None or entry.pool.scenario_margin:
        return None
    options: Sequence[OptionLeg] | None = options_of(entry, prices) if entry.options else ()
    if options is None:
        return None
    legs: list[Leg] = []
    by_coin: dict[str, list[Leg]] = {}
    for rows in entry.symbols.values():
        found = _legs_of(rows, entry, prices, together=True)
        if found is None:
            return None
        legs += found
        by_coin.setdefault(rows[0].position.contract.settle, []).extend(found)
    collateral: list[Collateral] = []
    purses: list[Purse] = []
    for holding in entry.holdings.values():
        power = prices.coin_power(holding.coin, entry.pool.currency)
        purses += _purses(holding, by_coin.get(holding.coin, ()), coin_power=power)
        if power == 0 or not holding.listed or holding.amount == 0.0:
            continue
        value = holding.value
        if value is None:
            return None
        collateral.append(Collateral(value, power))
    along = along_of(entry, prices) if options else 1
    return Exposure(legs, collateral, purses, options, along)


def of_isolated(row: Facts, prices: Prices) -> Exposure | None:
    """A position that stands alone, when everything moves together; in its settle currency."""
    leg = leg_from([row], mark_power=prices.mark_power(row.position.contract))
    return None if leg is None else Exposure([leg])


def along_of(entry: Pool, prices: Prices) -> int:
    """1 in a pool whose currency stands still in a shock, -1 in one whose currency moves."""
    return -1 if prices.moving[entry.pool.currency] else 1


def options_of(entry: Pool, prices: Prices, base: str | None = None) -> list[OptionLeg] | None:
    """The options of a pool, or those on one coin; None where what one of them would require is unknown.

    Also where it is not known what a coin in which options settle counts once losses have made a debt of it.
    """
    legs = []
    share = entry.position_share if entry.position_share is not None else 1.0
    for row in entry.options:
        contract = row.position.contract
        if base is not None and contract.base != base:
            continue
        holding, option = entry.holdings[contract.settle], row.option
        scale = margin_scale(row)
        if option is None or option.moving is None or scale is None or holding.required is None:
            return None
        counted = 0.0 if entry.pool.options_apart else holding.counted
        if counted is None or (counted and holding.credit != holding.debt):
            return None
        legs.append(
            OptionLeg(
                option,
                equity_weight=counted,
                margin_weight=holding.required * share * scale,
                coin_power=prices.coin_power(contract.settle, entry.pool.currency),
            )
        )
    return legs


def calibration(told: float, expected: float) -> float | None:
    """By what a venue's figure differs from that of a rule; None where it is another rule's."""
    if expected <= 0.0 or not expected / _TOLERANCE <= told <= expected * _TOLERANCE:
        return None
    return told / expected


def margin_scale(row: Facts) -> float | None:
    """By what the venue's figure for an option differs from its rule; None where it is not its rule."""
    expected = None if row.option is None else row.option.required(row.option.mark)
    told = row.maintenance_margin
    if expected is None or told is None:
        return None
    if expected == 0.0:
        return 1.0 if told == 0.0 else None
    return calibration(told, expected)


def _purses(holding: Holding, legs: Sequence[Leg], *, coin_power: int) -> Sequence[Purse]:
    """The holding, if moves of the legs can turn it from a credit into a debt that counts otherwise."""
    amount, credit, debt = holding.amount, holding.credit, holding.debt
    if not legs or amount is None or credit is None or debt is None or credit == debt:
        return ()
    return (Purse(amount, legs, credit - debt if amount < 0.0 else debt - credit, coin_power),)


def _legs_of(rows: Sequence[Facts], entry: Pool, prices: Prices, *, together: bool) -> list[Leg] | None:
    """The legs of one symbol in a pool, in the pool's currency; None where something is unknown.

    ``together``: in a shock of everything the mark follows from base and quote, and coins move with it; one
    symbol alone moves no coin.
    """
    contract = rows[0].position.contract
    mark_power = prices.mark_power(contract) if together else 1
    coin_power = prices.coin_power(contract.settle, entry.pool.currency) if together else 0
    key = (rows[0].position.symbol, mark_power, coin_power)
    if key not in entry.legs:
        entry.legs[key] = _make_legs(rows, entry, mark_power, coin_power)
    return entry.legs[key]


def _make_legs(rows: Sequence[Facts], entry: Pool, mark_power: int, coin_power: int) -> list[Leg] | None:
    holding = entry.holdings[rows[0].position.contract.settle]
    credited, required = holding.counted, holding.required
    if credited is None or required is None:
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
            side_rows,
            equity_weight=credited,
            margin_weight=required * share,
            fee_weight=required,
            mark_power=mark_power,
            coin_power=coin_power,
        )
        if leg is None:
            return None
        legs.append(leg)
    return legs
