"""What all dashboards have in common: variables, annotations, links, and how they are written as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from grafana.generator import links
from grafana.generator.dashboards.panels import DATASOURCE, RED
from grafana.generator.promql import selector

Variable = Builder[models.VariableModel]
Panel = Builder[models.Panel]


def _label_values(name: str, metric: str, label: str, about: str) -> dashboard.QueryVariable:
    """A variable with the values of a label, and "all"."""
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .description(about)
        .datasource(DATASOURCE)
        .query(
            {
                "qryType": 1,
                "query": f"label_values({metric}, {label})",
                "refId": f"PrometheusVariableQueryEditor-{name}",
            }
        )
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(text="All", value="$__all"))
    )


_DATASOURCE_VARIABLE: Final = (
    dashboard.DatasourceVariable("datasource")
    .label("Data source")
    .description("The Prometheus that scrapes the exporter.")
    .type("prometheus")
)
EXCHANGE: Final = _label_values("exchange", "risk_up", "exchange", "Exchanges to show.")
ACCOUNT: Final = _label_values("account", 'risk_up{exchange=~"$exchange"}', "account", "Accounts to show.")
SYMBOL: Final = _label_values(
    "symbol",
    'risk_position_info{exchange=~"$exchange", account=~"$account"}',
    "symbol",
    "Symbols of open positions to show.",
)


def build(
    title: str, uid: str, question: str, variables: Sequence[Variable], rows: Mapping[str, Sequence[Panel]]
) -> dashboard.Dashboard:
    """A dashboard that answers one question; rows are title to panels."""
    board = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(question)
        .tags(["risk-exporter"])
        .readonly()
        .timezone(common_models.TimeZoneBrowser)
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .refresh("30s")
        .variables([_DATASOURCE_VARIABLE, *variables])
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts")
            .datasource(DATASOURCE)
            .enable(True)
            .icon_color(RED)
            .expr(_alert_series(variables))
        )
        .link(
            dashboard.DashboardLink("Risk")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["risk-exporter"])
            .as_dropdown(False)
            .include_vars(True)
            .keep_time(True)
        )
        .link(
            dashboard.DashboardLink("Runbooks")
            .type(models.DashboardLinkType.LINK)
            .icon("doc")
            .url(links.RUNBOOK_URL)
            .target_blank(True)
        )
    )
    for row, panels in rows.items():
        board = board.with_row(dashboard.Row(row))
        for panel in panels:
            board = board.with_panel(panel)
    return board


def _alert_series(variables: Sequence[Variable]) -> str:
    """The alerts that concern what the dashboard shows; alerts without the label concern all."""
    names = [variable.build().name for variable in variables]
    return selector(
        "ALERTS",
        'alertstate="firing"',
        'alertname=~"Risk.*"',
        'severity=~"warning|critical"',
        *(f'{name}=~"|${name}"' for name in names),
    )


def render(board: dashboard.Dashboard) -> str:
    """The dashboard as JSON, with what the builders cannot say."""
    content: dict[str, Any] = json.loads(JSONEncoder().encode(board.build()))
    for number, panel in enumerate(content["panels"], start=1):
        panel["id"] = number
    for annotation in content["annotations"]["list"]:
        annotation["titleFormat"] = "{{alertname}} ({{severity}})"
        annotation["textFormat"] = "{{exchange}} {{account}} {{symbol}}"
        annotation["step"] = "30s"
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
