"""A dashboard as one page of HTML: each panel where its JSON puts it, with what its queries give."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tests.grafana.pictures import tables, values
from tests.grafana.pictures.source import Labels, Source

FOLDER = Path(__file__).parent
WIDTH, CELL, GAP = 1600, 38, 8
"""Pixels: of the page, of a grid row with the gap below it, and of that gap."""
_COLUMN = (WIDTH - 2 * GAP) / 24
_SERIES = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#37872d", "#fade2a", "#447ebc")

Panel = Mapping[str, Any]


class Page:
    """Draws the panels of one dashboard, those of folded rows only if they are to be unfolded."""

    def __init__(self, board: Mapping[str, Any], source: Source, *, unfolded: bool = False) -> None:
        self._board, self._source, self._unfolded = board, source, unfolded
        self._graphs: list[dict[str, Any]] = []
        self.height = 0
        """Pixels, once the page is drawn."""

    def html(self) -> str:
        below, parts = 0, []
        for panel in self._board["panels"]:
            grid = panel["gridPos"]
            parts.append(self._placed(panel, below))
            if panel.get("collapsed") and self._unfolded:
                parts += [self._placed(inner, below) for inner in panel["panels"]]
                below += max(inner["gridPos"]["y"] + inner["gridPos"]["h"] for inner in panel["panels"])
                below -= grid["y"] + grid["h"]
        grids = [panel["gridPos"] for panel in self._board["panels"]]
        self.height = 56 + CELL * (below + max(grid["y"] + grid["h"] for grid in grids))
        shown = " ".join(
            f"<span class=variable>{escape(name)} <b>{'All' if text == '.*' else escape(text)}</b></span>"
            for name, text in self._source.values.items()
        )
        template = (FOLDER / "page.html").read_text()
        places = {
            "TITLE": escape(self._board["title"]),
            "QUESTION": escape(self._board["description"]),
            "VARIABLES": shown,
            "WIDTH": str(WIDTH),
            "HEIGHT": str(self.height),
            "PANELS": "".join(parts),
            "UPLOT_CSS": (FOLDER / "uplot" / "uPlot.min.css").read_text(),
            "UPLOT": (FOLDER / "uplot" / "uPlot.iife.min.js").read_text(),
            "GRAPHS": json.dumps(self._graphs),
        }
        return re.sub(r"@([A-Z_]+)@", lambda found: places[found[1]], template)

    def _placed(self, panel: Panel, below: int) -> str:
        grid = panel["gridPos"]
        width, height = grid["w"] * _COLUMN - GAP, grid["h"] * CELL - GAP
        place = f"left:{grid['x'] * _COLUMN:.0f}px;top:{(grid['y'] + below) * CELL}px;width:{width:.0f}px;"
        title = escape(panel["title"])
        if panel["type"] == "row":
            folded = panel.get("collapsed") and not self._unfolded
            return f'<div class=row style="{place}">{"▸" if folded else "▾"} {title}</div>'
        body = self._body(panel, width - 16, height - 34)
        return f'<div class=panel style="{place}height:{height}px"><h4>{title}</h4>{body}</div>'

    def _body(self, panel: Panel, width: float, height: float) -> str:
        match panel["type"]:
            case "stat":
                return self._stat(panel)
            case "bargauge":
                return self._bars(panel, height)
            case "table":
                return self._table(panel)
            case "timeseries":
                return self._graph(panel, width, height)
            case "state-timeline":
                return self._states(panel, height)
            case kind:
                raise ValueError(f"{panel['title']}: panels of the kind {kind} cannot be drawn")

    def _instant(self, panel: Panel) -> list[tuple[str, float]]:
        return [
            (_legend(target, labels), value)
            for target in panel["targets"]
            for labels, value in self._source.instant(target["expr"])
        ]

    def _text(self, config: values.Config, value: tables.Cell) -> str:
        return escape(values.text_of(config, value, self._source.now))

    def _stat(self, panel: Panel) -> str:
        config = panel["fieldConfig"]["defaults"]
        found: list[tuple[str, float | None]] = [*self._instant(panel)]
        named = panel["options"].get("textMode") == "value_and_name"
        filled = panel["options"].get("colorMode") == "background"
        cells = []
        for name, value in found or [("", None)]:
            shade = values.color_of(config, value)
            text = self._text(config, value) or escape(config.get("noValue", "No data"))
            style = f"background:{shade};color:#fff" if filled else f"color:{shade}"
            below = f"<small>{escape(name)}</small>" if named else ""
            cells.append(f'<div class=stat style="{style}"><b>{text}</b>{below}</div>')
        return f"<div class=stats>{''.join(cells)}</div>"

    def _bars(self, panel: Panel, height: float) -> str:
        config = panel["fieldConfig"]["defaults"]
        found = self._instant(panel)
        if not found:
            return _nothing(config)
        finite = [value for _, value in found if math.isfinite(value)]
        most = config.get("max") or max(finite, default=1) or 1
        size = min(34, max(14, height / len(found) - 6))
        return "".join(
            f'<div class=bar style="height:{size:.0f}px"><span>{escape(name)}</span>'
            f"{_gauge(value / most, values.color_of(config, value))}"
            f'<b style="color:{values.color_of(config, value)}">{self._text(config, value)}</b></div>'
            for name, value in found
        )

    def _table(self, panel: Panel) -> str:
        results = {target["refId"]: self._source.instant(target["expr"]) for target in panel["targets"]}
        found = tables.table(results, panel.get("transformations", []))
        defaults = panel["fieldConfig"]["defaults"]
        if not found.rows:
            return _nothing(defaults)
        overrides = {
            one["matcher"]["options"]: {prop["id"]: prop["value"] for prop in one["properties"]}
            for one in panel["fieldConfig"].get("overrides", [])
        }
        configs = {name: {**defaults, **overrides.get(name, {})} for name in found.columns}
        head = "".join(f'<th class="{_alignment(found, name)}">{escape(name)}</th>' for name in found.columns)
        body = "".join(
            "<tr>"
            + "".join(
                self._cell(configs[name], row.get(name), _alignment(found, name)) for name in found.columns
            )
            + "</tr>"
            for row in tables.in_order(found, panel)
        )
        return f"<table><tr>{head}</tr>{body}</table>"

    def _cell(self, config: values.Config, value: tables.Cell, side: str) -> str:
        text, style = self._text(config, value), ""
        if config.get("links") and text:
            text = f"<a>{text}</a>"
        kind = config.get("custom.cellOptions", config.get("custom", {}).get("cellOptions", {})).get(
            "type", "auto"
        )
        number = value if isinstance(value, float) else None
        shade = (values.mapped(config, value) or {}).get("color") if isinstance(value, str) else None
        shade = values.color(shade) if shade else values.color_of(config, number)
        if kind == "gauge" and number is not None:
            text = f"{_gauge(number / config['max'], shade)}<b style='color:{shade}'>{text}</b>"
            return f'<td><div class="bar cell">{text}</div></td>'
        if kind == "color-background" and shade != "transparent":
            style = f"background:{shade};color:#111"
        elif kind == "color-text":
            style = f"color:{shade};font-weight:600"
        return f'<td class="{side}" style="{style}">{text}</td>'

    def _series(self, panel: Panel) -> list[tuple[str, Sequence[tuple[float, float]]]]:
        return [
            (_legend(target, labels), points)
            for target in panel["targets"]
            for labels, points in self._source.ranged(target["expr"])
        ]

    def _graph(self, panel: Panel, width: float, height: float) -> str:
        config = panel["fieldConfig"]["defaults"]
        custom = config.get("custom", {})
        found = self._series(panel)
        if not found:
            return _nothing(config)
        legend_height = min(height * 0.4, 8 + 18 * len(found))
        number = len(self._graphs)
        lines = [
            step
            for step in config.get("thresholds", {}).get("steps", [])
            if step["value"] is not None and values.color(step["color"]) != "transparent"
        ]
        styled = custom.get("thresholdsStyle", {}).get("mode", "off") != "off"
        self._graphs.append(
            {
                "width": round(width),
                "height": round(height - legend_height),
                "from": self._source.now - self._source.seconds,
                "to": self._source.now,
                "step": self._source.step,
                "stacked": custom.get("stacking", {}).get("mode") == "normal",
                "unit": config.get("unit"),
                "minimum": config.get("min"),
                "maximum": config.get("max"),
                "softMinimum": custom.get("axisSoftMin"),
                "softMaximum": custom.get("axisSoftMax"),
                "lines": [[step["value"], values.color(step["color"])] for step in lines] if styled else [],
                "series": [
                    {
                        "color": _SERIES[index % len(_SERIES)],
                        "points": [[at, v if math.isfinite(v) else None] for at, v in points],
                    }
                    for index, (_, points) in enumerate(found)
                ],
            }
        )
        rows = "".join(
            f"<tr><td><i style='background:{_SERIES[index % len(_SERIES)]}'></i>{escape(name)}</td>"
            f"<td class=right>{self._text(config, points[-1][1])}</td></tr>"
            for index, (name, points) in enumerate(found)
        )
        legend = f'<div class=legend style="height:{legend_height:.0f}px"><table>{rows}</table></div>'
        return f"<div id=graph{number}></div>{legend}"

    def _states(self, panel: Panel, height: float) -> str:
        config = panel["fieldConfig"]["defaults"]
        found = self._series(panel)
        if not found:
            return _nothing(config)
        begin, size = self._source.now - self._source.seconds, min(34, height / len(found))
        width = self._source.step / self._source.seconds + 0.001
        lanes = []
        for name, points in found:
            blocks = "".join(
                f"<i style='left:{(at - begin) / self._source.seconds:.3%};width:{width:.3%};"
                f"background:{values.color_of(config, value)}'></i>"
                for at, value in points
            )
            lane = f"<span>{escape(name)}</span><div class=lane>{blocks}</div>"
            lanes.append(f'<div class=bar style="height:{size - 4:.0f}px">{lane}</div>')
        return "".join(lanes)


def _legend(target: Mapping[str, Any], labels: Labels) -> str:
    text = target.get("legendFormat", "__auto")
    if text == "__auto":
        return ", ".join(f"{name}={value}" for name, value in labels.items())
    return " ".join(re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), text).split())


def _gauge(share: float, shade: str) -> str:
    return f"<u><i style='width:{max(0.0, min(1.0, share)):.1%};background:{shade}'></i></u>"


def _alignment(found: tables.Table, name: str) -> str:
    numeric = any(isinstance(row.get(name), float) for row in found.rows)
    return "right" if numeric else "left"


def _nothing(config: Mapping[str, Any]) -> str:
    return f"<div class=nothing>{escape(config.get('noValue', 'No data'))}</div>"
