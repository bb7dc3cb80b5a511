"""helm and kubectl, which ``make build/kube`` fetches; where they are missing the tests fail."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
CHART: Final = DEPLOY / "helm" / "risk-exporter"
_PROGRAMS: Final = ROOT / "build" / "kube" / "bin"

Manifest = dict[str, Any]


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = _PROGRAMS / name
    assert program.exists(), f"{program} is missing; `make build/kube` fetches it"
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)


def manifests(name: str, *arguments: str | Path) -> list[Manifest]:
    """The objects that a program prints."""
    done = run(name, *arguments)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.load_all(done.stdout, yaml.CSafeLoader) if found]


def chart(*settings: str) -> list[Manifest]:
    """The objects of the release ``desk`` of the chart."""
    return manifests("helm", "template", "desk", CHART, *(f"--set={setting}" for setting in settings))


def overlay(folder: Path, *components: str, dashboards: bool = False) -> list[Manifest]:
    """The objects of the kustomize base with components, as a folder elsewhere puts them together."""
    folder.mkdir(exist_ok=True)

    def there(path: Path) -> str:
        return os.path.relpath(path, folder.resolve())

    kustomization = {
        "resources": [there(DEPLOY / "kustomize" / "base")] + [there(ROOT / "grafana")] * dashboards,
        "components": [there(DEPLOY / "kustomize" / component) for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return manifests("kubectl", "kustomize", folder)
