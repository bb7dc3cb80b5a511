"""The one client for venues: it sends what an adapter declares and gives back decoded answers.

`Client` belongs to the process: one transport, the venues' request limits, clocks and shared answers.
`Api` is what one account's adapter sees of it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Container, Hashable, Mapping
from typing import Any, Self, TypeVar, overload
from urllib.parse import urlsplit

import msgspec
import structlog

from exporter import clock, logs
from exporter.answers import SharedAnswers
from exporter.budget import Budget
from exporter.clock import Wall
from exporter.errors import REASONS, Reason, VenueError
from exporter.refusals import http_error
from exporter.request import NO_VALUES, Endpoint, Params, Request, Response
from exporter.roles import Adapter, Observer
from exporter.seldom import Seldom
from exporter.session import Session, SessionKeeper
from exporter.transport import HttpTransport, Transport
from exporter.venueclock import VenueClock
from exporter.wire import decode, listed

T = TypeVar("T")

MOST_PAGES = 50
"""Pages of one answer; a venue whose list never ends must not hold a collection for ever."""

log = structlog.get_logger(__name__)
_seldom = Seldom()


class Client:
    """The process's way to all venues. Use as an async context manager.

    Args:
        observer: Who counts the requests.
        wall: Unix seconds.
        transport: What carries the requests; HTTP connections of its own by default.
    """

    def __init__(
        self, observer: Observer, *, wall: Wall = clock.wall, transport: Transport | None = None
    ) -> None:
        self.observer = observer
        self.wall = wall
        self.shared = SharedAnswers(wall)
        self._http = HttpTransport() if transport is None else None
        self.transport: Transport = transport or self._http  # type: ignore[assignment]  # one of the two is
        self._budgets: dict[Hashable, Budget] = {}
        self._clocks: dict[Hashable, VenueClock] = {}

    async def __aenter__(self) -> Self:
        if self._http is not None:
            await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.shared.close()
        if self._http is not None:
            await self._http.__aexit__(*exc)

    def account(self, venue: Adapter[Api]) -> Api:
        """The view of one account."""
        return Api(self, venue)

    def budget(self, key: Hashable) -> Budget:
        """The request limit that all who name the same key share."""
        return self._budgets.setdefault(key, Budget())

    def clock(self, key: Hashable) -> VenueClock:
        """The venue's clock, as all who name the same key see it."""
        return self._clocks.setdefault(key, VenueClock())


class Api:
    """What an adapter asks its venue through."""

    def __init__(self, client: Client, venue: Adapter[Api]) -> None:
        config = venue.config
        base_url = config.base_url or venue.base_url
        if base_url is None:
            raise ValueError(f"account {config.name!r}: `base_url` is required for {venue.name}")
        self._client = client
        self._venue = venue
        self._declared = frozenset(venue.endpoints)
        self._base_url = base_url.rstrip("/")
        self._proxy = config.proxy.get_secret_value() if config.proxy is not None else None
        self._timeout = config.timeout
        place = "production" if self._base_url == venue.base_url else urlsplit(base_url).hostname
        self._limits = {
            "address": client.budget((venue.budget or venue.name, place, self._proxy)),
            "account": Budget(),
        }
        # Through another proxy the same host may be another machine with another view of the data.
        self._scope: tuple[Hashable, ...] = (venue.name, self._base_url, self._proxy)
        self._clock = client.clock(self._scope)
        self._sessions = SessionKeeper(self._open_session, client.wall)

    @property
    def interval(self) -> float:
        """Seconds between two collections of this account: how old a shared answer may be."""
        return self._venue.config.interval

    def now(self) -> float:
        """Unix seconds on the exporter's clock."""
        return self._client.wall()

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
        session = self._sessions.current
        try:
            return await self._send(asked)
        except VenueError as error:
            refused = error
        # Outside of `except`: what comes now has no refused request in its context.
        if not endpoint.signed or not await self._repaired(refused, session):
            raise refused
        return await self._send(asked)

    async def _repaired(self, refused: VenueError, session: Session | None) -> bool:
        """Whether the request can be sent again: with the clock measured anew, or in a new session."""
        if refused.reason == "auth" and self._sessions.refused(session):
            return True
        if refused.reason != "clock":
            return False
        before = self._clock.offset
        if not await self.synchronise_clock():
            return False
        log.info(
            "clock measured again",
            exchange=self._venue.name,
            account=self._venue.config.name,
            offset_before=round(before, 3),
            offset_after=round(self._clock.offset, 3),
        )
        return True

    # Answers that are kept

    async def account_cached(
        self,
        fetch: Callable[[Api], Awaitable[T]],
        max_age: float,
        *,
        grace: float = 0.0,
        name: str = "",
    ) -> T:
        """What `fetch` returned for this account less than `max_age` seconds ago, else a new answer.

        If the venue does not give one, the old answer serves for another `grace` seconds: for what hardly
        ever changes. That failure is logged and counted. `name` tells answers of one function apart.
        """
        # The config object is part of the key: after a reload with another key, nothing old is used.
        return await self._cached((self._venue.config,), fetch, max_age, grace, name)

    async def venue_cached(
        self,
        fetch: Callable[[Api], Awaitable[T]],
        max_age: float,
        *,
        grace: float = 0.0,
        name: str = "",
    ) -> T:
        """The same, shared by all accounts of the venue: for public data only."""
        return await self._cached((), fetch, max_age, grace, name)

    async def _cached(
        self,
        owner: tuple[Hashable, ...],
        fetch: Callable[[Api], Awaitable[T]],
        max_age: float,
        grace: float,
        name: str,
    ) -> T:
        shared = self._client.shared
        key = (*self._scope, *owner, name or fetch)
        try:
            return await shared.get(key, max_age, lambda: fetch(self))
        except VenueError as error:
            kept = shared.kept(key, max_age + grace)
            if kept is None:
                raise
            self._client.observer.optional_failed(self._venue.name, self._venue.config.name, error)
            answer: T = kept.answer
            return answer

    @overload
    async def optional(self, awaitable: Awaitable[T], *, only: Container[Reason] = ...) -> T | None: ...
    @overload
    async def optional(
        self, awaitable: Awaitable[T], otherwise: T, *, only: Container[Reason] = ...
    ) -> T: ...
    async def optional(
        self, awaitable: Awaitable[T], otherwise: T | None = None, *, only: Container[Reason] = REASONS
    ) -> T | None:
        """The answer; `otherwise` if the venue failed: logged and counted, and the collection goes on.

        A failure for a reason that is not in `only` is raised.
        """
        try:
            return await awaitable
        except VenueError as error:
            if error.reason not in only:
                raise
            self._client.observer.optional_failed(self._venue.name, self._venue.config.name, error)
            return otherwise

    # The venue's clock

    async def synchronise_clock(self, max_age: float = 0.0) -> bool:
        """Measures the venue's clock against ours, once for all who ask at the same time.

        Does nothing if that was done less than `max_age` seconds ago. Returns False if the venue cannot
        be asked for its time.
        """
        return await self._client.shared.get((*self._scope, "clock"), max_age, self._measure_clock)

    async def _measure_clock(self) -> bool:
        before = self.now()
        server = await self._venue.server_time(self)
        if server is None:
            return False
        self._clock.measured(server, before, self.now())
        self._client.observer.clock_offset(self._venue.name, self._clock.offset)
        return True

    # Sending

    def _where(self, endpoint: Endpoint) -> str:
        return f"{self._venue.name} {endpoint.method} {endpoint.label}"

    async def _send(self, asked: Request) -> Response:
        endpoint, venue = asked.endpoint, self._venue
        if endpoint not in self._declared:
            raise ValueError(f"{venue.name} does not declare {endpoint.method} {endpoint.path}")
        token = await self._sessions.token() if endpoint.signed else ""
        try:
            probed = self._check_limits()
            response = await self._exchange(asked, token)
            failure = self._failure(endpoint, response)
            self._close_limit(failure, probed)
            if failure is not None:
                raise failure
        except VenueError as error:
            raise error.within(self._where(endpoint)) from None
        return response

    async def _exchange(self, asked: Request, token: str) -> Response:
        endpoint, client = asked.endpoint, self._client
        timestamp_ms = self._clock.milliseconds(self.now())
        signed = self._venue.sign(msgspec.structs.replace(asked, timestamp_ms=timestamp_ms, token=token))
        started, status = time.perf_counter(), "cancelled"
        try:
            answer = await client.transport.send(
                endpoint.method,
                self._base_url + asked.path + ("?" + signed.query if signed.query else ""),
                headers=signed.headers,
                body=signed.body,
                proxy=self._proxy,
                timeout=self._timeout,
            )
            status = str(answer.status)
        except VenueError as error:
            status = error.reason
            raise
        finally:
            seconds = time.perf_counter() - started
            client.observer.request_finished(self._venue.name, endpoint.label, status, seconds)
        return Response(answer.status, answer.headers, answer.body, self.now())

    def _failure(self, endpoint: Endpoint, response: Response) -> VenueError | None:
        """The failure that an answer reports. Whatever its bytes are, a ban is not overlooked."""
        # What its status says stands where the venue's own rules fail.
        failure = http_error(response)
        try:
            failure = self._venue.error(endpoint, response)
            used = self._venue.rate_limit_used(response)
            if used is not None:
                self._client.observer.rate_limit_used(self._venue.name, used)
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

    def _check_limits(self) -> Collection[Budget]:
        """Raises where a limit is closed; gives those that this request finds out about."""
        now = self.now()
        probed = [limit for limit in self._limits.values() if limit.check(now)]
        for limit in probed:
            limit.probe(now)
        return probed

    def _close_limit(self, failure: VenueError | None, probed: Collection[Budget]) -> None:
        now = self.now()
        until = failure.blocked_until if failure is not None else None
        if failure is not None and until is not None and failure.reason in ("rate_limited", "banned"):
            limit = self._limits[failure.scope]
            until = limit.close(failure, until, now, probed=limit in probed)
            if failure.scope == "address":
                self._client.observer.blocked_until(self._venue.name, until)
            return
        for limit in probed:
            limit.open(now)
            if limit is self._limits["address"]:
                self._client.observer.blocked_until(self._venue.name, now)

    async def _open_session(self) -> Session | None:
        key = (*self._scope, self._venue.config, "session")
        return await self._client.shared.get(key, 0.0, lambda: self._venue.open_session(self))
