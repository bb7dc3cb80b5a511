"""Alerts about the exporter itself."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.alerts.words import SPEAKS_ON
from grafana.generator.placeholders import either, for_each, label, label_of_each, of_each, query
from grafana.generator.rules import Alert

_SEEN_ELSEWHERE: Final = """
      (
        group by (job, instance) (risk:account:up:known)
          unless on (job, instance)
          (risk:account:up:known and on (exchange, account) risk:account:blind:bool == 1)
      )"""

_NEAREST: Final = for_each(
    query(
        "sort(bottomk(10, risk:account:liquidation_distance_ratio:min"
        " and on (exchange, account) risk:account:up:known{%s}))",
        "job",
        "instance",
    ),
    f" {label_of_each('account')} on {label_of_each('exchange')}: {of_each('humanizePercentage')} from "
    "liquidation when last seen.",
)

DOWN: Final = (
    Alert(
        name="RiskExporterDown",
        severity="warning",
        category="exporter",
        expr=f"""
    risk:exporter:silent:bool == 1
      and on (job, instance){_SEEN_ELSEWHERE}
    """,
        hold="2m",
        hold_reason="a restart takes less",
        keep=SPEAKS_ON,
        summary=f"risk-exporter {label('instance')} does not answer Prometheus; another one sees its "
        "accounts",
        description="No scrape of this exporter succeeds. All its accounts are seen by another one, and by "
        "no "
        "third: if that one fails too, nobody sees them.",
        dashboard=links.dashboard(links.EXPORTER_UID),
    ),
    Alert(
        name="RiskExporterDown",
        severity="critical",
        category="exporter",
        expr=f"""
    (
      risk:exporter:silent:bool == 1
        unless on (job, instance){_SEEN_ELSEWHERE}
    )
    or on ()
    absent(risk_exporter_build_info)
    """,
        hold="1m",
        hold_reason="a restart takes less; shorter than that of the alerts it stands for",
        keep=SPEAKS_ON,
        summary=either(
            "instance",
            f"risk-exporter {label('instance')} does not answer Prometheus",
            "No risk-exporter answers Prometheus",
        ),
        description="No scrape of the exporter succeeds, and accounts of it are seen by no other. Risk "
        "alerts that fired keep firing with their last known values; new dangers are not seen."
        f"{_NEAREST}",
        dashboard=links.dashboard(links.EXPORTER_UID),
    ),
)

FLAPPING: Final = Alert(
    name="RiskExporterFlapping",
    severity="critical",
    category="exporter",
    thresholds=(t.ANSWER_CHANGES, t.RESTARTS),
    expr=f"""
    max by (job, instance) (changes(up[10m]) >= {t.ANSWER_CHANGES.text})
      and on (job, instance) risk:exporter:silent:bool
    or
    max by (job, instance) (changes(process_start_time_seconds[10m]) >= {t.RESTARTS.text})
      and on (job, instance) risk:exporter:silent:bool
    """,
    hold="1m",
    hold_reason="it counts ten minutes already",
    summary=f"risk-exporter {label('instance')} comes and goes",
    description="The exporter restarts, or answers only now and then: no outage is long enough for an alert "
    "of its "
    "own, and half of the time nobody sees its accounts.",
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

LOCK_NOT_RELOADED: Final = Alert(
    name="RiskLockNotReloaded",
    severity="warning",
    category="exporter",
    expr="risk_exporter_web_config_last_reload_successful == 0",
    hold="5m",
    hold_reason="who renews certificate and key may write one after the other",
    summary=f"risk-exporter {label('instance')} goes on with an old lock",
    description="The file of its web server, or one that it names, has a mistake, so that the lock before "
    "goes on: a password that was changed still counts, and a certificate is not renewed.",
    dashboard=links.dashboard(links.EXPORTER_UID),
)

SATURATED: Final = Alert(
    name="RiskExporterSaturated",
    severity="warning",
    category="exporter",
    thresholds=(t.SATURATED,),
    expr=f"risk_exporter_saturation_ratio > {t.SATURATED.text}",
    hold="10m",
    hold_reason="a start asks for everything at once",
    summary=f"risk-exporter {label('instance')} can do no more",
    description="The exporter has no time left: all its accounts are collected less often than configured, "
    "and evenly so. What is shown is that much older.",
    dashboard=links.dashboard(links.EXPORTER_UID),
)
