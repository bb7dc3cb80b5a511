"""promtool's tests of the rules: what each rule must say while something happens to an exporter's accounts.

The numbers stand here in full and are not taken from the tables of rules and thresholds: these tests fail
when those change. promtool reads files; to look at them: ``python -m tests.grafana.rule_tests FOLDER``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.grafana.programs import GRAFANA
from tests.grafana.rule_tests import alerts, recording
from tests.grafana.rule_tests.recording.account import tests_over_days
from tests.grafana.rule_tests.trials import Test

RULES: Final = GRAFANA / "prometheus" / "rules"
EVALUATION_ORDER: Final = ("risk-known", "risk-portfolio", "risk-alerts", "risk-collection-alerts")

File = dict[str, Any]
"""A test file as promtool reads it."""


@cache
def files() -> dict[str, File]:
    """Test files by name: one for each alert, and one for each subject of the recording rules."""
    found = {name: _file(tests) for name, tests in {**alerts.tests(), **recording.tests()}.items()}
    return {**found, "recording_days": _file(tests_over_days(), interval="5m")}


def _file(tests: list[Test], interval: str = "1m") -> File:
    return {
        "rule_files": [str(RULES / "recording.yml"), str(RULES / "alerts.yml")],
        "evaluation_interval": interval,
        "group_eval_order": list(EVALUATION_ORDER),
        "tests": tests,
    }


def write(folder: Path, name: str, file: File) -> Path:
    """Write a test file where promtool can read it."""
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(file, sort_keys=False, width=110, allow_unicode=True))
    return path
