"""The one client for venues: it sends what an adapter declares and gives back decoded answers.

`Client` belongs to the process: one transport, the venues' request limits, clocks and shared answers.
`Api` is what one account's adapter sees of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Mapping
from contextvars import ContextVar
from typing import Any, Self, TypeVar

import msgspec
import structlog

from exporter import clock, deadline, logs
from exporter.admission import Admission
from exporter.answers import A_DAY, RETRY, Owner, SharedAnswers
from exporter.backoff import Outage
from exporter.budget import Budget
from exporter.clock import Elapsed, Wall
from exporter.deadline import Deadline, DeadlineError
from exporter.errors import Reason, VenueError
from exporter.kept import KeptAnswers
from exporter.limits import NO_SETTINGS, BudgetSettings
from exporter.pacing import Call, Pacing
from exporter.reach import Reach
from exporter.refusals import http_error
from exporter.request import NO_VALUES, Endpoint, Params, Request, Response
from exporter.roles import Adapter, Observer
from exporter.seldom import Seldom
from exporter.session import Session, SessionKeeper
from exporter.slots import Slots
from exporter.transport import HttpTransport, Transport
from exporter.venueclock import VenueClock
from exporter.wire import decode, listed

T = TypeVar("T")

MOST_PAGES = 50
"""Pages of one answer; a venue whose list never ends must not hold a collection for ever."""

_WRONG_CLOCK: frozenset[Reason] = frozenset({"auth", "permission", "exchange"})
"""What a timestamp that is far off may be refused as, besides ``clock``, which is answered at once."""

_NO_CACHE_KEEPS = 7 * A_DAY
"""Seconds: what an answer says of its time that is further back is not its age, but a field that the venue
no longer fills."""

_measuring: ContextVar[bool] = ContextVar("measuring", default=False)
"""Whether the venue is asked for its time: then our own tells nothing about the age of its answer."""

log = structlog.get_logger(__name__)
_seldom = Seldom()


class Client:
    """The process's way to all venues. Use as an async context manager.

    Args:
        observer: Who counts the requests.
        wall: Unix seconds.
        elapsed: Seconds on a clock that nobody sets.
        budgets: What the configuration says of request limits, by the name of the budget.
        transport: What carries the requests; HTTP connections of its own by default.
    """

    def __init__(
        self,
        observer: Observer,
        *,
        wall: Wall = clock.wall,
        elapsed: Elapsed = clock.elapsed,
        budgets: Mapping[str, BudgetSettings] = NO_SETTINGS,
        transport: Transport | None = None,
    ) -> None:
        self.observer = observer
        self.wall = wall
        self.shared = SharedAnswers(wall)
        self.pacing = Pacing(budgets, observer=observer, elapsed=elapsed)
        self.slots = Slots()
        self.admission = Admission(elapsed=elapsed)
        self._http = HttpTransport() if transport is None else None
        self.transport: Transport = transport or self._http  # type: ignore[assignment]  # one of the two is
        self._budgets: dict[Hashable, Budget] = {}
        self._clocks: dict[Hashable, VenueClock] = {}
        self._outages: dict[Hashable, Outage] = {}

    async def __aenter__(self) -> Self:
        if self._http is not None:
            await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.shared.close()
        if self._http is not None:
            await self._http.__aexit__(*exc)

    def account(self, venue: Adapter[Api], *, only: Endpoint | None = None) -> Api:
        """The view of one account; with `only`, of this call alone: see `Pacing.meter`."""
        return Api(self, venue, only=only)

    def forget(self, config: Hashable) -> None:
        """Keeps no answers any more that were given to the account with this configuration."""
        self.shared.forget(Owner(config))

    def budget(self, key: Hashable) -> Budget:
        """The request limit that all who name the same key share."""
        return self._budgets.setdefault(key, Budget())

    def clock(self, key: Hashable) -> VenueClock:
        """The venue's clock, as all who name the same key see it."""
        return self._clocks.setdefault(key, VenueClock())

    def outage(self, key: Hashable) -> Outage:
        """Whether a venue answers, as all find out who name the same key."""
        return self._outages.setdefault(key, Outage(self.pacing.elapsed))


class Api(KeptAnswers):
    """What an adapter asks its venue through."""

    def __init__(self, client: Client, venue: Adapter[Api], *, only: Endpoint | None = None) -> None:
        self._reach = Reach(venue, client.budget)
        # Through another proxy the same host may be another machine with another view of the data.
        scope = (venue.name, self._reach.base_url, self._reach.proxy, venue.config.market)
        super().__init__(client.shared, client.observer, scope, venue.config)
        self._client = client
        self._venue = venue
        self._declared = frozenset(venue.endpoints)
        self.meter = client.pacing.meter(venue, only=only)
        self._clock = client.clock(self._scope)
        self.outage = client.outage(self._scope)
        self._sessions = SessionKeeper(self._open_session, client.wall)

    @property
    def interval(self) -> float:
        """Seconds between two collections of this account: how old a shared answer may be."""
        return self._venue.config.interval

    def now(self) -> float:
        """Unix seconds on the exporter's clock."""
        return self._client.wall()

    def moments(self) -> Callable[[float | None], float]:
        """Reads moments of the venue's clock on ours, in Unix seconds; None and the future are now."""
        now, offset = self.now(), self._clock.offset
        return lambda moment: now if moment is None else min(now, moment - offset)

    # Asking

    async def get(
        self,
        endpoint: Endpoint,
        type_: type[T],
        params: Params = (),
        *,
        path: Mapping[str, str] = NO_VALUES,
        document: Any = None,
    ) -> T:
        """One request, decoded as `type_`.

        A request refused for its timestamp is sent once more after the clock was measured again, one
        refused for its session once more in a new one.

        Args:
            endpoint: One that the adapter declares.
            type_: What the answer is decoded as; see `exporter.wire`.
            params: Of the query.
            path: What the fields of the endpoint's path are filled with.
            document: Sent as the JSON body, at a venue that is asked by documents.

        Raises:
            VenueError: see `exporter.errors.Reason`. The text names venue and endpoint.
        """
        response = await self.request(endpoint, params, path=path, document=document)
        return decode(response.body, type_, self._where(endpoint))

    async def get_rows(
        self,
        endpoint: Endpoint,
        type_: type[T],
        params: Params = (),
        *,
        path: Mapping[str, str] = NO_VALUES,
        document: Any = None,
    ) -> list[T]:
        """As `get`, for an answer that is an array of `type_`; an object in its place is its only row."""
        rows: Any = list[type_] | type_  # type: ignore[valid-type]  # a type made at run time
        return listed(await self.get(endpoint, rows, params, path=path, document=document))

    async def get_pages(
        self,
        endpoint: Endpoint,
        type_: type[T],
        params: Params,
        following: Callable[[T], Params | None],
        *,
        path: Mapping[str, str] = NO_VALUES,
    ) -> list[T]:
        """As `get`, for an answer in pages: all of them.

        `following` gives the parameters that ask for the page after this one, None after the last.

        Raises:
            VenueError: also reason ``schema``, if a cursor comes twice or there are more than `MOST_PAGES`
                pages: a list that is cut off would hide positions.
        """
        found: list[T] = []
        asked: set[Params] = set()
        more: Params | None = ()
        while more is not None:
            if more in asked or len(found) == MOST_PAGES:
                raise VenueError("schema", f"{self._where(endpoint)}: the pages do not end")
            asked.add(more)
            found.append(await self.get(endpoint, type_, (*params, *more), path=path))
            more = following(found[-1])
        return found

    async def request(
        self,
        endpoint: Endpoint,
        params: Params = (),
        *,
        path: Mapping[str, str] = NO_VALUES,
        document: Any = None,
    ) -> Response:
        """As `get`, without decoding."""
        body = None if document is None else msgspec.json.encode(document)
        asked = Request(endpoint, params, endpoint.filled(path), body)
        if not endpoint.signed:
            return await self._send(asked)
        session = self._sessions.current
        try:
            return await self._send(asked)
        except VenueError as error:
            refused = error
        # Outside of `except`: what comes now has no refused request in its context.
        try:
            if not await self._repaired(refused, session):
                raise refused
            return await self._send(asked)
        except VenueError as error:
            if error.reason in _WRONG_CLOCK:
                self.watch_clock(RETRY)
            raise

    async def _repaired(self, refused: VenueError, session: Session | None) -> bool:
        """Whether the request can be sent again: with the clock measured anew, or in a new session."""
        if refused.reason == "auth" and self._sessions.refused(session):
            return True
        if refused.reason != "clock":
            return False
        before = self._clock.offset
        # The refusal is what people must see, whatever the venue says about its time.
        if not await self.optional(self.synchronise_clock()):
            return False
        _seldom.tell(
            log.info,
            "clock measured again",
            key=self._scope,
            exchange=self._venue.name,
            account=self._venue.config.name,
            offset_before=round(before, 3),
            offset_after=round(self._clock.offset, 3),
        )
        return True

    # The venue's clock

    def watch_clock(self, max_age: float) -> None:
        """Measures the venue's clock while other things go on, unless that was done `max_age` s ago."""
        key = (*self._scope, "clock")
        self._shared.start(key, max_age, self._measure_clock_quietly, self._timeout)

    async def synchronise_clock(self, max_age: float = 0.0) -> bool:
        """Measures the venue's clock against ours, once for all who ask at the same time.

        Does nothing if that was done less than `max_age` seconds ago. Returns False if the venue cannot
        be asked for its time.
        """
        key = (*self._scope, "clock")
        return await self._shared.get(key, max_age, self._measure_clock, patience=self._timeout)

    async def _measure_clock(self) -> bool:
        _measuring.set(True)
        before = self.now()
        server = await self._venue.server_time(self)
        if server is None:
            return False
        self._clock.measured(server, before, self.now())
        self._observer.clock_offset(self._venue.name, self._clock.offset)
        return True

    async def _measure_clock_quietly(self) -> bool:
        try:
            return await self._measure_clock()
        except Exception as error:
            text = error.message if isinstance(error, VenueError) else logs.format_exception(error)
            _seldom.tell(
                log.warning, "clock not measured", key=self._scope, exchange=self._venue.name, error=text
            )
            raise

    # The age of answers

    def made_at(self, endpoint: Endpoint, moment: float | None) -> None:
        """Says when an answer was made, by the venue's own time in it (Unix seconds); None tells nothing.

        Only of the moment the answer was made, not of the last change of what it is about.

        Raises:
            VenueError: see `_refuse_old`.
        """
        age = 0.0 if moment is None else self._clock.at(self.now()) - moment
        self._refuse_old(endpoint, age if age < _NO_CACHE_KEEPS else 0.0)

    def _refuse_old(self, endpoint: Endpoint, *ages: float) -> None:
        """Fails for an answer that a cache on the way has kept: old data must not pass for fresh.

        Raises:
            VenueError: reason ``network``: the venue was not asked, something on the way answered for it.
        """
        age, oldest = max(ages), self._oldest()
        if age > oldest:
            self.watch_clock(RETRY)
            raise VenueError(
                "network",
                f"{self._where(endpoint)}: the answer is {age:.0f} s old, more than {oldest:g} s: a cache on "
                "the way kept it, or a clock is wrong",
            )

    async def _clock_measured(self) -> bool:
        """Measures the venue's clock, unless that was done just now; whether it is known."""
        try:
            return await self.synchronise_clock(RETRY)
        except VenueError:
            return False

    # Sending

    def _where(self, endpoint: Endpoint) -> str:
        return f"{self._venue.name} {endpoint.method} {endpoint.label}"

    async def _send(self, asked: Request) -> Response:
        endpoint, venue, client, reach = asked.endpoint, self._venue, self._client, self._reach
        limits = reach.limits(endpoint)
        if endpoint not in self._declared:
            raise ValueError(f"{venue.name} does not declare {endpoint.method} {endpoint.path}")
        token = await self._sessions.token() if endpoint.signed else ""
        probed: Collection[Budget] = ()
        try:
            # Nobody waits for room in a limit that is closed.
            limits.refuse_closed(self.now(), signed=endpoint.signed)
            host = (reach.base(endpoint), reach.proxy)
            async with (
                self.meter.call(endpoint) as call,
                client.slots.one(host, self.meter.deadline, self._timeout),
            ):
                probed = await limits.found_out(self.now, signed=endpoint.signed)
                call.sent()
                response = await self._exchange(asked, token)
                failure = self._failure(endpoint, response, call)
            blocked_until = limits.judge(failure, probed, self.now())
            if blocked_until is not None:
                client.observer.blocked_until(venue.name, blocked_until)
            if failure is not None:
                raise failure
        except VenueError as error:
            raise error.within(self._where(endpoint)) from None
        finally:
            for limit in probed:
                limit.probe_ended()
        made_at = None if _measuring.get() else response.made_at
        dated = 0.0 if made_at is None else self._clock.age(endpoint.label, made_at, response.received_at)
        if made_at is not None and dated > self._oldest() and await self._clock_measured():
            # It may have been the venue's clock, of which nothing was known.
            dated = self._clock.age(endpoint.label, made_at, response.received_at)
        self._refuse_old(endpoint, response.age, dated)
        return response

    async def _exchange(self, asked: Request, token: str) -> Response:
        endpoint, client = asked.endpoint, self._client
        timestamp_ms = self._clock.milliseconds(self.now())
        signed = self._venue.sign(msgspec.structs.replace(asked, timestamp_ms=timestamp_ms, token=token))
        limit = deadline.current() or Deadline(self._timeout)
        limit.asking = self._where(endpoint)
        given = limit.left
        started, status = time.perf_counter(), "cancelled"
        try:
            # The deadline ends it, not the transport: somebody else who waits for the answer may put it off.
            async with limit.kept():
                answer = await client.transport.send(
                    endpoint.method,
                    self._reach.base(endpoint) + asked.path + ("?" + signed.query if signed.query else ""),
                    headers=signed.headers,
                    body=signed.body,
                    proxy=self._reach.proxy,
                )
            status = str(answer.status)
        except VenueError as error:
            status = error.reason
            raise
        except DeadlineError:
            status = "timeout"
            raise VenueError("timeout", f"no complete answer within {round(given, 2):g} s") from None
        finally:
            seconds = time.perf_counter() - started
            self._observer.request_finished(self._venue.name, endpoint.label, status, seconds)
            self.trail.asked(self.now(), endpoint.label, status, seconds)
        return Response(answer.status, answer.headers, answer.body, self.now())

    def _failure(self, endpoint: Endpoint, response: Response, call: Call) -> VenueError | None:
        """The failure that an answer reports. Whatever its bytes are, a ban is not overlooked."""
        # What its status says stands where the venue's own rules fail.
        failure = http_error(response)
        try:
            failure = self._venue.error(endpoint, response)
            call.heard(self._venue.weight_used(response), response)
        except Exception as error:  # noqa: BLE001 (a defect of the adapter, which an answer brought to light)
            _seldom.tell(
                log.error,
                "defect in the adapter: it cannot judge an answer",
                key=(self._venue.name, endpoint.label),
                exchange=self._venue.name,
                endpoint=endpoint.label,
                exception=logs.format_exception(error),
            )
        return failure

    async def _open_session(self) -> Session | None:
        key = (*self._scope, self._owner, "session")
        return await self._shared.get(
            key, 0.0, lambda: self._venue.open_session(self), patience=self._timeout
        )
