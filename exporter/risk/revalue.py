"""A snapshot at newer marks: what the venue would print if it were asked again, and only prices had moved.

Between two collections of an account sizes and balances stand still and prices do not. Every figure that
follows the marks is moved by the difference that the engine computes between the snapshot's own marks and the
new ones, so that it stays the venue's figure, with the venue's rounding in it:

* *unrealized PnL* by the change of the notional;
* *maintenance margin* along the position's schedule, scaled as the venue's figure was to it; without one,
  with the notional;
* *equity, adjusted equity, margin equity* by the PnL, and by what coins are worth that are held beside it;
* *the venue's liquidation price* by what the engine's own moves: it depends on all other marks of the pool;
* *the venue's own rate* by what the engine's moves;
* *options* to the venue's new mark, or where it tells none by Black's formula with the index price of the
  coin that they are written on, volatility and time to expiry held. Their greeks are then the formula's, and
  what they require follows their rule. They move with their coin or not at all.

What the venue alone can tell stays as it was collected: balances, what is free or may be withdrawn, initial
margins, the largest notional, funding, the place in the auto-deleveraging queue. A pool of which a part
cannot be valued (a coin without a price, a position without a mark, or one that is not listed, an option
whose coin has no newer price or whose rule is not known) stays whole as it was collected, and so does one in
portfolio margin: with the prices of its coins, unless a pool that follows the marks has them too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from exporter.model import (
    AccountSnapshot,
    Asset,
    MarginPool,
    Marks,
    Position,
    PublicPrice,
    RiskSettings,
)
from exporter.risk.facts import Facts
from exporter.risk.liquidation import Liquidation, NoLiquidation, price_of, symbol_liquidation
from exporter.risk.moved import Moved, at_marks, believed, moved_position, options_at
from exporter.risk.notional import finite, positive
from exporter.risk.pools import Book, Pool, book_of
from exporter.risk.prices import Prices
from exporter.risk.shock import margin_rate

LARGEST_MOVE = 2.0
"""A price that is this many times the snapshot's, or less than its inverse, is not believed: it may be that
of another contract, or in another unit. The next collection says what it really is."""


class Usable(Struct, frozen=True):
    """Prices that a snapshot can be valued at."""

    marks: Mapping[str, float]
    prices: Mapping[str, float]
    """Coin to USD."""
    absurd: tuple[str, ...] = ()
    """Symbols and coins whose prices are too far from the snapshot's to be believed."""


class Revaluation:
    """One snapshot, ready to be valued at other prices. Pure.

    Always from the collected figures, so that nothing adds up from one time to the next.
    """

    def __init__(self, snapshot: AccountSnapshot, settings: RiskSettings, at: float | None = None) -> None:
        self.snapshot = snapshot
        self._settings = settings
        self._at = at
        self._book = book_of(snapshot, settings, at)
        self._rows = {row.place: row for pool in self._book.pools for row in (*pool.cross, *pool.isolated)}
        self._liquidations: Mapping[int, float | None] | None = None

    def usable(self, marks: Marks, *, newer_than: float) -> Usable:
        """Of a venue's prices those that matter here, are newer (Unix seconds), and can be believed."""
        known = self._book.prices.known
        found: dict[str, float] = {}
        coins: dict[str, float] = {}
        absurd: list[str] = []

        def take(into: dict[str, float], name: str, price: float | None, own: float | None) -> None:
            if price is None or own is None:
                return
            if own / LARGEST_MOVE < price < own * LARGEST_MOVE:
                into[name] = price
            else:
                absurd.append(name)

        for row in self._rows.values():
            symbol = row.position.symbol
            if row.is_option:
                mark = _price(marks.symbols.get(symbol), newer_than)
                if mark is not None and believed(row, mark):
                    found[symbol] = mark
            elif symbol not in found:
                take(found, symbol, _price(marks.symbols.get(symbol), newer_than), row.mark)
        for coin, own in self.snapshot.prices.items():
            quote = marks.coins.get(coin) if coin in known else None
            unit = None if quote is None else 1.0 if quote.currency == "USD" else known.get(quote.currency)
            price = _price(quote, newer_than)
            take(coins, coin, None if price is None or unit is None else price * unit, positive(own))
        return Usable(found, coins, tuple(dict.fromkeys(absurd)))

    def at(self, usable: Usable) -> AccountSnapshot:
        """The snapshot at these prices."""
        prices = usable.prices
        moves = {
            coin: price / own for coin, price in prices.items() if (own := self.snapshot.prices.get(coin))
        }
        moved: dict[int, Moved] = {}
        pools: list[MarginPool] = []
        assets: dict[int, Asset] = {id(asset): asset for asset in self.snapshot.assets}
        followed: set[str] = set()
        kept: set[str] = set()
        for entry in self._book.pools:
            rows = {one.row.place: one for one in at_marks(entry, usable.marks)}
            if entry.options:
                rows |= {one.row.place: one for one in options_at(entry, usable.marks, moves)}
            held = [one for one in self.snapshot.assets if one.pool_currency == entry.pool.key]
            change = _Change(entry, held, rows, moves, self._book.prices)
            pool = change.pool()
            coins = kept if pool is None else followed
            coins |= {entry.pool.currency, *entry.holdings}
            if pool is None:
                pools.append(entry.pool)
                continue
            moved |= rows
            pools.append(pool)
            assets |= {id(asset): change.asset(asset) for asset in held}
        found = replace(
            self.snapshot,
            pools=tuple(pools[: len(self.snapshot.pools)]),
            positions=tuple(
                moved_position(position, moved.get(place))
                for place, position in enumerate(self.snapshot.positions)
            ),
            assets=tuple(assets.values()),
            # An amount of then at a price of now is neither.
            prices={
                **self.snapshot.prices,
                **{coin: price for coin, price in prices.items() if coin in followed or coin not in kept},
            },
        )
        return self._with_liquidation_prices(found, moving=bool(moves))

    def _with_liquidation_prices(self, new: AccountSnapshot, *, moving: bool) -> AccountSnapshot:
        """With the venue's liquidation prices where its own rows, asked now, would print them.

        The price of a symbol depends on all that its pool holds besides: where there is nothing, it stands
        still.
        """
        places = [
            row.place
            for pool in self._book.pools
            if moving or len(pool.symbols) > 1
            for row in pool.cross
            if row.position.liquidation_price is not None
        ]
        if not places:
            return new
        if self._liquidations is None:
            self._liquidations = _liquidations(self._book)
        before, after = self._liquidations, _liquidations(book_of(new, self._settings, self._at))
        positions = list(new.positions)
        for place in places:
            row, position = self._rows[place], positions[place]
            if place not in before or place not in after or row.mark is None:
                continue
            price = _shifted(row, position, before[place], after[place])
            positions[place] = replace(position, liquidation_price=price)
        return replace(new, positions=tuple(positions))


def _price(quote: PublicPrice | None, newer_than: float) -> float | None:
    return positive(quote.price) if quote is not None and quote.at > newer_than else None


def _shifted(row: Facts, position: Position, before: float | None, after: float | None) -> float | None:
    """The venue's liquidation price, moved as the engine's; None where no price liquidates any more.

    None also where the engine's price is on the other side of the mark by now (a hedged pair has two): then
    the engine's own is published.
    """
    venue, old, new = row.position.liquidation_price, row.mark, position.mark_price
    if before is None or venue is None or old is None or new is None:
        return venue
    if after is None or (before < old) != (after < new):
        return None
    return positive(venue + (after - before))


def _liquidations(book: Book) -> Mapping[int, float | None]:
    """The engine's liquidation price by the position's place; without those that cannot be known."""
    found: dict[int, float | None] = {}
    for entry in book.pools:
        for rows in entry.symbols.values():
            liquidation = symbol_liquidation(entry, rows, book.prices)
            if isinstance(liquidation, Liquidation) or liquidation is NoLiquidation.IMPOSSIBLE:
                found |= {row.place: price_of(row, liquidation) for row in rows}
    return found


Amounts = Mapping[str, float | None]
Value = Callable[[str, float], float | None]
"""Of an amount of a coin, in the pool's currency, at the snapshot's prices."""


class _Change:
    """What new prices change in one pool, in its currency."""

    def __init__(
        self,
        entry: Pool,
        assets: Iterable[Asset],
        moved: Mapping[int, Moved],
        moves: Mapping[str, float],
        prices: Prices,
    ) -> None:
        self._entry = entry
        self._assets = {asset.asset: asset for asset in assets}
        self._moved = moved
        self._moves = moves
        self._prices = prices
        self._rows = (*entry.cross, *entry.isolated)
        self._profit = self._profits(self._rows)

    def asset(self, asset: Asset) -> Asset:
        """One coin of the pool: its PnL, and what a unit of it counts."""
        move, profit = self._moves.get(asset.asset, 1.0), self._profit.get(asset.asset, 0.0)

        def at(price: float | None) -> float | None:
            return None if price is None else price * move

        return replace(
            asset,
            equity=_plus(asset.equity, profit),
            collateral_price_usd=at(asset.collateral_price_usd),
            debt_price_usd=at(asset.debt_price_usd),
            margin_price_usd=at(asset.margin_price_usd),
        )

    def pool(self) -> MarginPool | None:
        """The totals; None where they cannot be told."""
        entry, pool = self._entry, self._entry.pool
        if pool.unlisted or pool.scenario_margin:
            return None
        if any(row.place not in self._moved for row in entry.options) and (self._moved or self._moves):
            return None
        whole = {coin: self._amount(coin) for coin in entry.holdings}
        cross = {coin: holding.amount for coin, holding in entry.holdings.items()}
        equity = self._gain(whole, self._profit, self._market)
        adjusted = self._gain(whole, self._profit, self._counted)
        counted = entry.cross
        if pool.options_apart and entry.options:
            counted = [row for row in entry.cross if not row.is_option]
        backing = self._gain(cross, self._profits(counted), self._counted)
        margin, pnl = self._maintenance_margin(), self._unrealized_pnl()
        told = (
            (pool.equity, equity),
            (pool.adjusted_equity, adjusted),
            (pool.margin_equity, backing),
            (pool.maintenance_margin, margin),
            (pool.unrealized_pnl, pnl),
        )
        if any(figure is not None and new is None for figure, new in told):
            return None
        return replace(
            pool,
            equity=_plus(pool.equity, equity),
            adjusted_equity=_plus(pool.adjusted_equity, adjusted),
            margin_equity=_plus(pool.margin_equity, backing),
            maintenance_margin=None if pool.maintenance_margin is None else margin,
            unrealized_pnl=None if pool.unrealized_pnl is None else pnl,
            venue_margin_rate=self._venue_rate(backing, margin),
        )

    def _profits(self, rows: Iterable[Facts]) -> Mapping[str, float]:
        """Change of the PnL by the coin that it is paid in."""
        found: dict[str, float] = {}
        for row in rows:
            if row.place in self._moved:
                coin = row.position.contract.settle
                found[coin] = found.get(coin, 0.0) + self._moved[row.place].profit
        return found

    def _move(self, coin: str) -> float:
        """By what the coin's value in the pool's currency changes, as a factor."""
        return self._moves.get(coin, 1.0) / self._moves.get(self._entry.pool.currency, 1.0)

    def _amount(self, coin: str) -> float | None:
        """What the pool has of a coin, with what backs the positions that stand alone."""
        asset = self._assets.get(coin)
        if asset is None or asset.equity is not None:
            return None if asset is None else asset.equity
        settles = any(row.position.contract.settle == coin for row in self._rows)
        return None if settles else asset.wallet_balance

    def _counted(self, coin: str, amount: float) -> float | None:
        holding = self._entry.holdings[coin]
        price = holding.debt if amount < 0.0 else holding.credit
        return None if price is None else amount * price

    def _market(self, coin: str, amount: float) -> float | None:
        price = self._prices.convert(coin, self._entry.pool.currency)
        return None if price is None else amount * price

    def _gain(self, amounts: Amounts, profits: Mapping[str, float], value: Value) -> float | None:
        """What all coins are worth more than before; None where a coin that changes cannot be valued."""
        total = 0.0
        for coin, holding in self._entry.holdings.items():
            profit, move, amount = profits.get(coin, 0.0), self._move(coin), amounts.get(coin)
            if profit == 0.0 and move == 1.0:
                continue
            if amount is None and holding.listed and move != 1.0:
                return None
            amount = amount or 0.0
            before, after = value(coin, amount), value(coin, amount + profit)
            if before is None or after is None:
                return None
            total += after * move - before
        return finite(total)

    def _unrealized_pnl(self) -> float | None:
        """The pool's. Venues value it as they do the coin, or at the market: as their figure says."""
        told, holdings = self._entry.pool.unrealized_pnl, self._entry.holdings
        if told is None or not (self._profit or self._moves):
            return told
        own = dict.fromkeys(holdings, 0.0)
        for row in self._rows:
            own[row.position.contract.settle] += row.unrealized_pnl or 0.0
        coins = [coin for coin, pnl in own.items() if pnl or self._profit.get(coin)]
        ways: list[tuple[float, float]] = []
        for rate in (self._market, self._counted):  # the market's, where they were the same
            before = after = 0.0
            for coin in coins:
                profit, amount = self._profit.get(coin, 0.0), holdings[coin].amount or 0.0
                # What a unit counts: by whether the coin is held or owed, then and now.
                old, new = (
                    rate(coin, math.copysign(1.0, amount)),
                    rate(coin, math.copysign(1.0, amount + profit)),
                )
                if old is None or new is None:
                    break
                before += own[coin] * abs(old)
                after += (own[coin] + profit) * abs(new) * self._move(coin)
            else:
                ways.append((abs(before - told), told + after - before))
        return min(ways, default=(0.0, None), key=lambda way: way[0])[1]

    def _maintenance_margin(self) -> float | None:
        """What the pool requires: the venue's figure moved, else the sum over the positions.

        What it requires beyond the positions whose part is known is for open orders, which stand still, or
        for positions whose part is not: those follow their notional.
        """
        before = after = unknown_before = unknown_after = 0.0
        for row in self._entry.cross:
            coin = row.position.contract.settle
            rate, new = self._entry.holdings[coin].required, self._moved.get(row.place)
            own = 0.0 if row.is_option else row.notional
            if rate is None or own is None:
                return None
            notional, margin = own, row.maintenance_margin
            if new is not None:
                notional, margin = new.notional, new.margin
            if row.maintenance_margin is None or margin is None:
                unknown_before += own * rate
                unknown_after += notional * rate * self._move(coin)
            else:
                before += row.maintenance_margin * rate
                after += margin * rate * self._move(coin)
        total, times = self._entry.pool.maintenance_margin, self._entry.pool.liquidation_multiple
        if total is not None:
            total *= times
        if unknown_before:
            if total is None:
                return None
            return finite((after + max(total - before, 0.0) * unknown_after / unknown_before) / times)
        if total is None:
            return finite(after / times)
        return finite(max(total + (after - before) * (self._entry.position_share or 1.0), 0.0) / times)

    def _venue_rate(self, backing: float | None, margin: float | None) -> float | None:
        """The venue's own rate, moved as the engine's; None where that cannot be told."""
        entry, told = self._entry, self._entry.pool.venue_margin_rate
        if told is None or not (self._moved or self._moves):
            return told
        fees = 0.0
        for row in entry.cross:
            coin, new = row.position.contract.settle, self._moved.get(row.place)
            required = entry.holdings[coin].required
            notional = row.notional if new is None else new.notional
            if row.is_option:
                continue
            if required is None or notional is None:
                return None
            fees += row.position.closing_fee_rate * notional * required * self._move(coin)
        if None in (entry.requirement, entry.margin_equity, backing, margin):
            return None
        old, new_equity = entry.margin_equity or 0.0, (entry.margin_equity or 0.0) + (backing or 0.0)
        rates = (
            margin_rate(entry.requirement or 0.0, old, exposed=True),
            margin_rate((margin or 0.0) * entry.pool.liquidation_multiple + fees, new_equity, exposed=True),
        )
        if rates[0] is None or rates[1] is None or finite(rates[0]) is None:
            return None
        return max(told + (rates[1] - rates[0]), 0.0)


def _plus(figure: float | None, change: float | None) -> float | None:
    return None if figure is None or change is None else figure + change
