"""Books with options, and what they are worth and require by formulas of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    Asset,
    Contract,
    Greeks,
    MarginPool,
    OptionMargin,
    OptionTerms,
    PoolRisk,
    Position,
    RiskSettings,
    Side,
)
from exporter.risk import assess
from tests.risk.accounts import SETTINGS

AT = 1_700_000_000.0
DAY = 86_400.0
PRICE = 60_000.0
"""Of the coin, and what its options are valued against."""
SHARE = 0.075
"""Of Deribit's standard margin: a short call 0.075 + mark, a short put max(0.075, 0.075 * mark) + mark."""
RULES = {
    "call": OptionMargin(underlying_rate=SHARE),
    "put": OptionMargin(underlying_rate=SHARE, mark_rate=SHARE),
}
FUTURE_RATE = 0.01

Right = Literal["call", "put"]
Settle = Literal["BTC", "USDC"]
_CDF = NormalDist().cdf


def black(right: Right, forward: float, strike: float, deviation: float) -> float:
    """Black's formula once more, by the library's normal distribution."""
    if deviation <= 0.0:
        return max(forward - strike if right == "call" else strike - forward, 0.0)
    d1 = (math.log(forward) - math.log(strike)) / deviation + deviation / 2.0
    if right == "call":
        return forward * _CDF(d1) - strike * _CDF(d1 - deviation)
    return strike * _CDF(deviation - d1) - forward * _CDF(-d1)


@dataclass(frozen=True)
class Line:
    """One position in an option."""

    right: Right
    strike: float
    side: Side
    quantity: float = 1.0
    days: float = 30.0
    volatility: float = 0.6
    settle: Settle = "BTC"
    digits: int | None = None
    """Of the mark; all where none are given."""

    @property
    def signed(self) -> float:
        return self.quantity if self.side == "long" else -self.quantity

    def model(self, factor: float = 1.0, shift: float = 0.0) -> float:
        """Its value by the formula, in the settle coin."""
        deviation = max(self.volatility + shift, 0.0) * math.sqrt(self.days / 365.0)
        value = black(self.right, PRICE * factor, self.strike, deviation)
        return value / (PRICE * factor) if self.settle == "BTC" else value

    def mark(self, factor: float = 1.0, shift: float = 0.0) -> float:
        today = self.model()
        mark = today if self.digits is None else round(today, self.digits)
        return max(mark + self.model(factor, shift) - today, 0.0)

    def required(self, factor: float = 1.0, shift: float = 0.0) -> float:
        """By the rule, in the settle coin."""
        if self.side == "long":
            return 0.0
        mark, underlying = self.mark(factor, shift), 1.0 if self.settle == "BTC" else PRICE * factor
        by_mark = SHARE * mark if self.right == "put" else 0.0
        return self.quantity * (max(SHARE * underlying, by_mark) + mark)

    def position(self, index: int = 0, **known: Any) -> Position:
        fields: dict[str, Any] = {
            "mark_price": self.mark(),
            "greeks": Greeks(implied_volatility=self.volatility, underlying_price=PRICE),
            "option_margin": RULES[self.right],
            "option": OptionTerms(strike=self.strike, expires_at=AT + self.days * DAY, right=self.right),
            **known,
        }
        return Position(
            symbol=f"BTC-{index}-{self.right}",
            side=self.side,
            margin_mode="cross",
            quantity=self.quantity,
            contract=Contract(kind="option", size=1.0, base="BTC", quote="USD", settle=self.settle),
            **fields,
        )


@dataclass(frozen=True)
class Book:
    """Options and a future, in a pool of coins or in one of dollars."""

    lines: Sequence[Line]
    coins: float
    """The account's, the value of coin-settled options included."""
    dollars: float = 0.0
    """In USDC; of a pool of coins there are none."""
    future: float = 0.0
    """Coins, signed."""
    apart: bool = True
    in_coins: bool = True

    def snapshot(self) -> AccountSnapshot:
        pool = None if self.in_coins else "USD"
        rows = [line.position(index, pool_currency=pool) for index, line in enumerate(self.lines)]
        if self.future:
            rows.append(self._future(pool))
        margin, _, equity_usd = self.at()
        return AccountSnapshot(
            pools=(
                MarginPool(
                    currency="BTC" if self.in_coins else "USD",
                    equity=self.coins if self.in_coins else equity_usd,
                    margin_equity=margin,
                    options_apart=self.apart,
                ),
            ),
            positions=tuple(rows),
            assets=()
            if self.in_coins
            else (Asset(asset="BTC", equity=self.coins), Asset(asset="USDC", equity=self.dollars)),
            prices={"BTC": PRICE, "USDC": 1.0},
        )

    def _future(self, pool: str | None) -> Position:
        size = abs(self.future)
        if self.in_coins:
            contract = Contract(kind="inverse", size=1.0, base="BTC", quote="USD", settle="BTC")
            quantity, margin = size * PRICE, FUTURE_RATE * size
        else:
            contract = Contract(kind="linear", size=1.0, base="BTC", quote="USDC", settle="USDC")
            quantity, margin = size, FUTURE_RATE * size * PRICE
        return Position(
            symbol="BTC-PERPETUAL",
            side="long" if self.future > 0.0 else "short",
            margin_mode="cross",
            quantity=quantity,
            contract=contract,
            mark_price=PRICE,
            maintenance_margin=margin,
            pool_currency=pool,
        )

    def at(self, factor: float = 1.0, shift: float = 0.0) -> tuple[float, float, float]:
        """Margin equity and requirement in the pool's currency, and the equity in USD, at other prices."""
        price = PRICE * factor
        won = {"BTC": 0.0, "USDC": 0.0}
        worth = {"BTC": 0.0, "USDC": 0.0}
        required = {"BTC": 0.0, "USDC": 0.0}
        for line in self.lines:
            now = line.mark(factor, shift)
            won[line.settle] += line.signed * (now - line.mark())
            worth[line.settle] += line.signed * now
            required[line.settle] += line.required(factor, shift)
        if self.in_coins:
            won["BTC"] += self.future * PRICE * (1.0 / PRICE - 1.0 / price)
            required["BTC"] += FUTURE_RATE * abs(self.future) / factor
        else:
            won["USDC"] += self.future * (price - PRICE)
            required["USDC"] += FUTURE_RATE * abs(self.future) * price
        coins, dollars = self.coins + won["BTC"], self.dollars + won["USDC"]
        backing, money = coins, dollars
        if self.apart:
            backing, money = backing - worth["BTC"], money - worth["USDC"]
        if self.in_coins:
            return backing, required["BTC"], coins * price
        return backing * price + money, required["BTC"] * price + required["USDC"], coins * price + dollars

    def assessed(self, settings: RiskSettings = SETTINGS) -> AccountRisk:
        return assess(self.snapshot(), settings, AT)

    def pool(self, settings: RiskSettings = SETTINGS) -> PoolRisk:
        (pool,) = self.assessed(settings).pools
        return pool
