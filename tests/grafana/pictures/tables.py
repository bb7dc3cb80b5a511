"""Rows of a table, as Grafana's transformations make them of the results of its queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.grafana.pictures.source import Labels

Cell = float | str | None
Row = dict[str, Cell]


@dataclass(frozen=True)
class Table:
    """Columns in their order, and rows that may lack cells."""

    columns: Sequence[str]
    rows: Sequence[Row]


def table(results: Mapping[str, Sequence[tuple[Labels, float]]], steps: Sequence[Mapping[str, Any]]) -> Table:
    """The results of each query (by its letter) after the panel's transformations."""
    frames: list[list[Row]] = [
        [{**labels, "Value" if len(results) == 1 else f"Value #{letter}": value} for labels, value in series]
        for letter, series in results.items()
    ]
    rows: list[Row] = [dict(row) for frame in frames for row in frame]
    found = Table(_columns(rows), rows)
    for step in steps:
        found = _TRANSFORMATIONS[step["id"]](found, step["options"], frames)
    return found


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


Frames = Sequence[Sequence[Row]]


def _merge(_: Table, __: Mapping[str, Any], frames: Frames) -> Table:
    """Rows that agree in the columns which all results have, and contradict each other in none."""
    present = [frame for frame in frames if frame]
    shared = (
        set.intersection(*(set(_columns([dict(row) for row in frame])) for frame in present))
        if present
        else set()
    )
    merged: list[Row] = []
    by_key: dict[tuple[Cell, ...], list[Row]] = {}
    for frame in present:
        for row in frame:
            same = by_key.setdefault(tuple(row.get(name) for name in sorted(shared)), [])
            target = next((old for old in same if all(old.get(k, v) == v for k, v in row.items())), None)
            if target is None:
                target = {}
                same.append(target)
                merged.append(target)
            target.update(row)
    return Table(_columns(merged), merged)


def _organize(found: Table, options: Mapping[str, Any], _: Frames) -> Table:
    hidden, order = options.get("excludeByName", {}), options.get("indexByName", {})
    titles = options.get("renameByName", {})
    columns = [name for name in found.columns if not hidden.get(name)]
    columns.sort(key=lambda name: order.get(name, len(order)))
    rows = [{titles.get(name, name): row.get(name) for name in columns} for row in found.rows]
    return Table([titles.get(name, name) for name in columns], rows)


def _numbers(found: Table, options: Mapping[str, Any], _: Frames) -> Table:
    names = {one["targetField"] for one in options["conversions"] if one["destinationType"] == "number"}
    rows = [
        {name: float(cell) if name in names and cell is not None else cell for name, cell in row.items()}
        for row in found.rows
    ]
    return Table(found.columns, rows)


def _sort(found: Table, options: Mapping[str, Any], _: Frames) -> Table:
    (by,) = options["sort"]
    rows = sorted(found.rows, key=lambda row: (row.get(by["field"]) is None, row.get(by["field"])))
    return Table(found.columns, rows[::-1] if by.get("desc") else rows)


def _matrix(found: Table, options: Mapping[str, Any], _: Frames) -> Table:
    column, row_name, value = options["columnField"], options["rowField"], options["valueField"]
    first = f"{row_name}\\{column}"
    rows: dict[Cell, Row] = {}
    for row in found.rows:
        head = row[column]
        name = f"{head:g}" if isinstance(head, float) else str(head)
        rows.setdefault(row[row_name], {first: row[row_name]})[name] = row.get(value)
    columns = _columns(list(rows.values()))
    return Table(columns, list(rows.values()))


_TRANSFORMATIONS = {
    "merge": _merge,
    "organize": _organize,
    "convertFieldType": _numbers,
    "sortBy": _sort,
    "groupingToMatrix": _matrix,
}


def in_order(found: Table, panel: Mapping[str, Any]) -> Sequence[Row]:
    """As the table's own sorting has it: rows without a value come first, or last if it goes down."""
    rows = list(found.rows)
    for by in panel.get("options", {}).get("sortBy", []) or []:
        name = by["displayName"]
        rows.sort(
            key=lambda row: (row.get(name) is not None, row.get(name) or 0), reverse=by.get("desc", False)
        )
    return rows
