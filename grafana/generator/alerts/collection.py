"""Alerts about the collection of one account: its numbers are not there, or soon will not be."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator.alerts.words import ACCOUNT
from grafana.generator.placeholders import DURATION, value
from grafana.generator.promql import SOURCE
from grafana.generator.rules import Alert

_DASHBOARD: Final = links.dashboard(links.EXPORTER_UID, "exchange", "account")

FAILING: Final = Alert(
    name="RiskCollectionFailing",
    severity="warning",
    category="collection",
    expr="risk:account:up:known == 0",
    hold="2m",
    hold_reason="single failures are retried and repaired by the next collection",
    summary=f"Collecting {ACCOUNT} fails",
    description="The last collections failed. Data are kept until they reach their maximum age, then they "
    "vanish. The Exporter dashboard names the reason.",
    dashboard=_DASHBOARD,
)

DATA_STALE: Final = Alert(
    name="RiskDataStale",
    severity="critical",
    category="blindness",
    expr=f"""
    risk:account:data_age_seconds:known
      and on ({SOURCE}) risk:account:stale:bool == 1
      and on (exchange, account) risk:account:blind:bool == 1
    """,
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
    expr="risk:account:key_rejected:known",
    hold="1m",
    hold_reason="one refusal during maintenance of the venue passes",
    summary=f"The API key of {ACCOUNT} is rejected",
    description=f"The venue refused the key or its permissions; about {value('humanize')} refusals in 10 "
    "minutes. Retrying does not help: somebody must repair the key.",
    dashboard=_DASHBOARD,
)
