"""Tables of the dashboards: joined rows, and a grid of two labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from grafana.generator.dashboards import panels as p

_NOBODYS: Final = ("Time", "__name__", "job", "instance")
"""Columns that nobody wants to see who has not asked for them."""


@dataclass(frozen=True)
class Column:
    """A column with numbers: its query gives one value a row."""

    title: str
    expr: str
    unit: p.Unit
    scale: p.Scale = p.PLAIN
    bar_maximum: float | None = None
    """Draw a bar that is full at this value."""
    text_colored: bool = False
    filled: bool = False
    """The colour fills the cell."""
    names: Mapping[float | str, tuple[str, str | None]] = field(default_factory=dict)
    """Text, and colour where it has one, in the place of some values."""
    link: tuple[str, str] | None = None
    hidden: bool = False
    """Only its labels are shown, or the order of its rows is what counts."""
    leading: bool = False
    """It stands before the labels."""


def _column_properties(column: Column) -> list[models.DynamicConfigValue]:
    mappings: list[Any] = [p.unknown("–", "text")]
    if column.names:
        mappings.append(p.named(column.names))
    if column.unit is p.RATIO:
        mappings.append(p.at_least(10, "≥ 1000 %"))
    properties = [
        models.DynamicConfigValue("unit", column.unit.name),
        models.DynamicConfigValue("thresholds", p.thresholds(column.scale.steps).build()),
        models.DynamicConfigValue("mappings", mappings),
    ]
    if column.unit.decimals is not None:
        properties.append(models.DynamicConfigValue("decimals", column.unit.decimals))
    if column.bar_maximum is not None:
        properties += [
            models.DynamicConfigValue("custom.cellOptions", {"type": "gauge", "mode": "basic"}),
            models.DynamicConfigValue("min", 0),
            models.DynamicConfigValue("max", column.bar_maximum),
        ]
    elif column.filled or column.text_colored:
        kind = {"type": "color-background", "mode": "basic"} if column.filled else {"type": "color-text"}
        properties.append(models.DynamicConfigValue("custom.cellOptions", kind))
    properties.append(models.DynamicConfigValue("color", {"mode": "thresholds"}))
    if column.link is not None:
        text, url = column.link
        properties.append(models.DynamicConfigValue("links", [{"title": text, "url": url}]))
    return properties


def table(
    title: str,
    description: str,
    keys: Mapping[str, str],
    columns: Sequence[Column],
    *,
    sort_by: str | None,
    descending: bool = False,
    link: tuple[str, str] | None = None,
    hidden: Sequence[str] = (),
    empty: str = "none",
    width: int = 24,
    height: int = 10,
) -> tables.Panel:
    """Rows joined over their labels.

    ``sort_by`` is a column whose every row has a value; None keeps the order of the first query's rows.
    ``keys`` is label to column title; ``link`` is text and URL behind the first key column. Labels in
    ``hidden`` join rows without being shown; ``empty`` is said where there is no row.
    """
    refs = [chr(ord("A") + index) for index in range(len(columns))]
    names = {f"Value #{ref}": column.title for ref, column in zip(refs, columns, strict=True)}
    if len(columns) == 1:
        names["Value"] = columns[0].title
    unseen = [*hidden, *(name for name, column in zip(names, columns, strict=False) if column.hidden)]
    leading = [name for name, column in zip(names, columns, strict=False) if column.leading]
    order = [*leading, *keys, *(name for name in names if name not in leading)]
    panel = (
        tables.Panel()
        .title(title)
        .description(description)
        .datasource(p.DATASOURCE)
        .unit(p.PRICE.name)
        .thresholds(p.thresholds(p.PLAIN.steps))
        .no_value(empty)
        .filterable(True)
        .height(height)
        .span(width)
        .targets(p.targets([p.Query(column.expr) for column in columns], instant=True, as_table=True))
        .with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": dict.fromkeys(
                        [*(name for name in _NOBODYS if name not in keys), *unseen], True
                    ),
                    "indexByName": {name: index for index, name in enumerate(order)},
                    "renameByName": {**keys, **names},
                },
            )
        )
    )
    if sort_by is not None:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(descending)])
    for column in columns:
        if not column.hidden:
            panel = panel.override_by_name(column.title, _column_properties(column))
    if link is not None:
        text, url = link
        panel = panel.override_by_name(
            next(iter(keys.values())), [models.DynamicConfigValue("links", [{"title": text, "url": url}])]
        )
    return panel


def matrix(
    title: str,
    description: str,
    expr: str,
    unit: p.Unit,
    scale: p.Scale,
    *,
    row: tuple[str, str],
    column: str,
    mappings: Sequence[models.RangeMap] = (),
    width: int = 24,
    height: int = 10,
) -> tables.Panel:
    """A coloured cell for each value of two labels; the one of the columns is a number.

    ``row`` is the label of the rows and the title above them.
    """
    label, head = row
    panel = (
        tables.Panel()
        .title(title)
        .description(description)
        .datasource(p.DATASOURCE)
        .unit(unit.name)
        .mappings([p.unknown("–", "text"), *mappings])
        .thresholds(p.thresholds(scale.steps))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .cell_options(
            common_models.TableColoredBackgroundCellOptions(
                mode=common_models.TableCellBackgroundDisplayMode.BASIC
            )
        )
        .no_value("none")
        .height(height)
        .span(width)
        .targets(p.targets([p.Query(expr)], instant=True, as_table=True))
        .with_transformation(
            models.DataTransformerConfig(
                id_val="convertFieldType",
                options={"conversions": [{"targetField": column, "destinationType": "number"}], "fields": {}},
            )
        )
        .with_transformation(
            models.DataTransformerConfig(
                id_val="sortBy", options={"fields": {}, "sort": [{"field": column, "desc": False}]}
            )
        )
        .with_transformation(
            models.DataTransformerConfig(
                id_val="groupingToMatrix",
                options={"columnField": column, "rowField": label, "valueField": "Value"},
            )
        )
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {},
                    "indexByName": {},
                    "renameByName": {f"{label}\\{column}": head},
                },
            )
        )
        .override_by_name(head, [models.DynamicConfigValue("custom.cellOptions", {"type": "auto"})])
    )
    return panel if unit.decimals is None else panel.decimals(unit.decimals)


def link_to(uid: str, **columns: str) -> str:
    """URL of another dashboard for the row that was clicked: variable to column title."""
    of_row = [f"var-{name}={_variable(f'__data.fields.{title}')}" for name, title in columns.items()]
    query = [f"var-datasource={_variable('datasource')}", *of_row, _variable("__url_time_range")]
    return f"/d/{uid}?{'&'.join(query)}"


def _variable(name: str) -> str:
    """Where Grafana puts the value of a variable."""
    return "${" + name + "}"
