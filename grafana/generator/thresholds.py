"""Every threshold of alerts and dashboards, once, with the reason for its value.

Change a value here, run ``make generate``, and rules and dashboards follow. The rule tests
carry their own numbers on purpose: they fail until somebody has looked at the new behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.coins import MARKET_STABLE_COINS


@dataclass(frozen=True)
class Threshold:
    """A limit and why it is there."""

    value: float
    reason: str
    unit: str = "ratio"

    @property
    def text(self) -> str:
        """The value as it stands in an expression."""
        return f"{self.value:g}"


LIQUIDATION_DISTANCE_INFO = Threshold(
    0.20, "a bad week of a large coin: time to plan, not to act", "ratio of the mark price"
)
LIQUIDATION_DISTANCE_WARNING = Threshold(
    0.10, "a bad day of a large coin: somebody decides today whether to reduce", "ratio of the mark price"
)
LIQUIDATION_DISTANCE_CRITICAL = Threshold(
    0.05, "a bad hour: large coins have moved 5 % within minutes many times", "ratio of the mark price"
)
LIQUIDATION_SIGMAS_WARNING = Threshold(
    3.0, "one in 370 days if returns were normal, several times more often as they are", "daily sigmas"
)
LIQUIDATION_SIGMAS_CRITICAL = Threshold(
    2.0, "reached within a day with a chance of about 5 % even if returns were normal", "daily sigmas"
)
LIQUIDATION_PROJECTED = Threshold(
    3600, "a person needs up to an hour to wake up, decide, and move collateral on chain", "seconds"
)
LIQUIDATION_PROJECTED_WITHIN = Threshold(
    0.5,
    "from farther away no market gets there in an hour; the distance of a nearly hedged account falls from "
    "1000 % to 100 % in minutes, and slows down",
    "ratio of the mark price",
)
MAINTENANCE_MARGIN_RATE_WARNING = Threshold(
    0.5, "half of the way: venues start to send their own margin warnings between 0.5 and 0.8"
)
MAINTENANCE_MARGIN_RATE_CRITICAL = Threshold(
    0.8, "the last fifth goes fast: losses cut the equity while the requirement stays"
)
LIQUIDATION_SHOCK_WARNING = Threshold(
    0.10, "coins fall together; a joint move of 10 % is a bad day", "relative move of all marks"
)
LIQUIDATION_SHOCK_CRITICAL = Threshold(
    0.05, "a joint move of 5 % is a bad hour", "relative move of all marks"
)
EQUITY_DRAWDOWN_1D_WARNING = Threshold(0.10, "a tenth of the account in a day is no ordinary day")
EQUITY_DRAWDOWN_1D_CRITICAL = Threshold(0.25, "a quarter in a day: a strategy out of control, or theft")
EQUITY_DRAWDOWN_7D_WARNING = Threshold(0.20, "a slow bleed that no single day shows")
LEVERAGE_WARNING = Threshold(10, "a joint move of 10 % takes the whole equity", "gross notional / equity")
EXCHANGE_CONCENTRATION = Threshold(
    0.6, "more than this at one exchange is an exposure to that exchange", "share of equity"
)
COIN_CONCENTRATION = Threshold(
    0.7, "more than this in one coin is one bet, whatever the number of positions", "share of gross notional"
)
STRESS_BREACH = Threshold(
    1.0, "1 is liquidation: the account does not survive a move that was configured to be survived"
)
ADL_FRONT = Threshold(
    0.95, "the last step of the queue at venues with five steps, and the top 5 % at those with a percentile"
)
CLOCK_SKEW = Threshold(
    1.0, "Binance refuses requests dated more than 1 s ahead of its clock whatever recvWindow says", "seconds"
)
STABLECOIN_PEG_WARNING = Threshold(0.01, "ordinary noise of the large stablecoins is below 0.3 %")
STABLECOIN_PEG_CRITICAL = Threshold(0.03, "runs on a coin passed 3 % on their way to 10 % and more")
RATE_LIMIT_USED_WARNING = Threshold(0.8, "what is left must serve a retry and the desk's own bots")

STABLECOINS = tuple(sorted(MARKET_STABLE_COINS))
"""Coins that claim to be worth one US dollar and have a price: the exporter's own list."""

VENUE_DOWN_REASONS = ("exchange", "network", "timeout")
"""Error reasons that speak of the venue, not of one account."""

KEY_REJECTED_REASONS = ("auth", "permission")
"""Error reasons that no retry repairs."""
