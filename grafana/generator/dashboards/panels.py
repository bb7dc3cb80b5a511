"""Building blocks of the dashboards: the same look, units, legends and colours everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from grafana.generator.thresholds import Threshold

DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

RATIO: Final = "percentunit"
USD: Final = "currencyUSD"
SECONDS: Final = "s"
AMOUNT: Final = "short"
PLAIN: Final = "none"
WHEN: Final = "dateTimeFromNow"

GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"


@dataclass(frozen=True)
class Query:
    """An expression and the name of each of its series."""

    expr: str
    legend: str = ""


def rising(*limits: tuple[Threshold, str]) -> list[models.Threshold]:
    """Colours of a value that is safe when small."""
    return [models.Threshold(None, GREEN), *[models.Threshold(limit.value, color) for limit, color in limits]]


def falling(*limits: tuple[Threshold, str]) -> list[models.Threshold]:
    """Colours of a value that is safe when large; limits from the largest to the smallest."""
    colors = [color for _, color in limits]
    steps = [models.Threshold(None, colors[-1])]
    steps += [
        models.Threshold(limits[index][0].value, colors[index - 1] if index > 0 else GREEN)
        for index in range(len(limits) - 1, -1, -1)
    ]
    return steps


def within(limit: Threshold, color: str) -> list[models.Threshold]:
    """Colours of a value that is safe near 0, on either side."""
    return [
        models.Threshold(None, color),
        models.Threshold(-limit.value, GREEN),
        models.Threshold(limit.value, color),
    ]


def one_is_red() -> list[models.Threshold]:
    """Colours of a count that should be 0."""
    return [models.Threshold(None, GREEN), models.Threshold(1, RED)]


def one_is_green() -> list[models.Threshold]:
    """Colours of a 1 that should stay 1."""
    return [models.Threshold(None, RED), models.Threshold(1, GREEN)]


def neutral() -> list[models.Threshold]:
    """One colour: there is nothing to judge."""
    return [models.Threshold(None, BLUE)]


def _thresholds(steps: Sequence[models.Threshold]) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(list(steps))


def _targets(
    queries: Sequence[Query], *, instant: bool, as_table: bool = False
) -> list[Builder[variants.Dataquery]]:
    targets: list[Builder[variants.Dataquery]] = []
    for index, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.expr).ref_id(chr(ord("A") + index)).datasource(DATASOURCE)
        target = target.instant() if instant else target.range()
        if as_table:
            target = target.format(prometheus_models.PromQueryFormat.TABLE)
        else:
            target = target.legend_format(query.legend or "__auto")
        targets.append(target)
    return targets


def single(
    title: str,
    description: str,
    query: Query,
    unit: str,
    steps: Sequence[models.Threshold],
    *,
    width: int = 4,
    decimals: int | None = None,
) -> stat.Panel:
    """One number, coloured."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .thresholds(_thresholds(steps))
        .color_mode(common_models.BigValueColorMode.BACKGROUND)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("no data")
        .height(4)
        .span(width)
        .targets(_targets([query], instant=True))
    )
    return panel if decimals is None else panel.decimals(decimals)


def bars(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    steps: Sequence[models.Threshold],
    *,
    width: int = 8,
    height: int = 9,
    maximum: float | None = None,
) -> bargauge.Panel:
    """A bar for each series, at its present value."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .thresholds(_thresholds(steps))
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("no data")
        .height(height)
        .span(width)
        .targets(_targets(queries, instant=True))
    )
    return panel if maximum is None else panel.min(0).max(maximum)


def graph(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    *,
    steps: Sequence[models.Threshold] | None = None,
    width: int = 8,
    height: int = 9,
    stacked: bool = False,
    minimum: float | None = None,
    soft_maximum: float | None = None,
) -> lines.Panel:
    """Values over time; a gap in the data stays a gap."""
    panel = (
        lines.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .line_width(1)
        .fill_opacity(25 if stacked else 0)
        .show_points(common_models.VisibilityMode.AUTO)
        .span_nulls(False)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.TABLE)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "min", "max"])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
        .height(height)
        .span(width)
        .targets(_targets(queries, instant=False))
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    if minimum is not None:
        panel = panel.min(minimum)
    if soft_maximum is not None:
        panel = panel.axis_soft_max(soft_maximum)
    style = (
        common_models.GraphThresholdsStyleMode.OFF
        if steps is None
        else (common_models.GraphThresholdsStyleMode.DASHED)
    )
    return panel.thresholds(_thresholds(neutral() if steps is None else steps)).thresholds_style(
        common.GraphThresholdsStyleConfig().mode(style)
    )


def states(
    title: str, description: str, query: Query, names: Mapping[str, tuple[str, str]], *, width: int
) -> Any:
    """States over time, with the word and the colour of each value."""
    mapping = models.ValueMap(
        options={
            value: models.ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(names.items())
        }
    )
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(PLAIN)
        .mappings([mapping])
        .thresholds(_thresholds(one_is_green()))
        .show_value(common_models.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.8)
        .height(9)
        .span(width)
        .targets(_targets([query], instant=False))
    )


@dataclass(frozen=True)
class Column:
    """A column with numbers: its query gives one value a row."""

    title: str
    expr: str
    unit: str
    steps: Sequence[models.Threshold] = field(default_factory=neutral)
    bar_maximum: float | None = None
    """Draw a bar that is full at this value."""
    colored: bool = False


def table(
    title: str,
    description: str,
    keys: Mapping[str, str],
    columns: Sequence[Column],
    *,
    sort_by: str | None,
    descending: bool = False,
    link: tuple[str, str] | None = None,
    width: int = 24,
    height: int = 10,
) -> tables.Panel:
    """Rows joined over their labels.

    ``sort_by`` is a column whose every row has a value; None keeps the order of the first query's rows.
    ``keys`` is label to column title; ``link`` is text and URL behind the first key column.
    """
    refs = [chr(ord("A") + index) for index in range(len(columns))]
    names = {f"Value #{ref}": column.title for ref, column in zip(refs, columns, strict=True)}
    if len(columns) == 1:
        names["Value"] = columns[0].title
    order = [*keys, *names]
    panel = (
        tables.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(PLAIN)
        .thresholds(_thresholds(neutral()))
        .no_value("none")
        .filterable(True)
        .height(height)
        .span(width)
        .targets(_targets([Query(column.expr) for column in columns], instant=True, as_table=True))
        .with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True, "__name__": True, "job": True, "instance": True},
                    "indexByName": {name: index for index, name in enumerate(order)},
                    "renameByName": {**keys, **names},
                },
            )
        )
    )
    if sort_by is not None:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(descending)])
    for column in columns:
        properties = [
            models.DynamicConfigValue("unit", column.unit),
            models.DynamicConfigValue("thresholds", _thresholds(column.steps).build()),
        ]
        if column.bar_maximum is not None:
            properties += [
                models.DynamicConfigValue("custom.cellOptions", {"type": "gauge", "mode": "basic"}),
                models.DynamicConfigValue("min", 0),
                models.DynamicConfigValue("max", column.bar_maximum),
                models.DynamicConfigValue("color", {"mode": "thresholds"}),
            ]
        elif column.colored:
            properties += [
                models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
                models.DynamicConfigValue("color", {"mode": "thresholds"}),
            ]
        panel = panel.override_by_name(column.title, properties)
    if link is not None:
        text, url = link
        panel = panel.override_by_name(
            next(iter(keys.values())), [models.DynamicConfigValue("links", [{"title": text, "url": url}])]
        )
    return panel


def link_to(uid: str, **columns: str) -> str:
    """URL of another dashboard for the row that was clicked: variable to column title."""
    of_row = [f"var-{name}={_variable(f'__data.fields.{title}')}" for name, title in columns.items()]
    query = [f"var-datasource={_variable('datasource')}", *of_row, _variable("__url_time_range")]
    return f"/d/{uid}?{'&'.join(query)}"


def _variable(name: str) -> str:
    """Where Grafana puts the value of a variable."""
    return "${" + name + "}"
