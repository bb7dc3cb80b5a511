"""Whoever is woken finds an entry for the alert, complete and at the linked place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from exporter.catalogue import ALL_FAMILIES
from exporter.venues import discover
from grafana.generator.alerts import ALERTS
from tests.grafana.programs import GRAFANA, output, run
from tests.grafana.rule_tests import rules

TEXT = (GRAFANA / "runbooks.md").read_text()
ENTRIES = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
QUERIES = {
    name: block.splitlines()
    for name, entry in ENTRIES.items()
    for block in re.findall(r"^```promql\n(.*?)^```", entry, re.MULTILINE | re.DOTALL)
}
PARTS = ["Means", "Check", "Ask", "Do", "Wake somebody else"]


def test_every_alert_has_an_entry_and_every_entry_an_alert() -> None:
    assert set(ENTRIES) == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_entry_says_what_it_means_what_to_check_and_ask_what_to_do_and_whom_to_wake(name: str) -> None:
    parts = re.findall(r"^\*\*(.+?)\.\*\*", ENTRIES[name], re.MULTILINE)
    assert [part for part in parts if part != "Where"] == PARTS


def test_entries_of_dangers_lead_to_what_can_be_done_at_each_exchange() -> None:
    wanted = {alert.name for alert in ALERTS if alert.category == "risk" and alert.severity == "critical"}
    assert len(wanted) > 5
    missing = {name for name in wanted if "](#at-each-exchange)" not in ENTRIES[name]}
    assert missing == set()


def test_every_exchange_has_its_steps() -> None:
    assert set(re.findall(r"^### At (\w+)$", TEXT, re.MULTILINE)) == set(discover())


def test_prometheus_understands_every_query_of_the_entries(tmp_path: Path) -> None:
    records = [
        {"record": f"asked:{name.lower()}:{place}", "expr": query}
        for name, queries in QUERIES.items()
        for place, query in enumerate(queries)
    ]
    assert set(QUERIES) == set(ENTRIES)
    (tmp_path / "asked.yml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": records}]}))
    result = run("promtool", "check", "rules", tmp_path / "asked.yml")
    assert result.returncode == 0, output(result)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_queries_ask_for_what_exists(name: str) -> None:
    known: Mapping[str, object] = {**{family.name: family for family in ALL_FAMILIES}, **rules.recorded()}
    asked = re.findall(r"\brisk[:_][a-z0-9_:]+", "\n".join(QUERIES[name]))
    assert [one for one in asked if one not in known] == []


def test_numbers_in_the_entries_are_those_of_the_alerts() -> None:
    """An entry that names another limit than its alert sends people the wrong way."""
    for alert in ALERTS:
        for limit in alert.thresholds:
            if (
                limit.unit.startswith(("ratio", "relative", "share of e", "share of g"))
                and limit.value < 1
                and alert.name != "RiskAdlQueueFront"
            ):
                assert f"{limit.value * 100:g} %" in ENTRIES[alert.name], f"{alert.name}: {limit.value}"
