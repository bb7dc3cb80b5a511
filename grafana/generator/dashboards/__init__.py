"""The four dashboards, from the general to the specific; each answers one question."""

from __future__ import annotations

from grafana.generator.dashboards import frame
from grafana.generator.dashboards.account import account
from grafana.generator.dashboards.exporter import exporter
from grafana.generator.dashboards.fleet import fleet
from grafana.generator.dashboards.position import position


def render() -> dict[str, str]:
    """JSON by name."""
    boards = {"fleet": fleet(), "account": account(), "position": position(), "exporter": exporter()}
    return {name: frame.render(board) for name, board in boards.items()}
