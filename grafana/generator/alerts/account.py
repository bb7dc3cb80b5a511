"""Alerts about one account: margin, leverage, equity. They lead to the Account dashboard."""

from __future__ import annotations

from typing import Final, Literal

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.alerts.words import ACCOUNT, LAST_KNOWN, POOL
from grafana.generator.placeholders import ONE_DECIMAL, PERCENT, TWO_DECIMALS, label
from grafana.generator.rules import Alert, Severity
from grafana.generator.thresholds import Threshold

_DASHBOARD: Final = links.dashboard(links.ACCOUNT_UID, "exchange", "account")


def _rate_high(severity: Severity, limit: Threshold, hold: str, why: str) -> Alert:
    return Alert(
        name="RiskMaintenanceMarginRateHigh",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        expr=f"risk:account:maintenance_margin_rate:known > {limit.text}",
        hold=hold,
        hold_reason=why,
        keep="10m",
        summary=f"Maintenance margin rate of {ACCOUNT}, {POOL}, is {PERCENT}",
        description=f"What the cross positions require / the equity that backs them is {PERCENT} "
        f"(limit {limit.value:.0%}; 100% is liquidation; +Inf% means that no equity is left).{LAST_KNOWN}",
        dashboard=_DASHBOARD,
    )


RATE_HIGH: Final = (
    _rate_high(
        "warning",
        t.MAINTENANCE_MARGIN_RATE_WARNING,
        hold="2m",
        why="survives one wrong figure; a decision takes longer",
    ),
    _rate_high(
        "critical",
        t.MAINTENANCE_MARGIN_RATE_CRITICAL,
        hold="1m",
        why="two collections must agree, more would be late",
    ),
)


def _shock_small(severity: Severity, limit: Threshold, hold: str, why: str) -> Alert:
    return Alert(
        name="RiskLiquidationShockSmall",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        expr=f"risk:account:liquidation_shock_ratio:known < {limit.text}",
        hold=hold,
        hold_reason=why,
        keep="10m",
        summary=f"A joint move {label('direction')} of {PERCENT} liquidates {ACCOUNT}",
        description=f"If all coins moved {label('direction')} by {PERCENT} at once, cross positions or an "
        f"isolated one of {POOL} would be liquidated (limit {limit.value:.0%}). Single positions may look "
        f"safe.{LAST_KNOWN}",
        dashboard=_DASHBOARD,
    )


SHOCK_SMALL: Final = (
    _shock_small(
        "warning",
        t.LIQUIDATION_SHOCK_WARNING,
        hold="2m",
        why="survives one wrong figure; a decision takes longer",
    ),
    _shock_small(
        "critical",
        t.LIQUIDATION_SHOCK_CRITICAL,
        hold="1m",
        why="two collections must agree, more would be late",
    ),
)


def _drawdown(severity: Severity, limit: Threshold, window: Literal["1d", "7d"]) -> Alert:
    span = {"1d": "day", "7d": "7 days"}[window]
    return Alert(
        name="RiskEquityDrawdown",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        labels=(("window", window),),
        expr=f"risk:account:equity_usd_drawdown_{window}:known > {limit.text}",
        hold="5m",
        hold_reason="a transfer between two pools of one account passes",
        keep="30m",
        summary=f"Equity of {ACCOUNT} is {PERCENT} below the peak of the last {span}",
        description=f"The account's equity in USD fell by {PERCENT} from its peak of the last {span} "
        f"(limit {limit.value:.0%}). Withdrawals count as well.{LAST_KNOWN}",
        dashboard=_DASHBOARD,
    )


DRAWDOWN: Final = (
    _drawdown("warning", t.EQUITY_DRAWDOWN_1D_WARNING, "1d"),
    _drawdown("critical", t.EQUITY_DRAWDOWN_1D_CRITICAL, "1d"),
    _drawdown("warning", t.EQUITY_DRAWDOWN_7D_WARNING, "7d"),
)

LEVERAGE_HIGH: Final = Alert(
    name="RiskLeverageHigh",
    severity="warning",
    category="risk",
    thresholds=(t.LEVERAGE_WARNING,),
    expr=f"risk:account:leverage_ratio:known > {t.LEVERAGE_WARNING.text}",
    hold="10m",
    hold_reason="orders that open one leg before the other pass",
    keep="30m",
    summary=f"{ACCOUNT}, {POOL}, is leveraged {ONE_DECIMAL} times",
    description=f"Gross notional is {TWO_DECIMALS} times the equity "
    f"(limit {t.LEVERAGE_WARNING.text}).{LAST_KNOWN}",
    dashboard=_DASHBOARD,
)

STRESS_BREACH: Final = Alert(
    name="RiskStressBreach",
    severity="warning",
    category="risk",
    thresholds=(t.STRESS_BREACH,),
    expr=f"risk:account:stress_maintenance_margin_rate:known >= {t.STRESS_BREACH.text}",
    hold="5m",
    hold_reason="survives single marks",
    keep="15m",
    summary=f"{ACCOUNT}, {POOL}, does not survive the configured shock {label('shock')}",
    description=f"If all coins moved by {label('shock')} (-0.1 is a fall of 10 %) the maintenance margin "
    f"rate of the cross positions, or of an isolated one, would be {PERCENT}; 100% is "
    f"liquidation.{LAST_KNOWN}",
    dashboard=_DASHBOARD,
)
