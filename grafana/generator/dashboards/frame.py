"""What all dashboards have in common: variables, annotations, links, and how they are written as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


def _label_values(
    name: str, metric: str, label: str, about: str, *, several: bool
) -> dashboard.QueryVariable:
    """A variable with the values of a label: several and "all", or one, at first the first."""
    variable = (
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
        .multi(several)
        .include_all(several)
    )
    if several:
        variable = variable.all_value(".*").current(models.VariableOption(text="All", value="$__all"))
    return variable


INPUT: Final = "DS_PROMETHEUS"
"""What the import of a dashboard asks for."""

_DATASOURCE_VARIABLE: Final = (
    dashboard.DatasourceVariable("datasource")
    .label("Data source")
    .description("The Prometheus that scrapes the exporter.")
    .type("prometheus")
    # An import puts the chosen one here. Where files are provisioned it names nothing, and Grafana takes the
    # first Prometheus that it has.
    .current(models.VariableOption(text="Prometheus", value="${" + INPUT + "}"))
)
EXCHANGES: Final = _label_values("exchange", "risk_up", "exchange", "Exchanges to show.", several=True)
ACCOUNTS: Final = _label_values(
    "account", 'risk_up{exchange=~"$exchange"}', "account", "Accounts to show.", several=True
)
EXCHANGE: Final = _label_values("exchange", "risk_up", "exchange", "The account's exchange.", several=False)
ACCOUNT: Final = _label_values(
    "account", 'risk_up{exchange="$exchange"}', "account", "The account to show.", several=False
)
SYMBOL: Final = _label_values(
    "symbol",
    'risk_position_info{exchange="$exchange", account="$account"}',
    "symbol",
    "The symbol of open positions to show.",
    several=False,
)


@dataclass(frozen=True)
class Row:
    """Panels under a title. What is rarely looked at, or rarely has data, is folded up and takes no room."""

    title: str
    panels: Sequence[Panel]
    folded: bool = False


def build(
    title: str,
    uid: str,
    question: str,
    variables: Sequence[Variable],
    *,
    first: Sequence[Panel],
    rows: Sequence[Row],
) -> dashboard.Dashboard:
    """A dashboard that answers one question, with the first screen of panels."""
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
    for panel in first:
        board = board.with_panel(panel)
    for row in rows:
        head = dashboard.Row(row.title)
        for panel in row.panels if row.folded else ():
            head = head.with_panel(panel)
        board = board.with_row(head)
        for panel in () if row.folded else row.panels:
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


SCHEMA_VERSION: Final = 38
"""That of Grafana 10.0: newer ones know how to bring it up to theirs, an older one does not know a newer."""


def render(board: dashboard.Dashboard) -> str:
    """The dashboard as JSON, with what the builders cannot say."""
    content: dict[str, Any] = json.loads(JSONEncoder().encode(board.build()))
    content["schemaVersion"] = SCHEMA_VERSION
    above = 0
    for panel in content["panels"]:
        panel["gridPos"]["y"] -= above
        for inner in panel.get("panels", []):
            inner["gridPos"]["y"] -= above
        if panel.get("collapsed"):  # what comes next stands where the row is folded up
            bottom = max(inner["gridPos"]["y"] + inner["gridPos"]["h"] for inner in panel["panels"])
            above += bottom - panel["gridPos"]["y"] - panel["gridPos"]["h"]
    panels = [inner for panel in content["panels"] for inner in (panel, *panel.get("panels", []))]
    for number, panel in enumerate(panels, start=1):
        panel["id"] = number
    for variable in content["templating"]["list"]:
        # A value that is not offered any more must not stay chosen.
        variable["allowCustomValue"] = False
    for annotation in content["annotations"]["list"]:
        annotation["titleFormat"] = "{{alertname}} ({{severity}})"
        annotation["textFormat"] = "{{exchange}} {{account}} {{symbol}}"
        annotation["step"] = "30s"
    return json.dumps({**_importable(panels), **content}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _importable(panels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What an import asks for, and what it needs."""
    kinds = sorted({panel["type"] for panel in panels} - {"row"})
    return {
        "__inputs": [
            {
                "name": INPUT,
                "label": "Prometheus",
                "description": "The Prometheus that scrapes the exporter.",
                "type": "datasource",
                "pluginId": "prometheus",
                "pluginName": "Prometheus",
            }
        ],
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"},
            {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
            *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in kinds),
        ],
    }
