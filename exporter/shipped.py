"""Dashboards, rules and runbook as they come with the program, with the addresses of whoever uses them.

The files lead to a Grafana on the same machine and to this project's runbook. A user's own addresses take the
places of these two, wherever they stand; nothing else in the files is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from exporter.defaults import GRAFANA_URL, RUNBOOK_URL

_URL: Final = re.compile(r"https?://[A-Za-z0-9._~:/?@!&'()*+,;=%\[\]-]+")
"""What can stand in JSON, in YAML and in a template without meaning anything to them; no anchor."""


def url(text: str) -> str:
    """The address as it is put into the files.

    Raises:
        ValueError: It is none, or its characters would mean something where it is put.
    """
    if not _URL.fullmatch(text):
        raise ValueError(
            "must begin with http:// or https:// and have no spaces, quotes, dollar signs, braces or #"
        )
    return text.rstrip("/")


def dashboards(*, runbook_url: str = RUNBOOK_URL) -> dict[str, str]:
    """JSON by file name."""
    return {
        file.name: file.read_text(encoding="utf-8").replace(RUNBOOK_URL, runbook_url)
        for file in _within("dashboards", ".json")
    }


def rules(*, grafana_url: str = GRAFANA_URL, runbook_url: str = RUNBOOK_URL) -> dict[str, str]:
    """The rule files by name, and the runbook that their alerts lead to."""
    texts = {
        file.name: file.read_text(encoding="utf-8")
        .replace(GRAFANA_URL, grafana_url)
        .replace(RUNBOOK_URL, runbook_url)
        for file in _within("prometheus/rules", ".yml")
    }
    runbook = _ours() / "runbooks.md"
    return {**texts, runbook.name: runbook.read_text(encoding="utf-8")}


def _within(folder: str, suffix: str) -> Iterator[Traversable]:
    found = [file for file in _ours().joinpath(*folder.split("/")).iterdir() if file.name.endswith(suffix)]
    return iter(sorted(found, key=lambda file: file.name))


def _ours() -> Traversable:
    """In the package where it was installed from a wheel; beside it in a clone, where they are written."""
    inside = files("exporter") / "grafana"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "grafana"
