"""What the web server shows: the metrics, the risk page or a plain one in its place, and health checks."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from exporter.addresses import ListenError
from exporter.board import routes
from exporter.board.page import landing_page
from exporter.board.routes import HTML, Board
from exporter.board.standing import Standing
from exporter.collector import AccountStatus
from exporter.connection import Connection
from exporter.defaults import TELEMETRY_PATH
from exporter.exposition import Store
from exporter.hosts import Hosts
from exporter.locks.door import Door
from exporter.negotiation import accepts_gzip, negotiate
from exporter.pages import Page, Pages, packed
from exporter.printable import visible
from exporter.seldom import Seldom
from exporter.server import guard, send

log = structlog.get_logger(__name__)
_seldom = Seldom()


@web.middleware
async def _without_traceback(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A defect is for the log: with asyncio's debug mode on, aiohttp sends its traceback to the caller."""
    try:
        return await handler(request)
    except (web.HTTPException, ConnectionError):  # the latter: the reader has gone
        raise
    except Exception:  # noqa: BLE001 (logged below, through a name that the rule does not know)
        _seldom.tell(log.exception, "page failed", key=request.path, path=request.path)
        return web.Response(status=500, text="500: Internal Server Error")


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    kept = response.headers.get("Cache-Control")
    response.headers.update(cast("Connection", request.protocol).headers)
    if kept is not None:
        response.headers["Cache-Control"] = kept


def create_app(
    store: Store,
    accounts: Callable[[], Sequence[AccountStatus]],
    ready: Callable[[], bool],
    *,
    standings: Callable[[], Sequence[Standing]] | None = None,
    shard: str = "",
    telemetry_path: str = TELEMETRY_PATH,
    hosts: Hosts | None = None,
    door: Door | None = None,
    reload: Callable[[], Awaitable[Sequence[str]]] | None = None,
) -> web.Application:
    """The web application.

    Args:
        store: Where the metrics page comes from.
        accounts: How every account stands now; called in another thread, as `ready` is.
        ready: Whether every account has finished its first attempt.
        standings: What the risk page shows, called like `accounts`; None where there is none, only a plain
            landing page.
        shard: Which of several exporters this one is, as the risk page says it; empty if it is the only one.
        telemetry_path: Path of the metrics page.
        hosts: The names that are answered.
        door: What callers come in by; by default one without a lock.
        reload: Reads the configuration again and gives the mistakes in it; None where callers may not ask
            for that.

    Raises:
        ListenError: if `telemetry_path` cannot be used.
    """
    taken = ("/-/", *routes.PATHS)
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]+", telemetry_path) or telemetry_path.startswith(taken):
        raise ListenError(
            f"{telemetry_path!r} is not a path for the metrics page: expected one such as /metrics, "
            f"not / and not below {', '.join(taken)}"
        )
    pages = Pages()

    async def metrics(request: web.Request) -> web.StreamResponse:
        format_, content_type = negotiate(",".join(request.headers.getall("Accept", ())))
        gzipped = accepts_gzip(",".join(request.headers.getall("Accept-Encoding", ())))
        page = await pages.get((format_, gzipped), lambda: packed(store.page(format_), gzipped=gzipped))
        return await sent(request, page, content_type)

    async def index(request: web.Request) -> web.StreamResponse:
        page = await pages.get(
            "/", lambda: Page(landing_page(accounts(), ready=ready(), telemetry_path=telemetry_path))
        )
        return await sent(request, page, HTML)

    async def sent(request: web.Request, page: Page, content_type: str) -> web.StreamResponse:
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if page.compressed:
            headers["Content-Encoding"] = "gzip"
        with pages.reading(page, cast("Connection", request.protocol).abort):
            return await send(request, page.body, headers)

    async def healthy(_request: web.Request) -> web.Response:
        return web.Response(text="risk-exporter is healthy.\n")

    async def readiness(_request: web.Request) -> web.Response:
        if ready():
            return web.Response(text="risk-exporter is ready.\n")
        return web.Response(status=503, text="Not every account has finished its first attempt.\n")

    async def reloading(request: web.Request) -> web.Response:
        if reload is None:
            return web.Response(status=403, text="--web.enable-lifecycle is not given.\n")
        # A page in a browser can send this, too; then it says where it is from.
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.headers["Host"]:
            return web.Response(status=403, text="Not for pages from elsewhere.\n")
        problems = await reload()
        if problems:
            return web.Response(
                status=500,
                text="\n".join(["The configuration was not reloaded.", *map(visible, problems), ""]),
            )
        pages.forget()
        return web.Response(text="The configuration was reloaded.\n")

    async def end_pages(_app: web.Application) -> None:
        pages.close()

    app = web.Application(middlewares=[guard(hosts or Hosts(), door or Door()), _without_traceback])
    app.on_cleanup.append(end_pages)
    app.on_response_prepare.append(_set_headers)
    if standings is None:
        app.router.add_get("/", index)
    else:
        Board(standings, telemetry_path, shard=shard).add_to(app)
    app.router.add_get("/static/{name}", routes.asset)
    app.router.add_get(telemetry_path, metrics)
    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", readiness)
    app.router.add_post("/-/reload", reloading)
    return app
