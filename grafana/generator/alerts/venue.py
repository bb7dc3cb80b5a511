"""Alerts about an exchange as a whole: it does not answer, or its clock differs from ours."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.placeholders import DURATION, label
from grafana.generator.rules import Alert

_DASHBOARD: Final = links.dashboard(links.EXPORTER_UID, "exchange")

DOWN: Final = Alert(
    name="RiskVenueDown",
    severity="warning",
    category="venue",
    expr="risk:exchange:venue_down:bool == 1",
    hold="1m",
    hold_reason="one failed round passes; shorter than that of the alerts it stands for",
    summary=f"No account on {label('exchange')} can be collected",
    description="All accounts of the exchange fail, with timeouts, network errors or errors of the "
    "exchange. Their collection alerts are silenced, the risk alerts are not.",
    dashboard=_DASHBOARD,
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
