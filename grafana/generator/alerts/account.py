"""Alerts about one account: margin, leverage, equity. They lead to the Account dashboard."""

from __future__ import annotations

from typing import Final, Literal

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.alerts.words import (
    ACCOUNT,
    LOST,
    OF_ACCOUNT,
    OF_POOL,
    POOL,
    WAY_BACK_OF_POOL,
    last_known,
)
from grafana.generator.placeholders import ONE_DECIMAL, PERCENT, label
from grafana.generator.promql import POOL as SAME_POOL
from grafana.generator.promql import owned
from grafana.generator.recording.limits import MIN_NOTIONAL, limit
from grafana.generator.rules import Alert, Severity

_DASHBOARD: Final = links.dashboard(links.ACCOUNT_UID, "exchange", "account")
_LIMIT_OF_ACCOUNT: Final = "on (exchange, account) group_left ()"
_NOT_SMALL: Final = f"unless on ({SAME_POOL}) risk:account:small_notional_usd:known"
_EQUITY_OLD: Final = last_known("risk_account_equity_usd", *OF_ACCOUNT)


def _rate_high(severity: Severity, hold: str, why: str) -> Alert:
    return Alert(
        name="RiskMaintenanceMarginRateHigh",
        severity=severity,
        category="risk",
        thresholds=(t.LIMITS["maintenance_margin_rate", severity],),
        expr=owned(f"""
        risk:account:maintenance_margin_rate:known
          > {_LIMIT_OF_ACCOUNT} {limit("maintenance_margin_rate", severity)}
          {_NOT_SMALL}
        """),
        hold=hold,
        hold_reason=why,
        keep="10m",
        summary=f"Maintenance margin rate of {ACCOUNT}, {POOL}, is {PERCENT}",
        description=f"What the cross positions require / the equity that backs them is {PERCENT} "
        f"(100% is liquidation; +Inf% means that no equity is left).{WAY_BACK_OF_POOL}"
        f"{last_known('risk_account_maintenance_margin_rate', *OF_POOL)}",
        dashboard=_DASHBOARD,
    )


RATE_HIGH: Final = (
    _rate_high("warning", hold="2m", why="survives one wrong figure; a decision takes longer"),
    _rate_high("critical", hold="1m", why="two collections must agree, more would be late"),
)


def _shock_small(severity: Severity, hold: str, why: str) -> Alert:
    return Alert(
        name="RiskLiquidationShockSmall",
        severity=severity,
        category="risk",
        thresholds=(t.LIMITS["liquidation_shock", severity],),
        expr=owned(f"""
        risk:account:liquidation_shock_ratio:known
          < {_LIMIT_OF_ACCOUNT} {limit("liquidation_shock", severity)}
          {_NOT_SMALL}
        """),
        hold=hold,
        hold_reason=why,
        keep="10m",
        summary=f"A joint move {label('direction')} of {PERCENT} liquidates {ACCOUNT}",
        description=f"If all coins moved {label('direction')} by {PERCENT} at once, cross positions or an "
        f"isolated one of {POOL} would be liquidated. Single positions may look safe."
        f"{last_known('risk_account_liquidation_shock_ratio', *OF_POOL, 'direction')}",
        dashboard=_DASHBOARD,
    )


SHOCK_SMALL: Final = (
    _shock_small("warning", hold="2m", why="survives one wrong figure; a decision takes longer"),
    _shock_small("critical", hold="1m", why="two collections must agree, more would be late"),
)


def _rate_old(severity: Severity, condition: str, hold: str, why: str) -> Alert:
    return Alert(
        name="RiskMarginRateOld",
        severity=severity,
        category="risk",
        thresholds=() if condition == "" else (t.LIMITS["maintenance_margin_rate", "warning"],),
        expr=owned(f"""
        risk:account:maintenance_margin_rate:old{condition}
          {_NOT_SMALL}
        """),
        hold=hold,
        hold_reason=why,
        keep="10m",
        summary=f"The maintenance margin rate of {ACCOUNT}, {POOL}, is not known any longer; it was "
        f"{PERCENT}",
        description="The account is collected, but what its positions require, or the equity behind them, is "
        "missing. Alerts about its rate go on with the last known one, whatever the market does.",
        dashboard=_DASHBOARD,
    )


RATE_OLD: Final = (
    _rate_old("warning", "", hold="5m", why="the next collections repair single failures"),
    _rate_old(
        "critical",
        f"\n          > {_LIMIT_OF_ACCOUNT} {limit('maintenance_margin_rate', 'warning')}",
        hold="2m",
        why="what is near must not be out of sight for longer",
    ),
)


def _emptied(severity: Severity, condition: str, what: str) -> Alert:
    return Alert(
        name="RiskPoolEmptied",
        severity=severity,
        category="risk",
        thresholds=(t.MAINTENANCE_MARGIN_RATE_CRITICAL, t.EMPTIED_LOSS),
        expr=owned(f"""
        risk:account:emptied_margin_rate:max10m
          {condition} on (exchange, account)
          (
            risk:account:equity_usd:lost10m
              < {t.EMPTIED_LOSS.text} * max_over_time(risk:account:equity_usd:sum[10m])
          )
        """),
        hold="1m",
        hold_reason="an answer that lacks positions may be followed by one that has them",
        keep="30m",
        summary=f"The cross positions of {ACCOUNT}, {POOL}, are gone, {what}; their rate was {PERCENT}",
        description="The maintenance margin rate was critical within the last 10 minutes, and nothing "
        "requires "
        f"margin any longer.{LOST}",
        dashboard=_DASHBOARD,
    )


EMPTIED: Final = (
    _emptied("info", "and", "and were closed rather than liquidated"),
    _emptied("critical", "unless", "liquidated or closed at a loss"),
)


def _equity_not_small(window: str) -> str:
    return (
        "unless on (exchange, account) "
        f"(risk:account:equity_usd:max{window} < on (exchange, account) {MIN_NOTIONAL})"
    )


def _outflow(severity: Severity) -> Alert:
    return Alert(
        name="RiskEquityOutflow",
        severity=severity,
        category="risk",
        thresholds=(t.LIMITS["outflow", severity],),
        expr=owned(f"""
        risk:account:outflow_share:known
          > on (exchange, account) {limit("outflow", severity)}
          {_equity_not_small("1d")}
        """),
        hold="2m",
        hold_reason="what moves to another account of the desk on the same exchange arrives in less",
        keep="30m",
        summary=f"{PERCENT} of the equity of {ACCOUNT} left it and is in no other account",
        description=f"Wallets fell by {PERCENT} of the equity within an hour without a loss that explains "
        "it, and "
        "no other account has it. A transfer of the desk's own that is still on its way, or theft.",
        dashboard=_DASHBOARD,
    )


OUTFLOW: Final = (_outflow("warning"), _outflow("critical"))


def _drawdown(severity: Severity, window: Literal["1d", "7d"]) -> Alert:
    span = {"1d": "day", "7d": "7 days"}[window]
    return Alert(
        name="RiskEquityDrawdown",
        severity=severity,
        category="risk",
        thresholds=(t.LIMITS[f"equity_drawdown_{window}", severity],),
        labels=(("window", window),),
        expr=owned(f"""
        risk:account:equity_usd_drawdown_{window}:known
          > on (exchange, account) {limit(f"equity_drawdown_{window}", severity)}
          {_equity_not_small(window)}
        """),
        hold="5m",
        hold_reason="a transfer between two pools of one account passes",
        keep="30m",
        summary=f"Equity of {ACCOUNT} is {PERCENT} below the peak of the last {span}",
        description=f"The account lost {PERCENT} of the highest equity in USD that it had within the last "
        f"{span}. "
        f"What was moved out is not counted.{_EQUITY_OLD}",
        dashboard=_DASHBOARD,
    )


DRAWDOWN: Final = (_drawdown("warning", "1d"), _drawdown("critical", "1d"), _drawdown("warning", "7d"))


def _leverage_high(severity: Severity) -> Alert:
    return Alert(
        name="RiskLeverageHigh",
        severity=severity,
        category="risk",
        thresholds=(t.LEVERAGE_INFO,) if severity == "info" else (),
        expr=owned(f"""
        risk:account:leverage_ratio:known
          > {_LIMIT_OF_ACCOUNT} {limit("leverage", severity)}
          {_NOT_SMALL}
        """),
        hold="10m",
        hold_reason="orders that open one leg before the other pass",
        keep="30m",
        summary=f"{ACCOUNT}, {POOL}, is leveraged {ONE_DECIMAL} times",
        description=f"Gross notional is {ONE_DECIMAL} times the equity, whether it is hedged or not."
        f"{last_known('risk_account_leverage_ratio', *OF_POOL)}",
        dashboard=_DASHBOARD,
    )


LEVERAGE_HIGH: Final = (_leverage_high("info"), _leverage_high("warning"))
