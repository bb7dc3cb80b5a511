"""Building blocks of the dashboards: the same look, units, legends and colours everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from grafana.generator.thresholds import Threshold

DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")


@dataclass(frozen=True)
class Unit:
    """What Grafana calls a unit, and how many decimals are worth reading; None where that depends."""

    name: str
    decimals: int | None


RATIO: Final = Unit("percentunit", 1)
FINE_RATIO: Final = Unit("percentunit", 4)
"""For rates such as funding."""
USD: Final = Unit("currencyUSD", 1)
AMOUNT: Final = Unit("short", 2)
"""Of coins."""
COUNT: Final = Unit("short", 0)
PRICE: Final = Unit("none", None)
TIMES: Final = Unit("none", 1)
SHARE: Final = Unit("none", 2)
SECONDS: Final = Unit("s", 1)
AGE: Final = Unit("s", 0)
REQUESTS: Final = Unit("reqps", 1)
BYTES: Final = Unit("bytes", 0)
WHEN: Final = Unit("dateTimeFromNow", None)

GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"
UNKNOWN: Final = "#6e7077"
"""A grey that is no colour of a judgement: of what is not known."""
_NONE: Final = "transparent"


@dataclass(frozen=True)
class Query:
    """An expression and the name of each of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Scale:
    """How values are judged. The lowest step is never green: Grafana takes it where there are no data."""

    steps: tuple[models.Threshold, ...]
    """Colours of values."""
    lines: tuple[models.Threshold, ...] = (models.Threshold(None, _NONE),)
    """Limits that are drawn into graphs."""


def rising(*limits: tuple[Threshold, str]) -> Scale:
    """Of a value that is safe when small, and never negative."""
    judged = [models.Threshold(limit.value, color) for limit, color in limits]
    return Scale(
        (models.Threshold(None, UNKNOWN), models.Threshold(0, GREEN), *judged),
        (models.Threshold(None, _NONE), *judged),
    )


def falling(*limits: tuple[Threshold, str]) -> Scale:
    """Of a value that is safe when large; limits from the largest to the smallest."""
    above = [GREEN, *(color for _, color in limits)]
    steps = [models.Threshold(limit.value, above[index]) for index, (limit, _) in enumerate(limits)]
    lowest = models.Threshold(-1e9, above[-1])
    return Scale(
        (models.Threshold(None, UNKNOWN), lowest, *reversed(steps)),
        (
            models.Threshold(None, _NONE),
            *(models.Threshold(limit.value, color) for limit, color in reversed(limits)),
        ),
    )


def within(limit: Threshold, color: str) -> Scale:
    """Of a value that is safe near 0, on either side."""
    low, high = models.Threshold(-limit.value, color), models.Threshold(limit.value, color)
    return Scale(
        (
            models.Threshold(None, UNKNOWN),
            models.Threshold(-1e9, color),
            models.Threshold(-limit.value, GREEN),
            high,
        ),
        (models.Threshold(None, _NONE), low, high),
    )


ONE_IS_RED: Final = Scale(
    (models.Threshold(None, UNKNOWN), models.Threshold(0, GREEN), models.Threshold(1, RED))
)
"""Of a count that should be 0."""
ONE_IS_GREEN: Final = Scale(
    (models.Threshold(None, UNKNOWN), models.Threshold(0, RED), models.Threshold(1, GREEN))
)
"""Of a 1 that should stay 1."""
NEUTRAL: Final = Scale((models.Threshold(None, BLUE),))
"""There is nothing to judge."""
PLAIN: Final = Scale((models.Threshold(None, "text"),))
"""Nor anything to point at."""


def at_least(value: float, text: str) -> models.RangeMap:
    """A text for all values from this one on, in their own colour."""
    return models.RangeMap(
        options=models.DashboardRangeMapOptions(
            from_val=value, to=None, result=models.ValueMappingResult(text=text)
        )
    )


def named(names: Mapping[float | str, tuple[str, str | None]]) -> models.ValueMap:
    """A text for each of some values, and a colour where it has one of its own."""
    return models.ValueMap(
        options={
            value if isinstance(value, str) else f"{value:g}": models.ValueMappingResult(
                text=text, color=color, index=index
            )
            for index, (value, (text, color)) in enumerate(names.items())
        }
    )


def unknown(text: str, color: str) -> models.SpecialValueMap:
    """What stands where there is no value, in a colour that judges nothing."""
    return models.SpecialValueMap(
        options=models.DashboardSpecialValueMapOptions(
            match=models.SpecialValueMatch.NULL_AND_NAN,
            result=models.ValueMappingResult(text=text, color=color),
        )
    )


NO_DATA: Final = "no data"


def thresholds(steps: Sequence[models.Threshold]) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(list(steps))


def targets(
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
    unit: Unit,
    scale: Scale,
    *,
    width: int = 4,
    mappings: Sequence[models.ValueMap] = (),
) -> stat.Panel:
    """One number, coloured; the query's legend is whose number it is."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit.name)
        .mappings([unknown(NO_DATA, UNKNOWN), *mappings])
        .thresholds(thresholds(scale.steps))
        .color_mode(common_models.BigValueColorMode.BACKGROUND)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .text_mode(
            common_models.BigValueTextMode.VALUE_AND_NAME
            if query.legend
            else common_models.BigValueTextMode.VALUE
        )
        .wide_layout(False)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(NO_DATA)
        .height(4)
        .span(width)
        .targets(targets([query], instant=True))
    )
    return panel if unit.decimals is None else panel.decimals(unit.decimals)


def bars(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: Unit,
    scale: Scale,
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
        .unit(unit.name)
        .mappings([unknown(NO_DATA, UNKNOWN)])
        .thresholds(thresholds(scale.steps))
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(NO_DATA)
        .height(height)
        .span(width)
        .targets(targets(queries, instant=True))
    )
    if unit.decimals is not None:
        panel = panel.decimals(unit.decimals)
    return panel if maximum is None else panel.min(0).max(maximum)


def graph(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: Unit,
    *,
    scale: Scale | None = None,
    width: int = 8,
    height: int = 8,
    stacked: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    soft_maximum: float | None = None,
) -> lines.Panel:
    """Values over time; a gap in the data stays a gap."""
    panel = (
        lines.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit.name)
        .line_width(1)
        .fill_opacity(25 if stacked else 0)
        .show_points(common_models.VisibilityMode.AUTO)
        .span_nulls(False)
        .no_value(NO_DATA)
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
        .targets(targets(queries, instant=False))
    )
    if unit.decimals is not None:
        panel = panel.decimals(unit.decimals)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    if minimum is not None:
        panel = panel.min(minimum)
    if maximum is not None:
        panel = panel.max(maximum)
    if soft_maximum is not None:
        panel = panel.axis_soft_max(soft_maximum)
    style = (
        common_models.GraphThresholdsStyleMode.OFF
        if scale is None
        else common_models.GraphThresholdsStyleMode.DASHED
    )
    return panel.thresholds(thresholds(NEUTRAL.steps if scale is None else scale.lines)).thresholds_style(
        common.GraphThresholdsStyleConfig().mode(style)
    )


def states(
    title: str,
    description: str,
    query: Query,
    names: Mapping[float | str, tuple[str, str | None]],
    *,
    width: int,
    height: int = 9,
) -> Any:
    """States over time, with the word and the colour of each value."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(COUNT.name)
        .decimals(0)
        .mappings([named(names)])
        .thresholds(thresholds(ONE_IS_GREEN.steps))
        .show_value(common_models.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.8)
        .no_value(NO_DATA)
        .height(height)
        .span(width)
        .targets(targets([query], instant=False))
    )
