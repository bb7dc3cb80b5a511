"""Rules, dashboards and rule tests use names, labels and values that the exporter publishes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from exporter.errors import REASONS
from grafana.generator import thresholds
from grafana.generator.thresholds import Threshold
from tests.grafana import promql, rule_tests
from tests.grafana.boards import panels
from tests.grafana.programs import GRAFANA

RULE_FILES = sorted((GRAFANA / "prometheus" / "rules").glob("*.yml"))
BOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
RECORDED_EXTRA = frozenset(
    {"alertname", "alertstate", "severity", "category", "window", "le", "shock", "direction"}
)
OF_OTHERS = frozenset({"rule_group", "group", "integration"})
"""Labels of Prometheus, Alertmanager and vmalert."""


def rules() -> Iterator[dict[str, Any]]:
    for path in RULE_FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def board_expressions() -> Iterator[tuple[str, str]]:
    for path in BOARDS:
        board = json.loads(path.read_text())
        for panel in panels(board):
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]
        for annotation in board["annotations"]["list"]:
            yield f"{path.stem}: annotation", annotation["expr"]
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{path.stem}: variable {variable['name']}", variable["query"]["query"]


EXPRESSIONS = [
    *(
        (rule.get("record") or f"{rule['alert']} {rule['labels']['severity']}", rule["expr"])
        for rule in rules()
    ),
    *board_expressions(),
]
RECORDED = frozenset(rule["record"] for rule in rules() if "record" in rule)


@pytest.mark.parametrize(("where", "expr"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_expression_asks_for_series_that_exist(where: str, expr: str) -> None:
    for metric in promql.metrics(expr):
        assert promql.family_of(metric) is not None, f"{where}: the exporter has no {metric}"
    without_text = re.sub(r'"[^"]*"', '""', expr)
    for recorded in re.findall(r"\brisk:[a-z0-9_:]+\b", without_text):
        assert recorded in RECORDED, f"{where}: no rule records {recorded}"
    for metric, matchers in promql.selectors(expr):
        recorded = promql.LABELS | RECORDED_EXTRA | OF_OTHERS
        known = promql.labels_of(metric) if metric.startswith("risk_") else recorded
        assert matchers.keys() <= known, f"{where}: {metric} has no label {matchers.keys() - known}"
        if metric == "risk_collector_errors_total" and "reason" in matchers:
            assert set(matchers["reason"].split("|")) <= set(REASONS)
    for metric, labels in promql.aggregations(expr):
        known = promql.labels_of(metric)
        assert labels <= known, f"{where}: {metric} has no label {labels - known}"
    known = promql.LABELS | promql.TARGET_LABELS | RECORDED_EXTRA | OF_OTHERS
    assert promql.grouping_labels(expr) <= known, f"{where}: {promql.grouping_labels(expr) - known}"


def test_rule_tests_feed_series_as_the_exporter_publishes_them() -> None:
    for name, found in rule_tests.tests().items():
        for test in found:
            for series in test["input_series"]:
                ((metric, labels),) = promql.selectors(series["series"])
                if not metric.startswith("risk_"):
                    continue  # of Prometheus, Alertmanager, vmalert, or any process
                family = promql.family_of(metric)
                assert family is not None, f"{name}: the exporter has no {metric}"
                # The version labels of the build are nobody's business here.
                required = set[str]() if metric == "risk_exporter_build_info" else set(family.labels)
                assert required <= labels.keys() <= promql.labels_of(metric), f"{name}: {series['series']}"


def test_annotations_of_alerts_name_labels_that_exist() -> None:
    for rule in rules():
        for text in rule.get("annotations", {}).values():
            labels = set(re.findall(r"\$labels\.(\w+)", text))
            assert labels <= promql.LABELS | promql.TARGET_LABELS | OF_OTHERS, rule["alert"]


def test_legends_name_labels_that_exist() -> None:
    for path in BOARDS:
        for panel in panels(json.loads(path.read_text())):
            for target in panel["targets"]:
                labels = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
                assert labels <= promql.LABELS | promql.TARGET_LABELS, f"{path.stem}: {panel['title']}"


def test_every_threshold_has_a_reason_and_a_use() -> None:
    alerts = " ".join(" ".join(path.read_text().replace("#", " ").split()) for path in RULE_FILES)
    limits = {name: value for name, value in vars(thresholds).items() if isinstance(value, Threshold)}
    assert len(limits) > 15
    for name, limit in limits.items():
        assert len(limit.reason) > 20, name
        used_in_dashboards_only = name in {"RATE_LIMIT_USED_WARNING", "STRESS_BREACH", "STRESS_NO_EQUITY"}
        assert used_in_dashboards_only or limit.reason in alerts, name


def test_error_reasons_of_the_rules_are_reasons_of_the_exporter() -> None:
    assert {*thresholds.KEY_REASONS, *thresholds.KEY_REJECTED_REASONS} <= set(REASONS)


def test_the_runbook_explains_every_error_reason() -> None:
    text = (GRAFANA / "runbooks.md").read_text()
    assert [reason for reason in REASONS if f"`{reason}`" not in text] == []
