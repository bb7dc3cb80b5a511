"""Alerts about one position: its liquidation, and auto-deleveraging. They lead to the Position dashboard."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.alerts.words import (
    LOST,
    OF_POSITION,
    POSITION,
    ROOM_OF_POSITION,
    WAY_BACK_OF_POSITION,
    last_known,
)
from grafana.generator.placeholders import DURATION, ONE_DECIMAL, PERCENT, TWO_DECIMALS
from grafana.generator.promql import POSITION as SAME_POSITION
from grafana.generator.promql import owned
from grafana.generator.recording.limits import limit
from grafana.generator.rules import Alert, Severity

_DASHBOARD: Final = links.dashboard(links.POSITION_UID, "exchange", "account", "symbol")
_NOT_SMALL: Final = f"unless on ({SAME_POSITION}) risk:position:small_notional_usd:known"
_LIMIT_OF_ACCOUNT: Final = "on (exchange, account) group_left ()"
_DISTANCE_OLD: Final = last_known("risk_position_liquidation_distance_ratio", *OF_POSITION)
_RATE_OLD: Final = last_known("risk_position_maintenance_margin_rate", *OF_POSITION)


def _near(severity: Severity, hold: str, why: str, keep: str) -> Alert:
    most = limit("liquidation_distance", severity)
    return Alert(
        name="RiskLiquidationNear",
        severity=severity,
        category="risk",
        thresholds=(t.LIMITS["liquidation_distance", severity], t.RELEASE),
        expr=owned(f"""
        (
          risk:position:liquidation_distance_ratio:known
            < {_LIMIT_OF_ACCOUNT} ({t.RELEASE.text} * {most})
        )
          and on ({SAME_POSITION})
          (risk:position:liquidation_distance_ratio:min2m < {_LIMIT_OF_ACCOUNT} {most})
          {_NOT_SMALL}
        """),
        hold=hold,
        hold_reason=why,
        keep=keep,
        summary=f"{POSITION} is {PERCENT} from liquidation",
        description=f"A move of the mark price by {PERCENT} against the position liquidates it."
        f"{ROOM_OF_POSITION}{_DISTANCE_OLD}",
        dashboard=_DASHBOARD,
    )


NEAR: Final = (
    _near("info", hold="10m", why="nobody is woken by it; flapping would only be noise", keep="30m"),
    _near("warning", hold="2m", why="survives one wrong mark; a decision takes longer", keep="15m"),
    _near("critical", hold="1m", why="two collections must agree, more would be late", keep="15m"),
)


def _near_in_sigmas(severity: Severity) -> Alert:
    return Alert(
        name="RiskLiquidationNearSigmas",
        severity=severity,
        category="risk",
        thresholds=(t.LIMITS["liquidation_sigmas", severity],),
        expr=owned(f"""
        risk:position:liquidation_distance_sigmas:known
          < {_LIMIT_OF_ACCOUNT} {limit("liquidation_sigmas", severity)}
          {_NOT_SMALL}
        """),
        hold="5m",
        hold_reason="volatility moves slowly; a jump of one mark passes",
        keep="15m",
        summary=f"{POSITION} is {ONE_DECIMAL} daily sigmas from liquidation",
        description=f"The liquidation price is {TWO_DECIMALS} standard deviations of a day's move "
        f"away: in this market the percentage alone looks safer than it is.{ROOM_OF_POSITION}{_DISTANCE_OLD}",
        dashboard=_DASHBOARD,
    )


NEAR_IN_SIGMAS: Final = (_near_in_sigmas("info"), _near_in_sigmas("warning"))

PROJECTED: Final = Alert(
    name="RiskLiquidationProjected",
    severity="critical",
    category="risk",
    thresholds=(t.LIQUIDATION_PROJECTED, t.LIQUIDATION_PROJECTED_WITHIN),
    expr=owned(f"""
    risk:position:liquidation_time_seconds:known
      < {_LIMIT_OF_ACCOUNT} {limit("liquidation_seconds", "critical")}
      {_NOT_SMALL}
    """),
    hold="6m",
    hold_reason="longer than the shorter window of the speed, so that a single step has left it",
    keep="10m",
    summary=f"{POSITION} reaches liquidation in {DURATION}",
    description="At the slower of its speeds over 5 and 15 minutes the position reaches its liquidation "
    f"price in {DURATION}.{ROOM_OF_POSITION}{_DISTANCE_OLD}",
    dashboard=_DASHBOARD,
)


def _isolated_rate_high(severity: Severity, hold: str, why: str) -> Alert:
    return Alert(
        name="RiskIsolatedMarginRateHigh",
        severity=severity,
        category="risk",
        thresholds=(t.LIMITS["maintenance_margin_rate", severity],),
        expr=owned(f"""
        risk:position:maintenance_margin_rate:known
          > {_LIMIT_OF_ACCOUNT} {limit("maintenance_margin_rate", severity)}
          {_NOT_SMALL}
        """),
        hold=hold,
        hold_reason=why,
        keep="10m",
        summary=f"Maintenance margin rate of {POSITION} is {PERCENT}",
        description=f"What the isolated position requires / its own collateral is {PERCENT} (100% is "
        f"liquidation; +Inf% means that no collateral is left).{WAY_BACK_OF_POSITION}{_RATE_OLD}",
        dashboard=_DASHBOARD,
    )


ISOLATED_RATE_HIGH: Final = (
    _isolated_rate_high("warning", hold="2m", why="survives one wrong figure; a decision takes longer"),
    _isolated_rate_high("critical", hold="1m", why="two collections must agree, more would be late"),
)


def _gone(severity: Severity, condition: str, what: str) -> Alert:
    return Alert(
        name="RiskPositionGone",
        severity=severity,
        category="risk",
        thresholds=(t.LIMITS["liquidation_distance", "info"], t.GONE_LOSS),
        expr=owned(f"""
        risk:position:gone_distance_ratio:last
          {condition} on ({SAME_POSITION}) (risk:position:gone_loss_ratio:room < {t.GONE_LOSS.text})
        """),
        hold="1m",
        hold_reason="an answer that lacks a position may be followed by one that has it",
        keep="30m",
        summary=f"{POSITION} is gone, {what}; it was {PERCENT} from liquidation",
        description="The position was near its liquidation within the last 10 minutes and is not there any "
        "longer."
        f"{LOST} What it hedged is not hedged any more.",
        dashboard=_DASHBOARD,
    )


GONE: Final = (
    _gone("info", "and", "and was closed rather than liquidated"),
    _gone("critical", "unless", "liquidated or closed at a loss"),
)

ADL_QUEUE_FRONT: Final = Alert(
    name="RiskAdlQueueFront",
    severity="warning",
    category="risk",
    thresholds=(t.ADL_FRONT,),
    expr=owned(f"""
    risk:position:adl_ratio:known
      >= {_LIMIT_OF_ACCOUNT} {limit("adl_ratio", "warning")}
      {_NOT_SMALL}
    """),
    hold="5m",
    hold_reason="the queue is reordered all the time",
    keep="15m",
    summary=f"{POSITION} is near the front of the auto-deleveraging queue",
    description=f"Place {PERCENT} in the queue (100% is first). In a crash the exchange may close this "
    f"winning position; what it hedges is then not hedged any more."
    f"{last_known('risk_position_adl_ratio', *OF_POSITION)}",
    dashboard=_DASHBOARD,
)


def _price_unknown(severity: Severity, metric: str, *, summary: str, description: str) -> Alert:
    return Alert(
        name="RiskLiquidationPriceUnknown",
        severity=severity,
        category="risk",
        expr=owned(f"""
        {metric} == 1
          {_NOT_SMALL}
        """),
        hold="15m",
        hold_reason="venues fill it in late for new positions",
        keep="15m",
        summary=f"{POSITION} has no known distance to liquidation{summary}",
        description=description,
        dashboard=_DASHBOARD,
    )


PRICE_UNKNOWN: Final = (
    _price_unknown(
        "info",
        "risk:position:liquidation_price_unknown:known",
        summary="",
        description="The liquidation price or the mark price of this position is not known, so its distance "
        "to "
        "liquidation is not known either. The margin rate is watched: the account's, or its own if it is "
        "isolated.",
    ),
    _price_unknown(
        "warning",
        "risk:position:liquidation_unwatched:known",
        summary=", nor a margin rate",
        description="Neither the distance of this position to its liquidation nor a margin rate is known, "
        "of its "
        "account or, if it is isolated, its own: no other alert would page anybody before a liquidation.",
    ),
)


def _distance_old(severity: Severity, condition: str, hold: str, why: str) -> Alert:
    return Alert(
        name="RiskDistanceOld",
        severity=severity,
        category="risk",
        thresholds=() if condition == "" else (t.LIMITS["liquidation_distance", "warning"],),
        expr=owned(f"""
        risk:position:liquidation_distance_ratio:old{condition}
          {_NOT_SMALL}
        """),
        hold=hold,
        hold_reason=why,
        keep="10m",
        summary=f"The distance of {POSITION} to liquidation is not known any longer; it was {PERCENT}",
        description="The account is collected, but the liquidation price or the mark price of the position "
        "is "
        "missing: a request for marks or margin tiers fails. Alerts about its distance go on with the last "
        "known "
        "one, whatever the market does.",
        dashboard=_DASHBOARD,
    )


DISTANCE_OLD: Final = (
    _distance_old("warning", "", hold="5m", why="the next collections repair single failures"),
    _distance_old(
        "critical",
        f"\n          < {_LIMIT_OF_ACCOUNT} {limit('liquidation_distance', 'warning')}",
        hold="2m",
        why="what is near must not be out of sight for longer",
    ),
)
