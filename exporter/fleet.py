"""The accounts that are collected now, and how one configuration gives way to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial

import structlog
from msgspec import Struct
from msgspec.structs import replace

from exporter import credentials, fit, logs
from exporter.account import AccountConfig, Member, SubAccounts, secret_forms
from exporter.api import Client
from exporter.backoff import RunIn
from exporter.board.standing import Standing
from exporter.collector import AccountStatus, Collector
from exporter.config import Config
from exporter.exposition import Store
from exporter.livemarks import MarksJob, asking, ways
from exporter.members import LISTED_EVERY, ListingJob, entries, expanded
from exporter.model import AccountRisk
from exporter.pegs import PegWatch
from exporter.scheduler import Scheduler
from exporter.seldom import Seldom
from exporter.tasks import in_thread
from exporter.telemetry import Telemetry
from exporter.venues import AnyVenue

_SAME_DATA = frozenset(
    {"interval", "timeout", "max_age", "proxy", "recv_window", "labels", "limits", "keys", "sub_accounts"}
)
"""Beside the secrets: what may change without the account being another one. Its data stay."""

log = structlog.get_logger(__name__)
_seldom = Seldom()


class Changes(Struct, frozen=True):
    """How many accounts a configuration brought, took away, and changed."""

    added: int
    removed: int
    changed: int


class Fleet:
    """The collectors of all accounts, and their schedules.

    Args:
        venues: Those that are installed.
        client: What they ask through.
        store: Where the data go.
        telemetry: Who counts.
        scheduler: When they are collected.
    """

    def __init__(
        self,
        venues: Mapping[str, type[AnyVenue]],
        client: Client,
        store: Store,
        telemetry: Telemetry,
        scheduler: Scheduler,
    ) -> None:
        self._venues = venues
        self._client = client
        self._store = store
        self._telemetry = telemetry
        self._scheduler = scheduler
        self._given = self._config = Config(accounts=())
        """What stands in the file, with secrets renewed since; and that with all sub-accounts."""
        self._listed: dict[str, tuple[Member, ...]] = {}
        self._listings: dict[str, ListingJob] = {}
        self._changing = asyncio.Lock()
        self._relisting: set[asyncio.Task[None]] = set()
        self._collectors: dict[str, Collector] = {}
        self._marks: dict[str, MarksJob] = {}
        self._ready = False
        self._pegs = PegWatch({}, ())

    def statuses(self) -> list[AccountStatus]:
        """How every account stands now, in the order of the configuration. Can be asked in any thread."""
        return [collector.status() for collector in tuple(self._collectors.values())]

    def standings(self) -> list[Standing]:
        """What the risk page shows of every account, in the same order. Can be asked in any thread."""
        return [collector.standing for collector in tuple(self._collectors.values())]

    def ready(self) -> bool:
        """Whether every account that the program began with has finished its first attempt."""
        self._ready = self._ready or all(one.attempted for one in tuple(self._collectors.values()))
        return self._ready

    def skipped(self, name: str) -> None:
        """A collection of this account was due while the one before still ran."""
        collector = self._collectors.get(name)
        if collector is not None:
            self._telemetry.collection_skipped(collector.exchange, name)

    async def use(self, config: Config) -> Changes:
        """Collects the accounts of `config` from now on, in place of those before.

        An account that is the same as before, value by value, goes on as if nothing had happened; changed
        risk settings count from its next collection. One whose secrets or times have changed begins a new
        schedule and keeps its data until the next collection or until they are too old; one that has changed
        in another way is another account. One that is stopped for what its key may do is looked at again.
        """
        async with self._changing:
            changes = await self._use(config)
            for collector in self._collectors.values():
                collector.look_at_key_again()
            return changes

    async def close(self) -> None:
        """No sub-accounts come or go any more."""
        for task in self._relisting:
            task.cancel()
        await asyncio.gather(*self._relisting, return_exceptions=True)

    def _on_listed(self, job: ListingJob, members: tuple[Member, ...]) -> None:
        """The venue lists these; they are collected in place of those before, beside what runs now."""
        if members != self._listed.get(job.entry.name):
            self._soon(self._relist(job, members))

    def _soon(self, change: Coroutine[None, None, None]) -> None:
        """Makes a change of the accounts beside the job that wants it: none can wait for its own end."""
        task = asyncio.create_task(change)
        self._relisting.add(task)
        task.add_done_callback(self._relisting.discard)

    async def _relist(self, job: ListingJob, members: tuple[Member, ...]) -> None:
        name = job.entry.name
        async with self._changing:
            if self._listings.get(name) is not job:
                return
            self._listed[name] = members
            changes = await self._again()
        log.info("sub-accounts listed", account=name, added=changes.added, removed=changes.removed)

    async def _hand_on(self) -> None:
        """What one account of an entry has renewed, all of them and the list are asked with."""
        async with self._changing:
            await self._again()

    async def _again(self) -> Changes:
        changes = await self._use(self._given)
        self._scheduler.plan()
        return changes

    async def _use(self, given: Config) -> Changes:
        listed = self._still_listed(given)
        config = expanded(given, listed)
        old = self._collectors
        unchanged = {one.name for one in config.accounts if one.name in old and _config(old[one.name]) == one}
        # Everything that could fail comes before anything is changed.
        made = {one.name: self._venue(one) for one in config.accounts if one.name not in unchanged}
        logs.hide(config.secrets())
        self._tell_doubts(config)
        self._client.pacing.configure(config.budgets)
        await asyncio.gather(*(self._scheduler.remove(name) for name in old if name not in unchanged))
        kept = {
            name for name, venue in made.items() if name in old and _same(_config(old[name]), venue.config)
        }
        for name in old.keys() - unchanged:
            self._client.forget(_config(old[name]))
            if name not in kept:
                old[name].close()
        collectors = {}
        for account in config.accounts:
            name = account.name
            venue = made.get(name)
            if venue is None:
                collector = old[name]
                collector.settings = config.risk
            elif name in kept:
                collector = old[name]
                collector.use(venue, self._client.account(venue), config.risk)
            else:
                collector = Collector(
                    venue,
                    self._client.account(venue),
                    config.risk,
                    self._store,
                    self._telemetry,
                    on_assessed=self._assessed,
                    admission=self._client.admission,
                )
            collectors[name] = collector
        if config.risk != self._config.risk or collectors.keys() != old.keys():
            self._pegs = PegWatch(config.risk.usd_pegs, collectors)
        self._collectors, self._config, self._given = collectors, config, given
        for name in made:
            self._scheduler.add(name, _Turn(collectors[name], self._renew))
        await self._use_marks(config.marks_interval)
        self._listed = listed
        await self._use_listings(given)
        return Changes(
            added=len(made.keys() - old.keys()),
            removed=len(old.keys() - self._collectors.keys()),
            changed=len(made.keys() & old.keys()),
        )

    async def _use_marks(self, interval: float) -> None:
        """Asks for marks every `interval` seconds, by every way that accounts take to a venue; 0 is never."""
        for key, job in self._marks.items():
            await self._scheduler.remove(key)
            job.close()
        self._marks = {}
        found = ways(one.venue for one in self._collectors.values()) if interval else {}
        revalued = {venue.config.name for venues in found.values() for venue in venues}
        for name, collector in self._collectors.items():
            collector.revalued = name in revalued
        self._telemetry.watch_marks((way.exchange for way in found), interval=interval)
        for number, venues in enumerate(found.values()):
            venue = self._venue(asking(venues[0].config, interval))
            self._marks[f"marks:{number}"] = job = MarksJob(
                venue,
                self._client.account(venue, only=venue.marks_endpoint),
                [self._collectors[one.config.name] for one in venues],
                self._telemetry,
                number,
            )
            self._scheduler.add(f"marks:{number}", job)

    def _still_listed(self, given: Config) -> dict[str, tuple[Member, ...]]:
        """What is known of the entries that are of the same accounts as before."""
        before = {one.name: one for one in entries(self._given)}
        return {
            one.name: self._listed[one.name]
            for one in entries(given)
            if one.name in self._listed and one.name in before and _same(before[one.name], one)
        }

    async def _use_listings(self, given: Config) -> None:
        """Asks for the sub-accounts of every entry that wants them."""
        wanted = {one.name: one for one in entries(given)}
        for name, job in tuple(self._listings.items()):
            if wanted.get(name) != job.entry:
                await self._scheduler.remove(_listing(name))
                job.close()
                del self._listings[name]
                self._telemetry.no_sub_accounts(job.entry.exchange, name)
        for name in wanted.keys() - self._listings.keys():
            venue = self._venue(wanted[name].asked_every(LISTED_EVERY))
            api = self._client.account(venue, only=venue.listing_endpoint)
            job = ListingJob(
                wanted[name],
                venue,
                api,
                self._telemetry,
                self._on_listed,
                known=self._listed.get(name, ()),
                may_ask=partial(self._may_use_key, name),
            )
            self._listings[name] = job
            self._scheduler.add(_listing(name), job)

    def _may_use_key(self, name: str) -> bool | None:
        return self._collectors[name].may_use_key

    def _assessed(self, name: str, risk: AccountRisk) -> None:
        self._pegs.saw(name, risk)

    def _tell_doubts(self, config: Config) -> None:
        for warning in config.warnings:
            _seldom.tell(log.warning, "doubtful configuration", key=warning, problem=str(warning))
        for one in fit.misfits(config, self._venues):
            _seldom.tell(
                log.warning,
                "accounts exceed a request limit, intervals are stretched",
                key=str(one),
                detail=str(one),
            )

    async def _renew(self, collector: Collector) -> bool:
        """Reads the secret files of a refused account again, and whether it goes on with what is in them."""
        account = _config(collector)
        files = self._config.secret_files.get(account.name)
        if not files:
            return False
        renewed = await in_thread(partial(credentials.renewed, account, files))
        if renewed is None:
            return False
        venue = self._venue(renewed)
        if venue.check(renewed) is not None:
            return False  # a file may be half written; the next refusal has another look
        logs.hide(secret_forms(renewed))
        async with self._changing:  # one that changes this account ends this job
            self._client.forget(account)
            collector.use(venue, self._client.account(venue), self._config.risk)
            self._remember(renewed.entry if isinstance(renewed, SubAccounts) else renewed)
        log.info("secrets read again from their files", exchange=venue.name, account=account.name)
        return True

    def _remember(self, renewed: AccountConfig) -> None:
        """What stands in the file for this account is this from now on."""
        name, before = renewed.name, self._given.accounts
        accounts = tuple(renewed if one.name == name else one for one in before)
        if accounts == before:  # another account of the entry came first
            return
        self._given = replace(self._given, accounts=accounts)
        if name in self._listings:
            self._soon(self._hand_on())

    def _venue(self, account: AccountConfig) -> AnyVenue:
        return self._venues[account.exchange](account)


class _Turn:
    """What the scheduler runs for one account."""

    def __init__(self, collector: Collector, renew: Callable[[Collector], Awaitable[bool]]) -> None:
        self._collector = collector
        self._renew = renew

    @property
    def interval(self) -> float:
        return self._collector.interval

    @property
    def waiting(self) -> bool:
        return self._collector.waiting

    @property
    def run_in(self) -> RunIn | None:
        return self._collector.run_in

    @run_in.setter
    def run_in(self, run_in: RunIn | None) -> None:
        self._collector.run_in = run_in

    async def collect(self) -> float | None:
        """One collection. Keys are changed under us: a refusal is a reason to look for another one."""
        pause = await self._collector.collect()
        if self._collector.refused and await self._renew(self._collector):
            return None
        return pause


def _listing(entry: str) -> str:
    return f"sub-accounts:{entry}"


def _config(collector: Collector) -> AccountConfig:
    config: AccountConfig = collector.venue.config
    return config


def _same(old: AccountConfig, new: AccountConfig) -> bool:
    """Whether two configurations are of one account, so that data of the one can stand for the other."""
    if type(old) is not type(new) or _handle(old) != _handle(new):
        return False
    irrelevant = _SAME_DATA.union(old.secret_fields())
    return all(
        getattr(old, name) == getattr(new, name) for name in type(old).model_fields if name not in irrelevant
    )


def _handle(account: AccountConfig) -> str | None:
    return account.handle if isinstance(account, SubAccounts) else None
