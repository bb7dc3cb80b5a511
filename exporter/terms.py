"""What an option is, how its value changes, and what standard margin requires of it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class OptionTerms(Struct, frozen=True, kw_only=True):
    """What an option gives the right to. It is European and pays the difference to the strike."""

    strike: float
    """In the contract's quote currency, for one unit of base; > 0."""
    expires_at: float
    """Unix seconds."""
    right: Literal["call", "put"]


class Greeks(Struct, frozen=True, kw_only=True):
    """How the value of a whole position in options changes, signed with the side.

    A short call's delta is negative. The value is that in the quote currency, also of a reversed option (the
    greeks of Black and Scholes, and not those that are adjusted for a premium paid in the coin).
    """

    delta: float | None = None
    """Units of base."""
    gamma: float | None = None
    """Change of the delta, units of base, for one unit of the quote currency in the underlying's price."""
    vega: float | None = None
    """Quote currency for one percentage point of volatility."""
    theta: float | None = None
    """Quote currency for one day that passes; negative where the position loses by waiting."""
    implied_volatility: float | None = None
    """Of the mark price, a year's, as a fraction: 0.6 is 60 %. That of one option, whatever the side; > 0."""
    underlying_price: float | None = None
    """What the venue values the option against, in the quote currency: the future of the same expiry, or
    what such a one would cost; > 0."""


class OptionMargin(Struct, frozen=True, kw_only=True):
    """What a venue's standard margin requires to maintain a *short* option; a long one requires nothing.

    For one unit of base, in the settle coin::

        max(underlying_rate * underlying, mark_rate * mark) + mark

    where the underlying is 1 of a reversed option, which settles in it. Sources are with the adapters.
    """

    underlying_rate: float
    """Share of the underlying's price."""
    mark_rate: float = 0.0
    """Share of the option's mark price; 0 where only the underlying counts."""

    @classmethod
    def fitted(
        cls,
        required: float | None,
        *,
        size: float,
        long: bool,
        mark: float | None,
        underlying: float | None,
        right: Literal["call", "put"],
    ) -> OptionMargin | None:
        """The rule that explains what a venue requires of a position; None where the figures do not fit.

        Shares are not the same for all coins, and change: the share is what is required beside the mark. Of a
        put it counts of its mark, too.

        Args:
            required: Of the whole position, in the settle coin.
            size: Base units, unsigned.
            long: Whether it was bought: then it requires nothing, or this is not standard margin.
            mark: For one unit of base, in the settle coin.
            underlying: Its price, the same; 1 of a reversed option.
            right: Of the option.
        """
        if long:
            return None if required else cls(underlying_rate=0.0)
        if not required or mark is None or underlying is None:
            return None
        # A put far in the money is worth more than its underlying; the share is of the larger then.
        share = (required / size - mark) / (max(underlying, mark) if right == "put" else underlying)
        if not _LEAST_SHARE <= share <= 1.0:
            return None
        return cls(underlying_rate=share, mark_rate=share if right == "put" else 0.0)


_LEAST_SHARE = 0.001
"""A smaller one is what rounding leaves of a requirement that is the mark alone."""


class CoinGreeks(Struct, frozen=True, kw_only=True):
    """What an account's positions in one base coin have together, futures and options; None is unknown."""

    base: str
    delta_usd: float | None = None
    """Value in USD of the coins that would win and lose as much."""
    gamma_usd: float | None = None
    """USD by which the delta changes if the coin rises by one percent, at today's price of the coin."""
    vega_usd: float | None = None
    """USD for one percentage point of volatility."""
    theta_usd: float | None = None
    """USD for one day that passes."""
