"""The HTTP client: what it sends, what it counts, and what its errors say."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest
from aiohttp import web
from aioresponses import aioresponses
from yarl import URL

from exporter.account import ApiKeyConfig
from exporter.api import Api, Client
from exporter.errors import VenueError
from exporter.tasks import together
from tests.toy import (
    OPEN,
    SECRET,
    SIGNED,
    UNDECLARED,
    FakeClock,
    Recorder,
    Time,
    Toy,
    ask,
    json,
    toy,
)


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


@pytest.mark.paced
async def test_the_used_share_of_the_budget_is_reported() -> None:
    recorder = Recorder()
    await ask(
        json({"time": 1}, headers={"x-used": "1500"}), lambda api: api.get(OPEN, Time), recorder=recorder
    )
    assert recorder.used == [0.25]


@pytest.mark.paced
@pytest.mark.parametrize("count", ["9" * 400, "1e12", "-5", "nan"])
async def test_a_count_beyond_reason_keeps_nobody_waiting(count: str) -> None:
    """One such header held back everybody until the venue's minute had ended."""
    recorder = Recorder()

    async def twice(api: Api) -> None:
        for _ in range(2):
            await api.get(OPEN, Time)

    async with asyncio.timeout(5.0):
        await ask(json({"time": 1}, headers={"x-used": count}), twice, recorder=recorder)
    assert recorder.used == []


@pytest.mark.paced
async def test_nobody_waits_for_room_in_a_limit_that_is_closed() -> None:
    """The venue said that its limit is used up, and in the same answer that it wants no request."""

    async def twice(api: Api) -> None:
        for _ in range(2):
            with pytest.raises(VenueError, match="429"):
                await api.get(OPEN, Time)

    async with asyncio.timeout(5.0):
        await ask(json({}, status=429, headers={"x-used": "6000", "Retry-After": "50"}), twice)


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
    monkeypatch.setattr("exporter.inflate.MAX_BODY_BYTES", 100)
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
        async with Client(recorder, wall=FakeClock()) as client:
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

    async def test_a_slash_after_the_venues_own_host_does_not_make_it_another_address(self) -> None:
        class Hosted(Toy):
            base_url = "https://api.example.com"  # type: ignore[assignment]  # the toy has none

        async with Client(Recorder(), wall=FakeClock()) as client:
            config = {"name": "desk", "exchange": "toy", "api_key": "k", "api_secret": SECRET}
            written = {**config, "base_url": "https://api.example.com/"}
            client.account(Hosted(ApiKeyConfig.model_validate(config)))
            client.budget(("toy", "production", None)).close(VenueError("banned", "out"), 2000.0, 1000.0)
            with pytest.raises(VenueError, match="out"):
                await client.account(Hosted(ApiKeyConfig.model_validate(written))).get(OPEN, Time)


async def test_a_venue_without_a_host_needs_a_base_url() -> None:
    async with Client(Recorder()) as client:
        config = ApiKeyConfig.model_validate(
            {"name": "desk", "exchange": "toy", "api_key": "k", "api_secret": "s"}
        )
        with pytest.raises(ValueError, match="`base_url` is required for toy"):
            client.account(Toy(config))
