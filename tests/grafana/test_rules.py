"""The rules load, do what their tests say, and their tests notice every change of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grafana import rule_tests
from tests.grafana.programs import GRAFANA, RELEASES, Release, output, run
from tests.grafana.rule_tests import rules
from tests.grafana.rule_tests.rules import RULES, Rule
from tests.grafana.rule_tests.together import together
from tests.grafana.rule_tests.trials import Test

NUMBER = re.compile(r"(?<![\w:.$])(?<!vector\()\d+(?:\.\d+)?(?![\w:.])")


@pytest.mark.parametrize("release", RELEASES)
def test_prometheus_accepts_the_rules_without_a_complaint(release: Release) -> None:
    files = sorted(RULES.glob("*.yml"))
    result = run("promtool", "check", "rules", "--lint-fatal", *files, release=release)
    assert result.returncode == 0, output(result)


@pytest.mark.parametrize("release", RELEASES)
def test_prometheus_accepts_its_configuration(release: Release) -> None:
    file = GRAFANA / "prometheus" / "prometheus.yml"
    result = run("promtool", "check", "config", file, release=release)
    assert result.returncode == 0, output(result)


def test_vmalert_accepts_the_rules() -> None:
    result = run("vmalert", f"-rule={RULES}/*.yml", "-dryRun", release="newer")
    assert result.returncode == 0, output(result)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", rule_tests.tests())
def test_rules_do_what_their_tests_say(name: str, release: Release, tmp_path: Path) -> None:
    result = run("promtool", "test", "rules", rule_tests.write(tmp_path, name), release=release)
    assert result.returncode == 0, output(result)


def test_every_alert_is_tested_and_every_test_is_of_an_alert_or_of_recording_rules() -> None:
    alerts = {rule["alert"] for rule in rules.alerts()}
    assert {name for name in rule_tests.tests() if not name.startswith("recording_")} == alerts


def test_every_recording_rule_carries_the_name_of_the_project() -> None:
    for name in rules.recorded():
        assert re.fullmatch(r"risk:[a-z]+:[a-z0-9_]+:[a-z0-9]+", name), name


def test_every_alert_says_what_a_person_needs_to_know() -> None:
    for rule in rules.alerts():
        assert rule["labels"]["severity"] in {"none", "info", "warning", "critical"}
        assert rule["labels"]["category"] in {
            "risk",
            "collection",
            "blindness",
            "venue",
            "exporter",
            "monitoring",
        }
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url", "dashboard_url"}
        assert rule["annotations"]["runbook_url"].endswith("#" + rule["alert"].lower())
        assert "for" in rule


def test_every_alert_about_risk_outlives_the_danger_for_a_while() -> None:
    """And so do those that speak for the alerts of many accounts."""
    for rule in rules.alerts():
        outlives = rule["labels"]["category"] == "risk" or rule["alert"] in {
            "RiskExporterDown",
            "RiskVenueDown",
        }
        assert ("keep_firing_for" in rule) == outlives, rule["alert"]


def test_every_alert_about_an_account_watches_last_known_values() -> None:
    """An alert on a series of the exporter would resolve when the account can no longer be seen."""
    for rule in rules.alerts():
        watched = re.findall(r"\brisk_\w+", rule["expr"])
        direct = {name for name in watched if not name.startswith("risk_exporter_")}
        assert not direct, f"{rule['alert']} watches {direct}"


def test_rules_that_repeat_themselves_are_evaluated_with_the_rules_that_say_who_is_blind() -> None:
    """Groups are evaluated at different moments: one that dies in between would take all memory along."""
    repeating = {}
    for group in rules.groups():
        records = {rule["record"] for rule in group["rules"] if "record" in rule}
        for record in (name for name in records if name in rules.recorded()[name]):
            repeating[record] = records
    assert len(repeating) > 15
    assert all(
        {"risk:exporter:silent:bool", "risk:account:blind:bool"} <= records for records in repeating.values()
    )


def minutes(duration: str) -> int:
    number, unit = int(duration[:-1]), duration[-1]
    return number * {"m": 1, "h": 60}[unit]


def variants(match: re.Match[str]) -> tuple[str, ...]:
    """Other values for a number: a little more and less, or the neighbours of a truth value or a count."""
    value = float(match.group())
    if value.is_integer():
        return (f"{value - 1:g}", f"{value + 1:g}")
    return (f"{value * 0.97:g}", f"{value * 1.03:g}")


def mutants(rule: Rule) -> Iterator[tuple[str, Rule | None]]:
    """The rule itself, and every change of it, with what was changed; None: the rule is deleted."""
    yield "unchanged", rule
    yield "deleted", None
    for field in ("for", "keep_firing_for"):
        if field in rule:
            for step in (-1, 1) if minutes(rule[field]) else (1,):
                changed = f"{minutes(rule[field]) + step}m"
                yield f"{field} {rule[field]} -> {changed}", {**rule, field: changed}
    for match in NUMBER.finditer(rule["expr"]):
        for text in variants(match):
            expr = rule["expr"][: match.start()] + text + rule["expr"][match.end() :]
            yield f"{match.group()} -> {text}", {**rule, "expr": expr}


def own_tests(rule: Rule) -> list[Test]:
    """The tests of this rule among those of its alert, which may have one for each severity and window."""
    labels = rule["labels"]
    prefix = f"{labels['severity']}" + (f", window {labels['window']}" if "window" in labels else "") + ": "
    found = rule_tests.tests()[rule["alert"]]
    return [test for test in found if test["name"].startswith(prefix)] or found


def of_another_name(test: Test, name: str, others: list[str]) -> Test:
    """The test with all its questions asked of alerts with other names."""
    checks = [
        {
            **check,
            "expr": check["expr"].replace(f'"{name}"', f'"{other}"'),
            "exp_samples": [
                {**sample, "labels": sample["labels"].replace(f'"{name}"', f'"{other}"')}
                for sample in check["exp_samples"]
            ],
        }
        for other in others
        for check in test["promql_expr_test"]
    ]
    return {**{k: v for k, v in test.items() if k != "alert_rule_test"}, "promql_expr_test": checks}


@pytest.mark.parametrize("alert", sorted({rule["alert"] for rule in rules.alerts()}))
def test_every_change_of_an_alert_fails_one_of_its_tests(alert: str, tmp_path: Path) -> None:
    """A test that passes with another threshold, another ``for``, or without the alert proves nothing.

    All changes of a rule stand in one file, each under a name of its own, and take the tests together.
    """
    survivors = []
    for number, rule in enumerate(rule for rule in rules.alerts() if rule["alert"] == alert):
        found = list(mutants(rule))
        assert len(found) > 2
        names = {f"{alert}_{index}": change for index, (change, _) in enumerate(found)}
        changed = [
            {**mutant, "alert": name} for name, (_, mutant) in zip(names, found, strict=True) if mutant
        ]
        path = rule_tests.write_file(
            tmp_path,
            f"{alert}{number}",
            rules.file_of(rules.read_by([rule["expr"]]), changed),
            together(alert, [of_another_name(test, alert, list(names)) for test in own_tests(rule)]),
        )
        said = output(run("promtool", "test", "rules", path))
        failed = set(re.findall(rf'expr: "ALERTS{{alertname=\\"({alert}_\d+)\\"', said))
        assert f"{alert}_0" not in failed, said
        survivors += [
            f"{rule['labels']['severity']}: {change}"
            for name, change in names.items()
            if name not in failed and change != "unchanged"
        ]
    assert survivors == []
