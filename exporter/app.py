"""The program without its command line: everything wired together, started and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from exporter import logs
from exporter.api import Client
from exporter.collector import AccountStatus, Collector
from exporter.config import Config
from exporter.exposition import Store
from exporter.scheduler import Scheduler
from exporter.telemetry import Telemetry
from exporter.venues import discover
from exporter.web import DEFAULT_TELEMETRY_PATH, Address, create_app, serve

log = structlog.get_logger(__name__)


class _Fleet:
    """The collectors of all accounts."""

    def __init__(self) -> None:
        self.collectors: dict[str, Collector] = {}

    def statuses(self) -> list[AccountStatus]:
        return [collector.status() for collector in self.collectors.values()]

    def ready(self) -> bool:
        return all(collector.attempted for collector in self.collectors.values())


async def run(
    config: Config,
    addresses: Sequence[Address],
    *,
    telemetry_path: str = DEFAULT_TELEMETRY_PATH,
    started: Callable[[tuple[Address, ...]], None] | None = None,
) -> None:
    """Collects all accounts and serves the page until cancelled; then stops within 5 seconds.

    Args:
        config: What to collect.
        addresses: Where to listen; see `exporter.web.listen_addresses`.
        telemetry_path: Path of the metrics page.
        started: Called once with the addresses that were bound.

    Raises:
        ListenError: if an address cannot be listened on.
        ValueError: if `telemetry_path` cannot be used.
    """
    logs.hide(config.secrets())
    telemetry = Telemetry()
    store = Store(telemetry)
    fleet = _Fleet()
    scheduler = Scheduler(
        on_skipped=lambda key: telemetry.collection_skipped(fleet.collectors[key].exchange, key)
    )
    app = create_app(store, fleet.statuses, fleet.ready, telemetry_path=telemetry_path)
    venues = discover()
    async with Client(telemetry) as client:
        for account in config.accounts:
            venue = venues[account.exchange](account)
            collector = Collector(venue, client.account(venue), config.risk, store, telemetry)
            fleet.collectors[account.name] = collector
            scheduler.add(account.name, collector.collect, collector.interval)
        async with serve(app, addresses) as bound:
            for address in bound:
                log.info("listening", address=str(address), path=telemetry_path)
            scheduler.start()
            try:
                if started is not None:
                    started(bound)
                await asyncio.Event().wait()
            finally:
                await scheduler.stop()
