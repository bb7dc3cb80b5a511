"""The accounts that live through a crash: what they hold, what their venue would say, and when it ends.

When a venue liquidates is decided here with formulas of their own, so that the exporter's are not asked to
judge themselves: an isolated position when margin and PnL no longer exceed what it requires, cross positions
when the collateral and all their PnL together do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from exporter.model import (
    AccountSnapshot,
    Asset,
    Contract,
    MaintenanceTier,
    MarginPool,
    Position,
)
from tests.crashes.paths import BITCOIN, Crash

Prices = Mapping[str, float]

LEVERAGES: Final = (3, 5, 10, 20)
NOTIONAL: Final = 100_000.0
REQUIRED: Final = {"BTC": 0.005, "ETH": 0.0065, "ALT": 0.01}
"""Maintenance margin as a share of the notional: usual first tiers."""
BOOK: Final = {"BTC": 0.5, "ETH": 0.3, "ALT": 0.2}
TETHER: Final = "USDT"


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One position; `share` of the account's notional, negative is short."""

    coin: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An account before anything happens."""

    name: str
    leverage: int
    kind: str
    legs: tuple[Leg, ...]
    isolated: bool = False
    collateral: Mapping[str, float] = field(default_factory=lambda: {TETHER: 1.0})
    """Coin to its share of what the account was opened with."""
    silent: bool = False
    """Whether its venue falls silent."""
    deleveraged: bool = False
    """Whether its venue closes the short leg."""

    @property
    def exchange(self) -> str:
        """Accounts that differ in what happens to their venue have one of their own."""
        return "silent" if self.silent else "depegged" if len(self.collateral) > 1 else "replay"


def plans(crash: Crash) -> tuple[Plan, ...]:
    """All accounts that are replayed in this crash."""
    bitcoin = (Leg(coin=BITCOIN, share=1.0),)
    found: list[Plan] = []
    for leverage in LEVERAGES:
        book = tuple(Leg(coin=coin, share=share) for coin, share in BOOK.items())
        found += [
            Plan(
                name=f"isolated-{leverage}", leverage=leverage, kind="isolated", legs=bitcoin, isolated=True
            ),
            Plan(name=f"cross-{leverage}", leverage=leverage, kind="cross", legs=bitcoin),
            Plan(name=f"book-{leverage}", leverage=leverage, kind="book", legs=book),
        ]
    found.append(Plan(name="silent-10", leverage=10, kind="cross, venue silent", legs=bitcoin, silent=True))
    hedge = (Leg(coin="ETH", share=1.0), Leg(coin=BITCOIN, share=-1.0))
    found.append(
        Plan(name="hedge-15", leverage=15, kind="hedge, short leg deleveraged", legs=hedge, deleveraged=True)
    )
    if crash.depegged is not None:
        found.append(
            Plan(
                name="depeg-5",
                leverage=5,
                kind="cross, half of the collateral in a coin that loses its peg",
                legs=bitcoin,
                collateral={TETHER: 0.5, crash.depegged[0]: 0.5},
            )
        )
    return tuple(found)


class Account:
    """One of them while it lives. Opened at the given prices; wallet and PnL in US dollars."""

    def __init__(self, plan: Plan, opened_at: Prices) -> None:
        self.plan = plan
        self.entry = dict(opened_at)
        margin = NOTIONAL / plan.leverage
        self.quantities = {leg.coin: leg.share * NOTIONAL / opened_at[leg.coin] for leg in plan.legs}
        """Signed; those of legs that are still there."""
        self.margin = margin
        # Beside an isolated position lies as much again, which does not back it.
        total = 2.0 * margin if plan.isolated else margin
        self.wallets = {coin: total * share for coin, share in plan.collateral.items()}
        self.liquidated = False

    def backing(self, prices: Prices) -> float:
        """What stands behind the positions, in USD."""
        wallets = (amount * prices.get(coin, 1.0) for coin, amount in self.wallets.items())
        return (self.margin if self.plan.isolated else sum(wallets)) + self._pnl(prices)

    def required(self, prices: Prices) -> float:
        """What the positions require, in USD."""
        return sum(abs(q) * prices[coin] * REQUIRED[coin] for coin, q in self.quantities.items())

    def close_short(self, prices: Prices) -> None:
        """The venue takes the winning leg at the present price; its PnL goes to the wallet."""
        for coin, quantity in list(self.quantities.items()):
            if quantity < 0.0:
                self.wallets[TETHER] += quantity * (prices[coin] - self.entry[coin])
                del self.quantities[coin]

    def tick(self, prices: Prices) -> bool:
        """Whether the venue liquidates it at these prices."""
        if self.liquidated or self.backing(prices) > self.required(prices):
            return False
        self.liquidated = True
        if self.plan.isolated:
            self.wallets[TETHER] -= self.margin
        else:
            self.wallets = dict.fromkeys(self.wallets, 0.0)
        self.quantities.clear()
        return True

    def snapshot(self, prices: Prices) -> AccountSnapshot:
        """What the venue would say of it."""
        known = {coin: prices[coin] for coin in self.wallets if coin in prices}
        multi = len(self.wallets) > 1
        positions = tuple(self._position(coin, prices, multi=multi) for coin in self.quantities)
        if multi:
            assets = tuple(
                Asset(asset=coin, wallet_balance=amount, equity=self._equity(coin, prices))
                for coin, amount in self.wallets.items()
            )
            pools = (MarginPool(currency="USD"),)
            quoted = {TETHER: 1.0, **known}
            return AccountSnapshot(pools=pools, positions=positions, assets=assets, prices=quoted)
        wallet = self.wallets[TETHER]
        pnl = self._pnl(prices)
        free = wallet - (self.margin if self.plan.isolated and self.quantities else 0.0)
        pool = MarginPool(
            currency=TETHER,
            equity=wallet + pnl,
            margin_equity=free if self.plan.isolated else wallet + pnl,
            wallet_balance=wallet,
            unrealized_pnl=pnl,
        )
        return AccountSnapshot(pools=(pool,), positions=positions)

    def _pnl(self, prices: Prices) -> float:
        return sum(q * (prices[coin] - self.entry[coin]) for coin, q in self.quantities.items())

    def _equity(self, coin: str, prices: Prices) -> float:
        return self.wallets[coin] + (self._pnl(prices) if coin == TETHER else 0.0)

    def _position(self, coin: str, prices: Prices, *, multi: bool) -> Position:
        quantity = self.quantities[coin]
        return Position(
            symbol=f"{coin}USDT",
            side="long" if quantity > 0.0 else "short",
            margin_mode="isolated" if self.plan.isolated else "cross",
            quantity=abs(quantity),
            contract=Contract(kind="linear", size=1.0, base=coin, quote=TETHER, settle=TETHER),
            entry_price=self.entry[coin],
            mark_price=prices[coin],
            unrealized_pnl=quantity * (prices[coin] - self.entry[coin]),
            leverage=float(self.plan.leverage),
            margin=self.margin if self.plan.isolated else None,
            maintenance_tiers=TIERS[coin],
            pool_currency="USD" if multi else None,
        )


TIERS: Final[Mapping[str, tuple[MaintenanceTier, ...]]] = {
    coin: (MaintenanceTier(floor=0.0, cap=float("inf"), rate=rate, deduction=0.0),)
    for coin, rate in REQUIRED.items()
}


def opened(crash: Crash, first: Prices) -> Sequence[Account]:
    """All accounts of a crash, opened at the first prices."""
    return [Account(plan, first) for plan in plans(crash)]
