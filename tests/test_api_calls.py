"""What a request can be made of, and who is silent for whose limit."""

from __future__ import annotations

import pytest
from aiohttp import web

from exporter.api import Api, Client
from exporter.errors import Scope, VenueError
from exporter.request import Endpoint, Params, Response
from exporter.venues.base import http_error
from tests.toy import (
    COIN,
    INFO,
    OPEN_PAGES,
    SIGNED,
    Ask,
    FakeClock,
    Recorder,
    Time,
    Toy,
    ask,
    json,
    toy,
)
from tests.venues.harness import VenueServer


class TestForms:
    """What a request can be made of, and what an answer can come in."""

    async def test_a_path_is_filled_in_and_counted_as_its_template(self) -> None:
        recorder, paths = Recorder(), []

        def handler(request: web.Request) -> web.Response:
            paths.append(request.raw_path)
            return web.json_response({"time": 1})

        async def question(api: Api) -> Time:
            return await api.get(COIN, Time, path={"coin": "a/b"})

        await ask(handler, question, recorder=recorder, route="/coins/a/b/time")
        assert paths == ["/coins/a%2Fb/time"]
        assert recorder.requests == [("toy", "/coins/{coin}/time", "200")]

    @pytest.mark.parametrize("path", [{}, {"coin": "usdt", "other": "x"}, {"coins": "usdt"}])
    async def test_a_template_needs_its_fields_and_no_others(self, path: dict[str, str]) -> None:
        async def question(api: Api) -> Time:
            return await api.get(COIN, Time, path=path)

        with pytest.raises(ValueError, match=r"/coins/\{coin\}/time takes"):
            await ask(json({"time": 1}), question)

    async def test_a_document_is_sent_as_json_and_named_after_what_it_asks(self) -> None:
        recorder, bodies = Recorder(), []

        async def handler(request: web.Request) -> web.Response:
            bodies.append(await request.json())
            return web.json_response({"time": 7})

        async def question(api: Api) -> Time:
            return await api.get(INFO, Time, document={"type": "clock"})

        assert (await ask(handler, question, recorder=recorder, route="/info")).time == 7
        assert bodies == [{"type": "clock"}]
        assert recorder.requests == [("toy", "/info clock", "200")]

    async def test_all_pages_are_read_and_a_list_that_never_ends_is_an_error(self) -> None:
        def handler(request: web.Request) -> web.Response:
            return web.json_response({"time": int(request.query.get("cursor", "0"))})

        def until(last: int) -> Ask:
            def following(page: Time) -> Params | None:
                return (("cursor", f"{page.time + 1:g}"),) if page.time < last else None

            return lambda api: api.get_pages(OPEN_PAGES, Time, (), following)

        found = await ask(handler, until(3), route="/pages")
        assert [page.time for page in found] == [0, 1, 2, 3]
        with pytest.raises(VenueError, match="the pages do not end") as caught:
            await ask(handler, until(10_000), route="/pages")
        assert caught.value.reason == "schema"

    async def test_a_cursor_that_comes_twice_is_no_next_page(self) -> None:
        def again(_: Time) -> Params | None:
            return (("cursor", "same"),)

        with pytest.raises(VenueError, match="the pages do not end"):
            await ask(
                json({"time": 1}), lambda api: api.get_pages(OPEN_PAGES, Time, (), again), route="/pages"
            )


class TestLimits:
    """Who is silent for whose limit."""

    @pytest.mark.parametrize(("scope", "others_silent"), [("address", True), ("account", False)])
    async def test_a_limit_of_one_account_does_not_silence_another(
        self, scope: Scope, others_silent: bool
    ) -> None:
        class Limited(Toy):
            def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:
                assert endpoint is SIGNED
                if response.status == 429:
                    return VenueError("rate_limited", "too often", blocked_until=1010.0, scope=scope)
                return http_error(response)

        recorder, clock = Recorder(), FakeClock()
        async with (
            VenueServer({"/signed": json({}, status=429)}) as server,
            Client(recorder, wall=clock) as client,
        ):
            first, second = (
                client.account(Limited(toy(server.base_url, name=name).config)) for name in ("a", "b")
            )
            for api, sent in ((first, 1), (first, 1), (second, 1 if others_silent else 2)):
                with pytest.raises(VenueError):
                    await api.get(SIGNED, Time)
                assert len(server.requests) == sent
            clock.now += 10.0
            with pytest.raises(VenueError):
                await first.get(SIGNED, Time)
            assert len(server.requests) == sent + 1
        assert bool(recorder.blocked) == others_silent
