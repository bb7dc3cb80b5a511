"""Alerts about one position: its liquidation, and auto-deleveraging. They lead to the Position dashboard."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.alerts.words import LAST_KNOWN, POSITION
from grafana.generator.placeholders import DURATION, ONE_DECIMAL, PERCENT, TWO_DECIMALS
from grafana.generator.rules import Alert, Severity
from grafana.generator.thresholds import Threshold

_DASHBOARD: Final = links.dashboard(links.POSITION_UID, "exchange", "account", "symbol")


def _near(severity: Severity, limit: Threshold, hold: str, why: str, keep: str) -> Alert:
    return Alert(
        name="RiskLiquidationNear",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        expr=f"risk:position:liquidation_distance_ratio:known < {limit.text}",
        hold=hold,
        hold_reason=why,
        keep=keep,
        summary=f"{POSITION} is {PERCENT} from liquidation",
        description=f"A move of the mark price by {PERCENT} against the position liquidates it "
        f"(limit {limit.value:.0%}).{LAST_KNOWN}",
        dashboard=_DASHBOARD,
    )


NEAR: Final = (
    _near(
        "info",
        t.LIQUIDATION_DISTANCE_INFO,
        hold="10m",
        why="nobody is woken by it; flapping would only be noise",
        keep="30m",
    ),
    _near(
        "warning",
        t.LIQUIDATION_DISTANCE_WARNING,
        hold="2m",
        why="survives one wrong mark; a decision takes longer",
        keep="15m",
    ),
    _near(
        "critical",
        t.LIQUIDATION_DISTANCE_CRITICAL,
        hold="1m",
        why="two collections must agree, more would be late",
        keep="15m",
    ),
)


def _near_in_sigmas(severity: Severity, limit: Threshold) -> Alert:
    return Alert(
        name="RiskLiquidationNearSigmas",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        expr=f"risk:position:liquidation_distance_sigmas:known < {limit.text}",
        hold="5m",
        hold_reason="volatility moves slowly; a jump of one mark passes",
        keep="15m",
        summary=f"{POSITION} is {ONE_DECIMAL} daily sigmas from liquidation",
        description=f"The liquidation price is {TWO_DECIMALS} standard deviations of a day's move "
        f"away (limit {limit.text}): in this market the percentage alone looks safer than it is.{LAST_KNOWN}",
        dashboard=_DASHBOARD,
    )


NEAR_IN_SIGMAS: Final = (
    _near_in_sigmas("warning", t.LIQUIDATION_SIGMAS_WARNING),
    _near_in_sigmas("critical", t.LIQUIDATION_SIGMAS_CRITICAL),
)

PROJECTED: Final = Alert(
    name="RiskLiquidationProjected",
    severity="critical",
    category="risk",
    thresholds=(t.LIQUIDATION_PROJECTED, t.LIQUIDATION_PROJECTED_WITHIN),
    expr=f"risk:position:liquidation_time_seconds:known < {t.LIQUIDATION_PROJECTED.text}",
    hold="6m",
    hold_reason="longer than the shorter window of the speed, so that a single step has left it",
    keep="10m",
    summary=f"{POSITION} reaches liquidation in {DURATION}",
    description="At the slower of its speeds over 5 and 15 minutes the position reaches its liquidation "
    f"price in {DURATION} (limit 1h).{LAST_KNOWN}",
    dashboard=_DASHBOARD,
)

ADL_QUEUE_FRONT: Final = Alert(
    name="RiskAdlQueueFront",
    severity="warning",
    category="risk",
    thresholds=(t.ADL_FRONT,),
    expr=f"risk:position:adl_ratio:known >= {t.ADL_FRONT.text}",
    hold="5m",
    hold_reason="the queue is reordered all the time",
    keep="15m",
    summary=f"{POSITION} is near the front of the auto-deleveraging queue",
    description=f"Place {PERCENT} in the queue (100% is first). In a crash the exchange may close this "
    f"winning position; what it hedges is then not hedged any more.{LAST_KNOWN}",
    dashboard=_DASHBOARD,
)


def _price_unknown(severity: Severity, expr: str, *, summary: str, description: str) -> Alert:
    return Alert(
        name="RiskLiquidationPriceUnknown",
        severity=severity,
        category="risk",
        expr=expr,
        hold="15m",
        hold_reason="venues fill it in late for new positions",
        keep="15m",
        summary=f"{POSITION} has no known distance to liquidation{summary}",
        description=f"{description}{LAST_KNOWN}",
        dashboard=_DASHBOARD,
    )


PRICE_UNKNOWN: Final = (
    _price_unknown(
        "info",
        "risk:position:liquidation_price_unknown:known == 1",
        summary="",
        description="The liquidation price or the mark price of this cross position is not known, so its "
        "distance to liquidation is not known either. The account's margin rate is watched.",
    ),
    _price_unknown(
        "warning",
        "risk:position:liquidation_unwatched:known == 1",
        summary=", and its account has no known margin rate",
        description="Neither the distance of this cross position to its liquidation nor the maintenance "
        "margin rate of its account is known: no other alert would page anybody before a liquidation.",
    ),
)
