"""Where alerts lead; `risk-exporter rules` puts a user's own addresses in the place of these."""

from __future__ import annotations

from typing import Final

from exporter import defaults
from grafana.generator.placeholders import label

GRAFANA_URL: Final = defaults.GRAFANA_URL
RUNBOOK_URL: Final = defaults.RUNBOOK_URL

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
