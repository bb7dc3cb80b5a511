"""Which positions stand or fall together, and what backs and burdens them.

Rules, where the venue leaves something out (what concerns single positions is in `exporter.risk.facts`):

* *Margin equity* of a pool: the venue's, else its equity less margin and PnL of its isolated positions.
* *Maintenance margin* of a pool: the venue's, else the sum over its cross positions if all are known.
* A pool's total above the sum of its positions is other requirements (open orders) and stays constant
  when marks move. A total below the sum (a venue that nets hedged legs, or rounds) scales every
  position's requirement down by the same share, so that no requirement can become negative.
* A schedule is scaled to the venue's own figure for the position. One that misses it by more than a
  factor of two is not this position's schedule; then the position's current rate is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.model import AccountSnapshot, Asset, MarginPool, RiskSettings
from exporter.risk.crossing import Collateral, Leg
from exporter.risk.facts import Facts, facts_of, with_pool_pnl, with_rest_of_total, with_scheduled_margins
from exporter.risk.maintenance import constant_rate
from exporter.risk.notional import conversion, finite, not_negative, positive, usd_prices

# How far a schedule may be from the venue's own figure, as a factor, and still be the position's.
_SCHEDULE_TOLERANCE = 2.0


@dataclass(slots=True, frozen=True)
class Pool:
    """One margin pool with its positions and the figures the searches start from."""

    pool: MarginPool
    cross: Sequence[Facts]
    isolated: Sequence[Facts]
    assets: Sequence[Asset]
    margin_equity: float | None
    maintenance_margin: float | None
    position_share: float | None
    """Share of each position's own requirement that the pool's total has room for; None if not known."""
    symbols: Mapping[str, list[Facts]]
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


@dataclass(slots=True, frozen=True)
class Book:
    """One account, sorted out: its pools, and the cross positions whose pool the snapshot lacks."""

    pools: Sequence[Pool]
    isolated: Sequence[Facts]
    homeless: Sequence[list[Facts]]
    """By pool and symbol."""
    prices: Mapping[str, float]
    """Coin to USD for every coin the account touches and whose price is known."""


def book_of(snapshot: AccountSnapshot, settings: RiskSettings) -> Book:
    """The snapshot's pools in its order, each with its positions and everything its rules give."""
    prices = usd_prices(snapshot, settings)
    rows: dict[str, list[Facts]] = {}
    for row in facts_of(snapshot, prices):
        rows.setdefault(row.pool, []).append(row)
    assets: dict[str, list[Asset]] = {}
    for asset in snapshot.assets:
        assets.setdefault(asset.pool_currency, []).append(asset)
    pools = [
        # Of two pools in one currency the first has the positions.
        _pool(pool, rows.pop(pool.currency, []), assets.pop(pool.currency, []), prices)
        for pool in snapshot.pools
    ]
    left = [row for group in rows.values() for row in group]
    homeless: dict[tuple[str, str], list[Facts]] = {}
    for row in left:
        if row.position.margin_mode == "cross":
            homeless.setdefault((row.pool, row.position.symbol), []).append(row)
    alone = with_scheduled_margins(row for row in left if row.position.margin_mode == "isolated")
    return Book(
        pools=pools,
        isolated=[*(row for entry in pools for row in entry.isolated), *alone],
        homeless=list(homeless.values()),
        prices=prices,
    )


def _pool(pool: MarginPool, rows: list[Facts], assets: Sequence[Asset], prices: Mapping[str, float]) -> Pool:
    """One pool with its positions, whose figures are completed here."""
    rows = with_scheduled_margins(with_pool_pnl(rows, pool, prices))
    isolated = [row for row in rows if row.position.margin_mode == "isolated"]
    cross = [row for row in rows if row.position.margin_mode == "cross"]
    cross, known = with_rest_of_total(cross, pool, prices)
    total = not_negative(pool.maintenance_margin)
    symbols: dict[str, list[Facts]] = {}
    for row in cross:
        symbols.setdefault(row.position.symbol, []).append(row)
    share = None
    if known is not None:
        share = 1.0 if total is None or total >= known else total / known
    return Pool(
        pool=pool,
        cross=cross,
        isolated=isolated,
        assets=assets,
        margin_equity=_margin_equity(pool, isolated, prices),
        maintenance_margin=finite(total if total is not None else known),
        position_share=share,
        symbols=symbols,
    )


def _margin_equity(pool: MarginPool, isolated: Iterable[Facts], prices: Mapping[str, float]) -> float | None:
    """The part of the equity that backs the cross positions, in the pool's currency."""
    if pool.margin_equity is not None:
        return finite(pool.margin_equity)
    equity = finite(pool.equity)
    if equity is None:
        return None
    for row in isolated:
        own = row.isolated_equity
        rate = conversion(row.position.contract.settle, pool.currency, prices)
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
