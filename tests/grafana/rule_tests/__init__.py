"""promtool's tests of the rules: what each rule must say while something happens to an exporter's accounts.

The numbers stand here in full and are not taken from the tables of rules and thresholds: these tests fail
when those change. promtool reads files; to look at them: ``python -m tests.grafana.rule_tests FOLDER``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.grafana.rule_tests import alerts, recording, rules
from tests.grafana.rule_tests.recording.account import tests_over_days
from tests.grafana.rule_tests.together import together
from tests.grafana.rule_tests.trials import Test

EVALUATION_ORDER: Final = ("risk-known", "risk-portfolio", "alerts")

_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's own is six times faster


@cache
def tests() -> dict[str, list[Test]]:
    """Tests by name: those of each alert, and those of each subject of the recording rules."""
    return {**alerts.tests(), **recording.tests(), "recording_days": tests_over_days()}


def write(folder: Path, name: str) -> Path:
    """Write the tests of this name, with the rules they are about, where promtool can read them."""
    found = tests()[name]
    own = [rule for rule in rules.alerts() if rule["alert"] == name]
    checks = (check["expr"] for test in found for check in test["promql_expr_test"])
    read = rules.read_by(text for rule in own for text in rules.texts(rule)) if own else rules.read_by(checks)
    return write_file(folder, name, rules.file_of(read, own), together(name, found) if own else found)


def write_file(folder: Path, name: str, rule_file: dict[str, Any], found: Iterable[Test]) -> Path:
    """Write tests and the rules they are about where promtool can read them."""
    cases = list(found)
    content = {
        "rule_files": [f"{name}.rules.yml"],
        "evaluation_interval": cases[0]["interval"],
        "group_eval_order": list(EVALUATION_ORDER),
        "tests": cases,
    }
    path = folder / f"{name}.yml"
    for file, text in ((path, content), (folder / f"{name}.rules.yml", rule_file)):
        file.write_text(yaml.dump(text, Dumper=_DUMPER, sort_keys=False, width=110, allow_unicode=True))
    return path
