"""The rules of the repository, and of them those that matter to something: to one alert, or to one test.

A test of one alert needs the alert and the rules it reads, not all the others: promtool then has a tenth of
the work. That all rules work side by side is shown elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import yaml

from tests.grafana.programs import GRAFANA

RULES: Final = GRAFANA / "prometheus" / "rules"
RECORDED: Final = re.compile(r"\brisk(?::[a-z0-9_]+)+\b")

Rule = dict[str, Any]


@cache
def groups() -> tuple[dict[str, Any], ...]:
    """All groups of rules, recording rules first."""
    return tuple(
        group
        for name in ("recording", "alerts")
        for group in yaml.safe_load((RULES / f"{name}.yml").read_text())["groups"]
    )


@cache
def alerts() -> tuple[Rule, ...]:
    """All alert rules."""
    return tuple(rule for group in groups() for rule in group["rules"] if "alert" in rule)


@cache
def recorded() -> dict[str, str]:
    """Record to expression of all recording rules."""
    return {rule["record"]: rule["expr"] for group in groups() for rule in group["rules"] if "record" in rule}


def texts(rule: Rule) -> Iterable[str]:
    """Where an alert rule may read recording rules: its expression, and its texts, which ask queries."""
    return (rule["expr"], *rule["annotations"].values())


def read_by(asked: Iterable[str]) -> frozenset[str]:
    """The recording rules that expressions read, and those that these read in turn."""
    found: set[str] = set()
    waiting = list(asked)
    while waiting:
        new = {name for name in RECORDED.findall(waiting.pop()) if name in recorded()} - found
        found |= new
        waiting += [recorded()[name] for name in new]
    return frozenset(found)


def file_of(records: Iterable[str], own: Iterable[Rule] = ()) -> dict[str, Any]:
    """A rule file with these recording rules, in their groups, and alert rules in a group behind them."""
    wanted = set(records)
    parts = [
        {**group, "rules": [rule for rule in group["rules"] if rule.get("record") in wanted]}
        for group in groups()
    ]
    found = [part for part in parts if part["rules"]]
    alert_rules = list(own)
    return {"groups": [*found, *([{"name": "alerts", "rules": alert_rules}] if alert_rules else [])]}
