"""One account's cycle: ask the venue, assess, render, publish; and what happens when any of it fails."""

from __future__ import annotations

import asyncio
from typing import Literal

import structlog
from msgspec import Struct

from exporter import clock, deadline
from exporter.account import secret_forms
from exporter.api import Api
from exporter.bounds import bounded
from exporter.clock import Elapsed, Wall
from exporter.deadline import DeadlineError
from exporter.errors import Reason, VenueError
from exporter.exposition import Store, render
from exporter.logs import Redaction, format_exception
from exporter.model import RiskSettings
from exporter.risk import assess
from exporter.seldom import Seldom
from exporter.telemetry import REPEAT_AFTER, Telemetry
from exporter.venues import AnyVenue

State = Literal["starting", "up", "failing"]

CLOCK_MAX_AGE = 600.0
"""Seconds between two measurements of a venue's clock."""

log = structlog.get_logger(__name__)


class AccountStatus(Struct, frozen=True, kw_only=True):
    """What the landing page shows of an account."""

    exchange: str
    account: str
    state: State
    fresh: bool
    """Whether its data are published now."""
    last_success_age: float | None = None
    """Seconds since the last successful collection began."""
    reason: Reason | None = None
    """Why the last collection failed, if it did."""
    message: str = ""


class Collector:
    """Collects one account. One `collect` at a time.

    Args:
        venue: The account at its venue.
        api: What the venue asks through.
        settings: How to assess it.
        store: Where the data go.
        telemetry: Who counts; the account's series start here and end with `close`.
        wall: Unix seconds, for what people read.
        elapsed: Seconds, for durations and ages; the one of `store`.
    """

    def __init__(
        self,
        venue: AnyVenue,
        api: Api,
        settings: RiskSettings,
        store: Store,
        telemetry: Telemetry,
        *,
        wall: Wall = clock.wall,
        elapsed: Elapsed = clock.elapsed,
    ) -> None:
        self.venue = venue
        self.exchange: str = venue.name
        self.account: str = venue.config.name
        self.interval: float = venue.config.interval
        self.attempted = False
        """Whether the first collection has finished, with or without success."""
        self._api = api
        self._settings = settings
        self._store = store
        self._telemetry = telemetry
        self._wall = wall
        self._elapsed = elapsed
        self._timeout: float = venue.config.timeout
        self._max_age: float = venue.config.age_limit
        self._redaction = Redaction()
        self._redaction.hide(secret_forms(venue.config))
        self._last_success: float | None = None
        self._failure: VenueError | None = None
        self._failing_since = 0.0
        self._logged: dict[Reason, float] = {}
        # A venue decides how often an account fails and recovers.
        self._seldom = Seldom(burst=2, elapsed=elapsed)
        telemetry.add_account(self.exchange, self.account, interval=self.interval, max_age=self._max_age)

    def status(self) -> AccountStatus:
        """How the account stands now."""
        failure, last = self._failure, self._last_success
        return AccountStatus(
            exchange=self.exchange,
            account=self.account,
            state="failing" if failure is not None else "up" if last is not None else "starting",
            fresh=self._store.fresh(self.exchange, self.account),
            last_success_age=None if last is None else self._elapsed() - last,
            reason=None if failure is None else failure.reason,
            message="" if failure is None else failure.message,
        )

    def close(self) -> None:
        """Takes the account off the page. Not while a collection runs."""
        self._store.remove(self.exchange, self.account)
        self._telemetry.remove_account(self.exchange, self.account)

    async def collect(self) -> None:
        """One collection. Raises nothing but `asyncio.CancelledError`: a failure is counted and logged."""
        began, began_at = self._elapsed(), self._wall()
        try:
            await self._collect(began)
        except VenueError as error:
            # Adapters word their errors without secrets; this is for the day one of them does not.
            failure = VenueError(error.reason, self._redaction.clean(error.message))
            self._failed(failure, began, defect=error if error.reason == "internal" else None)
        except Exception as error:  # noqa: BLE001 (a defect in one account's code must not end the process)
            failure = VenueError("internal", f"defect in the exporter: {type(error).__qualname__}")
            self._failed(failure, began, defect=error)
        else:
            self._succeeded(began, began_at)
            # Before a skew costs a collection; nobody waits for it.
            self._api.watch_clock(CLOCK_MAX_AGE)
            await asyncio.sleep(0)
        self.attempted = True

    async def _collect(self, began: float) -> None:
        try:
            async with deadline.within(self._timeout):
                snapshot = await self.venue.fetch(self._api)
        except DeadlineError:
            raise VenueError(
                "timeout", f"{self.exchange}: the collection took longer than {self._timeout:g} s"
            ) from None
        risk = assess(bounded(snapshot), self._settings)
        chunks = render(self.exchange, self.account, risk)
        self._store.put(self.exchange, self.account, chunks, taken_at=began, max_age=self._max_age)

    def _succeeded(self, began: float, began_at: float) -> None:
        now = self._elapsed()
        self._telemetry.collection_succeeded(
            self.exchange, self.account, began_at=began_at, seconds=now - began
        )
        if self._failure is not None:
            self._seldom.tell(
                self._log().info, "collection works again", failed_for=f"{now - self._failing_since:.0f}s"
            )
        elif self._last_success is None:
            self._log().info("first collection succeeded")
        self._last_success = began
        self._failure = None
        self._logged.clear()

    def _failed(self, failure: VenueError, began: float, *, defect: Exception | None) -> None:
        now = self._elapsed()
        self._telemetry.collection_failed(self.exchange, self.account, failure.reason, seconds=now - began)
        if self._failure is None:
            self._failing_since = began
        self._failure = failure
        logged = self._logged.get(failure.reason)
        if logged is not None and now - logged < REPEAT_AFTER:
            return
        left_out = self._seldom.due(failure.reason)
        if left_out is None:
            return
        self._logged[failure.reason] = now
        details = {} if defect is None else {"exception": self._redaction.clean(format_exception(defect))}
        self._log().error(
            "collection failed",
            reason=failure.reason,
            error=failure.message,
            failing_for=f"{now - self._failing_since:.0f}s",
            **({"left_out": left_out} if left_out else {}),
            **details,
        )

    def _log(self) -> structlog.typing.FilteringBoundLogger:
        bound: structlog.typing.FilteringBoundLogger = log.bind(exchange=self.exchange, account=self.account)
        return bound
