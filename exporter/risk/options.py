"""One position in options at other prices, other volatilities, and what standard margin requires of it there.

The value is Black's (`exporter.risk.black76`) with the volatility of the mark. A formula that misses the mark
by some ticks would show them as a profit: what is published is the venue's mark, moved by what the formula
moves, and never below nothing.

Rules, where the venue leaves something out:

* *Underlying price*: that of the base coin in the quote currency.
* *Volatility*: the one at which the formula gives the mark; also where the venue's own, at the underlying
  price, does not (it is of another moment, or in another unit). Where there is none, nothing is known of the
  option at other prices: without time value one that was sold would seem safer than it is.
* *Greeks*: the formula's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from exporter.model import Contract, Greeks, OptionMargin, Position
from exporter.risk import black76
from exporter.risk.notional import exposure, finite, not_negative, positive
from exporter.risk.prices import Prices

# How far the formula may be from the mark: shares of the mark and of the underlying price, the larger counts.
_MARK_TOLERANCE = 0.1
_UNDERLYING_TOLERANCE = 0.005

# Beyond these nothing is an option's price, volatility or time to expiry, and formulas would overflow.
_LOWEST_PRICE, _HIGHEST_PRICE = 1e-15, 1e15
_HIGHEST_VOLATILITY = 100.0
_LONGEST = 1000.0 * black76.YEAR


@dataclass(slots=True, frozen=True)
class Option:
    """A position in one option. Amounts are in the settle coin, for one unit of base unless they say so."""

    size: float
    """Base units, unsigned."""
    sign: float
    """1 of a long position, -1 of a short one."""
    call: bool
    strike: float
    """Like the forward in the quote currency."""
    forward: float
    root: float
    """Square root of the years to expiry; 0 once it is there."""
    volatility: float
    mark: float
    unit: float
    """Settle coin for one of the quote currency; of a reversed option at the forward price."""
    gap: float
    """What the mark is above the formula."""
    reversed: bool
    moving: bool | None
    """Whether the underlying moves in a shock; None where the price of the option after one is not known: the
    quote currency moves alone, or against the settle coin."""
    rule: OptionMargin | None

    @property
    def underlying(self) -> float:
        """Price of the underlying today."""
        return 1.0 if self.reversed else self.forward * self.unit

    def deviation(self, shift: float = 0.0) -> float:
        """Volatility, moved by a shift, times the root of the time."""
        return max(self.volatility + shift, 0.0) * self.root

    def price(self, factor: float, shift: float = 0.0) -> float:
        """The mark after the underlying was multiplied by a factor and the volatility moved by a shift."""
        if factor == 1.0 and shift == 0.0:
            return self.mark
        value = black76.value(self.forward * factor, self.strike, self.deviation(shift), call=self.call)
        unit = self.unit / factor if self.reversed else self.unit
        return max(self.gap + unit * value, 0.0)

    def profit(self, price: float) -> float:
        """Of the whole position since today, once the option has this price."""
        return self.sign * self.size * (price - self.mark)

    @property
    def worth(self) -> float:
        """Of the whole position at the mark; negative of a short one."""
        return self.sign * self.size * self.mark

    def required(self, price: float, factor: float = 1.0) -> float | None:
        """Of the whole position, by the venue's rule; None where none is known.

        At a price of the option, and once the underlying was multiplied by a factor.
        """
        rule = self.rule
        if rule is None:
            return None
        if self.sign > 0.0:
            return 0.0
        underlying = 1.0 if self.reversed else self.underlying * factor
        return self.size * (max(rule.underlying_rate * underlying, rule.mark_rate * price) + price)

    def greeks(self) -> Greeks:
        """Of the whole position, by the formula.

        Theta is that of one day, or of what is left where that is less, as Deribit has it: in its last hour
        an option cannot lose a day's.
        """
        years, signed = self.root * self.root, self.sign * self.size
        at = (self.forward, self.strike, years, self.volatility)
        return Greeks(
            delta=signed * black76.delta(*at, call=self.call),
            gamma=signed * black76.gamma(*at),
            vega=signed * black76.vega(*at),
            theta=signed * black76.theta(*at) * min(365.0 * years, 1.0),
            implied_volatility=self.volatility or None,
            underlying_price=self.forward,
        )


def option_of(position: Position, mark: float | None, prices: Prices, at: float | None) -> Option | None:
    """A position in options, ready to be valued; None where something it needs is unknown.

    Args:
        position: Of any contract.
        mark: Of the option; it may be 0.
        prices: The coins of its account.
        at: Unix seconds; None means that nobody knows what time it is.
    """
    terms, contract, size = position.option, position.contract, exposure(position)
    if terms is None or contract.kind != "option" or None in {mark, at, size}:
        return None
    strike, forward = _believable(terms.strike), _believable(forward_of(position, prices))
    unit = prices.convert(contract.quote, contract.settle)
    in_base = contract.settle == contract.base
    if in_base and forward is not None:
        unit = 1.0 / forward
    left = finite(terms.expires_at - (at or 0.0))
    if strike is None or forward is None or unit is None or size is None or mark is None:
        return None
    if left is None or left > _LONGEST:
        return None
    root, call = math.sqrt(max(left, 0.0) / black76.YEAR), terms.right == "call"
    told = None if position.greeks is None else positive(position.greeks.implied_volatility)
    told = None if told is None or told > _HIGHEST_VOLATILITY else told
    volatility = _volatility(told, mark / unit, forward, strike, root, call=call)
    if volatility is None:
        return None
    return Option(
        size=size,
        sign=1.0 if position.side == "long" else -1.0,
        call=call,
        strike=strike,
        forward=forward,
        root=root,
        volatility=volatility,
        mark=mark,
        unit=unit,
        gap=mark - unit * black76.value(forward, strike, volatility * root, call=call),
        reversed=in_base,
        moving=_moving(contract, prices),
        rule=position.option_margin,
    )


def _moving(contract: Contract, prices: Prices) -> bool | None:
    power = prices.mark_power(contract)
    if power < 0:
        return None
    if power and contract.settle != contract.base and prices.coin_power(contract.settle, contract.quote):
        return None
    return power == 1


def _believable(price: float | None) -> float | None:
    return price if price is not None and _LOWEST_PRICE <= price <= _HIGHEST_PRICE else None


def forward_of(position: Position, prices: Prices) -> float | None:
    """What an option is valued against, in the quote currency: the venue's, else the price of the base."""
    told = None if position.greeks is None else positive(position.greeks.underlying_price)
    return told or prices.convert(position.contract.base, position.contract.quote)


def _volatility(
    told: float | None, mark: float, forward: float, strike: float, root: float, *, call: bool
) -> float | None:
    """The venue's if the formula then gives about the mark (quote currency), else what does."""
    tolerance = max(_MARK_TOLERANCE * mark, _UNDERLYING_TOLERANCE * forward)
    if root == 0.0:
        return told or 0.0
    if told is not None:
        value = black76.value(forward, strike, told * root, call=call)
        if abs(value - mark) <= tolerance:
            return told
    # A mark that was rounded may have no time value at all. It has a volatility all the same, and at other
    # prices the option is worth more than it pays there: nobody knows how much.
    found = black76.implied_deviation(mark, forward, strike, call=call)
    return None if found is None else found / root


def told_greeks(position: Position, option: Option | None) -> Greeks:
    """Of a position in options: the venue's word, completed by the formula, with its volatility."""
    told = position.greeks or Greeks()
    own = Greeks() if option is None else option.greeks()

    def first(one: float | None, other: float | None) -> float | None:
        return one if finite(one) is not None else finite(other)

    return Greeks(
        delta=first(told.delta, own.delta),
        gamma=first(told.gamma, own.gamma),
        vega=first(told.vega, own.vega),
        theta=first(told.theta, own.theta),
        # That of the mark, by which the rest was computed: the venue's may be of another moment.
        implied_volatility=positive(first(own.implied_volatility, told.implied_volatility)),
        underlying_price=positive(first(told.underlying_price, own.underlying_price)),
    )


def value_of(position: Position, mark: float | None) -> float | None:
    """Of a position in options at its mark, in the settle coin; negative of a short one."""
    size, price = exposure(position), not_negative(mark)
    if size is None or price is None:
        return None
    return size * price if position.side == "long" else -size * price
