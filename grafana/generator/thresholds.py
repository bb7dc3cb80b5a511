"""Every threshold of alerts and dashboards, once, with the reason for its value.

Those that an account can have for itself stand in `exporter.desk`. Change a value, run ``make generate``, and
rules and dashboards follow. The rule tests carry their own numbers on purpose: they fail until somebody has
looked at the new behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter import desk
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


def _of(kind: desk.LimitKind, severity: desk.Severity) -> Threshold:
    default = kind.defaults[severity]
    return Threshold(kind.default(severity), default.reason if default else "", kind.unit)


LIMITS: dict[tuple[str, str], Threshold] = {
    (kind.name, severity): _of(kind, severity)
    for kind in desk.KINDS
    for severity, default in kind.defaults.items()
    if default is not None
}
"""The defaults of what an account can have a limit of its own for: in the exporter's configuration."""

LIQUIDATION_DISTANCE_INFO = LIMITS["liquidation_distance", "info"]
LIQUIDATION_DISTANCE_WARNING = LIMITS["liquidation_distance", "warning"]
LIQUIDATION_DISTANCE_CRITICAL = LIMITS["liquidation_distance", "critical"]
LIQUIDATION_SIGMAS_INFO = LIMITS["liquidation_sigmas", "info"]
LIQUIDATION_SIGMAS_WARNING = LIMITS["liquidation_sigmas", "warning"]
LIQUIDATION_PROJECTED = LIMITS["liquidation_seconds", "critical"]
LIQUIDATION_PROJECTED_WITHIN = Threshold(
    0.5,
    "from farther away no market gets there in an hour; the distance of a nearly hedged account falls from "
    "1000 % to 100 % in minutes, and slows down",
    "ratio of the mark price",
)
MAINTENANCE_MARGIN_RATE_WARNING = LIMITS["maintenance_margin_rate", "warning"]
MAINTENANCE_MARGIN_RATE_CRITICAL = LIMITS["maintenance_margin_rate", "critical"]
LIQUIDATION_SHOCK_WARNING = LIMITS["liquidation_shock", "warning"]
LIQUIDATION_SHOCK_CRITICAL = LIMITS["liquidation_shock", "critical"]
EQUITY_DRAWDOWN_1D_WARNING = LIMITS["equity_drawdown_1d", "warning"]
EQUITY_DRAWDOWN_1D_CRITICAL = LIMITS["equity_drawdown_1d", "critical"]
LEVERAGE_INFO = LIMITS["leverage", "info"]
ADL_FRONT = LIMITS["adl_ratio", "warning"]
EXCHANGE_CONCENTRATION = Threshold(
    0.6, "more than this at one exchange is an exposure to that exchange", "share of equity"
)
COIN_CONCENTRATION = Threshold(
    0.7, "more than this in one coin is one bet, whatever the number of positions", "share of gross notional"
)
MIN_NOTIONAL = Threshold(desk.MIN_NOTIONAL.value, desk.MIN_NOTIONAL.reason, "USD")
STRESS_BREACH = Threshold(1.0, "1 is liquidation: the account does not survive this move")
STRESS_NO_EQUITY = Threshold(0.0, "below 0 more is lost than there is", "USD")
RELEASE = Threshold(
    1.5,
    "a distance that swings around its limit is as dangerous as one that stays below: it must have grown by "
    "half",
    "times the limit",
)
GONE_LOSS = Threshold(
    0.5,
    "a liquidation takes all that a position could still lose, whoever closes it himself keeps most of it",
    "share of the rest",
)
EMPTIED_LOSS = Threshold(0.1, "whoever closes an account in danger himself loses less", "share of equity")
CLOSED_WITHIN_A_MINUTE = Threshold(
    0.25, "in a flash crash a coin has lost as much between two scrapes", "share of notional"
)
RESTARTS = Threshold(3, "an update restarts once or twice", "starts in 10 minutes")
ANSWER_CHANGES = Threshold(6, "three times gone and back is no restart", "changes in 10 minutes")
SATURATED = Threshold(0.9, "what is left is needed for a page, a venue that is slow, or a busier market")
INCOMPLETE = Threshold(3, "single failures are repaired by the next collection", "requests in 15 minutes")
CLOCK_SKEW = Threshold(
    1.0, "Binance refuses requests dated more than 1 s ahead of its clock whatever recvWindow says", "seconds"
)
KEY_EXPIRES_INFO = Threshold(14, "time to make another key and bring it out on a working day", "days")
KEY_EXPIRES_WARNING = Threshold(
    3, "a long weekend; nobody is woken for it before the account is unseen, and then others wake", "days"
)
STABLECOIN_PEG_WARNING = Threshold(0.01, "ordinary noise of the large stablecoins is below 0.3 %")
STABLECOIN_PEG_CRITICAL = Threshold(0.03, "runs on a coin passed 3 % on their way to 10 % and more")
RATE_LIMIT_USED_WARNING = Threshold(0.8, "what is left must serve a retry and the desk's own bots")

STABLECOINS = tuple(sorted(MARKET_STABLE_COINS))
"""Coins that claim to be worth one US dollar and have a price: the exporter's own list."""

KEY_REASONS = ("auth", "permission", "refused")
"""Error reasons that speak of one account's key. What all accounts of an exchange fail for else concerns them
together: it does not answer, answers in another form, or shuts out the address or the country."""

KEY_REJECTED_REASONS = ("auth", "permission")
"""Error reasons that no retry repairs."""
