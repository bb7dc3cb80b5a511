"""The HTTP client: what it sends, what it counts, and what its errors say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aioresponses import aioresponses
from yarl import URL

from exporter.account import ApiKeyConfig
from exporter.api import Api, Budget, Client, SharedAnswers, together
from exporter.errors import VenueError
from exporter.model import AccountSnapshot
from exporter.venues.base import Endpoint, Params, Response, SignedRequest, Venue, http_error
from exporter.wire import Required, Wire
from tests.venues.harness import VenueServer

SECRET = "s3cret-of-the-desk"
SIGNED = Endpoint("/signed")
OPEN = Endpoint("/open", signed=False)
UNDECLARED = Endpoint("/order", method="POST")


class Time(Wire):
    time: Required


class Toy(Venue[ApiKeyConfig]):
    """Signs with its secret in the query, as careless venues do, so that leaks would show."""

    name = "toy"
    title = "Toy"
    documentation = "https://example.com"
    config_class = ApiKeyConfig
    base_url = None
    endpoints = (SIGNED, OPEN)
    fields = ()

    async def fetch(self, api: Api) -> AccountSnapshot:
        raise NotImplementedError

    def sign(self, endpoint: Endpoint, params: Params, timestamp_ms: int) -> SignedRequest:
        assert params == ()
        if not endpoint.signed:
            return SignedRequest()
        return SignedRequest(query=f"timestamp={timestamp_ms}&signature={SECRET}%2B")

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:
        assert endpoint in self.endpoints
        if response.status == 400:
            return VenueError("clock", "the timestamp is off")
        return http_error(response)

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(OPEN, Time)).time

    def rate_limit_used(self, response: Response) -> float | None:
        used = response.headers.get("x-used")
        return float(used) if used else None


class Recorder:
    """Keeps what the client reports."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str]] = []
        self.used: list[float] = []
        self.offsets: list[float] = []
        self.blocked: list[float] = []
        self.optional: list[VenueError] = []

    def request_finished(self, exchange: str, endpoint: str, status: str, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((exchange, endpoint, status))

    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        assert exchange == "toy"
        self.used.append(ratio)

    def clock_offset(self, exchange: str, seconds: float) -> None:
        assert exchange == "toy"
        self.offsets.append(seconds)

    def blocked_until(self, exchange: str, timestamp: float) -> None:
        assert exchange == "toy"
        self.blocked.append(timestamp)

    def optional_failed(self, exchange: str, account: str, error: VenueError) -> None:
        assert (exchange, account) == ("toy", "desk")
        self.optional.append(error)


class FakeClock:
    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def toy(base_url: str, **config: Any) -> Toy:
    entry = {"name": "desk", "exchange": "toy", "api_key": "k", "api_secret": SECRET, "base_url": base_url}
    return Toy(ApiKeyConfig.model_validate({**entry, **config}))


Ask = Callable[[Api], Awaitable[Any]]


async def ask(
    handler: Callable[[web.Request], web.Response | Awaitable[web.Response]],
    question: Ask,
    *,
    clock: FakeClock | None = None,
    recorder: Recorder | None = None,
    **config: Any,
) -> Any:
    routes = {"/signed": handler, "/open": handler}
    client = Client(recorder or Recorder(), clock=clock or FakeClock())
    async with VenueServer(routes) as server, client:
        return await question(client.account(toy(server.base_url, **config)))


def json(value: Any, **options: Any) -> Callable[[web.Request], web.Response]:
    return lambda _: web.json_response(value, **options)


async def test_the_query_goes_out_exactly_as_signed() -> None:
    seen: list[str] = []

    def handler(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.json_response({"time": 1})

    await ask(handler, lambda api: api.get(SIGNED, Time))
    assert seen == [f"/signed?timestamp=1000000&signature={SECRET}%2B"]


async def test_every_request_is_counted_with_its_status() -> None:
    recorder = Recorder()
    with pytest.raises(VenueError):
        await ask(json({}, status=503), lambda api: api.get(OPEN, Time), recorder=recorder)
    assert recorder.requests == [("toy", "/open", "503")]


async def test_the_used_share_of_the_budget_is_reported() -> None:
    recorder = Recorder()
    await ask(
        json({"time": 1}, headers={"x-used": "0.25"}), lambda api: api.get(OPEN, Time), recorder=recorder
    )
    assert recorder.used == [0.25]


async def test_an_endpoint_that_is_not_declared_is_never_called() -> None:
    with pytest.raises(ValueError, match="does not declare POST /order"):
        await ask(json({}), lambda api: api.request(UNDECLARED))


async def test_a_redirect_is_not_followed() -> None:
    """A signed query must not reach another host."""
    redirect = web.Response(status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    with pytest.raises(VenueError, match="toy GET /open: HTTP 302") as caught:
        await ask(lambda _: redirect, lambda api: api.get(OPEN, Time))
    assert caught.value.reason == "exchange"


async def test_a_slow_answer_is_a_timeout() -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    recorder = Recorder()
    with pytest.raises(VenueError, match=r"no complete answer within 0\.05 s") as caught:
        await ask(handler, lambda api: api.get(OPEN, Time), recorder=recorder, timeout=0.05)
    assert caught.value.reason == "timeout"
    assert recorder.requests == [("toy", "/open", "timeout")]


async def test_a_request_that_nobody_waits_for_any_more_is_no_timeout() -> None:
    """One of several at once fails: the venue did not time out on the others."""
    asked = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        if request.path == "/open":
            await asked.wait()
            return web.json_response({}, status=500)
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    recorder = Recorder()
    with pytest.raises(VenueError, match="HTTP 500"):
        await ask(
            handler, lambda api: together(api.get(OPEN, Time), api.get(SIGNED, Time)), recorder=recorder
        )
    assert sorted(recorder.requests) == [("toy", "/open", "500"), ("toy", "/signed", "cancelled")]


async def test_an_answer_beyond_all_measure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.api.MAX_BODY_BYTES", 100)
    with pytest.raises(VenueError, match="larger than 100 bytes"):
        await ask(json("x" * 200), lambda api: api.get(OPEN, Time))


class TestNetworkErrors:
    KEY = aiohttp.client_reqrep.ConnectionKey("host", 443, True, True, None, None, None)

    @pytest.mark.parametrize(
        ("failure", "text"),
        [
            (
                aiohttp.ClientConnectorError(KEY, OSError(111, "Connection refused")),
                "no connection: Connection refused",
            ),
            (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "x")), "the host name does not resolve"),
            (
                aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("x")),
                "certificate is not valid",
            ),
            (aiohttp.ClientProxyConnectionError(KEY, OSError(111, "x")), "no connection to the proxy"),
            (aiohttp.ServerDisconnectedError(), "the server closed the connection"),
            (aiohttp.ClientPayloadError(SECRET), "the answer broke off"),
            (aiohttp.InvalidURL(f"http://{SECRET}"), "the request failed: InvalidUrl"),
            (aiohttp.ClientOSError(104, "Connection reset by peer"), "Connection reset by peer"),
            (aiohttp.ClientError(SECRET), "the request failed: ClientError"),
        ],
    )
    async def test_each_has_words_of_its_own(self, failure: Exception, text: str) -> None:
        recorder = Recorder()
        async with Client(recorder, clock=FakeClock()) as client:
            api = client.account(toy("http://venue.example"))
            with aioresponses() as mocked:
                url = f"http://venue.example/signed?timestamp=1000000&signature={SECRET}%2B"
                # Encoded already, so that aioresponses does not do it again.
                mocked.get(URL(url, encoded=True), exception=failure)
                with pytest.raises(VenueError) as caught:
                    await api.get(SIGNED, Time)
        assert caught.value.reason == "network"
        assert text.lower() in str(caught.value).lower()
        assert recorder.requests == [("toy", "/signed", "network")]
        # Neither the text nor anything a traceback prints leads to the signed URL.
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


class TestClock:
    async def test_the_offset_is_measured_after_a_clock_error_and_used(self) -> None:
        recorder, stamps = Recorder(), []

        def handler(request: web.Request) -> web.Response:
            if request.path == "/open":
                return web.json_response({"time": 1060.5})
            stamps.append(request.query["timestamp"])
            return web.json_response({"time": 1}, status=400 if len(stamps) == 1 else 200)

        await ask(handler, lambda api: api.get(SIGNED, Time), recorder=recorder)
        assert stamps == ["1000000", "1060500"]
        assert recorder.offsets == [60.5]

    async def test_the_offset_is_measured_again_when_our_clock_was_set_back(self) -> None:
        clock, venue_time = FakeClock(5000.0), 5000.0

        def handler(request: web.Request) -> web.Response:
            if request.path == "/open":
                return web.json_response({"time": venue_time})
            fits = abs(int(request.query["timestamp"]) / 1000 - venue_time) < 5.0
            return web.json_response({"time": venue_time}, status=200 if fits else 400)

        async def question(api: Api) -> None:
            await api.synchronise_clock()
            await api.get(SIGNED, Time)
            clock.now -= 3600.0
            await api.get(SIGNED, Time)

        recorder = Recorder()
        await ask(handler, question, clock=clock, recorder=recorder)
        assert recorder.offsets == [0.0, 3600.0]

    async def test_it_is_tried_once_only(self) -> None:
        count = 0

        def handler(request: web.Request) -> web.Response:
            nonlocal count
            if request.path == "/open":
                return web.json_response({"time": 1000})
            count += 1
            return web.json_response({}, status=400)

        with pytest.raises(VenueError, match="the timestamp is off"):
            await ask(handler, lambda api: api.get(SIGNED, Time))
        assert count == 2


class TestBudget:
    async def test_a_refusal_closes_it_until_the_venue_says(self) -> None:
        clock, recorder, count = FakeClock(), Recorder(), 0

        def handler(_: web.Request) -> web.Response:
            nonlocal count
            count += 1
            return web.json_response(
                {"time": 1}, status=429 if count == 1 else 200, headers={"Retry-After": "30"}
            )

        async def question(api: Api) -> None:
            with pytest.raises(VenueError, match=r"too many requests$") as first:
                await api.get(OPEN, Time)
            assert first.value.blocked_until == 1030.0
            clock.now = 1029.0
            with pytest.raises(VenueError, match="no request is sent for another 1 s") as second:
                await api.get(OPEN, Time)
            assert second.value.reason == "rate_limited"
            assert count == 1
            clock.now = 1030.0
            await api.get(OPEN, Time)

        await ask(handler, question, clock=clock, recorder=recorder)
        assert recorder.blocked == [1030.0]

    def test_a_shorter_refusal_does_not_open_it_earlier(self) -> None:
        budget = Budget()
        budget.close(VenueError("banned", "long"), 2000.0)
        budget.close(VenueError("rate_limited", "short"), 1500.0)
        with pytest.raises(VenueError, match="long"):
            budget.check(1600.0)

    def test_it_does_not_stay_closed_longer_because_the_clock_was_set_back(self) -> None:
        budget = Budget()
        budget.check(5000.0)
        budget.close(VenueError("rate_limited", "short"), 5010.0)
        with pytest.raises(VenueError, match="for another 10 s"):
            budget.check(1400.0)
        budget.check(1410.0)

    async def test_a_slash_after_the_venues_own_host_does_not_make_it_another_address(self) -> None:
        class Hosted(Toy):
            base_url = "https://api.example.com"  # type: ignore[assignment]  # the toy has none

        async with Client(Recorder(), clock=FakeClock()) as client:
            config = {"name": "desk", "exchange": "toy", "api_key": "k", "api_secret": SECRET}
            written = {**config, "base_url": "https://api.example.com/"}
            client.account(Hosted(ApiKeyConfig.model_validate(config)))
            client.budget(("toy", "production", None)).close(VenueError("banned", "out"), 2000.0)
            with pytest.raises(VenueError, match="out"):
                await client.account(Hosted(ApiKeyConfig.model_validate(written))).get(OPEN, Time)


class TestSharedAnswers:
    async def test_many_who_ask_at_once_cause_one_request(self) -> None:
        shared, calls, gate = SharedAnswers(FakeClock()), 0, asyncio.Event()

        async def fetch() -> int:
            nonlocal calls
            calls += 1
            await gate.wait()
            return 7

        waiting = [asyncio.ensure_future(shared.get("key", 10, fetch)) for _ in range(20)]
        for _ in range(3):
            await asyncio.sleep(0)
        gate.set()
        assert await asyncio.gather(*waiting) == [7] * 20
        assert calls == 1

    async def test_an_answer_is_used_until_it_is_too_old(self) -> None:
        clock = FakeClock()
        shared, calls = SharedAnswers(clock), 0

        async def fetch() -> int:
            nonlocal calls
            calls += 1
            return calls

        assert await shared.get("key", 10, fetch) == 1
        clock.now += 9.9
        assert await shared.get("key", 10, fetch) == 1
        clock.now += 0.1
        assert await shared.get("key", 10, fetch) == 2

    async def test_an_answer_of_an_unknown_age_is_not_used_after_the_clock_was_set_back(self) -> None:
        clock = FakeClock()
        shared, calls = SharedAnswers(clock), 0

        async def fetch() -> int:
            nonlocal calls
            calls += 1
            return calls

        assert await shared.get("key", 10, fetch) == 1
        clock.now -= 3600.0
        assert await shared.get("key", 10, fetch) == 2
        assert await shared.get("key", 10, fetch) == 2

    async def test_a_failure_is_not_kept(self) -> None:
        shared = SharedAnswers(FakeClock())
        outcomes: list[VenueError | int] = [VenueError("network", "gone"), 5]

        async def fetch() -> int:
            outcome = outcomes.pop(0)
            if isinstance(outcome, VenueError):
                raise outcome
            return outcome

        with pytest.raises(VenueError, match="gone"):
            await shared.get("key", 10, fetch)
        assert await shared.get("key", 10, fetch) == 5

    async def test_one_who_gives_up_does_not_take_it_from_the_others(self) -> None:
        shared, gate = SharedAnswers(FakeClock()), asyncio.Event()

        async def fetch() -> int:
            await gate.wait()
            return 7

        first = asyncio.ensure_future(shared.get("key", 10, fetch))
        second = asyncio.ensure_future(shared.get("key", 10, fetch))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        gate.set()
        assert await second == 7
        assert first.cancelled()


async def test_an_old_answer_serves_through_a_failure_for_its_grace() -> None:
    clock, recorder, works = FakeClock(), Recorder(), True

    def handler(_: web.Request) -> web.Response:
        return web.json_response({"time": 5} if works else {}, status=200 if works else 500)

    async def question(api: Api) -> None:
        nonlocal works

        async def cached() -> Time:
            return await api.venue_cached("time", 10, lambda: api.get(OPEN, Time), grace=5)

        assert (await cached()).time == 5
        works = False
        clock.now += 14.9
        assert (await cached()).time == 5
        assert [error.reason for error in recorder.optional] == ["exchange"]
        clock.now += 0.1
        with pytest.raises(VenueError, match="HTTP 500"):
            await cached()

    await ask(handler, question, clock=clock, recorder=recorder)


async def test_an_optional_request_that_fails_is_reported_and_missing() -> None:
    recorder = Recorder()
    result = await ask(json({}, status=500), lambda api: api.optional(api.get(OPEN, Time)), recorder=recorder)
    assert result is None
    assert [error.reason for error in recorder.optional] == ["exchange"]


async def test_the_first_failure_cancels_the_rest() -> None:
    cancelled = False

    async def fails() -> int:
        raise VenueError("auth", "refused")

    async def hangs() -> int:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise
        return 1

    with pytest.raises(VenueError, match="refused"):
        await together(hangs(), fails())
    assert cancelled


async def test_a_venue_without_a_host_needs_a_base_url() -> None:
    async with Client(Recorder()) as client:
        config = ApiKeyConfig.model_validate(
            {"name": "desk", "exchange": "toy", "api_key": "k", "api_secret": "s"}
        )
        with pytest.raises(ValueError, match="`base_url` is required for toy"):
            client.account(Toy(config))
