"""Where alerts lead. Two lines to change for another installation; the rules are then generated anew."""

from __future__ import annotations

from typing import Final

from grafana.generator.placeholders import label

GRAFANA_URL: Final = "http://localhost:3000"
"""The Grafana people open from an alert."""

RUNBOOK_URL: Final = "https://github.com/risk-exporter/risk-exporter/blob/main/grafana/runbooks.md"
"""One entry per alert; its anchor is the alert's name in lower case."""

FLEET_UID: Final = "risk-fleet"
ACCOUNT_UID: Final = "risk-account"
POSITION_UID: Final = "risk-position"
EXPORTER_UID: Final = "risk-exporter"


def runbook(alert: str) -> str:
    """URL of the alert's runbook entry."""
    return f"{RUNBOOK_URL}#{alert.lower()}"


def dashboard(uid: str, *labels: str) -> str:
    """URL of a dashboard with one variable for each of the alert's labels."""
    query = "&".join(f"var-{name}={label(name, 'urlquery')}" for name in labels)
    return f"{GRAFANA_URL}/d/{uid}" + (f"?{query}" if query else "")
