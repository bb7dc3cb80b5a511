"""The web server: the metrics page, a landing page, and health checks."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import jinja2
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from msgspec import Struct

from exporter import __version__
from exporter.collector import AccountStatus
from exporter.exposition import Format, Store
from exporter.negotiation import accepts_gzip, negotiate

try:
    from isal import igzip
except ImportError:  # optional: the standard library does the same, slower
    igzip = None  # type: ignore[assignment]

DEFAULT_TELEMETRY_PATH = "/metrics"
MIN_COMPRESSED_BYTES = 1024
"""Shorter pages fit in one packet as they are."""
SHUTDOWN_SECONDS = 1.0
"""What open connections have to finish when the server stops."""

log = structlog.get_logger(__name__)


class Address(Struct, frozen=True):
    """Where to listen; `host` None is every address of the machine."""

    host: str | None
    port: int

    def __str__(self) -> str:
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class ListenError(OSError):
    """The server cannot be started as it was asked to. The text is for the user and names the cause."""


_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.]+)?)\]|(?P<host>[^\s:\[\]/]*)):(?P<port>\d{1,5})"
)


def listen_addresses(texts: Iterable[str]) -> tuple[Address, ...]:
    """Addresses as they are written in a flag: ``127.0.0.1:10217``, ``[::1]:10217``, ``:10217``.

    Raises:
        ListenError: if an address is malformed or repeated, or there is none.
    """
    found: dict[Address, None] = {}
    for text in texts:
        match = _ADDRESS.fullmatch(text.strip())
        if match is None or int(match["port"]) > 65535:
            raise ListenError(
                f"{text!r} is not an address to listen on: expected host:port, [ipv6]:port or :port, "
                "with a port from 0 to 65535"
            )
        address = Address(match["ipv6"] or match["host"] or None, int(match["port"]))
        if address in found and address.port:
            raise ListenError(f"{text!r} is given twice")
        found[address] = None
    if not found:
        raise ListenError("no address to listen on")
    return tuple(found)


def compress(page: bytes) -> bytes:
    """The page as gzip."""
    if igzip is not None:
        return igzip.compress(page, 2, mtime=0)
    return gzip.compress(page, 5, mtime=0)


def _build(store: Store, format_: Format, *, compressed: bool) -> tuple[bytes, bool]:
    page = store.page(format_)
    if compressed and len(page) >= MIN_COMPRESSED_BYTES:
        return compress(page), True
    return page, False


_HEADERS = {
    "Server": "risk-exporter",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


@web.middleware
async def _without_traceback(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A defect is for the log: with asyncio's debug mode on, aiohttp sends its traceback to the caller."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("page failed", path=request.path)
        return web.Response(status=500, text="500: Internal Server Error")


class _ClientMistakes(logging.Filter):
    """Leaves out that a client does not speak HTTP: anybody could fill the log with that."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


_client_mistakes = _ClientMistakes()


async def _set_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def create_app(
    store: Store,
    accounts: Callable[[], Sequence[AccountStatus]],
    ready: Callable[[], bool],
    *,
    telemetry_path: str = DEFAULT_TELEMETRY_PATH,
) -> web.Application:
    """The web application.

    Args:
        store: Where the metrics page comes from.
        accounts: How every account stands now.
        ready: Whether every account has finished its first attempt.
        telemetry_path: Path of the metrics page.

    Raises:
        ListenError: if `telemetry_path` cannot be used.
    """
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]+", telemetry_path) or telemetry_path.startswith("/-/"):
        raise ListenError(
            f"{telemetry_path!r} is not a path for the metrics page: expected one such as /metrics, "
            "not / and not below /-/"
        )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("exporter"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    landing_page = environment.get_template("index.html")

    async def metrics(request: web.Request) -> web.Response:
        format_, content_type = negotiate(",".join(request.headers.getall("Accept", ())))
        compressed = accepts_gzip(",".join(request.headers.getall("Accept-Encoding", ())))
        # In a thread: a large page would hold up the collections.
        body, compressed = await asyncio.to_thread(_build, store, format_, compressed=compressed)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if compressed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    async def index(_request: web.Request) -> web.Response:
        text = landing_page.render(
            version=__version__, telemetry_path=telemetry_path, accounts=accounts(), ready=ready()
        )
        return web.Response(text=text, content_type="text/html")

    async def healthy(_request: web.Request) -> web.Response:
        return web.Response(text="risk-exporter is healthy.\n")

    async def readiness(_request: web.Request) -> web.Response:
        if ready():
            return web.Response(text="risk-exporter is ready.\n")
        return web.Response(status=503, text="Not every account has finished its first attempt.\n")

    app = web.Application(middlewares=[_without_traceback])
    app.on_response_prepare.append(_set_headers)
    app.router.add_get("/", index)
    app.router.add_get(telemetry_path, metrics)
    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", readiness)
    return app


@asynccontextmanager
async def serve(app: web.Application, addresses: Sequence[Address]) -> AsyncIterator[tuple[Address, ...]]:
    """Serves on all addresses as long as the context lasts, and yields those that were bound.

    Port 0 takes a free one.

    Raises:
        ListenError: if one cannot be listened on; then none is.
    """
    logging.getLogger("aiohttp.server").addFilter(_client_mistakes)
    # No access log: it would hold the addresses of callers.
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        for address in addresses:
            try:
                await web.TCPSite(runner, address.host, address.port).start()
            except OSError as error:
                cause = error.strerror or type(error).__name__
                raise ListenError(f"cannot listen on {address}: {cause}") from None
        yield tuple(Address(*_host_and_port(bound)) for bound in runner.addresses)
    finally:
        await runner.cleanup()


def _host_and_port(bound: Any) -> tuple[str, int]:
    return bound[0], bound[1]
