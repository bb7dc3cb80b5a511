"""One account's cycle: ask the venue, assess, render, publish; and what happens when any of it fails."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import structlog
from msgspec import Struct

from exporter import clock, deadline
from exporter.account import MAX_AGE_INTERVALS, AccountConfig, labels_of, secret_forms
from exporter.admission import Admission
from exporter.api import Api
from exporter.backoff import Backoff, RunIn
from exporter.board.figures import figures_of
from exporter.board.standing import Standing
from exporter.bounds import bounded
from exporter.clock import Elapsed, Wall
from exporter.deadline import DeadlineError
from exporter.errors import Reason, VenueError
from exporter.exposition import Store, render
from exporter.keys import WAIT, KeyWatch, refusal
from exporter.logs import Redaction, format_exception
from exporter.model import AccountRisk, AccountSnapshot, Marks, RiskSettings
from exporter.risk import Revaluation, assess
from exporter.risk.revalue import Usable
from exporter.seldom import Seldom
from exporter.telemetry import REPEAT_AFTER, Telemetry
from exporter.venues import AnyVenue

State = Literal["starting", "up", "failing"]

SHORT_WAIT = 0.05
"""Part of the interval; who waited longer for the request limit is collected an interval after that."""
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


class _Published:
    """The newest snapshot of an account, and until when it is shown at whatever marks."""

    def __init__(
        self, snapshot: AccountSnapshot, began: float, began_at: float, *, max_age: float, complete_at: float
    ) -> None:
        self.snapshot = snapshot
        self.taken_at = began
        """Elapsed seconds."""
        self.began_at = began_at
        """Unix seconds."""
        self.max_age = max_age
        self.complete_at = complete_at
        """Unix seconds: what is known from later on is newer than all of it."""
        self.usable = Usable({}, {})
        """The prices that it is valued at now; none are its own."""
        self._revaluation: Revaluation | None = None

    def revaluation(self, settings: RiskSettings) -> Revaluation:
        """Made for the first marks, so that it costs nothing where there are none."""
        if self._revaluation is None:
            self._revaluation = Revaluation(self.snapshot, settings, self.began_at)
        return self._revaluation


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
        on_assessed: Is told the account's name and what was found, each time.
        admission: The line of all that are due in this process.
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
        on_assessed: Callable[[str, AccountRisk], None] | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.exchange: str = venue.name
        self.account: str = venue.config.name
        self.attempted = False
        """Whether the first collection has finished, with or without success."""
        self.waiting = False
        """Whether a collection is due and waits for its part of the venue's request limit."""
        self.run_in: RunIn | None = None
        self.revalued = True
        """Whether marks come between collections: only for them is the newest snapshot kept."""
        self.standing = Standing(self.exchange, self.account)
        """What the risk page shows of the account."""
        self._store = store
        self._telemetry = telemetry
        self._wall = wall
        self._elapsed = elapsed
        self._on_assessed = on_assessed
        self._admission = admission or Admission(elapsed=elapsed)
        self._behind = 0.0
        self._redaction = Redaction()
        self._published: _Published | None = None
        self.nearest = math.inf
        """The smallest relative move that liquidates one of its positions, as it is published now."""
        self._last_success: float | None = None
        self._failure: VenueError | None = None
        self._failing_since = 0.0
        self._logged: dict[Reason, float] = {}
        # A venue decides how often an account fails and recovers.
        self._seldom = Seldom(burst=2, elapsed=elapsed)
        self._begin(venue, api, settings)

    def _begin(self, venue: AnyVenue, api: Api, settings: RiskSettings) -> None:
        self.venue = venue
        self.settings = settings
        self._api = api
        self._config: AccountConfig = venue.config
        self._backoff = Backoff()
        self._pause: float | None = None
        self._outage = api.outage
        self._outage.join(self.account)
        self._redaction.hide(secret_forms(venue.config))
        self.standing.configured(labels_of(self._config), api.trail)
        self._telemetry.add_account(
            self.exchange, self.account, interval=self._config.interval, max_age=self._config.age_limit
        )
        self._telemetry.desk(self.exchange, self.account, self._config.labels, self._config.limits)
        self._key = KeyWatch(self._config.keys, asks=venue.key_endpoint is not None)
        self._show_key()
        self._tell_pace()

    def use(self, venue: AnyVenue, api: Api, settings: RiskSettings) -> None:
        """Goes on with another configuration of the account; its data stay. Not while a collection runs."""
        self._end()
        self._begin(venue, api, settings)

    def _end(self) -> None:
        self._outage.leave(self.account)
        self._api.meter.close()

    @property
    def refused(self) -> bool:
        """Whether the last collection failed because the credentials are not accepted, there or here."""
        return self._failure is not None and self._failure.reason in ("auth", "permission", "refused")

    @property
    def interval(self) -> float:
        """Seconds from one collection to the next: as configured, stretched where request limits need it."""
        return self._config.interval * self._api.meter.stretch

    @property
    def max_age(self) -> float:
        """Seconds for which data are published: as configured; by default as long as a few collections."""
        return self._max_age(self.interval)

    def _max_age(self, interval: float) -> float:
        return self._config.age_limit_at(interval + self._behind)

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
        self._end()
        self._store.remove(self.exchange, self.account)
        self._telemetry.remove_account(self.exchange, self.account)

    async def collect(self) -> float | None:
        """One collection; seconds until the next, None for the usual time.

        Raises nothing but `asyncio.CancelledError`: a failure is counted and logged.
        """
        if self._backoff.from_outage and not self._outage.may_try(self.interval):
            self._pause = self._backoff.pause(self.interval)
            return self._next()
        complete = False
        self._api.trail.begin()
        try:
            try:
                await self._look_at_key()
                await self._admitted()
            finally:
                # Time that was waited makes data no older.
                began, began_at = self._elapsed(), self._wall()
            valid_since = await self._collect(began, began_at)
            complete = True
        except VenueError as error:
            # Adapters word their errors without secrets; this is for the day one of them does not.
            failure = VenueError(error.reason, self._redaction.clean(error.message))
            self._failed(failure, began, defect=error if error.reason == "internal" else None)
        except Exception as error:  # noqa: BLE001 (a defect in one account's code must not end the process)
            failure = VenueError("internal", f"defect in the exporter: {type(error).__qualname__}")
            self._failed(failure, began, defect=error)
        else:
            self._succeeded(began, *valid_since)
        finally:
            self._api.meter.settle(complete=complete)
        self._tell_pace()
        if complete:
            # Before a skew costs a collection; nobody waits for it.
            self._api.watch_clock(CLOCK_MAX_AGE)
            await asyncio.sleep(0)
        self.attempted = True
        return self._next()

    @property
    def may_use_key(self) -> bool | None:
        """Whether requests are made with its key; None before it is known."""
        known = self.attempted or not self._key.state.told
        return not self._key.state.refused if known else None

    def look_at_key_again(self) -> None:
        """Asks what the key may do before it is said to be time, if the account is stopped for it."""
        if self._key.state.refused:
            self._key.again()
            if self.run_in is not None:
                self.run_in(0.0)

    async def _look_at_key(self) -> None:
        """Asks what the key may do, if it is time; the first collection waits a moment for the answer.

        Raises:
            VenueError: reason ``refused``, if it may do what it must not.
        """
        key, failure = self._key, self._failure
        if key.due(self._elapsed(), failing=failure is not None and failure.reason != "refused"):
            wait = 0.0 if key.asked and not key.state.refused else min(WAIT, self._config.timeout / 2)
            key.begin(self._elapsed())
            await self._api.beside(partial(self._ask_key, key, self.venue, self._api), wait=wait)
        if key.state.refused:
            raise VenueError("refused", f"{self.exchange}: {refusal(key.state.refused)}")

    async def _ask_key(self, key: KeyWatch, venue: AnyVenue, api: Api) -> None:
        """One question; without an answer the account goes on as before. Raises nothing."""
        try:
            asked_at, rights = await api.family_answer("key", venue.key_rights, key.max_age)
        except Exception as error:  # noqa: BLE001 (a defect there must not cost the account its data)
            if isinstance(error, VenueError):
                failure = VenueError(error.reason, self._redaction.clean(error.message))
            else:
                failure = VenueError("internal", f"defect in the exporter: {type(error).__qualname__}")
                text = self._redaction.clean(format_exception(error))
                self._seldom.tell(self._log().error, "the key cannot be judged", key="key", exception=text)
            key.failed(failure.message, self._elapsed())
            api.missed(failure)
        else:
            before = key.rights
            key.answered(rights, self._elapsed(), asked_at)
            more = [right for right in key.state.may if right != "read"]
            if more and rights != before:
                self._log().info("the key can do more than read", rights=", ".join(more))
        if key is self._key:
            self._show_key()

    def _show_key(self) -> None:
        self._telemetry.key(self.exchange, self.account, self._key.rights)
        self.standing.key = self._key.state

    async def _admitted(self) -> None:
        """Waits until the request limits leave room for a collection, and the process gets to it."""
        self.waiting = True
        try:
            waited = await self._api.meter.admitted(MAX_AGE_INTERVALS * self.interval)
            behind = await self._admission.admitted()
        finally:
            self.waiting = False
        if not waited and not behind:
            self._behind = 0.0
            return
        # It comes after each interval: as long is it from one collection to the next.
        interval = self.interval
        self._behind = round(behind, 1) if behind > SHORT_WAIT * interval else 0.0
        if waited + behind > SHORT_WAIT * interval and self.run_in is not None:
            # It keeps that distance: all come round evenly, and the line gets no longer.
            self.run_in(interval)

    def _next(self) -> float | None:
        """Seconds until the next collection; None for the usual time."""
        if self._pause is not None and self._failure is not None:
            until = self._wall() + self._pause
            self._telemetry.backs_off(self.exchange, self.account, self._failure.reason, until=until)
            self.standing.next_attempt = until
            return self._pause
        self.standing.next_attempt = None
        self._telemetry.backs_off_no_more(self.exchange, self.account)
        return None

    def _tell_pace(self) -> None:
        interval = self.interval
        max_age, interval = self._max_age(interval), interval + self._behind
        self._telemetry.pace(self.exchange, self.account, interval=interval, max_age=max_age)
        self.standing.interval, self.standing.max_age = interval, max_age

    async def _collect(self, began: float, began_at: float) -> tuple[float, float]:
        """One collection; since when its data are valid, in elapsed and in Unix seconds."""
        self._api.behind = 0.0
        try:
            async with deadline.within(self._config.timeout) as self._api.meter.deadline:
                snapshot = await self.venue.fetch(self._api)
        except DeadlineError:
            raise VenueError(
                "timeout", f"{self.exchange}: the collection took longer than {self._config.timeout:g} s"
            ) from None
        began, began_at = began - self._api.behind, began_at - self._api.behind
        published = _Published(
            bounded(snapshot), began, began_at, max_age=self.max_age, complete_at=self._wall()
        )
        risk = self._publish(published, published.snapshot)
        self._published = published if self.revalued else None
        if self._on_assessed is not None:
            self._on_assessed(self.account, risk)
        return began, began_at

    def _publish(self, published: _Published, snapshot: AccountSnapshot) -> AccountRisk:
        risk = assess(snapshot, self.settings, published.began_at)
        chunks = render(self.exchange, self.account, risk)
        self._store.put(
            self.exchange, self.account, chunks, taken_at=published.taken_at, max_age=published.max_age
        )
        figures = figures_of(risk)
        self.standing.found(
            figures,
            began=published.taken_at,
            began_at=published.began_at,
            now=self._elapsed(),
            max_age=published.max_age,
        )
        self.nearest = math.inf if figures.nearest_distance is None else figures.nearest_distance
        return risk

    def revalue(self, marks: Marks) -> bool:
        """Publishes the newest snapshot at the marks that are newer; whether there was anything to do.

        It gets no younger by that. Raises nothing: without a value at the marks it stays as it is.
        """
        published = self._published
        if published is None or not self._store.fresh(self.exchange, self.account):
            return False
        try:
            revaluation = published.revaluation(self.settings)
            usable = revaluation.usable(marks, newer_than=published.complete_at)
            if usable.absurd:
                self._seldom.tell(
                    self._log().warning, "marks not believed", key="marks", symbols=", ".join(usable.absurd)
                )
            if (usable.marks, usable.prices) == (published.usable.marks, published.usable.prices):
                return False
            self._publish(published, revaluation.at(usable))
        except Exception as error:  # noqa: BLE001 (of one account; the others have their marks)
            text = error.message if isinstance(error, VenueError) else format_exception(error)
            self._seldom.tell(
                self._log().error, "not valued at the marks", key="value", error=self._redaction.clean(text)
            )
            return False
        published.usable = usable
        return True

    def _succeeded(self, began: float, valid_since: float, valid_since_at: float) -> None:
        now = self._elapsed()
        self._telemetry.collection_succeeded(
            self.exchange, self.account, began_at=valid_since_at, seconds=now - began
        )
        if self._failure is not None:
            self._seldom.tell(
                self._log().info, "collection works again", failed_for=f"{now - self._failing_since:.0f}s"
            )
        elif self._last_success is None:
            self._log().info("first collection succeeded")
        self._backoff.succeeded()
        self._pause = None
        self._outage.tried(self.account, None, self.interval, None)
        self.standing.succeeded(self._redaction.clean(error.message) for error in self._api.trail.misses)
        self._last_success = valid_since
        self._failure = None
        self._logged.clear()

    def _failed(self, failure: VenueError, began: float, *, defect: Exception | None) -> None:
        now = self._elapsed()
        self._telemetry.collection_failed(self.exchange, self.account, failure.reason, seconds=now - began)
        if self._failure is None:
            self._failing_since = began
        self._failure = failure
        self.standing.failed(failure.reason, failure.message, self._wall())
        self._backoff.failed(failure.reason)
        self._pause = self._backoff.pause(self.interval)
        run_in = self.run_in if self._backoff.active else None
        self._outage.tried(self.account, failure.reason, self.interval, run_in)
        logged = self._logged.get(failure.reason)
        if logged is not None and now - logged < REPEAT_AFTER:
            return
        left_out = self._seldom.due(failure.reason)
        if left_out is None:
            return
        self._logged[failure.reason] = now
        details = {} if self._pause is None else {"next_try": f"in {self._pause:.0f}s"}
        if defect is not None:
            details["exception"] = self._redaction.clean(format_exception(defect))
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
