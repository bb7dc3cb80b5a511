"""Whoever is woken finds an entry for the alert, complete and at the linked place."""

from __future__ import annotations

import re

import pytest

from grafana.generator.alerts import ALERTS
from tests.grafana.programs import GRAFANA

TEXT = (GRAFANA / "runbooks.md").read_text()
ENTRIES = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def test_every_alert_has_an_entry_and_every_entry_an_alert() -> None:
    assert set(ENTRIES) == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_entry_says_what_it_means_what_to_check_what_to_do_and_whom_to_wake(name: str) -> None:
    parts = re.findall(r"^\*\*(.+?)\.\*\*", ENTRIES[name], re.MULTILINE)
    assert parts == ["Means", "Check", "Do", "Wake somebody else"]


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
