"""What positions weigh against each other: notionals, delta equivalents of options, and sums of greeks.

An option has no notional of its own. Where notionals are added it counts with its delta times the price of
its underlying: the position in futures that wins and loses as much (as funds count them: CESR/10-788, "the
commitment approach"). A call and a put that were sold lose on different sides, and both count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exporter.model import CoinGreeks, Greeks, PositionRisk
from exporter.risk.facts import Facts
from exporter.risk.notional import finite
from exporter.risk.options import forward_of
from exporter.risk.pools import Pool
from exporter.risk.prices import Prices


def notionals_usd(rows: Iterable[Facts], prices: Prices) -> tuple[float | None, float | None]:
    """Gross and net notional; None where that of a position is unknown: a sum without it would mislead."""
    gross = net = 0.0
    for row in rows:
        signed = row.notional_usd
        if signed is None:
            signed = delta_usd(row, prices) if row.is_option else None
            if signed is None:
                return None, None
        elif row.position.side == "short":
            signed = -signed
        gross += abs(signed)
        net += signed
    return finite(gross), finite(net)


def leverage(entry: Pool, rows: Iterable[Facts], prices: Prices) -> float | None:
    """Gross notional / equity at market prices."""
    if entry.equity is None or entry.equity <= 0.0 or entry.pool.unlisted:
        return None
    gross = 0.0
    for row in rows:
        contract = row.position.contract
        amount, coin = row.notional, contract.settle
        if amount is None and row.is_option:
            amount, coin = _delta_quote(row, prices), contract.quote
        rate = prices.convert(coin, entry.pool.currency)
        if amount is None or rate is None:
            return None
        gross += abs(amount) * rate
    return finite(gross / entry.equity)


def _delta_quote(row: Facts, prices: Prices) -> float | None:
    """Delta equivalent of a position in options, in its quote currency."""
    delta = None if row.greeks is None else row.greeks.delta
    price = forward_of(row.position, prices)
    return None if delta is None or price is None else delta * price


def delta_usd(row: Facts, prices: Prices) -> float | None:
    """The same in USD."""
    amount, price = _delta_quote(row, prices), prices.known.get(row.position.contract.quote)
    return None if amount is None or price is None else finite(amount * price)


def coin_greeks(
    pools: Sequence[Pool], positions: Sequence[PositionRisk], prices: Prices
) -> tuple[CoinGreeks, ...]:
    """The sums by base coin of an account that has options; none where not all positions are listed."""
    if not any(entry.optioned for entry in pools) or any(entry.pool.unlisted for entry in pools):
        return ()
    rows: dict[str, list[Greeks | None]] = {}
    for one in positions:
        rows.setdefault(one.position.contract.base, []).append(_in_usd(one, prices))
    return tuple(_sum(base, found) for base, found in sorted(rows.items()))


def _in_usd(one: PositionRisk, prices: Prices) -> Greeks | None:
    """The greeks of a position in USD; None where none of them is known."""
    contract, greeks = one.position.contract, one.greeks
    if contract.kind != "option":
        if one.notional_usd is None:
            return None
        signed = one.notional_usd if one.position.side == "long" else -one.notional_usd
        return Greeks(delta=signed, gamma=0.0, vega=0.0, theta=0.0)
    unit = prices.known.get(contract.quote)
    if greeks is None or unit is None:
        return None
    price = forward_of(one.position, prices)

    def times(value: float | None, *factors: float | None) -> float | None:
        for factor in factors:
            value = None if value is None or factor is None else value * factor
        return finite(value)

    return Greeks(
        delta=one.delta_usd,
        # One percent of the price, and what the coins are worth by which the delta changes.
        gamma=times(greeks.gamma, price, price, 0.01, unit),
        vega=times(greeks.vega, unit),
        theta=times(greeks.theta, unit),
    )


def _sum(base: str, found: Sequence[Greeks | None]) -> CoinGreeks:
    def total(name: str) -> float | None:
        values = [None if one is None else getattr(one, name) for one in found]
        known = [value for value in values if value is not None]
        return finite(sum(known)) if len(known) == len(values) else None

    return CoinGreeks(
        base=base,
        delta_usd=total("delta"),
        gamma_usd=total("gamma"),
        vega_usd=total("vega"),
        theta_usd=total("theta"),
    )
