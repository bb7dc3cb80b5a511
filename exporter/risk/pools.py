"""Which positions stand or fall together, and what backs and burdens them.

Rules, where the venue leaves something out (what concerns single positions is in `exporter.risk.facts`):

* *Equity* of a pool, at market prices: the venue's, else the sum over its assets.
* *Adjusted equity*: the venue's, else the sum over the assets at the prices that count as collateral or
  debt, else the equity.
* *Margin equity*: the venue's, else the adjusted equity less margin and PnL of the positions that stand
  alone.
* *Maintenance margin*: the venue's, else the sum over the positions that the pool backs if all are known.
* A pool's total above the sum of its positions is other requirements (open orders) and stays constant
  when marks move. A total below the sum (a venue that nets hedged legs, or rounds) scales every
  position's requirement down by the same share, so that no requirement can become negative.
* Of a venue that liquidates at a multiple of the maintenance margin, what is required counts so many times.
* Closing fees are added to what a pool requires; they are never part of its total.
* Options back nothing where the venue counts their value apart: what they are worth is in the equity alone.
* A pool with positions that are not listed has its figures as the venue gives them, and nothing of what would
  become of it at other prices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.model import AccountSnapshot, Asset, MarginPool, RiskSettings
from exporter.risk.crossing import Leg
from exporter.risk.facts import (
    Facts,
    facts_of,
    required_in_total,
    with_pool_pnl,
    with_rest_of_total,
    with_scheduled_margins,
)
from exporter.risk.notional import finite, not_negative
from exporter.risk.options import value_of
from exporter.risk.prices import Prices, prices_of


@dataclass(slots=True, frozen=True)
class Holding:
    """What a pool has of one coin, and what a unit of it counts there, in the pool's currency."""

    coin: str
    amount: float | None
    """Unrealized PnL included, positions that stand alone not; negative is a debt; None where unknown."""
    credit: float | None
    """Of what is held."""
    debt: float | None
    """Of what is owed."""
    required: float | None
    """Of required margin and fees, times the pool's `liquidation_multiple`."""
    listed: bool = True
    """False of a coin that positions settle in and that the venue does not list as held."""

    @property
    def value(self) -> float | None:
        """Today, in the pool's currency."""
        counted = self.counted
        return None if self.amount is None or counted is None else finite(self.amount * counted)

    @property
    def counted(self) -> float | None:
        """What a unit of PnL counts today: profits and losses change what is held, or what is owed."""
        return self.debt if self.amount is not None and self.amount < 0.0 else self.credit


@dataclass(slots=True, frozen=True)
class Pool:
    """One margin pool with its positions and the figures the searches start from."""

    pool: MarginPool
    cross: Sequence[Facts]
    """The positions it backs: cross ones, and isolated ones that draw on it."""
    isolated: Sequence[Facts]
    """The positions that stand alone."""
    holdings: Mapping[str, Holding]
    """By coin: of the assets first, then of other coins that positions settle in."""
    equity: float | None
    adjusted_equity: float | None
    margin_equity: float | None
    maintenance_margin: float | None
    closing_fees: float | None
    requirement: float | None
    """Maintenance margin, as many times as liquidate, and closing fees."""
    excess: float | None
    """Margin equity minus requirement; the pool is liquidated where it is not above 0."""
    position_share: float | None
    """Share of each position's own margin that the pool's total has room for; None if not known."""
    symbols: Mapping[str, list[Facts]]
    """The positions it backs by symbol, but for options: what moves together."""
    options: Sequence[Facts]
    """Those in options that it backs."""
    assets: Sequence[Asset]
    legs: dict[tuple[str, int, int], list[Leg] | None] = field(default_factory=dict)
    """The legs of a symbol by the powers of a move in its mark and in its coin, once made."""

    @property
    def exposed(self) -> bool:
        """True where there is something to liquidate: options that were bought and paid for are not."""
        if self.maintenance_margin or len(self.cross) > len(self.options):
            return True
        if any(row.position.side == "short" for row in self.options):
            return True
        return bool(self.options) and (self.margin_equity or 0.0) < -DUST

    @property
    def optioned(self) -> bool:
        """True where options are in it, whether it backs them or they stand alone."""
        return bool(self.options) or any(row.notional is None and row.is_option for row in self.isolated)

    @property
    def charged(self) -> bool:
        """True where the venue requires closing fees."""
        return any(row.position.closing_fee_rate for row in self.cross)

    @property
    def concerned(self) -> bool:
        """False where there is something to liquidate, but all of it stands alone."""
        return self.exposed or not self.isolated


# In the pool's currency: a smaller debt beside options that require nothing is rounding.
DUST = 1e-6


@dataclass(slots=True, frozen=True)
class Book:
    """One account, sorted out."""

    pools: Sequence[Pool]
    prices: Prices


def book_of(snapshot: AccountSnapshot, settings: RiskSettings, at: float | None = None) -> Book:
    """The snapshot's pools in its order, each with its positions and everything its rules give.

    `at` is Unix seconds; without it no option can be valued. Positions whose pool the snapshot lacks get one
    of which nothing is known.
    """
    prices = prices_of(snapshot, settings)
    rows: dict[str, list[Facts]] = {}
    for row in facts_of(snapshot, prices, at):
        rows.setdefault(row.pool, []).append(row)
    assets: dict[str, list[Asset]] = {}
    for asset in snapshot.assets:
        assets.setdefault(asset.pool_currency, []).append(asset)
    told = {pool.key for pool in snapshot.pools}
    pools = [*snapshot.pools, *(MarginPool(currency=currency) for currency in rows if currency not in told)]
    return Book(
        pools=[
            # Of two pools with one key the first has the positions.
            _pool(pool, rows.pop(pool.key, []), assets.pop(pool.key, []), prices)
            for pool in pools
        ],
        prices=prices,
    )


def _pool(pool: MarginPool, rows: list[Facts], assets: Sequence[Asset], prices: Prices) -> Pool:
    """One pool with its positions, whose figures are completed here."""
    rows = with_scheduled_margins(with_pool_pnl(rows, pool, prices))
    isolated = [row for row in rows if row.alone]
    cross = [row for row in rows if not row.alone]
    holdings = _holdings(pool, cross, isolated, assets, prices)

    def required(coin: str) -> float | None:
        return holdings[coin].required

    cross, known = with_rest_of_total(cross, pool, required)
    if pool.unlisted:
        known = None
    total = required_in_total(pool)
    symbols: dict[str, list[Facts]] = {}
    options = []
    for row in cross:
        # Asked of the few without a notional: it takes time of all.
        if row.notional is None and row.is_option:
            options.append(row)
        else:
            symbols.setdefault(row.position.symbol, []).append(row)
    share = None
    if known is not None:
        share = 1.0 if total is None or total >= known else total / known
    equity = _equity(pool, rows, assets, prices)
    adjusted = _adjusted_equity(pool, equity, rows, assets, holdings)
    margin_equity = _margin_equity(pool, adjusted, cross, isolated, prices)
    margin = finite(total if total is not None else known)
    closing_fees = _closing_fees(cross, required)
    requirement = excess = None
    if margin is not None and closing_fees is not None:
        requirement = finite(margin + closing_fees)
    if margin_equity is not None and requirement is not None:
        excess = finite(margin_equity - requirement)
    return Pool(
        pool=pool,
        cross=cross,
        isolated=isolated,
        holdings=holdings,
        equity=equity,
        adjusted_equity=adjusted,
        margin_equity=margin_equity,
        maintenance_margin=None if margin is None else margin / pool.liquidation_multiple,
        closing_fees=closing_fees,
        requirement=requirement,
        excess=excess,
        position_share=share,
        symbols=symbols,
        options=options,
        assets=assets,
    )


def _holdings(
    pool: MarginPool,
    cross: Iterable[Facts],
    isolated: Iterable[Facts],
    assets: Iterable[Asset],
    prices: Prices,
) -> Mapping[str, Holding]:
    """Every coin of the pool; what backs the positions that stand alone is not counted in."""
    settles = {row.position.contract.settle for row in cross}
    apart: dict[str, float | None] = {}
    for coin, own in _counted_apart(pool, cross, isolated):
        before = apart.get(coin, 0.0)
        apart[coin] = None if own is None or before is None else before + own
    settles |= apart.keys()
    found = {}
    for asset in assets:
        amount, own = _amount(asset, settles), apart.get(asset.asset, 0.0)
        backing = None if amount is None or own is None else finite(amount - own)
        found[asset.asset] = _holding(asset, backing, pool, prices)
    for coin in settles:
        if coin not in found:
            found[coin] = _holding(Asset(asset=coin), None, pool, prices, listed=False)
    return found


def _holding(
    asset: Asset, amount: float | None, pool: MarginPool, prices: Prices, *, listed: bool = True
) -> Holding:
    coin, currency, times = asset.asset, pool.currency, pool.liquidation_multiple
    if coin == currency:
        return Holding(coin, amount, 1.0, 1.0, times, listed)
    unit = prices.assumed.get(currency)

    def counts(price: float | None, otherwise: float | None) -> float | None:
        if price is None:
            return otherwise
        # 0 is a price: what the venue does not take as margin.
        price = not_negative(price)
        return None if price is None or unit is None else not_negative(price / unit)

    market = prices.convert(coin, currency)
    credit = counts(asset.collateral_price_usd, market)
    # What is no margin is owed all the same.
    debt = counts(asset.debt_price_usd, credit or market)
    required = counts(asset.margin_price_usd, market)
    return Holding(coin, amount, credit, debt, None if required is None else required * times, listed)


def _amount(asset: Asset, settles: Iterable[str]) -> float | None:
    """An asset's equity, else its wallet balance if no position of the pool settles in it."""
    amount = asset.equity
    if amount is None and asset.asset not in settles:
        amount = asset.wallet_balance
    return finite(amount)


def _sum_of_assets(
    rows: Iterable[Facts], assets: Iterable[Asset], rate: Callable[[str, float], float | None]
) -> float | None:
    """The value of the assets at a rate by coin and amount; None where a coin that is held has none."""
    settles = {row.position.contract.settle for row in rows}
    total = 0.0
    for asset in assets:
        amount = _amount(asset, settles)
        if amount == 0.0:
            continue
        each = None if amount is None else rate(asset.asset, amount)
        if amount is None or each is None:
            return None
        total += amount * each
    return finite(total)


def _equity(pool: MarginPool, rows: Iterable[Facts], assets: Sequence[Asset], prices: Prices) -> float | None:
    """At market prices, in the pool's currency."""
    if pool.equity is not None:
        return finite(pool.equity)
    if not assets:
        return None
    return _sum_of_assets(rows, assets, lambda coin, _: prices.convert_known(coin, pool.currency))


def _adjusted_equity(
    pool: MarginPool,
    equity: float | None,
    rows: Iterable[Facts],
    assets: Sequence[Asset],
    holdings: Mapping[str, Holding],
) -> float | None:
    """As the venue counts it, in the pool's currency."""
    if pool.adjusted_equity is not None:
        return finite(pool.adjusted_equity)
    if all(asset.collateral_price_usd is None and asset.debt_price_usd is None for asset in assets):
        return equity

    def rate(coin: str, amount: float) -> float | None:
        return holdings[coin].debt if amount < 0.0 else holdings[coin].credit

    return _sum_of_assets(rows, assets, rate)


def _margin_equity(
    pool: MarginPool,
    adjusted: float | None,
    cross: Iterable[Facts],
    isolated: Iterable[Facts],
    prices: Prices,
) -> float | None:
    """The part of the equity that backs the pool's positions, in its currency."""
    if pool.margin_equity is not None:
        return finite(pool.margin_equity)
    if adjusted is None:
        return None
    for coin, own in _counted_apart(pool, cross, isolated):
        rate = prices.convert(coin, pool.currency)
        if own is None or rate is None:
            return None
        adjusted -= own * rate
    return finite(adjusted)


def _counted_apart(
    pool: MarginPool, cross: Iterable[Facts], isolated: Iterable[Facts]
) -> Iterator[tuple[str, float | None]]:
    """Amounts, with their coins, that are in the equity and back nothing: None is one that is unknown.

    What positions have that stand alone, and what options are worth whose value is counted apart.
    """
    for row in isolated:
        yield row.position.contract.settle, row.isolated_equity
    if pool.options_apart:
        for row in cross:
            if row.is_option:
                yield row.position.contract.settle, value_of(row.position, row.mark)


def _closing_fees(cross: Iterable[Facts], required: Callable[[str], float | None]) -> float | None:
    """Of the positions that the pool backs, in its currency."""
    total = 0.0
    for row in cross:
        if row.closing_fee == 0.0:
            continue
        rate = required(row.position.contract.settle)
        if row.closing_fee is None or rate is None:
            return None
        total += row.closing_fee * rate
    return finite(total)
