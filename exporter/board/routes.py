"""The risk page on the web server: who asks for what, and that it slows nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from aiohttp import web

from exporter import clock
from exporter.board import answers, page
from exporter.board.overview import Filters, Overview, overview
from exporter.board.page import RENEW_SECONDS, STATES, Shown
from exporter.board.standing import Standing
from exporter.clock import Elapsed, Wall
from exporter.connection import Connection
from exporter.negotiation import accepts_gzip
from exporter.pages import Pages, packed
from exporter.server import send

PATHS = ("/static/", "/accounts/", "/api/")
"""Below these nothing else can be."""

MOST_TEXT = 64
"""Characters of a search."""
A_YEAR = "max-age=31536000, immutable"
LONGEST_RENEWAL = 3600
MOST_DIGITS = 6
SHARE_OF_TIME = 0.25
"""The most of the time in which pages are built here: scrapes and collections need the interpreter, too."""

HTML = "text/html; charset=utf-8"
JSON = "application/json"


async def asset(request: web.Request) -> web.StreamResponse:
    """A file of the pages. Its URL changes with it, so that a browser may keep it."""
    found = page.assets().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    return await send(request, found.body, {"Content-Type": found.content_type, "Cache-Control": A_YEAR})


class Board:
    """Serves the risk page, the pages of the accounts, and both as JSON.

    Args:
        standings: Every account, in the order of the configuration; called in another thread, too.
        telemetry_path: Where the metrics are.
        shard: Which of several exporters this one is; empty if it is the only one.
        wall: Unix seconds.
        elapsed: Seconds; the clock of the standings.
    """

    def __init__(
        self,
        standings: Callable[[], Sequence[Standing]],
        telemetry_path: str,
        *,
        shard: str = "",
        wall: Wall = clock.wall,
        elapsed: Elapsed = clock.elapsed,
    ) -> None:
        self._standings = standings
        self._telemetry_path = telemetry_path
        self._shard = shard
        self._wall = wall
        self._elapsed = elapsed
        # A thread of its own: a scrape does not wait until pages for people are built.
        self._pages = Pages(share_of_time=SHARE_OF_TIME)

    def add_to(self, app: web.Application) -> None:
        """Takes its places in the application."""
        app.router.add_get("/", self.risk_page)
        app.router.add_get("/accounts/{exchange}/{account}", self.account_page)
        app.router.add_get("/api/v1/accounts", self.accounts)
        app.router.add_get("/api/v1/accounts/{exchange}/{account}", self.account)
        app.router.add_get("/api/v1/schema", self.schema)
        app.on_cleanup.append(self._end)

    async def _end(self, _app: web.Application) -> None:
        self._pages.close()

    async def risk_page(self, request: web.Request) -> web.StreamResponse:
        """All accounts, for people."""
        filters, renew = _filters(request.query), _renew(request.query)
        return await self._sent(
            request,
            HTML,
            (filters, renew),
            lambda: page.risk_page(self._overview(filters), self._shown(renew)),
        )

    async def account_page(self, request: web.Request) -> web.StreamResponse:
        """One account, for people."""
        standing, renew = self._standing(request), _renew(request.query)
        return await self._sent(
            request,
            HTML,
            (standing, renew),
            lambda: page.account_page(standing, self._elapsed(), self._shown(renew)),
        )

    async def accounts(self, request: web.Request) -> web.StreamResponse:
        """All accounts, for programs."""
        filters = _filters(request.query)
        most = _number(request.query, "limit", None)
        return await self._sent(
            request,
            JSON,
            (filters, most),
            lambda: answers.accounts(
                self._overview(filters, accounts=most, positions=0), self._wall(), self._shard
            ),
        )

    async def account(self, request: web.Request) -> web.StreamResponse:
        """One account, for programs."""
        standing = self._standing(request)
        return await self._sent(
            request, JSON, standing, lambda: answers.one_account(standing, self._elapsed(), self._wall())
        )

    async def schema(self, request: web.Request) -> web.StreamResponse:
        """Of what programs get."""
        return await self._sent(request, JSON, "schema", answers.schema_text)

    def _overview(self, filters: Filters, **most: int | None) -> Overview:
        return overview(self._standings(), self._elapsed(), filters, **most)  # type: ignore[arg-type]

    def _shown(self, renew: int) -> Shown:
        return Shown(telemetry_path=self._telemetry_path, shard=self._shard, at=self._wall(), renew=renew)

    def _standing(self, request: web.Request) -> Standing:
        asked = request.match_info["exchange"], request.match_info["account"]
        for standing in self._standings():
            if (standing.exchange, standing.account) == asked:
                return standing
        raise web.HTTPNotFound(text="404: no such account is configured\n")

    async def _sent(
        self, request: web.Request, content_type: str, what: object, build: Callable[[], bytes]
    ) -> web.StreamResponse:
        gzipped = accepts_gzip(",".join(request.headers.getall("Accept-Encoding", ())))
        made = await self._pages.get((content_type, what, gzipped), lambda: packed(build(), gzipped=gzipped))
        headers = {"Content-Type": content_type, "Vary": "Accept-Encoding"}
        if made.compressed:
            headers["Content-Encoding"] = "gzip"
        with self._pages.reading(made, cast("Connection", request.protocol).abort):
            return await send(request, made.body, headers)


def _filters(query: Mapping[str, str]) -> Filters:
    """What a page is asked for; refused where it makes no sense.

    Raises:
        web.HTTPBadRequest: a state that does not exist would show nothing, as if all were well.
    """
    state = query.get("state", "")
    if state and state not in STATES:
        raise web.HTTPBadRequest(text=f"400: `state` is one of {', '.join(STATES)}\n")
    return Filters(
        text=query.get("q", "")[:MOST_TEXT].strip().lower(),
        exchange=query.get("exchange", "")[:MOST_TEXT],
        owner=query.get("owner", "")[:MOST_TEXT],
        state=state,
    )


def _renew(query: Mapping[str, str]) -> int:
    """Seconds until a browser without JavaScript loads the page again; 0 is never."""
    return min(_number(query, "renew", RENEW_SECONDS) or 0, LONGEST_RENEWAL)


def _number(query: Mapping[str, str], name: str, default: int | None) -> int | None:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise web.HTTPBadRequest(text=f"400: `{name}` is a whole number\n")
    return int(text)
