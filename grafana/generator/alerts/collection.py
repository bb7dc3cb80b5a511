"""Alerts about the collection of one account: its numbers are not there, or soon will not be."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.alerts.words import ACCOUNT
from grafana.generator.placeholders import DURATION, value
from grafana.generator.promql import SOURCE, owned
from grafana.generator.recording.limits import limit
from grafana.generator.rules import Alert, Severity

_DASHBOARD: Final = links.dashboard(links.EXPORTER_UID, "exchange", "account")
_OWNER_LATELY: Final = "last_over_time(risk:account:owner:info[1h])"

FAILING: Final = Alert(
    name="RiskCollectionFailing",
    severity="warning",
    category="collection",
    expr=owned("risk:account:up:known == 0"),
    hold="2m",
    hold_reason="single failures are retried and repaired by the next collection",
    summary=f"Collecting {ACCOUNT} fails",
    description="The last collections failed. Data are kept until they reach their maximum age, then they "
    "vanish. The Exporter dashboard names the reason.",
    dashboard=_DASHBOARD,
)

INCOMPLETE: Final = Alert(
    name="RiskCollectionIncomplete",
    severity="info",
    category="collection",
    thresholds=(t.INCOMPLETE,),
    expr=owned(f"risk:account:optional_errors:increase15m > {t.INCOMPLETE.text}"),
    hold="15m",
    hold_reason="what fails for less is repaired before anybody looks",
    summary=f"Collections of {ACCOUNT} are incomplete",
    description="Requests without which a collection goes on keep failing, so that some series are absent. "
    "The "
    "exporter's log names the request and the reason.",
    dashboard=_DASHBOARD,
)

SUB_ACCOUNTS_UNLISTED: Final = Alert(
    name="RiskSubAccountsUnlisted",
    severity="warning",
    category="collection",
    expr=owned("""
    risk:account:sub_accounts_up:min == 0
      and on (exchange, account) risk:account:blind:bool == 0
    """),
    hold="15m",
    hold_reason="they are asked for once a minute, and those that are known stay",
    summary=f"The sub-accounts of {ACCOUNT} are not listed",
    description="The account is collected, but the exchange does not say which sub-accounts it has. Those "
    "that are known go on; new ones are unseen, and all of them after a restart of the exporter. The "
    "exporter's log names the reason.",
    dashboard=_DASHBOARD,
)

DATA_STALE: Final = Alert(
    name="RiskDataStale",
    severity="critical",
    category="blindness",
    expr=owned(f"""
    risk:account:data_age_seconds:known
      and on ({SOURCE}) risk:account:stale:bool == 1
      and on (exchange, account) risk:account:blind:bool == 1
    """),
    hold="2m",
    hold_reason="an exporter that restarts needs a moment for its first collection",
    summary=f"Nobody sees {ACCOUNT}: no data for {DURATION}",
    description=f"The newest data are {DURATION} old (+Inf: never collected), which is more than the "
    "configured maximum age. Risk alerts of this account show their last known values.",
    dashboard=_DASHBOARD,
)

KEY_REJECTED: Final = Alert(
    name="RiskKeyRejected",
    severity="warning",
    category="collection",
    expr=owned("risk:account:key_rejected:known"),
    hold="1m",
    hold_reason="one refusal during maintenance of the venue passes",
    summary=f"The API key of {ACCOUNT} is rejected",
    description=f"The venue refused the key or its permissions; about {value('humanize')} refusals in 10 "
    "minutes. Retrying does not help: somebody must repair the key.",
    dashboard=_DASHBOARD,
)


def _account_gone(severity: Severity, condition: str, what: str) -> Alert:
    return Alert(
        name="RiskAccountGone",
        severity=severity,
        category="blindness",
        expr=owned(
            f"""
            risk:account:gone_positions:last {condition}
            """,
            _OWNER_LATELY,
        ),
        hold="1m",
        hold_reason="a reload that takes it out and in again passes",
        summary=f"{ACCOUNT} is not collected any longer{what}",
        description="Within the last hour the account was taken out of the configuration, or the exchange "
        f"does not list it as a sub-account any longer, with {value()} open positions. Nobody watches it "
        "now.",
        dashboard=_DASHBOARD,
    )


ACCOUNT_GONE: Final = (
    _account_gone("info", "== 0", ""),
    _account_gone("warning", "> 0", ", and has open positions"),
    _account_gone(
        "critical",
        f"""> 0
              and on (exchange, account)
              (
                last_over_time(risk:account:liquidation_distance_ratio:min[1h])
                  < on (exchange, account)
                  last_over_time({limit("liquidation_distance", "warning")}[1h])
                or
                last_over_time(risk:account:maintenance_margin_rate:max[1h])
                  > on (exchange, account)
                  last_over_time({limit("maintenance_margin_rate", "warning")}[1h])
              )""",
        ", and was near its liquidation",
    ),
)


def _equity_unknown(severity: Severity, condition: str, what: str) -> Alert:
    return Alert(
        name="RiskEquityUnknown",
        severity=severity,
        category="blindness",
        expr=owned(f"""
        risk:account:unvalued_positions:count {condition}
        """),
        hold="5m",
        hold_reason="the next collections repair single failures",
        summary=f"The equity of {ACCOUNT} is not known{what}",
        description="The account is collected, but nothing of its equity is told, and so no margin rate, "
        "drawdown or "
        f"outflow either. It has {value()} open positions.",
        dashboard=_DASHBOARD,
    )


EQUITY_UNKNOWN: Final = (
    _equity_unknown(
        "warning",
        "== 0\n            and on (exchange, account) last_over_time(risk:account:equity_usd:sum[1d])",
        "",
    ),
    _equity_unknown("critical", "> 0", ", and it has open positions"),
)
