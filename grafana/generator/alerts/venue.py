"""Alerts about an exchange as a whole: it does not answer, or its clock differs from ours."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.alerts.words import SPEAKS_ON
from grafana.generator.placeholders import DURATION, for_each, label, label_of_each, of_each, query
from grafana.generator.rules import Alert

_DASHBOARD: Final = links.dashboard(links.EXPORTER_UID, "exchange")

_ACCOUNTS: Final = for_each(
    query("sort(risk:account:liquidation_distance_ratio:min{%s})", "exchange"),
    f" {label_of_each('account')}: {of_each('humanizePercentage')} from liquidation when last seen.",
)

_REASONS: Final = for_each(
    query(
        "sort_desc(sum by (reason) (increase(risk_collector_errors_total{%s}[5m])) > 0)",
        "exchange",
        "job",
        "instance",
    ),
    f" Reason: {label_of_each('reason')}.",
)

DOWN: Final = (
    Alert(
        name="RiskVenueDown",
        severity="warning",
        category="venue",
        expr="risk:exchange:venue_down:bool == 1",
        hold="1m",
        hold_reason="one failed round passes; shorter than that of the alerts it stands for",
        keep=SPEAKS_ON,
        summary=f"No account on {label('exchange')} can be collected",
        description=f"All accounts of the exchange fail at {label('instance')}, and not because of their "
        f"keys.{_REASONS}{_ACCOUNTS}",
        dashboard=_DASHBOARD,
    ),
    Alert(
        name="RiskVenueDown",
        severity="critical",
        category="venue",
        expr="risk:exchange:blind:bool == 1",
        hold="2m",
        hold_reason="that of the alerts it stands for, one an account",
        keep=SPEAKS_ON,
        summary=f"Nobody sees any account on {label('exchange')}",
        description=f"All accounts of the exchange fail at {label('instance')}, not because of their keys, "
        "and their data are older than their maximum age. What is known to be in danger goes on with last "
        f"known values.{_REASONS}{_ACCOUNTS}",
        dashboard=_DASHBOARD,
    ),
)

CLOCK_SKEW: Final = Alert(
    name="RiskClockSkew",
    severity="warning",
    category="collection",
    thresholds=(t.CLOCK_SKEW,),
    expr=f"risk:exchange:clock_offset_seconds:known > {t.CLOCK_SKEW.text}",
    hold="15m",
    hold_reason="one slow answer makes one wrong measurement, which stands until the next one, 10 minutes "
    "later",
    summary=f"The clocks of the exporter and {label('exchange')} differ by {DURATION}",
    description=f"The clocks differ by {DURATION} (limit {t.CLOCK_SKEW.text}s). Signed requests will be "
    "refused, and ages are wrong.",
    dashboard=_DASHBOARD,
)

MARKS_OLD: Final = Alert(
    name="RiskMarksOld",
    severity="warning",
    category="collection",
    expr="risk:exchange:marks_age_intervals:max > 3",
    hold="2m",
    hold_reason="single failures are repaired by the next call",
    summary=f"Mark prices of {label('exchange')} are not followed",
    description="The mark prices that are asked for between the collections of the accounts do not come any "
    "longer: distances are as old as the last collection.",
    dashboard=_DASHBOARD,
)
