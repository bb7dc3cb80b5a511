"""The pace of all accounts: which request limits each is counted in, and what its collections take from them.

A collection begins when the weight that it is expected to take is there (`Meter.admitted`), so that nothing
waits half-way, and nothing waits while it holds a connection. What it takes beyond that waits in a line of
its own, and that time is not the collection's.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

from msgspec import Struct

from exporter import clock, deadline
from exporter.account import MAX_AGE_INTERVALS, AccountConfig
from exporter.bucket import Bucket, Later, Window, later
from exporter.clock import Elapsed
from exporter.deadline import Deadline
from exporter.errors import VenueError
from exporter.limits import DEFAULT_SETTINGS, NO_SETTINGS, BudgetSettings, RequestBudget
from exporter.request import Endpoint, Response
from exporter.roles import Adapter, Observer
from exporter.venuecount import Told

LEARNING = 0.1
"""How much one collection changes what the next ones are expected to take, once there were some."""
MOST_TOLD = 100.0
"""How many times its limit a venue may say was used; a count beyond that is no count, and is not believed."""
DIRECT = "direct"
"""The address of accounts that have no proxy."""


class Place(Struct, frozen=True):
    """Where a venue counts: the host, and the address that it sees."""

    host: str
    """Empty for the venue's own."""
    proxy: str = ""
    """The URL of the proxy; a secret."""

    @classmethod
    def of(cls, account: AccountConfig, own_url: str | None) -> Place:
        """That of an account; all hosts that are the venues' own count together."""
        own = account.base_url is None or account.base_url.rstrip("/") == own_url
        host = "" if own else urlsplit(account.base_url or "").hostname or ""
        return cls(host, "" if account.proxy is None else account.proxy.get_secret_value())

    @property
    def label(self) -> str:
        """How metrics and texts call it; without an address, a port or a user, so not always unique."""
        by = f"proxy {_name(urlsplit(self.proxy).hostname)}".rstrip() if self.proxy else DIRECT
        return f"{by} to {_name(self.host) or 'another host'}" if self.host else by


def _name(host: str | None) -> str:
    """A host name; nothing where the host is an address."""
    with suppress(ValueError):
        ipaddress.ip_address(host or "")
        return ""
    return host or ""


class BudgetState(Struct, frozen=True):
    """One budget of one address, as metrics show it; weights are those of a minute."""

    budget: str
    address: str
    limit: float
    """What the venue allows."""
    allowed: float
    """What the exporter plans with: its share, less where others use more than the rest."""
    needed: float
    """What the accounts would take at their configured intervals."""
    used: float
    """What the exporter sent in the last window."""
    others: float
    """What others behind the address used, as far as the venue tells."""
    free: float
    """Weight that could be sent at this moment; not of a minute."""
    waiting: int
    """Collections and calls that wait."""
    waited: float
    """Seconds that have been waited, all together."""
    stretch: float
    """How many times longer than configured intervals are."""


class _Kept(Struct):
    """A bucket, what it stands for, and how many accounts use it."""

    declared: RequestBudget
    name: str
    place: Place
    address: str
    heaviest: float
    bucket: Bucket
    members: int = 0


class Pacing:
    """The request limits of all venues and addresses.

    Args:
        settings: What the configuration says, by the name of the budget.
        observer: Who is told what venues say of the use of their limits.
        elapsed: Seconds on a clock that nobody sets.
        later: Calls something in so many seconds.
    """

    def __init__(
        self,
        settings: Mapping[str, BudgetSettings] = NO_SETTINGS,
        *,
        observer: Observer,
        elapsed: Elapsed = clock.elapsed,
        later: Later = later,
    ) -> None:
        self.observer = observer
        self.elapsed = elapsed
        self._later = later
        self._settings = settings
        # By name and place; those of one account alone also by its number.
        self._kept: dict[tuple[str, Place, int], _Kept] = {}
        self._accounts = 0

    def meter(self, venue: Adapter[Any], *, only: Endpoint | None = None) -> Meter:
        """The view of one account, until `Meter.close`.

        With `only`, of nobody who is collected: this call alone is made, once in each interval. It is not
        made less often where accounts do not fit; they share what it leaves.
        """
        self._accounts += 1
        place, used = Place.of(venue.config, venue.base_url), []
        each = venue.calls_of(venue.config)
        lines: dict[Endpoint, list[_Line]] = {endpoint: [] for endpoint in venue.endpoints}
        for number, declared in enumerate(venue.budgets):
            for name, endpoints in declared.parts(venue.endpoints).items():
                if only is not None and only not in endpoints:
                    continue
                key = (name, place, self._accounts if declared.scope == "account" else 0)
                kept = self._kept.get(key) or self._new(declared, key, max(one.weight for one in endpoints))
                kept.members += 1
                used.append(key)
                line = _Line(kept, endpoints, each, hears=number == 0, only=only)
                for endpoint in endpoints:
                    lines[endpoint].append(line)
        return Meter(venue, lines, self, lambda: self._leave(used))

    def states(self) -> list[BudgetState]:
        """How the budgets stand that accounts share. Safe in another thread."""
        return [
            _state(kept, self.elapsed())
            for kept in list(self._kept.values())
            if kept.declared.scope == "address"
        ]

    def configure(self, settings: Mapping[str, BudgetSettings]) -> None:
        """Other settings from now on; what was sent and who waits stays."""
        self._settings = settings
        for kept in self._kept.values():
            kept.bucket.resize(self._windows(kept.declared, kept.heaviest))

    def _new(self, declared: RequestBudget, key: tuple[str, Place, int], heaviest: float) -> _Kept:
        name, place, _ = key
        windows = self._windows(declared, heaviest)
        bucket = Bucket(windows, elapsed=self.elapsed, later=self._later)
        self._kept[key] = _Kept(declared, name, place, self._address(place), heaviest, bucket)
        return self._kept[key]

    def _windows(self, declared: RequestBudget, heaviest: float) -> Iterator[Window]:
        settings, now = self._settings.get(declared.name, DEFAULT_SETTINGS), self.elapsed()
        for limit in settings.limits(declared.limits):
            yield Window(limit, share=settings.own_share, line=settings.line, largest=heaviest, now=now)

    def _address(self, place: Place) -> str:
        """The place's label; with a number where another place has the same."""
        known = {kept.place: kept.address for kept in self._kept.values()}
        if place in known:
            return known[place]
        labels = (place.label, *(f"{place.label} ({number})" for number in range(2, len(known) + 2)))
        return next(label for label in labels if label not in known.values())

    def _leave(self, keys: Iterable[tuple[str, Place, int]]) -> None:
        for key in keys:
            kept = self._kept[key]
            kept.members -= 1
            if not kept.members:
                del self._kept[key]


def _state(kept: _Kept, now: float) -> BudgetState:
    bucket = kept.bucket
    tightest = min(bucket.windows, key=lambda window: window.limit.per_second)
    return BudgetState(
        budget=kept.name,
        address=kept.address,
        limit=tightest.limit.per_minute,
        allowed=60.0 * bucket.per_second,
        needed=60.0 * (bucket.need + bucket.steady),
        used=tightest.sent(now) / tightest.seconds * 60.0,
        others=bucket.windows[0].others / bucket.windows[0].limit.seconds * 60.0,
        free=max(0.0, bucket.free()),
        waiting=bucket.waiting,
        waited=bucket.waited,
        stretch=bucket.stretch,
    )


class _Line:
    """What one account takes from one bucket."""

    __slots__ = (
        "bucket",
        "collections",
        "estimate",
        "hears",
        "last",
        "name",
        "need",
        "pooled",
        "reserved",
        "spent",
        "steady",
    )

    def __init__(
        self,
        kept: _Kept,
        endpoints: Iterable[Endpoint],
        each: Iterable[Endpoint],
        *,
        hears: bool,
        only: Endpoint | None = None,
    ) -> None:
        self.bucket = kept.bucket
        self.steady = only is not None
        self.name = kept.name
        self.hears = hears
        # Public calls are shared: who asks for them first is found out.
        self.estimate = sum(one.weight for one in endpoints if one in each and one.signed)
        if only is not None:
            self.estimate = only.weight
        # The first collection asks for everything that is kept afterwards. Where each call is counted alone,
        # nothing is held ready for one that may not come: it would keep others from theirs.
        self.pooled = not kept.declared.each_endpoint
        self.last = sum(one.weight for one in endpoints)
        self.collections = 0
        self.need = 0.0
        self.reserved = 0.0
        self.spent = 0.0

    def plan(self, interval: float) -> None:
        """Tells the bucket what this account needs a second."""
        self.tell(self.estimate / interval)

    def tell(self, need: float) -> None:
        """The same, as a weight."""
        if self.steady:
            self.bucket.steady += need - self.need
        else:
            self.bucket.need += need - self.need
        self.need = need

    @property
    def stretch(self) -> float:
        """How many times longer the interval is."""
        return self.bucket.steady_stretch if self.steady else self.bucket.stretch

    def learn(self) -> None:
        """A collection has ended: what do the next ones take? The first one is like no other."""
        if self.collections:
            self.estimate += (self.spent - self.estimate) * max(LEARNING, 1 / (self.collections + 1))
        self.collections += 1
        self.last = self.spent

    @property
    def expected(self) -> float:
        """What the next collection may take."""
        return max(self.estimate, self.last) if self.pooled else self.estimate


class Meter:
    """What one account takes from the request limits of its venue; one collection at a time.

    Made by `Pacing.meter`.
    """

    def __init__(
        self,
        venue: Adapter[Any],
        lines: Mapping[Endpoint, list[_Line]],
        pacing: Pacing,
        leave: Callable[[], None],
    ) -> None:
        self.deadline: Deadline | None = None
        """Of the collection that runs: what is waited for here is not its time."""
        self._venue = venue
        self._interval = venue.config.interval
        self._pacing = pacing
        self._leave = leave
        self._by_endpoint = lines
        self._lines = list(dict.fromkeys(line for found in lines.values() for line in found))
        steady = any(line.steady for line in self._lines)
        self._patience: float | None = MAX_AGE_INTERVALS * self._interval if steady else None
        for line in self._lines:
            line.plan(self._interval)

    @property
    def stretch(self) -> float:
        """How many times longer than configured the interval of this account is."""
        return max([line.stretch for line in self._lines], default=1.0)

    async def admitted(self, patience: float) -> float:
        """Returns when the weight is there that a collection is expected to take; how long that took.

        `settle` ends the collection.

        Raises:
            VenueError: reason ``rate_limited``, if it is not there within `patience` seconds.
        """
        self._patience = patience
        waited = 0.0
        for line in self._lines:
            line.spent = 0.0
            want = min(line.expected, line.bucket.largest) - line.reserved
            if want > 0.0:
                waited += await self._take(line, want, further=False)
                line.reserved += want
        return waited

    def settle(self, *, complete: bool) -> None:
        """The collection has ended: what it did not need goes back. Of a complete one is learned."""
        self.deadline = None
        for line in self._lines:
            unspent, line.reserved = line.reserved, 0.0
            if complete:
                line.learn()
                line.plan(self._interval)
            if unspent > 0.0:
                line.bucket.give_back(unspent)

    def close(self) -> None:
        """The account is gone. Not while a collection runs."""
        for line in self._lines:
            line.tell(0.0)
        self._leave()

    def call(self, endpoint: Endpoint) -> Call:
        """One call, to be entered when it is to be sent: that may take a while."""
        return Call(self, self._by_endpoint[endpoint], endpoint.weight)

    def hear(self, line: _Line, used: float, made_at: float | None, sent_at: float) -> Told:
        """What the venue told of the use of its limit."""
        limit = line.bucket.windows[0].limit
        self._pacing.observer.rate_limit_used(self._venue.name, used / limit.weight)
        return Told(used, sent_at, made_at)

    def now(self) -> float:
        """Elapsed seconds."""
        return self._pacing.elapsed()

    async def turn(self, lines: list[_Line], weight: float) -> None:
        """Moves `weight` from what is reserved to what is about to be sent; waits for what is missing."""
        moved: list[tuple[_Line, float]] = []
        try:
            for line in lines:
                have = min(line.reserved, weight)
                line.reserved -= have
                moved.append((line, have))
                if have < weight:
                    await self._take(line, weight - have, further=True)
                    moved[-1] = (line, weight)
        except BaseException:
            for line, have in moved:
                line.reserved += have
            raise

    async def _take(self, line: _Line, weight: float, *, further: bool) -> float:
        """Takes `weight` from the bucket; how long that took, in seconds."""
        if line.bucket.take_now(weight):
            return 0.0
        began = self.now()
        try:
            with deadline.standing(self.deadline):
                async with asyncio.timeout(self._patience):
                    await line.bucket.take(weight, further=further)
        except TimeoutError:
            raise VenueError(
                "rate_limited",
                f"no room in the request budget `{line.name}` for {self._patience:g} s: others behind this "
                "address use it",
            ) from None
        return self.now() - began


class Call:
    """One call on its way through the request limits; an asynchronous context manager that `Meter` makes."""

    __slots__ = ("_lines", "_meter", "_sent_at", "_told", "_weight")

    def __init__(self, meter: Meter, lines: list[_Line], weight: float) -> None:
        self._meter = meter
        self._lines = lines
        self._weight = weight
        self._sent_at: float | None = None
        self._told: Told | None = None

    async def __aenter__(self) -> Self:
        await self._meter.turn(self._lines, self._weight)
        return self

    def sent(self) -> None:
        """It is sent now. Without this it takes nothing."""
        self._sent_at = self._meter.now()
        for line in self._lines:
            line.spent += self._weight
            line.bucket.send(self._weight)

    def heard(self, used: float | None, response: Response) -> None:
        """What its answer told: the weight used of the venue's first budget, by everybody."""
        line = next((line for line in self._lines if line.hears), None)
        if used is None or line is None or self._sent_at is None:
            return
        if 0.0 <= used <= MOST_TOLD * line.bucket.windows[0].limit.weight:
            self._told = self._meter.hear(line, used, response.made_at, self._sent_at)

    async def __aexit__(self, *exc: object) -> None:
        for line in self._lines:
            if self._sent_at is None:
                line.reserved += self._weight
            else:
                line.bucket.answered(self._weight, self._told if line.hears else None)
