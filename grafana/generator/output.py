"""All generated files, by their path in the repository."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import indent
from typing import Final

from grafana.generator import alerts, dashboards, recording, rules

DASHBOARDS: Final = Path("grafana/dashboards")
RULES: Final = Path("grafana/prometheus/rules")
OPERATOR: Final = Path("deploy/kustomize/monitoring/rules.yaml")
"""The rules once more, as objects of the prometheus-operator: kustomize cannot put a file into another."""

OWNED: Final = (f"{DASHBOARDS}/*.json", f"{RULES}/*.yml")
"""What the generator owns: other files of these names are left-overs of something renamed."""


def files() -> dict[Path, str]:
    """Path, relative to the repository, and text of every generated file. Reads and writes nothing."""
    texts = {"recording": rules.render(recording.GROUPS), "alerts": rules.render(alerts.GROUPS)}
    return {
        **{RULES / f"{name}.yml": text for name, text in texts.items()},
        OPERATOR: "---\n".join(_operator_object(name, text) for name, text in texts.items()),
        **{DASHBOARDS / f"{name}.json": text for name, text in dashboards.render().items()},
    }


def _operator_object(name: str, text: str) -> str:
    return f"""apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: risk-exporter-{name}
spec:
{indent(text, "  ")}"""


def outdated(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    """Files of the repository at ``root`` that are missing, differ, or are left over."""
    found = {path.relative_to(root) for pattern in OWNED for path in root.glob(pattern)}
    differ = {path for path, text in wanted.items() if _text(root / path) != text}
    return sorted(differ | (found - wanted.keys()))


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def write(root: Path, wanted: Mapping[Path, str]) -> None:
    """Bring the repository's files to the wanted state."""
    for path in outdated(root, wanted):
        if path in wanted:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(wanted[path])
        else:
            (root / path).unlink()
