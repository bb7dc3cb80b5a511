"""Alerts about the way from a danger to a person: rules, notifications, and that anything works at all."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator.placeholders import either, label
from grafana.generator.rules import Alert

_DASHBOARD: Final = links.dashboard(links.EXPORTER_UID)

WATCHDOG: Final = Alert(
    name="RiskWatchdog",
    severity="none",
    category="monitoring",
    expr="vector(1)",
    hold="0m",
    hold_reason="it fires as long as rules are evaluated",
    summary="Prometheus evaluates the rules of risk-exporter and reaches Alertmanager",
    description="This always fires. A machine elsewhere must raise the alarm when its messages stop: then "
    "rules, "
    "Prometheus, Alertmanager or the way to people are broken, and no other alert can say so.",
    dashboard=_DASHBOARD,
)

RULES_FAILING: Final = Alert(
    name="RiskRulesFailing",
    severity="critical",
    category="monitoring",
    expr="""
    sum by (job, instance, rule_group) (
      increase(prometheus_rule_evaluation_failures_total{rule_group=~".*;risk-.*"}[5m])
      or
      increase(prometheus_rule_group_iterations_missed_total{rule_group=~".*;risk-.*"}[5m])
      or
      label_replace(
        increase(vmalert_execution_errors_total{group=~"risk-.*"}[5m]), "rule_group", "$1", "group", "(.*)"
      )
    ) > 0
    """,
    hold="1m",
    hold_reason="one evaluation that failed is made up for by the next",
    summary=f"Rules of risk-exporter fail in {label('instance')}",
    description="Rules cannot be evaluated, or not in time: alerts do not see what happens. The log of "
    "Prometheus "
    f"names the rule ({label('rule_group')}).",
    dashboard=_DASHBOARD,
)

_WHICH: Final = either("integration", f"(integration {label('integration')})", "(the log of Prometheus says)")

NOTIFICATIONS_FAILING: Final = Alert(
    name="RiskNotificationsFailing",
    severity="critical",
    category="monitoring",
    expr="""
    sum by (job, instance, integration) (increase(alertmanager_notifications_failed_total[5m])) > 0
    or
    sum by (job, instance) (
      increase(prometheus_notifications_dropped_total[5m])
      or
      increase(prometheus_notifications_errors_total[5m])
    ) > 0
    """,
    hold="1m",
    hold_reason="a message that fails once is sent again",
    summary=f"Messages of {label('instance')} about alerts do not arrive",
    description="Prometheus cannot reach Alertmanager, or Alertmanager cannot reach people "
    f"{_WHICH}. This message came another way, or by luck.",
    dashboard=_DASHBOARD,
)
