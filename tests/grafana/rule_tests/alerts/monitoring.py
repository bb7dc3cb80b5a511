"""The alerts about the way from a danger to a person."""

from __future__ import annotations

from typing import Final

from tests.grafana.rule_tests.trials import Expected, Test, make_test
from tests.grafana.rule_tests.world import Values, World, selector

_DASHBOARD: Final = "/d/risk-exporter"
_SERVER: Final = {"job": "prometheus", "instance": "localhost:9090"}
_MANAGER: Final = {"job": "alertmanager", "instance": "alertmanager:9093"}


def watchdog() -> list[Test]:
    expected = Expected(
        alert="RiskWatchdog",
        labels={"severity": "none", "category": "monitoring"},
        summary="Prometheus evaluates the rules of risk-exporter and reaches Alertmanager",
        description="This always fires. A machine elsewhere must raise the alarm when its messages stop: "
        "then "
        "rules, Prometheus, Alertmanager or the way to people are broken, and no other alert can say so.",
        dashboard=_DASHBOARD,
    )
    return [make_test("fires always", World(10), expected, firing=range(10), annotated=5)]


def _growing(minutes_before: int, *steps: float) -> Values:
    """A counter that stands still, grows by the steps, and stands still again.

    In steps below 1, though real ones count: less than one failure in all must be enough.
    """
    values = [0.0] * minutes_before
    for step in steps:
        values.append(values[-1] + step)
    return [*values, *[values[-1]] * 20]


def rules_failing() -> list[Test]:
    def expected(labels: dict[str, str], group: str) -> Expected:
        return Expected(
            alert="RiskRulesFailing",
            labels={"severity": "critical", "category": "monitoring", **labels, "rule_group": group},
            summary=f"Rules of risk-exporter fail in {labels['instance']}",
            description="Rules cannot be evaluated, or not in time: alerts do not see what happens. The log "
            "of "
            f"Prometheus names the rule ({group}).",
            dashboard=_DASHBOARD,
        )

    mine, other = "/etc/rules/recording.yml;risk-known", "/etc/rules/other.yml;cattle"

    def counted(metric: str, labels: dict[str, str]) -> World:
        return World(40, extra=[(selector(metric, labels), _growing(5, 0.3, 0.3))])

    return [
        make_test(
            f"fires after its for, not a minute earlier, for {metric}",
            counted(metric, {**_SERVER, "rule_group": mine}),
            expected(_SERVER, mine),
            firing=[6, 9],
            silent=[5, 15],
            annotated=7,
        )
        for metric in (
            "prometheus_rule_evaluation_failures_total",
            "prometheus_rule_group_iterations_missed_total",
        )
    ] + [
        make_test(
            "fires for those of vmalert",
            counted("vmalert_execution_errors_total", {**_SERVER, "group": "risk-known"}),
            expected(_SERVER, "risk-known"),
            firing=[7],
            annotated=7,
        ),
        make_test(
            "does not fire for the rules of others",
            counted("prometheus_rule_evaluation_failures_total", {**_SERVER, "rule_group": other}),
            expected(_SERVER, other),
            silent=range(40),
        ),
    ]


def notifications_failing() -> list[Test]:
    def expected(labels: dict[str, str], integration: str) -> Expected:
        more = {"integration": integration} if integration else {}
        return Expected(
            alert="RiskNotificationsFailing",
            labels={"severity": "critical", "category": "monitoring", **labels, **more},
            summary=f"Messages of {labels['instance']} about alerts do not arrive",
            description="Prometheus cannot reach Alertmanager, or Alertmanager cannot reach people "
            + (f"(integration {integration})" if integration else "(the log of Prometheus says)")
            + ". This message came another way, or by luck.",
            dashboard=_DASHBOARD,
        )

    def counted(metric: str, labels: dict[str, str]) -> World:
        return World(40, extra=[(selector(metric, labels), _growing(5, 0.3, 0.3))])

    of_webhook = {**_MANAGER, "integration": "webhook"}
    return [
        make_test(
            "fires after its for, not a minute earlier, for Alertmanager's",
            World(
                40,
                extra=[
                    (selector("alertmanager_notifications_failed_total", of_webhook), _growing(5, 0.3, 0.3)),
                    (
                        selector(
                            "alertmanager_notifications_failed_total", {**_MANAGER, "integration": "email"}
                        ),
                        [0.0],
                    ),
                ],
            ),
            expected(_MANAGER, "webhook"),
            firing=[6, 9],
            silent=[5, 15],
            annotated=7,
        ),
        *(
            make_test(
                f"fires for Prometheus' {metric}",
                counted(metric, {**_SERVER}),
                expected(_SERVER, ""),
                firing=[6, 9],
                silent=[5, 15],
                annotated=7,
            )
            for metric in ("prometheus_notifications_dropped_total", "prometheus_notifications_errors_total")
        ),
    ]
