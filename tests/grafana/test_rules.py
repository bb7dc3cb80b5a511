"""The rules load, do what their tests say, and their tests notice every change of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.grafana import rule_tests
from tests.grafana.programs import GRAFANA, output, run
from tests.grafana.rule_tests import RULES

NUMBER = re.compile(r"(?<![\w:.])\d+(?:\.\d+)?(?![\w:.])")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def alert_rules() -> list[dict[str, Any]]:
    return [rule for group in load(RULES / "alerts.yml")["groups"] for rule in group["rules"]]


def test_prometheus_accepts_the_rules_without_a_complaint() -> None:
    result = run("promtool", "check", "rules", "--lint-fatal", *sorted(RULES.glob("*.yml")))
    assert result.returncode == 0, output(result)


def test_prometheus_accepts_its_configuration() -> None:
    result = run("promtool", "check", "config", GRAFANA / "prometheus" / "prometheus.yml")
    assert result.returncode == 0, output(result)


@pytest.mark.parametrize("name", rule_tests.files())
def test_rules_do_what_their_tests_say(name: str, tmp_path: Path) -> None:
    path = rule_tests.write(tmp_path, name, rule_tests.files()[name])
    result = run("promtool", "test", "rules", path)
    assert result.returncode == 0, output(result)


def test_every_alert_is_tested_and_every_test_is_of_an_alert_or_of_recording_rules() -> None:
    alerts = {rule["alert"] for rule in alert_rules()}
    assert {name for name in rule_tests.files() if not name.startswith("recording_")} == alerts


def test_every_recording_rule_has_a_name_of_three_parts() -> None:
    for group in load(RULES / "recording.yml")["groups"]:
        for rule in group["rules"]:
            assert re.fullmatch(r"[a-z]+:[a-z0-9_]+:[a-z0-9]+", rule["record"]), rule["record"]


def test_every_alert_says_what_a_person_needs_to_know() -> None:
    for rule in alert_rules():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["labels"]["category"] in {"risk", "collection", "blindness", "venue", "exporter"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url", "dashboard_url"}
        assert rule["annotations"]["runbook_url"].endswith("#" + rule["alert"].lower())
        assert "for" in rule


def test_every_alert_about_risk_outlives_the_danger_for_a_while() -> None:
    for rule in alert_rules():
        assert ("keep_firing_for" in rule) == (rule["labels"]["category"] == "risk"), rule["alert"]


def test_every_alert_about_an_account_watches_last_known_values() -> None:
    """An alert on a series of the exporter would resolve when the account can no longer be seen."""
    for rule in alert_rules():
        watched = re.findall(r"\brisk_\w+", rule["expr"])
        direct = {name for name in watched if not name.startswith("risk_exporter_")}
        assert not direct, f"{rule['alert']} watches {direct}"


def test_rules_that_repeat_themselves_are_evaluated_with_the_rules_that_say_who_is_blind() -> None:
    """Groups are evaluated at different moments: one that dies in between would take all memory along."""
    repeating = {}
    for group in load(RULES / "recording.yml")["groups"]:
        records = {rule["record"] for rule in group["rules"]}
        for record in (rule["record"] for rule in group["rules"] if rule["record"] in rule["expr"]):
            repeating[record] = records
    assert len(repeating) > 15
    assert all({"exporter:silent:bool", "account:blind:bool"} <= records for records in repeating.values())


@dataclass(frozen=True)
class Mutant:
    """One change of one alert rule, and the trials that should notice it, the likeliest first."""

    index: int
    change: str
    rule: dict[str, Any] | None
    trials: tuple[str, ...]


def minutes(duration: str) -> int:
    number, unit = int(duration[:-1]), duration[-1]
    return number * {"m": 1, "h": 60}[unit]


def variants(match: re.Match[str]) -> tuple[str, ...]:
    """Other values for a number: a little more and less, or the neighbours of a truth value or a count."""
    before = match.string[: match.start()].rstrip()
    value = float(match.group())
    if before.endswith("==") or re.search(r"count\([^()]*\) >$", before):
        return (f"{value - 1:g}", f"{value + 1:g}")
    return (f"{value * 0.97:g}", f"{value * 1.03:g}")


def mutants() -> Iterator[Mutant]:
    fires = ("fires", "does not fire", "ends", "neither", "keeps")
    for index, rule in enumerate(alert_rules()):
        yield Mutant(index, "deleted", None, fires)
        for field, trials in (("for", fires), ("keep_firing_for", ("ends", *fires))):
            if field in rule:
                for step in (-1, 1):
                    changed = {**rule, field: f"{minutes(rule[field]) + step}m"}
                    yield Mutant(index, f"{field} {rule[field]} -> {changed[field]}", changed, trials)
        for match in NUMBER.finditer(rule["expr"]):
            for text in variants(match):
                expr = rule["expr"][: match.start()] + text + rule["expr"][match.end() :]
                yield Mutant(index, f"{match.group()} -> {text}", {**rule, "expr": expr}, fires)


def trials_of(rule: dict[str, Any], wanted: str) -> list[dict[str, Any]]:
    """The rule's own tests whose names begin with the wanted words."""
    labels = rule["labels"]
    own = f"{labels['severity']}" + (f", window {labels['window']}" if "window" in labels else "") + ": "
    tests = rule_tests.files()[rule["alert"]]["tests"]
    return [test for test in tests if test["name"].removeprefix(own).startswith(wanted)]


def survives(mutant: Mutant, directory: Path) -> str | None:
    """The mutant's description if all of the alert's tests pass with it."""
    rules = alert_rules()
    original = rules[mutant.index]
    changed = [
        mutant.rule if index == mutant.index else rule
        for index, rule in enumerate(rules)
        if rule["alert"] == original["alert"] and not (index == mutant.index and mutant.rule is None)
    ]
    directory.mkdir()
    (directory / "alerts.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "risk-alerts", "rules": changed}]})
    )
    frame = rule_tests.files()[original["alert"]]
    for wanted in mutant.trials:
        tests = trials_of(original, wanted)
        if not tests:
            continue
        file = frame | {"rule_files": [str(RULES / "recording.yml"), "alerts.yml"], "tests": tests}
        path = rule_tests.write(directory, wanted.replace(" ", "_"), file)
        result = run("promtool", "test", "rules", path)
        if "FAILED" in output(result):
            return None
        assert result.returncode == 0, output(result)
    return f"{original['alert']} ({original['labels']['severity']}): {mutant.change}"


def test_every_change_of_an_alert_fails_one_of_its_tests(tmp_path: Path) -> None:
    """A test that passes with another threshold, another ``for``, or without the alert proves nothing."""
    found = list(mutants())
    assert len(found) > 5 * len(alert_rules())
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(survives, found, (tmp_path / str(number) for number in range(len(found))))
        assert [result for result in results if result is not None] == []
