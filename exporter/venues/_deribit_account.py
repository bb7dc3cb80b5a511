"""What Deribit's messages say of an account: its pools, positions and coins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from exporter.coins import STABLE_COINS
from exporter.model import AccountSnapshot, Asset, Greeks, MarginPool, OptionMargin, OptionTerms, Position
from exporter.venues._deribit import SUMMARIES, Book, Named, PositionRow, Summary
from exporter.venues.base import pools_by_coin, schema_error, told


class Held(Struct, frozen=True):
    """A position with what its name says, and what is told to everybody of it."""

    row: PositionRow
    named: Named
    mark_iv: float | None = None
    """Percent."""
    underlying_price: float | None = None

    @property
    def settle(self) -> str:
        return self.named.contract.settle

    def base_price(self, prices: Mapping[str, float]) -> float | None:
        """USD for a unit of its base: the index is in its quote, of which a dollar coin counts as one."""
        quote = self.named.contract.quote
        unit = 1.0 if quote == "USD" else prices.get(quote, 1.0 if quote in STABLE_COINS else None)
        return None if unit is None or self.row.index_price is None else self.row.index_price * unit


_AVERAGED = 1800.0
"""Seconds before its expiry in which an option's delivery price is an average and no index."""


def held_of(row: PositionRow, name: Named, book: Book | None, now: float) -> Held:
    """A position with what is told to everybody of it.

    Args:
        row: The position.
        name: What its name says.
        book: Of an option, if it is told.
        now: Unix seconds.
    """
    if book is None:
        return Held(row, name)
    moves = name.option is not None and name.option.expires_at - now > _AVERAGED
    underlying = book.moved_to(row.index_price) if moves else book.underlying_price
    return Held(row, name, book.mark_iv, underlying)


def parse(
    rows: Sequence[Summary],
    held: Sequence[Held],
    model: tuple[bool, bool],
    prices: Mapping[str, float],
    *,
    unlisted: bool,
) -> AccountSnapshot:
    """The account from its messages.

    Args:
        rows: Its currencies.
        held: Its positions.
        model: Whether all currencies back all positions, and whether scenarios say what is required.
        prices: What coins are worth in USD.
        unlisted: Whether it has positions that are not among these.
    """
    cross, portfolio = model
    positions = tuple(_position(one, cross=cross, portfolio=portfolio) for one in held)
    pools: tuple[MarginPool, ...]
    if cross:
        pools = (_shared_pool(rows, positions, prices, portfolio=portfolio, unlisted=unlisted),)
    else:
        pools = pools_by_coin(
            rows,
            positions,
            lambda row, backed: _coin_pool(row, backed, portfolio=portfolio, unlisted=unlisted),
            home="BTC",
        )
    return AccountSnapshot(
        pools=pools,
        positions=positions,
        assets=tuple(
            Asset(asset=row.currency, wallet_balance=row.balance, equity=row.equity)
            for row in rows
            if row.equity or row.balance
        )
        if cross
        else (),
        modes={
            "asset_mode": "multi" if cross else "single",
            "margin_mode": "portfolio" if portfolio else "cross",
            "position_mode": "one_way",
        },
        prices=prices,
    )


def prices_of(rows: Iterable[Summary], held: Sequence[Held]) -> dict[str, float]:
    """What totals and positions say of the prices of coins, in USD: an index in USD first."""
    prices = {row.currency: row.price for row in rows if row.price is not None}
    for one in sorted(held, key=lambda one: one.named.contract.quote == "USD"):
        base, price = one.named.contract.base, one.base_price(prices)
        if price is not None and (base not in prices or one.named.contract.quote == "USD"):
            prices[base] = price
    return prices


def _required(amount: float | None, positions: Iterable[Position]) -> float | None:
    """What a pool requires. 0 is what bought options do; beside anything else it is a placeholder."""
    return told(amount, (one for one in positions if one.option is None or one.side == "short"))


def _coin_pool(row: Summary, positions: Sequence[Position], *, portfolio: bool, unlisted: bool) -> MarginPool:
    return MarginPool(
        currency=row.currency,
        equity=row.equity,
        margin_equity=row.margin_balance,
        maintenance_margin=_required(row.maintenance_margin, positions),
        wallet_balance=row.balance,
        available_balance=row.available_funds,
        unrealized_pnl=row.total_pl,
        initial_margin=row.initial_margin,
        withdrawable_balance=row.available_withdrawal_funds,
        unlisted=unlisted,
        scenario_margin=portfolio,
        options_apart=_apart(row.equity, row.margin_balance, row.options_value, otherwise=not portfolio),
    )


def _shared_pool(
    rows: Sequence[Summary],
    positions: Sequence[Position],
    prices: Mapping[str, float],
    *,
    portfolio: bool,
    unlisted: bool,
) -> MarginPool:
    """What all currencies back together. Every row repeats its totals: they are read once, and not added."""
    row = next((row for row in rows if row.total_margin_balance_usd is not None), None)
    if row is None or row.total_margin_balance_usd is None:
        raise schema_error(SUMMARIES, "`total_margin_balance_usd` is missing of an account with one pool")
    if row.total_maintenance_margin_usd is None:
        raise schema_error(SUMMARIES, "`total_maintenance_margin_usd` is missing of an account with one pool")
    backing, initial = row.total_margin_balance_usd, row.total_initial_margin_usd
    value = _in_usd(prices, ((one.currency, one.options_value or 0.0) for one in rows))
    return MarginPool(
        currency="USD",
        equity=row.total_equity_usd,
        margin_equity=backing,
        maintenance_margin=_required(row.total_maintenance_margin_usd, positions),
        wallet_balance=_in_usd(prices, ((one.currency, one.balance) for one in rows)),
        # As each row has it in its own currency: what backs positions less what they and orders take.
        available_balance=None if initial is None else max(backing - initial, 0.0),
        unrealized_pnl=_in_usd(prices, ((one.currency, one.total_pl) for one in rows)),
        initial_margin=initial,
        unlisted=unlisted,
        scenario_margin=portfolio,
        options_apart=_apart(row.total_equity_usd, backing, value, otherwise=not portfolio),
    )


def _apart(equity: float | None, backing: float | None, value: float | None, *, otherwise: bool) -> bool:
    """Whether the value of options is no part of what backs positions, as the figures have it.

    In the documented account in standard margin it is not: 302.61869214 + 0.0086 = 302.62729214. Of
    portfolio margin nothing is documented. `otherwise` is said where there are no options, and where figures
    cannot tell: of options that are worth next to nothing.
    """
    if equity is None or backing is None or not value or abs(value) <= _LEAST_VALUE * abs(equity):
        return otherwise
    return abs(equity - value - backing) < abs(equity - backing)


_LEAST_VALUE = 1e-6
"""Share of the equity: a smaller value of options is not told from rounding."""


def _in_usd(prices: Mapping[str, float], amounts: Iterable[tuple[str, float | None]]) -> float | None:
    """The sum of amounts of coins; None where one is not known, or has no price."""
    total = 0.0
    for coin, amount in amounts:
        if amount == 0.0:
            continue
        price = prices.get(coin)
        if amount is None or price is None:
            return None
        total += amount * price
    return total


def _position(held: Held, *, cross: bool, portfolio: bool) -> Position:
    row, contract, terms = held.row, held.named.contract, held.named.option
    # Of a linear future both are in base, whatever unit the first may be printed in.
    amount = row.size_currency if contract.kind == "linear" and row.size_currency else row.size
    standard = not cross and not portfolio
    return Position(
        symbol=row.instrument_name,
        side=row.side,
        margin_mode="cross",
        quantity=abs(amount),
        contract=contract,
        entry_price=row.average_price,
        mark_price=_mark(row, option=terms is not None),
        liquidation_price=row.estimated_liquidation_price if standard and terms is None else None,
        unrealized_pnl=row.total_profit_loss,
        realized_pnl=row.realized_profit_loss,
        initial_margin=None if portfolio else row.initial_margin,
        # What one position would require alone is no part of what scenarios of all of them do.
        maintenance_margin=None if portfolio else row.maintenance_margin,
        accrued_funding=row.realized_funding,
        pool_currency="USD" if cross else None,
        option=terms,
        greeks=None if terms is None else _greeks(held),
        option_margin=None if terms is None or portfolio else _option_margin(held, terms),
    )


def _mark(row: PositionRow, *, option: bool) -> float | None:
    """Its mark. Only options can be worth 0, and those have next to no delta: else it is a placeholder."""
    mark, delta = row.mark_price, row.delta
    if mark is None or mark > 0.0:
        return mark
    if not option or mark < 0.0 or delta is None or abs(delta) > _WORTHLESS_DELTA * abs(row.size):
        return None
    return 0.0


_WORTHLESS_DELTA = 0.2


def _greeks(held: Held) -> Greeks:
    row, volatility = held.row, held.mark_iv
    return Greeks(
        delta=row.delta,
        gamma=row.gamma,
        vega=row.vega,
        theta=row.theta,
        implied_volatility=None if volatility is None else volatility / 100.0,
        underlying_price=held.underlying_price,
    )


def _option_margin(held: Held, terms: OptionTerms) -> OptionMargin | None:
    """The rule of standard margin by which this option's requirement follows its prices.

    A short one requires, for each unit of base and in its settle coin, its mark and a share of the
    underlying: 0.075 + mark of a call, max(0.075, 0.075 mark) + mark of a put, as last documented for BTC and
    ETH. A long one requires nothing.
    """
    row, contract = held.row, held.named.contract
    return OptionMargin.fitted(
        row.maintenance_margin,
        size=abs(row.size),
        long=row.side == "long",
        mark=_mark(row, option=True),
        underlying=1.0 if contract.settle == contract.base else held.underlying_price,
        right=terms.right,
    )
