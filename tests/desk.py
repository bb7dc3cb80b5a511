"""One account, its collector and its page, on one fake clock."""

from __future__ import annotations

from typing import Any

from exporter.catalogue import FAMILIES
from exporter.errors import VenueError
from exporter.exposition import Format
from tests.accounts import Bench, ScriptedVenue, sample, scripted

DATA = tuple(family.name for family in FAMILIES)


class Desk(Bench):
    """One account, collected every 15 s, published for 45 s."""

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.venue: ScriptedVenue = scripted(interval=15.0, **config)
        self.collector_ = self.collector(self.venue)

    async def collect(self) -> None:
        await self.collector_.collect()

    def page(self) -> list[str]:
        return self.store.page(Format.TEXT_0_0_4).decode().splitlines()

    def data(self) -> list[str]:
        """The lines of the account's data."""
        return [line for line in self.page() if line.startswith(DATA) and "{" in line]

    def meta(self, name: str, **labels: str) -> float | None:
        known = {"exchange": "scripted", "account": "desk-a", **labels}
        return sample(self.telemetry, name, known)

    def last_success(self) -> float | None:
        return self.meta("risk_collector_last_success_timestamp_seconds")

    def errors(self, reason: str) -> float | None:
        return self.meta("risk_collector_errors_total", reason=reason)


NETWORK = VenueError("network", "scripted GET /account: no connection")
