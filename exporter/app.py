"""The program without its command line: everything wired together, started and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import structlog

from exporter import catalogue, garbage
from exporter.addresses import Address, ListenError, inherited, listen_addresses
from exporter.api import Client
from exporter.config import Config
from exporter.defaults import FIRST_WITHIN, TELEMETRY_PATH
from exporter.exposition import Store
from exporter.fleet import Changes, Fleet
from exporter.hosts import Hosts, is_loopback
from exporter.load import Load
from exporter.locks.door import Door, WebConfig
from exporter.locks.watch import Watch
from exporter.reload import Reloader
from exporter.scheduler import Scheduler
from exporter.server import serve
from exporter.shard import Shard, part_of
from exporter.telemetry import Telemetry
from exporter.venues import discover
from exporter.web import create_app

_LOOK = 1.0
"""Seconds between two looks at whether all accounts have been collected once."""

log = structlog.get_logger(__name__)


async def run(
    config: Config,
    addresses: Sequence[str],
    telemetry_path: str = TELEMETRY_PATH,
    on_listening: Callable[[Sequence[str]], None] | None = None,
    *,
    allowed_hosts: Sequence[str] = (),
    first_within: float = FIRST_WITHIN,
    read: Callable[[], Config] | None = None,
    lifecycle: bool = False,
    shard: Shard | None = None,
    risk_page: bool = True,
    web_config: WebConfig | None = None,
    read_web_config: Callable[[], WebConfig] | None = None,
    systemd_socket: bool = False,
) -> None:
    """Collects all accounts and serves the page until cancelled; then stops within 5 seconds.

    Args:
        config: What to collect.
        addresses: Where to listen; see `exporter.addresses.listen_addresses`. Port 0 takes a free one.
        telemetry_path: Path of the metrics page.
        on_listening: Called once with the URLs of the metrics page, one for each bound address.
        allowed_hosts: Names under which the pages are answered; see `exporter.hosts.Hosts`.
        first_within: Seconds over which the first collections of all accounts are spread.
        read: Reads the configuration again, at SIGHUP; None where there is none to read.
        lifecycle: Whether callers may ask for that, too.
        shard: Which of several exporters this one is; None if it is the only one. `config`, and what `read`
            gives, are of all accounts.
        risk_page: Whether there is one; else a plain landing page.
        web_config: Who is let in; None is everybody.
        read_web_config: Reads that again; None where there is nothing to read.
        systemd_socket: Whether to listen on the sockets that systemd hands over, in place of `addresses`.

    Raises:
        ListenError: an `OSError`: if it cannot listen, or an address, a name or the path cannot be used.
    """
    config = _part(config, shard)
    listen_on = () if systemd_socket else listen_addresses(addresses)
    hosts = _hosts(allowed_hosts)
    door = Door(web_config)
    telemetry = Telemetry()
    if shard is not None:
        telemetry.sharded(shard)
    store = Store(telemetry)
    scheduler = Scheduler(
        on_skipped=lambda name: fleet.skipped(name),  # noqa: PLW0108 (the fleet is made with the scheduler)
        first_within=first_within,
    )
    load = Load(telemetry.loop_delay)
    async with Client(telemetry, budgets=config.budgets) as client:
        telemetry.watch_budgets(client.pacing.states)
        for family, read_now in {
            catalogue.SATURATION: lambda: load.saturation,
            catalogue.COLLECTIONS_WAITING: lambda: float(client.admission.waiting),
            catalogue.COLLECTIONS_WAITED: lambda: client.admission.waited,
            catalogue.REQUESTS_WAITING: lambda: float(client.slots.waiting),
        }.items():
            telemetry.watch(family, read_now)
        fleet = Fleet(discover(), client, store, telemetry, scheduler)
        with garbage.kept():
            await fleet.use(config)
        telemetry.config_loaded(config.fingerprint())

        async def use(new: Config) -> Changes:
            with garbage.kept():
                changes = await fleet.use(_part(new, shard))
            scheduler.plan()
            garbage.settled()
            return changes

        reloader = None if read is None else Reloader(read, use, telemetry)
        app = create_app(
            store,
            fleet.statuses,
            fleet.ready,
            standings=fleet.standings if risk_page else None,
            shard="" if shard is None else str(shard),
            telemetry_path=telemetry_path,
            hosts=hosts,
            door=door,
            reload=reloader.reload if reloader is not None and lifecycle else None,
        )
        async with serve(app, listen_on, door=door, inherited=inherited() if systemd_socket else ()) as bound:
            scheme = "http" if door.tls is None else "https"
            urls = [f"{scheme}://{address}{telemetry_path}" for address in bound]
            for url in urls:
                log.info("listening", url=url)
            _doubts(door.config, bound)
            watch = None
            if read_web_config is not None:
                watch = asyncio.create_task(Watch(read_web_config, door, telemetry).run())
            scheduler.start()
            load.start()
            try:
                if on_listening is not None:
                    on_listening(urls)
                with _growing(fleet), nullcontext() if reloader is None else reloader.at_hangup():
                    await asyncio.Event().wait()
            finally:
                if watch is not None:
                    watch.cancel()
                if reloader is not None:
                    await reloader.close()
                load.stop()
                await scheduler.stop()
                await fleet.close()


def _doubts(config: WebConfig, bound: Sequence[Address]) -> None:
    """Tells once what others than this machine may see or do here."""
    for warning in config.warnings:
        log.warning("web configuration", problem=warning)
    if all(address.host is not None and is_loopback(address.host) for address in bound):
        return
    if not config.kinds & {"client certificates", "passwords"}:
        log.warning(
            "whoever reaches the port reads the equity of every account: more than this machine is listened "
            "to, and nobody is asked for a password or a certificate (--web.config.file)"
        )
    elif "TLS" not in config.kinds:
        log.warning("passwords cross the network in the clear: there is no TLS (tls_server_config)")


@contextmanager
def _growing(fleet: Fleet) -> Iterator[None]:
    """Once every account has been collected, there is what will stay for good."""

    async def grown() -> None:
        while not fleet.ready():  # noqa: ASYNC110 (nobody tells, and a look costs nothing)
            await asyncio.sleep(_LOOK)
        garbage.grown()

    task = asyncio.create_task(grown())
    try:
        yield
    finally:
        task.cancel()


def _part(config: Config, shard: Shard | None) -> Config:
    """The accounts that are collected here."""
    if shard is None:
        return config
    found = part_of(config, shard)
    log.info("shard", shard=str(shard), accounts=len(found.accounts), of=len(config.accounts))
    if shard.count > 1 and all(one.shards_per_address == 1 for one in config.budgets.values()):
        log.info(
            "each shard uses request limits as if it were alone behind its address; where several share one, "
            "`shards_per_address` in `budgets` says how many"
        )
    return found


def _hosts(names: Sequence[str]) -> Hosts:
    try:
        return Hosts(names)
    except ValueError as error:
        raise ListenError(str(error)) from None
