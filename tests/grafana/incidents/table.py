"""All incidents: `docs/incidents.md` is written from this table, and promtool plays it."""

from __future__ import annotations

from typing import Final

from tests.grafana.incidents.blind import BLIND
from tests.grafana.incidents.danger import DANGER
from tests.grafana.incidents.machinery import MACHINERY
from tests.grafana.incidents.money import MONEY

SECTIONS: Final = (DANGER, MONEY, BLIND, MACHINERY)
INCIDENTS: Final = tuple(incident for section in SECTIONS for incident in section.incidents)
