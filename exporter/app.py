"""The program without its command line: everything wired together, started and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from exporter import fit, logs
from exporter.addresses import ListenError, listen_addresses
from exporter.api import Client
from exporter.collector import AccountStatus, Collector
from exporter.config import Config
from exporter.exposition import Store
from exporter.hosts import Hosts
from exporter.pegs import PegWatch
from exporter.scheduler import FIRST_WITHIN, Scheduler
from exporter.server import serve
from exporter.telemetry import Telemetry
from exporter.venues import discover
from exporter.web import DEFAULT_TELEMETRY_PATH, create_app

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
    addresses: Sequence[str],
    telemetry_path: str = DEFAULT_TELEMETRY_PATH,
    on_listening: Callable[[Sequence[str]], None] | None = None,
    *,
    allowed_hosts: Sequence[str] = (),
    first_within: float = FIRST_WITHIN,
) -> None:
    """Collects all accounts and serves the page until cancelled; then stops within 5 seconds.

    Args:
        config: What to collect.
        addresses: Where to listen; see `exporter.addresses.listen_addresses`. Port 0 takes a free one.
        telemetry_path: Path of the metrics page.
        on_listening: Called once with the URLs of the metrics page, one for each bound address.
        allowed_hosts: Names under which the pages are answered; see `exporter.hosts.Hosts`.
        first_within: Seconds over which the first collections of all accounts are spread.

    Raises:
        ListenError: an `OSError`: if it cannot listen, or an address, a name or the path cannot be used.
    """
    logs.hide(config.secrets())
    listen_on = listen_addresses(addresses)
    hosts = _hosts(allowed_hosts)
    telemetry = Telemetry()
    store = Store(telemetry)
    fleet = _Fleet()
    scheduler = Scheduler(
        on_skipped=lambda key: telemetry.collection_skipped(fleet.collectors[key].exchange, key),
        first_within=first_within,
    )
    app = create_app(store, fleet.statuses, fleet.ready, telemetry_path=telemetry_path, hosts=hosts)
    venues = discover()
    pegs = PegWatch(config.risk.usd_pegs, (account.name for account in config.accounts))
    for one in fit.misfits(config, venues):
        log.warning("accounts exceed a request limit, intervals are stretched", detail=str(one))
    async with Client(telemetry, budgets=config.budgets) as client:
        telemetry.watch_budgets(client.pacing.states)
        for account in config.accounts:
            venue = venues[account.exchange](account)
            collector = Collector(
                venue, client.account(venue), config.risk, store, telemetry, on_assessed=pegs.saw
            )
            fleet.collectors[account.name] = collector
            scheduler.add(account.name, collector)
        async with serve(app, listen_on) as bound:
            urls = [f"http://{address}{telemetry_path}" for address in bound]
            for url in urls:
                log.info("listening", url=url)
            scheduler.start()
            try:
                if on_listening is not None:
                    on_listening(urls)
                await asyncio.Event().wait()
            finally:
                await scheduler.stop()


def _hosts(names: Sequence[str]) -> Hosts:
    try:
        return Hosts(names)
    except ValueError as error:
        raise ListenError(str(error)) from None
