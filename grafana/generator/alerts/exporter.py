"""Alerts about the exporter itself."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator.placeholders import label
from grafana.generator.rules import Alert

DOWN: Final = Alert(
    name="RiskExporterDown",
    severity="critical",
    category="exporter",
    expr="""
    (risk:exporter:silent:bool == 1)
    or on ()
    absent(risk_exporter_build_info)
    """,
    hold="1m",
    hold_reason="a restart takes less; shorter than that of the alerts it stands for",
    summary=f"risk-exporter {label('instance')} does not answer Prometheus",
    description="No scrape of the exporter succeeds: all its accounts are unseen. Risk alerts that fired "
    "keep firing with their last known values; new dangers are not seen.",
    dashboard=links.dashboard(links.EXPORTER_UID),
)

CONFIG_NOT_RELOADED: Final = Alert(
    name="RiskConfigNotReloaded",
    severity="warning",
    category="exporter",
    expr="risk_exporter_config_last_reload_successful == 0",
    hold="1m",
    hold_reason="who made the mistake sees it and mends it in that time",
    summary=f"risk-exporter {label('instance')} goes on with an old configuration",
    description="The configuration that was read last has a mistake, so that the one before goes on: "
    "accounts that were added to the file are unseen.",
    dashboard=links.dashboard(links.EXPORTER_UID),
)
