"""The one HTTP client for venues: it sends what an adapter declares and gives back decoded answers.

`Client` belongs to the process: one session, the venues' request budgets, clocks and shared answers.
`Api` is what one account's adapter sees of it.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol, Self, TypeVar, overload
from urllib.parse import urlsplit

import aiohttp
import structlog
import yarl
from msgspec import Struct

from exporter import __version__
from exporter.errors import VenueError
from exporter.venues.base import Endpoint, Params, Response, Venue
from exporter.wire import decode, listed

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

Clock = Callable[[], float]

# The largest honest answer (all brackets of all symbols) is below 2 MiB.
MAX_BODY_BYTES = 32 * 1024 * 1024

log = structlog.get_logger(__name__)


class Observer(Protocol):
    """Who counts the requests; `exporter.telemetry` in the program."""

    def request_finished(self, exchange: str, endpoint: str, status: str, seconds: float) -> None:
        """One request ended; `status` is the HTTP status or the reason it got none."""

    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        """The venue told how much of the request budget is used, 0 to 1."""

    def clock_offset(self, exchange: str, seconds: float) -> None:
        """The venue's clock minus ours was measured."""

    def blocked_until(self, exchange: str, timestamp: float) -> None:
        """The venue refuses requests until then (Unix seconds)."""

    def optional_failed(self, exchange: str, account: str, error: VenueError) -> None:
        """A request failed that a collection can do without; some series will be absent."""


class Budget:
    """What the accounts behind one address share at one venue: the time until which it is closed.

    While it is closed no request is sent, because venues lengthen a ban for every request made during it.
    """

    def __init__(self) -> None:
        self.closed_until = 0.0
        self.closed_by: VenueError | None = None
        self._checked_at = 0.0

    def check(self, now: float) -> None:
        """Raises the error that closed the budget, as long as it is closed."""
        # With the clock set back by an hour, ten seconds of closure must not become an hour.
        self.closed_until -= max(0.0, self._checked_at - now)
        self._checked_at = now
        if self.closed_by is not None and now < self.closed_until:
            wait = self.closed_until - now
            raise VenueError(
                self.closed_by.reason,
                f"{self.closed_by.message}; no request is sent for another {wait:.0f} s",
                blocked_until=self.closed_until,
            )

    def close(self, error: VenueError, until: float) -> None:
        if until > self.closed_until:
            self.closed_until = until
            self.closed_by = error


class Kept(Struct, frozen=True):
    """An answer and when it was asked for, in Unix seconds."""

    asked_at: float
    answer: Any


class SharedAnswers:
    """Answers kept for a while, each fetched by one request however many ask at once (single flight)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Hashable, Kept] = {}
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(self, key: Hashable, max_age: float, fetch: Callable[[], Awaitable[T]]) -> T:
        """The answer under `key` if it is younger than `max_age` seconds, else what `fetch` returns.

        A failure goes to everybody who waits for it and is not kept.
        """
        kept = self.kept(key, max_age)
        if kept is not None:
            answer: T = kept.answer
            return answer
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(self._fetch(key, fetch))
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        # Shielded: a caller that gives up must not take the answer away from the others.
        result: T = await asyncio.shield(task)
        return result

    def kept(self, key: Hashable, max_age: float) -> Kept | None:
        """The answer under `key` if it is younger than `max_age` seconds."""
        found = self._kept.get(key)
        # Asked for in the future: the clock was set back since, and the age cannot be told.
        if found is None or not 0.0 <= self._clock() - found.asked_at < max_age:
            return None
        return found

    async def _fetch(self, key: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
        asked_at = self._clock()
        answer = await fetch()
        self._kept[key] = Kept(asked_at, answer)
        return answer

    def _finished(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled():
            task.exception()  # marks it as seen: the waiters may all have gone

    async def close(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class _ClockOffset:
    """The venue's clock minus ours, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0


class Client:
    """The process's connections to all venues. Use as an async context manager."""

    def __init__(self, observer: Observer, *, clock: Clock = time.time) -> None:
        self.observer = observer
        self.clock = clock
        self.shared = SharedAnswers(clock)
        self._budgets: dict[Hashable, Budget] = {}
        self._offsets: dict[Hashable, _ClockOffset] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Venues do not need cookies, and environment proxies must be asked for in the configuration.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=20, ttl_dns_cache=60, keepalive_timeout=75
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"risk-exporter/{__version__}", "Accept": "application/json"},
            auto_decompress=True,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.shared.close()
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is not open")
        return self._session

    def account(self, venue: Venue[Any]) -> Api:
        """The view of one account."""
        return Api(self, venue)

    def budget(self, key: Hashable) -> Budget:
        return self._budgets.setdefault(key, Budget())

    def offset(self, key: Hashable) -> _ClockOffset:
        return self._offsets.setdefault(key, _ClockOffset())


class Api:
    """What an adapter asks its venue through."""

    def __init__(self, client: Client, venue: Venue[Any]) -> None:
        config = venue.config
        base_url = config.base_url or venue.base_url
        if base_url is None:
            raise ValueError(f"account {config.name!r}: `base_url` is required for {venue.name}")
        self._client = client
        self._venue = venue
        self._declared = frozenset(venue.endpoints)
        self._base_url = base_url.rstrip("/")
        self._proxy = config.proxy.get_secret_value() if config.proxy is not None else None
        self._timeout = aiohttp.ClientTimeout(total=config.timeout)
        place = "production" if self._base_url == venue.base_url else urlsplit(base_url).hostname
        self._budget = client.budget((venue.budget or venue.name, place, self._proxy))
        # Through another proxy the same host may be another machine with another view of the data.
        self._scope: tuple[Hashable, ...] = (venue.name, self._base_url, self._proxy)
        self._offset = client.offset(self._scope)

    @property
    def interval(self) -> float:
        """Seconds between two collections of this account: how old a shared answer may be."""
        interval: float = self._venue.config.interval
        return interval

    def now(self) -> float:
        """Unix seconds on the exporter's clock."""
        return self._client.clock()

    async def get(self, endpoint: Endpoint, type_: type[T], params: Params = ()) -> T:
        """One request, decoded as `type_`.

        A request refused for its timestamp is sent once more after the clock was measured again.

        Raises:
            VenueError: see `exporter.errors.Reason`. The text names venue and endpoint.
        """
        return decode((await self.request(endpoint, params)).body, type_, self._where(endpoint))

    async def get_rows(self, endpoint: Endpoint, type_: type[T], params: Params = ()) -> list[T]:
        """As `get`, for an answer that is an array of `type_`; an object in its place is its only row."""
        rows: Any = list[type_] | type_  # type: ignore[valid-type]  # a type made at run time
        return listed(await self.get(endpoint, rows, params))

    async def request(self, endpoint: Endpoint, params: Params = ()) -> Response:
        """As `get`, without decoding."""
        try:
            return await self._send(endpoint, params)
        except VenueError as error:
            if error.reason != "clock" or not endpoint.signed:
                raise
            refused = error
        offset = self._offset.seconds
        if not await self.synchronise_clock():
            raise refused
        log.info(
            "clock measured again",
            exchange=self._venue.name,
            account=self._venue.config.name,
            offset_before=round(offset, 3),
            offset_after=round(self._offset.seconds, 3),
        )
        return await self._send(endpoint, params)

    async def account_cached(
        self, name: str, max_age: float, fetch: Callable[[], Awaitable[T]], *, grace: float = 0.0
    ) -> T:
        """What `fetch` returned for this account less than `max_age` seconds ago, else a new answer.

        If the venue does not give one, the old answer serves for another `grace` seconds: for what hardly
        ever changes. That failure is logged and counted.
        """
        # The config object is part of the key: after a reload with another key, nothing old is used.
        return await self._cached((*self._scope, self._venue.config, name), max_age, fetch, grace)

    async def venue_cached(
        self, name: str, max_age: float, fetch: Callable[[], Awaitable[T]], *, grace: float = 0.0
    ) -> T:
        """The same, shared by all accounts of the venue: for public data only."""
        return await self._cached((*self._scope, name), max_age, fetch, grace)

    async def _cached(
        self, key: Hashable, max_age: float, fetch: Callable[[], Awaitable[T]], grace: float
    ) -> T:
        shared = self._client.shared
        try:
            return await shared.get(key, max_age, fetch)
        except VenueError as error:
            kept = shared.kept(key, max_age + grace)
            if kept is None:
                raise
            self._client.observer.optional_failed(self._venue.name, self._venue.config.name, error)
            answer: T = kept.answer
            return answer

    async def optional(self, awaitable: Awaitable[T]) -> T | None:
        """The answer, or None if the venue failed: logged and counted, and the collection goes on without."""
        try:
            return await awaitable
        except VenueError as error:
            config = self._venue.config
            self._client.observer.optional_failed(self._venue.name, config.name, error)
            return None

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
        # The venue read its clock somewhere between our two readings; the middle is off by half at most.
        self._offset.seconds = server - (before + self.now()) / 2
        self._client.observer.clock_offset(self._venue.name, self._offset.seconds)
        return True

    def _where(self, endpoint: Endpoint) -> str:
        return f"{self._venue.name} {endpoint.method} {endpoint.path}"

    async def _send(self, endpoint: Endpoint, params: Params) -> Response:
        if endpoint not in self._declared:
            raise ValueError(f"{self._venue.name} does not declare {endpoint.method} {endpoint.path}")
        where = self._where(endpoint)
        venue, now = self._venue, self.now()
        try:
            self._budget.check(now)
        except VenueError as error:
            raise VenueError(
                error.reason, f"{where}: {error.message}", blocked_until=error.blocked_until
            ) from None
        timestamp_ms = int((now + self._offset.seconds) * 1000)
        signed = venue.sign(endpoint, params, timestamp_ms)
        # Encoded already: the bytes on the wire must be the bytes that were signed.
        url = yarl.URL(
            self._base_url + endpoint.path + ("?" + signed.query if signed.query else ""), encoded=True
        )
        started, status = time.perf_counter(), "cancelled"
        try:
            # Errors of the HTTP library carry the signed URL or the proxy's password in their text and
            # cause; neither goes on from here.
            async with self._client.session.request(
                endpoint.method,
                url,
                headers=signed.headers,
                data=signed.body,
                proxy=self._proxy,
                timeout=self._timeout,
                allow_redirects=False,
            ) as answer:
                body = await _read(answer)
                response = Response(
                    status=answer.status, headers=answer.headers, body=body, received_at=self.now()
                )
            status = str(response.status)
        except TimeoutError:
            status = "timeout"
            raise VenueError(
                "timeout", f"{where}: no complete answer within {self._timeout.total:g} s"
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            status = "network"
            raise VenueError("network", f"{where}: {_network_text(error)}") from None
        finally:
            self._client.observer.request_finished(
                venue.name, endpoint.path, status, time.perf_counter() - started
            )
        used = venue.rate_limit_used(response)
        if used is not None:
            self._client.observer.rate_limit_used(venue.name, used)
        failure = venue.error(endpoint, response)
        if failure is None:
            return response
        if failure.reason in ("rate_limited", "banned") and failure.blocked_until is not None:
            self._budget.close(failure, failure.blocked_until)
            self._client.observer.blocked_until(venue.name, failure.blocked_until)
        raise VenueError(
            failure.reason, f"{where}: {failure.message}", blocked_until=failure.blocked_until
        ) from None


@overload
async def together(a: Awaitable[A], b: Awaitable[B], /) -> tuple[A, B]: ...
@overload
async def together(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /) -> tuple[A, B, C]: ...
@overload
async def together(
    a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /
) -> tuple[A, B, C, D]: ...
async def together(*awaitables: Awaitable[Any]) -> tuple[Any, ...]:
    """Awaits all at once; at the first failure the others are cancelled and that failure is raised."""

    async def one(awaitable: Awaitable[Any]) -> Any:
        return await awaitable

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(awaitable)) for awaitable in awaitables]
    except BaseExceptionGroup as failures:
        # One level deep: the group above holds only its own tasks' exceptions.
        raise failures.exceptions[0] from None
    return tuple(task.result() for task in tasks)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise ValueError(f"the answer is larger than {MAX_BODY_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _network_text(error: Exception) -> str:
    """What happened, in words that cannot carry a URL, a header or a password."""
    match error:
        case aiohttp.ClientProxyConnectionError():
            return "no connection to the proxy"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered HTTP {error.status}"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "the server's certificate is not valid for this host"
        case aiohttp.ClientConnectorDNSError():
            return "the host name does not resolve"
        case aiohttp.ClientConnectorError():
            return f"no connection: {_system_text(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection"
        case aiohttp.ClientResponseError():
            return "the answer is not valid HTTP"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case ValueError() if str(error).startswith("the answer is larger"):
            return str(error)
        case OSError():
            return f"the connection failed: {_system_text(error)}"
        case _:
            return f"the request failed: {type(error).__name__}"


def _system_text(error: OSError) -> str:
    """The operating system's words: asyncio puts addresses into those of its own."""
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else type(error).__name__
