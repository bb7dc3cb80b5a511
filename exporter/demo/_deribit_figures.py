"""The books behind Deribit's stand-in: futures and options, in standard and in portfolio margin.

Options are priced by Black's formula (F. Black, "The pricing of commodity contracts", Journal of Financial
Economics 3, 1976) at a volatility that stands still. Rates are like the venue's, not its current ones; its
portfolio margin is simpler here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from exporter.demo.book import Book, Liquidation, Pool, Position, Side
from exporter.demo.contracts import ONE, UNLIMITED, ZERO, Contract, Tier, decimal, rounded
from exporter.demo.market import Market

DIGITS = 8
"""Decimal places of amounts and of prices."""
BASE = {"BTC": Decimal("0.01"), "ETH": Decimal("0.01"), "SOL": Decimal("0.02"), "XRP": Decimal("0.02")}
SLOPE = {"BTC": Decimal("0.00005"), "ETH": Decimal("0.000004"), "SOL": Decimal("0.000001"), "XRP": ZERO}
"""What a future requires of its value, and how much more for each coin of its size."""
SHORT_RATE = Decimal("0.075")
"""What a short option requires of the price of its underlying, besides its own."""
FORWARD = Decimal("1.004")
"""What options are valued against, as a multiple of the index."""
SCENARIOS = tuple(Decimal(move) for move in ("-0.16", "-0.08", "0.08", "0.16"))
CONTINGENCY = Decimal("0.01")
"""Portfolio margin: what the worst of these moves would lose, and a share of the value of all futures."""
INITIAL = Decimal("1.3")
"""What portfolio margin requires to open something, as a multiple of what it requires to keep it."""

_YEAR = 365 * 24
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

Right = Literal["call", "put"]


def future(base: str, quote: str, size: Decimal | str, market: Market) -> Contract:
    """A perpetual contract for a book in which it has so much: USD of a reversed one, else base."""
    linear = quote != "USD"
    coins = decimal(size) if linear else decimal(size) / market.exact_mark(base, "USD", DIGITS)
    rate = BASE[base] + SLOPE[base] * coins
    return Contract(
        f"{base}_{quote}-PERPETUAL" if linear else f"{base}-PERPETUAL",
        "linear" if linear else "inverse",
        base,
        quote,
        quote if linear else base,
        (Tier(ZERO, UNLIMITED, rounded(rate, DIGITS), ZERO, 50),),
    )


@dataclass(frozen=True)
class Option:
    """An option on a coin, settled in it where the quote is USD, else in the quote."""

    base: str
    quote: str
    strike: int
    expires_at: float
    right: Right
    volatility: float

    @property
    def settle(self) -> str:
        return self.base if self.quote == "USD" else self.quote

    @property
    def symbol(self) -> str:
        moment = datetime.fromtimestamp(self.expires_at, UTC)
        front = self.base if self.quote == "USD" else f"{self.base}_{self.quote}"
        day = f"{moment.day}{_MONTHS[moment.month - 1]}{moment.year % 100:02d}"
        return f"{front}-{day}-{self.strike}-{self.right[0].upper()}"


def expiry(now: float, days: int) -> float:
    """A moment at which something expires, about so many days from now: always at eight in the morning."""
    day = datetime.fromtimestamp(now, UTC) + timedelta(days=days)
    return day.replace(hour=8, minute=0, second=0, microsecond=0).timestamp()


@dataclass(frozen=True)
class Quote:
    """What one unit of an option is worth, in its settle coin, and how that changes in its quote."""

    mark: Decimal
    underlying: Decimal
    delta: float
    gamma: float
    vega: float
    theta: float


def priced(option: Option, forward: float, now: float) -> tuple[float, float, float, float, float]:
    """Value in the quote, delta, gamma, vega of a percentage point and theta of a day."""
    # Whole hours: the venue's figures move with time, too, but not within a test.
    years = max(math.ceil((option.expires_at - now) / 3600.0), 1) / _YEAR
    deviation = option.volatility * math.sqrt(years)
    one = math.log(forward / option.strike) / deviation + deviation / 2
    two, density = one - deviation, math.exp(-one * one / 2) / math.sqrt(2 * math.pi)
    sign = 1 if option.right == "call" else -1
    value = sign * (forward * _normal(sign * one) - option.strike * _normal(sign * two))
    return (
        value,
        sign * _normal(sign * one),
        density / (forward * deviation),
        forward * density * math.sqrt(years) / 100,
        -forward * density * option.volatility / (2 * math.sqrt(years)) / 365,
    )


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


@dataclass(eq=False)
class Leg:
    """A position in an option; ``quantity`` is unsigned, in units of its base."""

    option: Option
    side: Side
    quantity: Decimal
    entry_price: Decimal

    @property
    def sign(self) -> int:
        return 1 if self.side == "long" else -1


@dataclass
class DeribitBook(Book):
    """A book that has options, too.

    In standard margin their value backs nothing, and short ones require it besides a share of their
    underlying. In portfolio margin it counts, and scenarios say what is required.
    """

    portfolio: bool = False
    clock: Callable[[], float] = lambda: 0.0
    options: list[Leg] = field(default_factory=list)

    def trade(self, option: Option, side: Side, quantity: str, price: str) -> Leg:
        """Buys or sells an option; the price is paid or taken at once."""
        leg = Leg(option, side, decimal(quantity), decimal(price))
        self.deposit(option.settle, -leg.sign * leg.quantity * leg.entry_price)
        self.options.append(leg)
        return leg

    def index(self, coin: str, quote: str = "USD") -> Decimal:
        return self.market.exact_index(coin, quote, DIGITS)

    def quote_of(self, option: Option, move: Decimal = ZERO) -> Quote:
        """What an option is worth, after a move of its underlying."""
        underlying = rounded(self.index(option.base, option.quote) * FORWARD * (1 + move), DIGITS)
        value, *greeks = priced(option, float(underlying), self.clock())
        mark = decimal(value) / (underlying if option.quote == "USD" else ONE)
        return Quote(rounded(mark, DIGITS), underlying, *greeks)

    def value(self, leg: Leg, move: Decimal = ZERO) -> Decimal:
        """In the settle coin; negative of a short one."""
        return rounded(leg.sign * leg.quantity * self.quote_of(leg.option, move).mark, DIGITS)

    def profit(self, leg: Leg) -> Decimal:
        """Since it was opened."""
        return self.value(leg) - rounded(leg.sign * leg.quantity * leg.entry_price, DIGITS)

    def margins(self, leg: Leg) -> tuple[Decimal, Decimal]:
        """What an option requires in standard margin, to open it and to keep it."""
        if leg.side == "long":
            return ZERO, ZERO
        quote, option = self.quote_of(leg.option), leg.option
        unit = ONE if option.quote == "USD" else quote.underlying
        out = (option.strike - quote.underlying) * (1 if option.right == "call" else -1)
        opening = max(2 * SHORT_RATE - max(out, ZERO) / quote.underlying, Decimal("0.1")) * unit
        share = SHORT_RATE * unit
        if option.right == "put":
            share = max(share, SHORT_RATE * quote.mark)
        keeping = share + quote.mark
        return (
            rounded(leg.quantity * max(opening + quote.mark, keeping), DIGITS),
            rounded(leg.quantity * keeping, DIGITS),
        )

    def legs(self, coin: str) -> list[Leg]:
        """The options that settle in a coin."""
        return [leg for leg in self.options if leg.option.settle == coin]

    def coin_pool(self, coin: str) -> Pool:
        pool, legs = super().coin_pool(coin), self.legs(coin)
        if self.portfolio:
            keeping = self._scenarios(coin)
            opening = rounded(keeping * INITIAL, DIGITS)
            value = sum((self.value(leg) for leg in legs), ZERO)
            return replace(
                pool,
                cross_pnl=pool.cross_pnl + value,
                unrealized_pnl=pool.unrealized_pnl + value,
                cross_initial_margin=opening,
                cross_maintenance_margin=keeping,
                initial_margin=opening,
                maintenance_margin=keeping,
            )
        margins = [self.margins(leg) for leg in legs]
        opening = sum((one for one, _ in margins), ZERO)
        keeping = sum((one for _, one in margins), ZERO)
        return replace(
            pool,
            cross_initial_margin=pool.cross_initial_margin + opening,
            cross_maintenance_margin=pool.cross_maintenance_margin + keeping,
            initial_margin=pool.initial_margin + opening,
            maintenance_margin=pool.maintenance_margin + keeping,
        )

    def _scenarios(self, coin: str) -> Decimal:
        held = [one for one in self.positions if one.contract.settle == coin]
        legs = self.legs(coin)
        worst = max(
            -sum((self._moved(one, move) for one in held), ZERO)
            - sum((self.value(leg, move) - self.value(leg) for leg in legs), ZERO)
            for move in SCENARIOS
        )
        value = sum((self.notional(one) for one in held), ZERO)
        return rounded(max(worst, ZERO) + CONTINGENCY * value, DIGITS)

    def _moved(self, held: Position, move: Decimal) -> Decimal:
        """What a future would gain by a move."""
        gain = move if held.contract.kind == "linear" else ONE - ONE / (ONE + move)
        return rounded(held.sign * self.notional(held) * gain, DIGITS)

    def settle(self, now: float) -> list[Liquidation]:
        happened = super().settle(now)
        for one in happened:
            for leg in [*self.options]:
                if self.multi_asset or leg.option.settle == one.currency:
                    self.deposit(leg.option.settle, self.value(leg))
                    self.options.remove(leg)
        return happened
