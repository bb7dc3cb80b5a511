"""Alerts about API keys: what they can do besides reading, and that they are about to expire."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.alerts.words import ACCOUNT
from grafana.generator.placeholders import ONE_DECIMAL, label
from grafana.generator.promql import owned
from grafana.generator.rules import Alert, Severity
from grafana.generator.thresholds import Threshold

_DASHBOARD: Final = links.dashboard(links.EXPORTER_UID, "exchange", "account")


def _can_do_more(severity: Severity, permissions: str, why: str) -> Alert:
    return Alert(
        name="RiskKeyCanDoMore",
        severity=severity,
        category="collection",
        expr=owned(f'risk:account:key_permission:known{{permission=~"{permissions}"}} == 1'),
        hold="5m",
        hold_reason="a key that is being changed passes",
        summary=f"The API key of {ACCOUNT} can {label('permission')}",
        description="Reading is all that is needed, and whoever gets hold of this key can "
        f"{label('permission')} with it. {why}",
        dashboard=_DASHBOARD,
    )


CAN_DO_MORE: Final = (
    _can_do_more("info", "trade", "Some exchanges tell the modes of an account only to such a key."),
    _can_do_more(
        "warning",
        "transfer|withdraw",
        "Where `keys.refuse` of the configuration names that, the account is not collected.",
    ),
)


_WHEN: Final = (
    f"{{{{ if lt $value 0.0 }}}}has expired{{{{ else }}}}expires in {ONE_DECIMAL} days{{{{ end }}}}"
)


def _expires(severity: Severity, limit: Threshold) -> Alert:
    return Alert(
        name="RiskKeyExpires",
        severity=severity,
        category="collection",
        thresholds=(limit,),
        expr=owned(f"risk:account:key_days:left < {limit.text}"),
        hold="5m",
        hold_reason="one wrong answer passes, and there are days left",
        summary=f"The API key of {ACCOUNT} {_WHEN}",
        description="From then on nobody sees the account. Put another key in its place.",
        dashboard=_DASHBOARD,
    )


EXPIRES: Final = (
    _expires("info", t.KEY_EXPIRES_INFO),
    _expires("warning", t.KEY_EXPIRES_WARNING),
)
