"""Live marks: between two collections only prices move, and one public call a venue tells them all.

One job for each way to a venue (its host, by one proxy or directly) asks for the marks and values the newest
snapshots of the accounts there with them. An account's age stays what it is, and nothing is shown for longer.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Protocol

import structlog
from msgspec import Struct

from exporter import clock, deadline
from exporter.account import AccountConfig
from exporter.api import Api
from exporter.backoff import RunIn
from exporter.clock import Elapsed, Wall
from exporter.deadline import DeadlineError
from exporter.errors import VenueError
from exporter.logs import format_exception
from exporter.model import Marks
from exporter.seldom import Seldom
from exporter.venues import AnyVenue

LARGEST_PART = 0.5
"""Of the interval, what may be spent on valuing accounts: the rest is for collections and for readers."""

OLDEST = 5.0
"""Seconds that an answer may have lain in a cache on the way, or an interval if that is longer."""

log = structlog.get_logger(__name__)


class Valued(Protocol):
    """An account whose newest snapshot can be valued at other marks: `exporter.collector.Collector`."""

    @property
    def nearest(self) -> float:
        """The smallest relative move that liquidates one of its positions; infinite where there is none."""

    def revalue(self, marks: Marks) -> bool:
        """Values its newest snapshot at the marks that are newer; whether there was anything to do."""


class Observer(Protocol):
    """Who counts; `exporter.telemetry` in the program."""

    def marks_received(self, exchange: str, way: int, asked_at: float) -> None:
        """The marks of a venue came, asked for at that moment (Unix seconds), by one of the ways to it."""


class MarksJob:
    """Asks for a venue's marks again and again. What the scheduler runs.

    Args:
        venue: An adapter whose account is one of those that are valued; its interval is that of the marks.
        api: Through which this call alone is made.
        accounts: Those that are valued.
        observer: Who counts.
        way: The number of the way to the venue.
        wall: Unix seconds.
        elapsed: Seconds.
    """

    waiting = False

    def __init__(
        self,
        venue: AnyVenue,
        api: Api,
        accounts: Sequence[Valued],
        observer: Observer,
        way: int,
        *,
        wall: Wall = clock.wall,
        elapsed: Elapsed = clock.elapsed,
    ) -> None:
        self.run_in: RunIn | None = None
        self._venue = venue
        self._api = api
        self._accounts = accounts
        self._observer = observer
        self._way = way
        self._wall = wall
        self._elapsed = elapsed
        self._left_out: tuple[Valued, ...] = ()
        self._seldom = Seldom(elapsed=elapsed)

    @property
    def interval(self) -> float:
        """Seconds from one call to the next."""
        interval: float = self._venue.config.interval
        return interval * self._api.meter.stretch

    def close(self) -> None:
        """No further call is made."""
        self._api.meter.close()

    async def collect(self) -> None:
        """One call, and the accounts valued. A failure is logged and counted: the marks before hold on."""
        marks = await self._marks()
        if marks is not None:
            await self._value(marks)

    async def _marks(self) -> Marks | None:
        asked_at = self._wall()
        try:
            async with deadline.within(self._venue.config.timeout) as self._api.meter.deadline:
                marks = await self._venue.marks(self._api)
        except DeadlineError:
            self._tell(f"no marks within {self._venue.config.timeout:g} s")
            return None
        except VenueError as error:
            self._tell(error.message)
            return None
        except Exception as error:  # noqa: BLE001 (a defect of an adapter must not end the process)
            self._tell(format_exception(error))
            return None
        finally:
            self._api.meter.deadline = None
        newest = max((mark.at for mark in marks.symbols.values()), default=-math.inf)
        if asked_at - newest > self._venue.config.age_limit:
            # They would be used for nothing, and look like a success.
            self._tell(f"the newest mark is {asked_at - newest:.0f} s old" if marks.symbols else "no symbols")
            return None
        self._observer.marks_received(self._venue.name, self._way, asked_at)
        return marks

    async def _value(self, marks: Marks) -> None:
        """Those first that are nearest to liquidation, and that were left out the last time, in turn."""
        began = self._elapsed()
        queue = list(_in_turn(sorted(self._accounts, key=lambda one: one.nearest), self._left_out))
        for number, account in enumerate(queue):
            if self._elapsed() - began > LARGEST_PART * self.interval:
                self._left_out = tuple(queue[number:])
                return
            if account.revalue(marks):
                # One account costs about a millisecond; nobody waits for more than one.
                await asyncio.sleep(0)
        self._left_out = ()

    def _tell(self, error: str) -> None:
        self._seldom.tell(
            log.warning,
            "no marks, prices are those of the collections",
            exchange=self._venue.name,
            error=error,
        )


def _in_turn(nearest: Sequence[Valued], left_out: Sequence[Valued]) -> Iterator[Valued]:
    """Each of `nearest` once; those that were left out take every second place."""
    there = {id(one) for one in nearest}
    done: set[int] = set()
    for one in chain.from_iterable(zip_longest(nearest, left_out)):
        if one is not None and id(one) in there and id(one) not in done:
            done.add(id(one))
            yield one


class Way(Struct, frozen=True):
    """How accounts reach a venue. Public answers are the same for all who come the same way."""

    exchange: str
    base_url: str | None
    proxy: str
    """A secret."""
    market: str

    @classmethod
    def of(cls, venue: AnyVenue) -> Way:
        """That of an account."""
        config = venue.config
        base_url = config.base_url or venue.base_url
        proxy = "" if config.proxy is None else config.proxy.get_secret_value()
        return cls(venue.name, base_url and base_url.rstrip("/"), proxy, config.market)


def asking(account: AccountConfig, interval: float) -> AccountConfig:
    """The configuration of an account, as that of who asks for marks alone, every so many seconds."""
    return account.model_copy(
        update={
            "interval": interval,
            "timeout": min(interval, account.timeout),
            "max_age": max(interval, OLDEST),
        }
    )


def ways(venues: Iterable[AnyVenue]) -> Mapping[Way, list[AnyVenue]]:
    """The accounts at venues that have a call for marks, by the way to them."""
    found: dict[Way, list[AnyVenue]] = {}
    for venue in venues:
        if venue.marks_endpoint is not None:
            found.setdefault(Way.of(venue), []).append(venue)
    return found
