"""What Gate's stand-in tells everybody, what is behind its other figures, and how it counts a hedge.

Contracts and tiers are like the venue's, not its current ones. Source of the hedge: announcement 37783.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from exporter.demo._gate import GateError, Parameters
from exporter.demo.book import Book, Position
from exporter.demo.contracts import (
    ONE,
    UNLIMITED,
    ZERO,
    Contract,
    Tier,
    first_crossing,
    progressive_tiers,
    rounded,
    tier_of,
)

Rows = list[dict[str, object]]

DIGITS = 12
"""Decimal places of amounts."""
TAKER_RATE = Decimal("0.00075")
"""Of the value, for closing a position: in every margin."""
STRESS = Decimal("0.1")
"""What portfolio margin requires of a value: what a move by so much loses."""
DISCOUNTS = {"USDT": ONE, "BTC": Decimal("0.98"), "ETH": Decimal("0.95"), "SOL": Decimal("0.9")}
"""The part of a coin's value that counts as margin."""
STEPS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "BTC_USDT": (("500000", "0.004", 125), ("2000000", "0.006", 75), ("10000000", "0.01", 50)),
    "ETH_USDT": (("20000", "0.005", 100), ("200000", "0.008", 60), ("2000000", "0.015", 30)),
    "SOL_USDT": (("5000", "0.01", 50), ("50000", "0.015", 33), ("500000", "0.025", 20)),
    "LTC_USDT": (("10000", "0.01", 50), ("100000", "0.02", 25)),
    "BTC_USD": (("10", "0.005", 100), ("100", "0.01", 50)),
}
"""By contract: where a tier ends, its rate without the fee of closing, its highest leverage."""
_MULTIPLIERS = {"BTC_USDT": "0.0001", "ETH_USDT": "0.01", "SOL_USDT": "1", "LTC_USDT": "0.1", "BTC_USD": "1"}


def text(value: Decimal) -> str:
    """An amount or a price as it is printed."""
    return f"{rounded(value, DIGITS).normalize():f}"


def settle_of(symbol: str) -> str:
    return "usdt" if symbol.endswith("_USDT") else "btc"


def tiers_of(symbol: str) -> tuple[Tier, ...]:
    """Without the fee of closing."""
    return progressive_tiers(STEPS[symbol])


def table_of(symbol: str) -> str:
    """What the table of a contract's tiers is called."""
    return f"{symbol}_202509030753"


def contract(symbol: str, *, rate: Decimal | None = None) -> Contract:
    """A contract for a book; `rate` is that of any value, without the fee, in place of its tiers."""
    base, quote = symbol.split("_")
    tiers = tiers_of(symbol) if rate is None else (Tier(ZERO, UNLIMITED, rate, ZERO, 10),)
    linear = quote == "USDT"
    return Contract(
        symbol,
        "linear" if linear else "inverse",
        base,
        quote,
        quote if linear else base,
        tuple(replace(tier, rate=tier.rate + TAKER_RATE) for tier in tiers),
        Decimal(_MULTIPLIERS[symbol]),
    )


class GateBook(Book):
    """A book in which of a cross hedge only the larger side requires margin."""

    def maintenance_margin(self, position: Position) -> Decimal:
        if position.margin_mode == "cross" and position is not self._larger(position):
            return rounded(ZERO, self.digits)
        return super().maintenance_margin(position)

    def liquidation_price(self, position: Position) -> Decimal | None:
        legs = self._legs(position)
        if position.margin_mode == "isolated" or len(legs) < 2:
            return super().liquidation_price(position)
        currency = self.currency_of(position)
        pool, larger, one = self.pool(currency), self._larger(position), position.contract
        unit = self.collateral_price(one.settle) if self.multi_asset else ONE
        own = sum((self.unrealized_pnl(leg) - self.maintenance_margin(leg) for leg in legs), ZERO)
        rest = (pool.margin_equity - pool.cross_maintenance_margin) / unit - own
        # In x, which is the price of a linear and the reciprocal price of an inverse contract.
        linear, net = one.kind == "linear", ZERO
        for leg in legs:
            units = leg.sign * self._units(leg) * (1 if linear else -1)
            rest -= units * (leg.entry_price if linear else 1 / leg.entry_price)
            net += units
        mark = self.mark(one)
        crossing = first_crossing(rest, net, [(self._units(larger), one.tiers)], mark if linear else 1 / mark)
        if crossing is None or crossing <= 0:
            return None
        return crossing if linear else 1 / crossing

    def _legs(self, position: Position) -> list[Position]:
        symbol = position.contract.symbol
        return [one for one in self.positions if one.margin_mode == "cross" and one.contract.symbol == symbol]

    def _larger(self, position: Position) -> Position:
        return max(self._legs(position), key=lambda leg: leg.quantity)


def marginal_rate(held: Position, value: Decimal) -> Decimal:
    """Of the tier that a value is in, without the fee of closing."""
    return tier_of(held.contract.tiers, value).rate - TAKER_RATE


def contracts(book: Book, parameters: Parameters, now: float) -> Rows:
    """The list of contracts of a settle currency."""
    found: Rows = []
    for symbol, steps in STEPS.items():
        if settle_of(symbol) != parameters["settle"]:
            continue
        one = contract(symbol)
        linear = one.kind == "linear"
        found.append(
            {
                "name": symbol,
                "type": "direct" if linear else "inverse",
                "quanto_multiplier": f"{one.size:f}" if linear else "0",
                "leverage_min": "1",
                "leverage_max": str(steps[0][2]),
                "maintenance_rate": steps[0][1],
                "mark_price": f"{book.mark(one):f}",
                "index_price": f"{book.market.exact_index(one.base, one.quote, 8):f}",
                "taker_fee_rate": f"{TAKER_RATE:f}",
                "maker_fee_rate": "-0.00025",
                "order_size_min": "0.1",
                "enable_decimal": True,
                "funding_rate": "0.0001",
                "funding_interval": 28800,
                "funding_next_apply": (int(now) // 28800 + 1) * 28800,
                "in_delisting": False,
                "status": "trading",
            }
        )
    return found


def tickers(book: Book, parameters: Parameters) -> Rows:
    """Marks and indices of a settle currency, of one contract if one is asked for."""
    found: Rows = []
    for symbol in STEPS:
        if settle_of(symbol) != parameters["settle"] or parameters.get("contract", symbol) != symbol:
            continue
        one = contract(symbol)
        found.append(
            {
                "contract": symbol,
                "last": f"{book.mark(one):f}",
                "mark_price": f"{book.mark(one):f}",
                "index_price": f"{book.market.exact_index(one.base, one.quote, 8):f}",
                "funding_rate": "0.0001",
                "total_size": "32323904",
            }
        )
    return found


def risk_limit_tiers(parameters: Parameters) -> Rows:
    """The tiers of a contract."""
    symbol = parameters["contract"]
    if symbol not in STEPS or settle_of(symbol) != parameters["settle"]:
        raise GateError("CONTRACT_NOT_FOUND", "contract not found")
    return _tiers(symbol)


def risk_limit_table(parameters: Parameters) -> Rows:
    """The tiers of a table."""
    for symbol in STEPS:
        if table_of(symbol) == parameters["table_id"] and settle_of(symbol) == parameters["settle"]:
            return _tiers(symbol)
    raise GateError("INVALID_PARAM_VALUE", "Invalid parameter: table_id")


def _tiers(symbol: str) -> Rows:
    return [
        {
            "tier": number,
            "risk_limit": f"{tier.cap:f}",
            "initial_rate": f"{rounded(ONE / tier.max_leverage, 5):f}",
            "maintenance_rate": f"{tier.rate:f}",
            "leverage_max": str(tier.max_leverage),
            "deduction": f"{tier.deduction:f}",
        }
        for number, tier in enumerate(tiers_of(symbol), 1)
    ]


def discounts(_: Parameters) -> list[Rows]:
    """What counts of coins as margin, in a list inside of another one."""
    return [
        [
            {
                "currency": coin,
                "discount_tiers": [
                    {
                        "tier": "1",
                        "discount": f"{part:f}",
                        "lower_limit": "0",
                        "leverage": "10",
                        "upper_limit": "+",
                    }
                ],
            }
            for coin, part in DISCOUNTS.items()
        ]
    ]
