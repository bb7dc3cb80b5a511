"""All generated files, by their path below ``grafana/``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grafana.generator import dashboards, rules

OWNED: Final = ("dashboards/*.json", "prometheus/rules/*.yml")
"""What the generator owns: other files of these names are left-overs of something renamed."""


def files() -> dict[str, str]:
    """Path and text of every generated file."""
    return {
        "prometheus/rules/recording.yml": rules.render(rules.RECORDING_GROUPS),
        "prometheus/rules/alerts.yml": rules.render(rules.ALERT_GROUPS),
        **{f"dashboards/{name}.json": text for name, text in dashboards.render().items()},
    }


def outdated(root: Path, wanted: Mapping[str, str]) -> list[str]:
    """Files that are missing, differ, or are left over."""
    found = {path.relative_to(root).as_posix() for pattern in OWNED for path in root.glob(pattern)}
    differ = {name for name, text in wanted.items() if name not in found or (root / name).read_text() != text}
    return sorted(differ | (found - wanted.keys()))


def write(root: Path, wanted: Mapping[str, str]) -> None:
    """Bring the files below ``root`` to the wanted state."""
    for name in outdated(root, wanted):
        path = root / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name])
        else:
            path.unlink()
