"""What Gate's messages say of an account: its pools, positions and coins."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from exporter.errors import VenueError
from exporter.model import NO_PRICES, AccountSnapshot, Asset, Contract, MarginPool, Position
from exporter.venues._gate import (
    MODE,
    POSITIONS,
    TAKER_RATE,
    UNIFIED,
    Account,
    Balance,
    ContractRow,
    Discount,
    Mode,
    PositionRow,
    TickerRow,
    Unified,
    turned,
)
from exporter.venues._gate_hedge import of_larger_side
from exporter.venues._schedule import Schedule, Step, progressive
from exporter.venues.base import nothing_less, pools_by_coin, position_ids, schema_error, sum_of, told

NOT_MONEY = frozenset({"POINT"})
"""Rows of balances that are no coins: prepaid fees."""
# The average rate is cut to four decimals: a schedule that is farther from it is not the position's.
_CUT = 1e-4


class Wallet(Struct, frozen=True):
    """A futures account in one settle currency, and where what it has counts."""

    coin: str
    account: Account
    mode: Mode

    @property
    def inside(self) -> bool:
        """Whether it is a part of the unified account: that in USDT is, others where they say so."""
        return self.mode.unified and (self.coin == "USDT" or not self.account.classic)

    @property
    def pool(self) -> str:
        """The name of the pool that backs its cross positions."""
        if self.inside:
            return "USD" if self.mode.shared else self.coin
        return f"futures:{self.coin}" if self.mode.unified else self.coin

    @property
    def holds(self) -> bool:
        return bool(self.account.equity or self.account.cross_margin_balance)


def mode_of(told: Mode | None, accounts: Iterable[Account]) -> Mode:
    """The mode; None is told where the key may not ask for it: a classic one, if the futures accounts say so.

    Raises:
        VenueError: reason ``permission``: the figures of other modes cannot be read either; ``schema``: a
            futures account is part of a unified one that is said not to be there. Its own total is no equity.
    """
    if all(account.classic or not account.exists for account in accounts):
        return told or Mode("classic")
    if told is None:
        text = "the account is a unified one: give its key the permission to read `unified`"
        raise VenueError("permission", f"gate {MODE.method} {MODE.label}: {text}")
    if not told.unified:
        raise schema_error(
            MODE, "`mode` is classic, but a futures account has the `margin_mode` of a unified one"
        )
    return told


class Coin(Struct, frozen=True):
    """A coin of a unified account."""

    coin: str
    balance: Balance

    @property
    def holds(self) -> bool:
        return bool(self.balance.equity) and self.coin not in NOT_MONEY


class Held(Struct, frozen=True):
    """A position with what else is known of its symbol."""

    row: PositionRow
    wallet: Wallet
    contract: Contract
    schedule: Schedule = Schedule()
    """Without the fee of closing."""
    listing: ContractRow | None = None
    ticker: TickerRow | None = None

    @property
    def fee_rate(self) -> float:
        return TAKER_RATE if self.listing is None else self.listing.fee_rate

    @property
    def tiered(self) -> bool:
        """Whether each part of it is at the rate of its tier, or all of it at one rate (the older rule)."""
        known = self.wallet.account.enable_tiered_mm
        return self.row.average_maintenance_rate is not None if known is None else known

    @property
    def portfolio(self) -> bool:
        return self.wallet.inside and self.wallet.mode.portfolio

    @property
    def charged(self) -> Schedule:
        """What it requires at any value, the fee of closing included. Portfolio margin has no schedule."""
        if self.portfolio:
            return Schedule(limits=self.schedule.limits)
        found, rate = self.schedule, self.row.maintenance_rate
        if not self.tiered and rate is not None:
            found = Schedule(progressive([Step(math.inf, rate)]).tiers, found.limits)
        return found.with_fee(self.fee_rate)

    @property
    def required(self) -> float | None:
        """Maintenance margin and fee of closing, in the settle currency.

        The venue's. Where it prints 0: by the tiers, unless the average rate (without one, that of its tier)
        contradicts them, or there are none; then by that rate. A value of 0 is none. In portfolio margin no
        rate tells it.
        """
        row = self.row
        if row.maintenance_margin is not None or not row.value or self.portfolio:
            return row.maintenance_margin
        value, rate = abs(row.value), row.maintenance_rate
        found = self.charged.required(value)
        if self.tiered and row.average_maintenance_rate is None and rate is not None:
            tier = self.schedule.rate_at(value)
            return found if tier is not None and abs(tier - rate) <= _CUT else value * (rate + self.fee_rate)
        rate = row.average_maintenance_rate if self.tiered else rate
        if rate is None:
            return found
        at_rate = value * (rate + self.fee_rate)
        agree = found is not None and abs(found - at_rate) <= value * _CUT
        return found if agree else at_rate


class Known(Struct, frozen=True):
    """What public calls say beside an account."""

    held: Sequence[Held] = ()
    """Its positions."""
    prices: Mapping[str, float] = NO_PRICES
    """Coin to USD."""
    discounts: Mapping[str, Discount] | None = None
    """What counts of coins as margin; None where that is not known."""


def parse(
    mode: Mode,
    wallets: Sequence[Wallet],
    unified: Unified | None,
    known: Known,
    *,
    unlisted: bool,
    now: float,
) -> AccountSnapshot:
    """The account from its messages.

    Args:
        mode: Of the whole account.
        wallets: The futures accounts that there are.
        unified: The figures of a unified account.
        known: Its positions and what is known beside.
        unlisted: Whether it has options, which count in its figures.
        now: Unix seconds.
    """
    held, prices = known.held, known.prices
    keys = [(one.row.contract, one.row.side, one.row.isolated) for one in held]
    ids = position_ids(keys, "pid", (one.row.pid or one.row.id for one in held), POSITIONS)
    positions = [_position(one, name, now) for one, name in zip(held, ids, strict=True)]
    inside = [one for one, of in zip(positions, held, strict=True) if of.wallet.inside]
    apart = [wallet for wallet in wallets if not wallet.inside]
    totals = [(wallet.pool, wallet.account.cross_maintenance_margin) for wallet in apart]
    pools: tuple[MarginPool, ...] = ()
    assets: tuple[Asset, ...] = ()
    if unified is not None and mode.shared:
        totals.append(("USD", unified.total_maintenance_margin))
        pools = (_pool(unified, inside, prices, unlisted=unlisted, portfolio=mode.portfolio),)
        assets = _assets(unified, inside, prices, known.discounts)
    elif unified is not None:
        totals += [(coin, balance.mm) for coin, balance in unified.balances.items()]
        pools = pools_by_coin(
            [Coin(coin, balance) for coin, balance in unified.balances.items() if coin not in NOT_MONEY],
            inside,
            lambda row, of_coin: _coin_pool(row, of_coin, unlisted=unlisted and row.coin == "USDT"),
            home="USDT",
        )
    if mode.unified:
        traded = {one.pool_currency for one in positions}
        pools += tuple(
            _wallet_pool(wallet, [one for one in positions if one.pool_currency == wallet.pool])
            for wallet in apart
            if wallet.holds or wallet.pool in traded
        )
    else:
        pools = pools_by_coin(apart, positions, _wallet_pool, home="USDT") or (_EMPTY,)
    return AccountSnapshot(
        pools=pools,
        positions=tuple(of_larger_side(positions, dict(totals))),
        assets=assets,
        modes=_modes(mode, wallets, unified),
        prices={coin: prices[coin] for coin in _touched(positions, wallets, unified) if coin in prices},
    )


def _touched(positions: Iterable[Position], wallets: Iterable[Wallet], unified: Unified | None) -> list[str]:
    """The coins that the account has anything to do with: the venue prices hundreds."""
    contracts = (one.contract for one in positions)
    found = {coin for one in contracts for coin in (one.base, one.quote, one.settle)}
    coins = () if unified is None else unified.balances
    return sorted({"USDT", *found, *(one.coin for one in wallets), *coins})


_EMPTY = MarginPool(
    currency="USDT",
    equity=0.0,
    margin_equity=0.0,
    maintenance_margin=0.0,
    wallet_balance=0.0,
    unrealized_pnl=0.0,
)
"""Of an account that has never had money for futures."""


def _modes(mode: Mode, wallets: Sequence[Wallet], unified: Unified | None) -> Mapping[str, str]:
    modes = {
        "asset_mode": "multi" if mode.shared else "single",
        "margin_mode": "portfolio" if mode.portfolio else "cross",
    }
    hedged = next((one.account.hedged for one in wallets if one.account.hedged is not None), None)
    if hedged is not None:
        modes["position_mode"] = "hedge" if hedged else "one_way"
    if unified is not None and mode.shared and unified.locked is not None:
        modes["account_status"] = "locked" if unified.locked else "normal"
    return modes


def _isolated(positions: Iterable[Position]) -> float | None:
    """What isolated positions have of their own, in their settle currency; None where one is not known."""
    total = 0.0
    for one in positions:
        if one.margin_mode == "isolated":
            if one.margin is None or one.unrealized_pnl is None:
                return None
            total += one.margin + one.unrealized_pnl
    return total


def _pnl(positions: Iterable[Position]) -> float | None:
    return sum_of(*(one.unrealized_pnl for one in positions))


def _in_usd(
    added_up: Callable[..., float | None], positions: Sequence[Position], prices: Mapping[str, float]
) -> float | None:
    """What is added up of positions in each settle currency, in USD; None where a part is not known."""
    total = 0.0
    for coin in sorted({one.contract.settle for one in positions}):
        amount = added_up([one for one in positions if one.contract.settle == coin])
        price = prices.get(coin, 1.0 if coin == "USDT" else None)
        if amount is None or (amount and price is None):
            return None
        total += amount * (price or 0.0)
    return total


def _wallet_pool(wallet: Wallet, positions: Sequence[Position]) -> MarginPool:
    """A futures account that backs its positions alone, in units of its settle currency.

    By the older rules there are no figures of cross positions: what backs them is all but what isolated ones
    have, and what they require follows from the positions.
    """
    row = wallet.account
    name = wallet.pool if wallet.pool != wallet.coin else ""
    if not row.evolved:
        return MarginPool(
            currency=wallet.coin,
            name=name,
            equity=row.equity,
            wallet_balance=row.total,
            available_balance=row.available,
            unrealized_pnl=row.unrealised_pnl,
            initial_margin=None
            if row.position_margin is None
            else row.position_margin + (row.order_margin or 0.0),
            open_order_margin=row.order_margin,
            withdrawable_balance=_without_bonus(row),
        )
    required = told(row.cross_maintenance_margin, positions)
    return MarginPool(
        currency=wallet.coin,
        name=name,
        equity=row.equity,
        margin_equity=_backing(row.cross_margin_balance, required, positions),
        maintenance_margin=required,
        wallet_balance=row.total,
        available_balance=row.available if row.cross_available is None else row.cross_available,
        unrealized_pnl=row.unrealised_pnl,
        initial_margin=row.cross_initial_margin,
        open_order_margin=row.cross_order_margin,
        withdrawable_balance=_without_bonus(row),
        venue_margin_rate=turned(row.cross_mmr, row.cross_margin_balance, required),
    )


def _without_bonus(row: Account) -> float | None:
    """What is available and may be moved out: a bonus may not."""
    return None if row.available is None else nothing_less(row.available - (row.bonus or 0.0))


def _pool(
    row: Unified,
    positions: Sequence[Position],
    prices: Mapping[str, float],
    *,
    unlisted: bool,
    portfolio: bool,
) -> MarginPool:
    """What all coins back together, in USD. What isolated positions have is not in the venue's figures.

    Raises:
        VenueError: reason ``schema``: the figures are of another mode. What loans require is in them alone.
    """
    own, pnl = _in_usd(_isolated, positions, prices), _in_usd(_pnl, positions, prices)
    required = told(row.total_maintenance_margin, positions)
    backing = _backing(row.total_margin_balance, required, positions)
    if backing is None and row.total_margin_balance is not None:
        text = (
            "`total_margin_balance` and `total_maintenance_margin` are 0 beside positions, as in another mode"
        )
        raise schema_error(UNIFIED, text)
    equity = row.unified_account_total_equity
    return MarginPool(
        currency="USD",
        equity=None if equity is None or own is None else equity + own,
        adjusted_equity=None if backing is None or own is None else backing + own,
        margin_equity=backing,
        maintenance_margin=required,
        available_balance=row.total_available_margin,
        unrealized_pnl=pnl,
        initial_margin=row.total_initial_margin,
        venue_margin_rate=turned(row.total_maintenance_margin_rate, backing, required),
        unlisted=unlisted,
        scenario_margin=portfolio,
    )


def _backing(amount: float | None, required: float | None, positions: Sequence[Position]) -> float | None:
    """What backs cross positions: 0, with a requirement of 0, is what another mode's figures are."""
    return amount if required else told(amount, positions)


def _coin_pool(row: Coin, positions: Sequence[Position], *, unlisted: bool) -> MarginPool:
    """A coin in single-currency mode; only that of the contracts has figures of cross positions.

    Its equity has isolated positions in it or not: what it is nearer to decides, where there are some.
    """
    figures, own = row.balance, _isolated(positions)
    required = told(figures.mm, positions)
    equity, backing = figures.equity, _backing(figures.margin_balance, required, positions)
    if own is None:
        equity = None
    elif own and equity is not None and backing is not None:
        equity = backing + own if abs(equity - backing) < abs(equity - backing - own) else equity
    traded = row.coin == "USDT" or bool(positions)
    parts = [part for part in (figures.cross_balance, figures.iso_balance) if part is not None]
    return MarginPool(
        currency=row.coin,
        equity=equity,
        margin_equity=backing if traded else None,
        maintenance_margin=required if traded else None,
        wallet_balance=sum(parts) if traded and parts else None,
        available_balance=figures.available_margin if traded else None,
        unrealized_pnl=_pnl(positions),
        initial_margin=figures.im if traded else None,
        venue_margin_rate=turned(figures.mmr, backing, required),
        unlisted=unlisted,
    )


def _assets(
    row: Unified,
    positions: Sequence[Position],
    prices: Mapping[str, float],
    discounts: Mapping[str, Discount] | None,
) -> tuple[Asset, ...]:
    """The coins that back all positions together; what isolated ones have is in USDT."""
    found = []
    for coin, balance in row.balances.items():
        own = _isolated(one for one in positions if one.contract.settle == coin)
        if coin in NOT_MONEY or not (balance.equity or own):
            continue
        equity = None if balance.equity is None or own is None else balance.equity + own
        price = prices.get(coin, 1.0 if coin == "USDT" else None)
        counts = row.is_all_collateral or balance.enabled_collateral is not False
        share: float | None = None
        if discounts is not None:
            share = discounts[coin].share(balance.equity or 0.0) if coin in discounts else 0.0
        if not counts:
            share = 0.0
        credit = 0.0 if share == 0.0 else None if share is None or price is None else share * price
        found.append(Asset(asset=coin, equity=equity, collateral_price_usd=credit, debt_price_usd=price))
    return tuple(found)


def _position(held: Held, name: str, now: float) -> Position:
    row, ticker, listing, charged = held.row, held.ticker, held.listing, held.charged
    return Position(
        symbol=row.contract,
        side=row.side,
        margin_mode="isolated" if row.isolated else "cross",
        quantity=abs(row.size),
        contract=held.contract,
        entry_price=row.entry_price,
        mark_price=row.mark_price,
        liquidation_price=row.liq_price,
        unrealized_pnl=row.unrealised_pnl,
        realized_pnl=row.realised_pnl,
        leverage=row.set_leverage,
        initial_margin=row.initial_margin,
        maintenance_margin=held.required,
        margin=row.margin if row.isolated else None,
        largest_notional=charged.largest(row.set_leverage),
        funding_rate=None if ticker is None else ticker.funding_rate,
        next_funding_at=None if listing is None else listing.next_funding(now),
        accrued_funding=row.pnl_fund,
        adl_ratio=row.adl_ratio,
        position_id=name,
        maintenance_tiers=charged.tiers,
        pool_currency=held.wallet.pool if held.wallet.pool != held.contract.settle else None,
    )
