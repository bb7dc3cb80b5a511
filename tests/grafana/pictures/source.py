"""Asking a Prometheus what a panel asks, with the variables of a dashboard filled in."""

from __future__ import annotations

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Labels = Mapping[str, str]


@dataclass
class Source:
    """A Prometheus, and the moment and the range that a picture shows."""

    url: str
    now: float
    seconds: float
    values: dict[str, str] = field(default_factory=dict)
    """Of the variables, as they stand in queries: a name, or a regular expression for all."""
    refused: list[str] = field(default_factory=list)
    """Queries that Prometheus did not take, with what it said."""

    @property
    def step(self) -> float:
        return max(5.0, self.seconds // 240)

    def filled_in(self, expr: str) -> str:
        """The query as Grafana sends it."""
        interval = f"{max(60, int(4 * self.step))}s"
        built_in = {
            "__rate_interval": interval,
            "__interval": f"{int(self.step)}s",
            "__range": f"{int(self.seconds)}s",
        }
        values = {**self.values, **built_in}
        return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], found[0]), expr)

    def instant(self, expr: str) -> list[tuple[Labels, float]]:
        """Labels and value of each series now."""
        return [(row["metric"], _number(row["value"][1])) for row in self._ask("query", expr, time=self.now)]

    def ranged(self, expr: str) -> list[tuple[Labels, Sequence[tuple[float, float]]]]:
        """Labels and (time, value) of each series over the range."""
        found = self._ask("query_range", expr, start=self.now - self.seconds, end=self.now, step=self.step)
        return [(row["metric"], [(at, _number(text)) for at, text in row["values"]]) for row in found]

    def label_values(self, selector: str, label: str) -> list[str]:
        """What a variable offers."""
        return sorted({labels[label] for labels, _ in self.instant(selector) if label in labels})

    def _ask(self, path: str, expr: str, **times: float) -> list[dict[str, Any]]:
        query = self.filled_in(expr)
        data = urllib.parse.urlencode({"query": query, **times}).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data, timeout=60) as answer:  # noqa: S310
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            self.refused.append(f"{query}: {json.load(error)['error']}")
            return []
        return found


def _number(text: str) -> float:
    return {"+Inf": math.inf, "-Inf": -math.inf}.get(text) or float(text)
