"""Just enough of PromQL to know which series an expression asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from exporter import catalogue
from exporter.family import Family

TARGET_LABELS = frozenset({"job", "instance"})
FAMILIES: dict[str, Family] = {family.name: family for family in catalogue.ALL_FAMILIES}
LABELS = frozenset(
    label for family in catalogue.ALL_FAMILIES for label in (*family.labels, *family.optional_labels)
)

_METRIC = re.compile(r"\brisk_\w+")
_SELECTOR = re.compile(r"\b([a-z_][\w:]*)\{((?:[^}\"]|\"(?:[^\"\\]|\\.)*\")*)\}")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"((?:[^\"\\]|\\.)*)\"")
_GROUPED = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)")
# Functions such as label_replace give series labels of which the exporter knows nothing.
_AGGREGATED = re.compile(r"\bby\s*\(([^)]*)\)\s*\(\s*(?:(?!label_)\w+\(\s*)*(risk_\w+)")


def family_of(metric: str) -> Family | None:
    """The family a series belongs to; histograms have series with suffixes."""
    if metric in FAMILIES:
        return FAMILIES[metric]
    for suffix in ("_bucket", "_sum", "_count"):
        family = FAMILIES.get(metric.removesuffix(suffix))
        if metric.endswith(suffix) and family is not None and family.type == "histogram":
            return family
    return None


def labels_of(metric: str) -> frozenset[str]:
    """Labels a series of the metric can have after a scrape."""
    family = family_of(metric)
    assert family is not None, f"{metric} is not in the catalogue"
    bucket = {"le"} if metric.endswith("_bucket") else set()
    return TARGET_LABELS | {*family.labels, *family.optional_labels} | bucket


def metrics(expr: str) -> set[str]:
    """Names of the exporter's own series in an expression."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expr)
    return set(_METRIC.findall(text))


def selectors(expr: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each selector with braces: the metric, and label to the value it is compared with."""
    for name, inside in _SELECTOR.findall(expr):
        yield name, dict(_MATCHER.findall(inside))


def grouping_labels(expr: str) -> set[str]:
    """All labels that aggregations and joins name."""
    return {
        label.strip() for inside in _GROUPED.findall(expr) for label in inside.split(",") if label.strip()
    }


def aggregations(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric that is aggregated directly, and the labels that are kept."""
    for inside, metric in _AGGREGATED.findall(expr):
        yield metric, {label.strip() for label in inside.split(",") if label.strip()}
