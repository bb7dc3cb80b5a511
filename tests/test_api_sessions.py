"""Session tokens are fetched once, renewed in time, and never seen."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from aiohttp import web

from exporter import logs
from exporter.api import Api, Client
from exporter.errors import VenueError
from exporter.request import Request, SignedRequest
from exporter.session import Session
from exporter.tasks import together
from tests.toy import (
    OPEN,
    SIGNED,
    FakeClock,
    Handler,
    Recorder,
    Time,
    Toy,
    json,
    toy,
)
from tests.venues.harness import VenueServer


class SessionToy(Toy):
    """A venue that gives a token for the credentials, and takes it instead of a signature."""

    opened = 0

    def sign(self, request: Request) -> SignedRequest:
        headers = {"Authorization": request.token} if request.endpoint.signed else {}
        return SignedRequest(headers=headers)

    async def open_session(self, api: Api) -> Session | None:
        self.opened += 1
        token = (await api.get(OPEN, Time)).time
        return Session(f"token-of-a-session-{token:g}", renew_at=api.now() + 60.0)


class TestSessions:
    """Tokens are fetched once, renewed in time and when they are refused, and never seen."""

    @pytest.fixture(autouse=True)
    def _logs(self, restored_logging: None) -> None:
        pass

    async def ask(self, handler: Handler, question: Callable[[SessionToy, Api, FakeClock], Any]) -> Any:
        clock = FakeClock()
        async with (
            VenueServer({"/signed": handler, "/open": handler}) as server,
            Client(Recorder(), wall=clock) as client,
        ):
            venue = SessionToy(toy(server.base_url).config)
            return await question(venue, client.account(venue), clock)

    async def test_one_token_serves_all_requests_until_it_is_time_to_renew_it(self) -> None:
        seen: list[str] = []

        def handler(request: web.Request) -> web.Response:
            if request.path == "/signed":
                seen.append(request.headers["Authorization"])
            return web.json_response({"time": len(seen)})

        async def question(venue: SessionToy, api: Api, clock: FakeClock) -> None:
            await together(*(api.get(SIGNED, Time) for _ in range(5)))
            assert venue.opened == 1
            clock.now += 59.9
            await api.get(SIGNED, Time)
            assert venue.opened == 1
            clock.now += 0.1
            await api.get(SIGNED, Time)
            assert venue.opened == 2

        await self.ask(handler, question)
        assert set(seen) == {"token-of-a-session-0", "token-of-a-session-6"}

    async def test_a_refused_token_is_renewed_once(self) -> None:
        valid = {"token-of-a-session-2"}
        asked: list[str] = []

        def handler(request: web.Request) -> web.Response:
            asked.append(request.path)
            if request.path == "/open":
                return web.json_response({"time": asked.count("/open")})
            return web.json_response(
                {"time": 9}, status=200 if request.headers["Authorization"] in valid else 401
            )

        async def question(venue: SessionToy, api: Api, _: FakeClock) -> None:
            assert (await api.get(SIGNED, Time)).time == 9
            assert asked == ["/open", "/signed", "/open", "/signed"]
            valid.clear()
            with pytest.raises(VenueError) as caught:
                await api.get(SIGNED, Time)
            assert caught.value.reason == "auth"
            assert venue.opened == 3

        await self.ask(handler, question)

    async def test_a_session_that_cannot_be_opened_is_the_failure_of_the_request(self) -> None:
        async def question(_: SessionToy, api: Api, __: FakeClock) -> None:
            with pytest.raises(VenueError, match="toy GET /open: HTTP 401"):
                await api.get(SIGNED, Time)

        await self.ask(json({}, status=401), question)

    async def test_a_token_is_in_no_log_line_and_no_text_of_its_session(self) -> None:
        stream = io.StringIO()
        logs.configure("info", "logfmt", stream)

        async def question(venue: SessionToy, api: Api, clock: FakeClock) -> None:
            await api.get(SIGNED, Time)
            structlog.get_logger("elsewhere").warning("header was token-of-a-session-1, really")
            clock.now += 60.0
            await api.get(SIGNED, Time)
            structlog.get_logger("elsewhere").warning("header was token-of-a-session-1, really")
            assert "token" not in repr(await venue.open_session(api))

        await self.ask(json({"time": 1}), question)
        assert "token-of-a-session" not in stream.getvalue()
