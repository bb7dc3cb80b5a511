"""What a pool with options would be worth at other prices and volatilities, in US dollars at the market.

Collateral that moves, futures and options together; nothing here depends on what the venue requires, so that
it is known in portfolio margin too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exporter.risk.facts import Facts
from exporter.risk.notional import finite
from exporter.risk.pools import Pool
from exporter.risk.prices import Prices
from exporter.risk.shock import Shifted, with_none


def stress_equity(entry: Pool, prices: Prices, shocks: Sequence[float], shifts: Sequence[float]) -> Shifted:
    """Equity in USD after every shock, none among them, with the volatility held and after every shift.

    Empty of a pool without options, and where the price, mark or amount of anything in it is unknown.
    """
    if not entry.optioned or entry.pool.unlisted:
        return ()
    rows = (*entry.cross, *entry.isolated)
    price = prices.known.get(entry.pool.currency)
    held = _held(entry, rows, prices)
    if entry.equity is None or price is None or held is None:
        return ()
    found = []
    for shift in sorted({0.0, *shifts}):
        for shock in with_none(shocks):
            change = _change(rows, held, prices, 1.0 + shock, shift)
            equity = None if change is None else finite(entry.equity * price + change)
            if equity is not None:
                found.append((shock, shift, equity))
    return tuple(found)


def _held(entry: Pool, rows: Iterable[Facts], prices: Prices) -> dict[str, float] | None:
    """What the pool has of each coin that moves or that positions settle in; None where that is unknown."""
    currency = entry.pool.currency
    found = {row.position.contract.settle: 0.0 for row in rows}
    if not entry.assets:
        # All of it is in one coin, unless positions settle in others.
        if any(prices.moving[coin] != prices.moving[currency] for coin in found):
            return None
        found[currency] = entry.equity or 0.0
        return found
    for asset in entry.assets:
        amount = asset.equity
        if amount is None and asset.asset not in found:
            amount = asset.wallet_balance
        if finite(amount) is None:
            if prices.moving[asset.asset]:
                return None
            continue
        found[asset.asset] = amount or 0.0
    return found


def _change(
    rows: Iterable[Facts], held: dict[str, float], prices: Prices, factor: float, shift: float
) -> float | None:
    """Of the equity in USD since today."""
    after = dict(held)
    for row in rows:
        profit = _profit(row, prices, factor, shift)
        if profit is None:
            return None
        after[row.position.contract.settle] += profit
    total = 0.0
    for coin, amount in after.items():
        worth = amount * (factor if prices.moving[coin] else 1.0) - held[coin]
        if worth == 0.0:
            continue
        price = prices.assumed.get(coin)
        if price is None:
            return None
        total += worth * price
    return total


def _profit(row: Facts, prices: Prices, factor: float, shift: float) -> float | None:
    """Of a position since today, in its settle coin; None where it cannot be valued."""
    contract = row.position.contract
    if not row.is_option:
        if row.notional is None:
            return None
        power = prices.mark_power(contract)
        linear = contract.kind == "linear"
        grown = row.notional * (factor ** (power if linear else -power) - 1.0)
        return grown if linear == (row.position.side == "long") else -grown
    option = row.option
    if option is None or option.moving is None:
        return None
    return option.profit(option.price(factor if option.moving else 1.0, shift))
