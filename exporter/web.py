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
        ListenError: if one is none or stands twice, or there is none.
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


class _Range(Struct, frozen=True):
    """One entry of an Accept header."""

    type_: str
    parameters: dict[str, str]
    quality: float


_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
_PARTS = re.compile(r'((?:[^",;]|"(?:[^"\\]|\\.)*")*)([,;]|$)')


def _accepted(header: str) -> list[_Range]:
    """The entries of an Accept or Accept-Encoding header; malformed ones are left out (RFC 9110, 12.5)."""
    entries: list[list[str]] = [[]]
    for match in _PARTS.finditer(header):
        entries[-1].append(match[1].strip())
        if match[2] == ",":
            entries.append([])
        elif not match[2]:
            break
    found = []
    for name, *rest in entries:
        parameters: dict[str, str] = {}
        for part in rest:
            key, _, value = part.partition("=")
            parameters[key.strip().lower()] = value.strip().strip('"')
        quality = parameters.pop("q", "1")
        if name and _QUALITY.fullmatch(quality):
            found.append(_Range(name.lower(), parameters, float(quality)))
    return found


# In order of preference where a client likes several equally: the oldest is what everything understands.
_FORMATS = (
    (Format.TEXT_0_0_4, "text/plain", "0.0.4"),
    (Format.OPENMETRICS_1_0_0, "application/openmetrics-text", "1.0.0"),
    (Format.TEXT_1_0_0, "text/plain", "1.0.0"),
)
# Under these schemes the names published here stand as they are.
_ESCAPINGS = ("allow-utf-8", "underscores", "values")


def negotiate(accept: str) -> tuple[Format, str]:
    """The format to answer an Accept header in, and its Content-Type.

    The most specific entry decides about each format; then the highest q-value wins, then the more
    specific entry, then the earlier one. Where nothing is accepted the answer is text 0.0.4, as from every
    Prometheus exporter.
    """
    ranges = _accepted(accept)
    best: tuple[tuple[float, int, int], Format, _Range] | None = None
    for format_, type_, version in _FORMATS:
        decisive: tuple[int, int, _Range] | None = None
        for place, range_ in enumerate(ranges):
            specificity = _specificity(range_, type_, version)
            if specificity and (decisive is None or specificity > decisive[0]):
                decisive = (specificity, -place, range_)
        if decisive is not None and decisive[2].quality > 0:
            score = (decisive[2].quality, decisive[0], decisive[1])
            if best is None or score > best[0]:
                best = (score, format_, decisive[2])
    if best is None:
        return Format.TEXT_0_0_4, Format.TEXT_0_0_4.value
    _, chosen, range_ = best
    content_type = chosen.value
    escaping = range_.parameters.get("escaping")
    if escaping is not None and chosen is not Format.TEXT_0_0_4:
        content_type += f"; escaping={escaping if escaping in _ESCAPINGS else 'underscores'}"
    return chosen, content_type


def _specificity(range_: _Range, type_: str, version: str) -> int:
    """How closely an entry describes a format; 0 if it does not mean it at all."""
    if range_.type_ == type_:
        wanted = range_.parameters.get("version")
        return 3 if wanted is None else 4 if wanted == version else 0
    if range_.type_ == type_.partition("/")[0] + "/*":
        return 2
    return 1 if range_.type_ == "*/*" else 0


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip at least as gladly as the page as it is."""
    qualities = {range_.type_: range_.quality for range_ in _accepted(accept_encoding)}
    wanted = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return wanted > 0 and wanted >= qualities.get("identity", 0.0)


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
