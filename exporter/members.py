"""One entry of the configuration that stands for many accounts: those below it that its venue lists.

The entry itself is an account, and so is each of its sub-accounts: with a name, a schedule, an age and
failures of its own. They come and go with the venue's list, which one job for each such entry asks for.
Nobody goes by one list alone: one that is short by mistake would take from the desk what watches the account.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Protocol

import structlog
from msgspec.structs import replace

from exporter import deadline
from exporter.account import AccountConfig, Member, SubAccounts
from exporter.api import Api
from exporter.backoff import RunIn
from exporter.config import Config
from exporter.deadline import DeadlineError
from exporter.errors import VenueError
from exporter.logs import format_exception
from exporter.seldom import Seldom
from exporter.venues import AnyVenue

LISTED_EVERY = 60.0
"""Seconds: so long may a new sub-account be unseen."""
LOOK_AGAIN = 1.0
"""Seconds after which it is seen again whether the entry's key may be used."""
SURE_AFTER = 35.0
"""Seconds from a list that leaves somebody out to the next; venues' answers are kept for up to 30."""
LONGEST_NAME = 64
"""Characters of the name of an account."""

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")

log = structlog.get_logger(__name__)


def entries(config: Config) -> Iterable[SubAccounts]:
    """The entries that stand for many accounts."""
    return (one for one in config.accounts if isinstance(one, SubAccounts) and one.sub_accounts)


def expanded(config: Config, listed: Mapping[str, Sequence[Member]]) -> Config:
    """The configuration with every listed sub-account as an account of its own, behind its entry.

    Args:
        config: As it is in the file.
        listed: What venues listed, by the name of the entry.
    """
    taken = {one.name for one in config.accounts}
    files = dict(config.secret_files)
    accounts: list[AccountConfig] = []
    for account in config.accounts:
        accounts.append(account)
        if isinstance(account, SubAccounts) and account.sub_accounts:
            members = _named(account.name, listed.get(account.name, ()), taken)
            taken.update(members)
            accounts += (account.member(name, member) for name, member in members.items())
            if account.name in files:
                files.update(dict.fromkeys(members, files[account.name]))
    if len(accounts) == len(config.accounts):
        return config
    return replace(
        config, accounts=tuple(accounts), secret_files=MappingProxyType(files), whole=config.fingerprint()
    )


def _named(entry: str, members: Iterable[Member], taken: Iterable[str]) -> dict[str, Member]:
    """Members by the names of their accounts, in the order of these.

    A name that several have, or somebody else, ends in letters of what the venue calls the member by. They
    are the same however many share it; who was the only one so far gets them when a second one comes.
    """
    by_handle = {member.handle: member for member in members}
    plain = {handle: _name(entry, member.name) for handle, member in by_handle.items()}
    count = Counter(plain.values())
    count.update(taken)
    found = {}
    for handle, name in plain.items():
        if count[name] > 1:
            mark = blake2b(handle.encode(), digest_size=4).hexdigest()
            name = f"{name[: LONGEST_NAME - len(mark) - 1]}-{mark}"  # noqa: PLW2901 (the same name, made longer)
        found[name] = by_handle[handle]
    return dict(sorted(found.items()))


def _name(entry: str, name: str) -> str:
    return f"{entry}.{_UNFIT.sub('-', name).strip('-') or 'sub-account'}"[:LONGEST_NAME]


class Observer(Protocol):
    """Who counts; `exporter.telemetry` in the program."""

    def sub_accounts(self, exchange: str, account: str, count: int) -> None:
        """The venue listed so many sub-accounts of this entry."""

    def sub_accounts_failed(self, exchange: str, account: str) -> None:
        """The venue gave no list for this entry."""

    def optional_failed(self, exchange: str, account: str, error: VenueError) -> None:
        """The list did not come."""


class ListingJob:
    """Asks for the sub-accounts of one entry again and again. What the scheduler runs.

    Args:
        entry: As it stands in the file.
        venue: An adapter of the entry's own account, with its `asked_every`.
        api: Through which the list alone is asked for.
        observer: Who counts.
        on_listed: Is told of the job and what the venue lists, each time.
        known: Who is collected already.
        may_ask: Whether the entry's key may be used; None before that is known.
    """

    waiting = False

    def __init__(
        self,
        entry: SubAccounts,
        venue: AnyVenue,
        api: Api,
        observer: Observer,
        on_listed: Callable[[ListingJob, tuple[Member, ...]], None],
        *,
        known: Iterable[Member] = (),
        may_ask: Callable[[], bool | None] = lambda: True,
    ) -> None:
        self.run_in: RunIn | None = None
        self.entry = entry
        self._venue = venue
        self._api = api
        self._observer = observer
        self._on_listed = on_listed
        self._may_ask = may_ask
        self._known = tuple(known)
        self._missed: frozenset[str] = frozenset()
        self._seldom = Seldom()

    @property
    def interval(self) -> float:
        """Seconds from one list to the next."""
        return LISTED_EVERY * self._api.meter.stretch

    def close(self) -> None:
        """No further list is asked for."""
        self._api.meter.close()

    async def collect(self) -> float | None:
        """One list. Without it, the accounts stay those that were listed last; that is logged and counted.

        Gives the seconds until the next one; None for the usual time.
        """
        may_ask = self._may_ask()
        if may_ask:
            await self._ask()
        if may_ask is None:
            return LOOK_AGAIN
        return min(SURE_AFTER, self.interval) if self._missed else None

    async def _ask(self) -> None:
        config = self.entry
        try:
            async with deadline.within(config.timeout) as self._api.meter.deadline:
                members = tuple(await self._venue.sub_accounts(self._api))
        except DeadlineError:
            self._failed(VenueError("timeout", f"no list of sub-accounts within {config.timeout:g} s"))
        except VenueError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 (a defect of an adapter must not end the process)
            self._failed(VenueError("internal", format_exception(error)))
        else:
            self._observer.sub_accounts(config.exchange, config.name, len(members))
            self._known = self._with_missed(members)
            self._on_listed(self, self._known)
        finally:
            self._api.meter.deadline = None

    def _with_missed(self, members: tuple[Member, ...]) -> tuple[Member, ...]:
        """Those listed, and who was left out for the first time."""
        listed = {one.handle for one in members}
        missed = [one for one in self._known if one.handle not in listed]
        before, self._missed = self._missed, frozenset(one.handle for one in missed)
        if not missed:
            return members
        entry = self.entry
        self._seldom.tell(
            log.warning,
            "sub-accounts are not listed any more, gone if the next list says so too",
            exchange=entry.exchange,
            account=entry.name,
            count=len(missed),
        )
        return (*members, *(one for one in missed if one.handle not in before))

    def _failed(self, error: VenueError) -> None:
        exchange, account = self.entry.exchange, self.entry.name
        self._observer.sub_accounts_failed(exchange, account)
        self._observer.optional_failed(exchange, account, error)
        self._seldom.tell(
            log.warning,
            "sub-accounts not listed, those that are known stay",
            exchange=exchange,
            account=account,
            reason=error.reason,
            error=error.message,
        )
