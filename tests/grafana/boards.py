"""The dashboards as they are in the repository."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.grafana.programs import GRAFANA

BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}
OF_ONE_ACCOUNT = {"account", "position"}
"""Dashboards on which one account is chosen; the others show several."""


def everything(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows and panels, those of folded rows included."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels, those of folded rows included."""
    return (panel for panel in everything(board) if panel["type"] != "row")


def panel(board: str, title: str) -> dict[str, Any]:
    """The panel of this title."""
    (found,) = (one for one in panels(BOARDS[board]) if one["title"] == title)
    return found
