"""The web server over real HTTP: formats, compression, pages, health, and where it listens."""

from __future__ import annotations

import asyncio
import gzip
import importlib.util
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from structlog.testing import capture_logs

from exporter import web
from exporter.collector import AccountStatus
from exporter.exposition import Format, Store, render
from exporter.telemetry import Telemetry
from exporter.web import (
    Address,
    ListenError,
    compress,
    create_app,
    listen_addresses,
    serve,
)
from tests.accounts import complete_risk
from tests.test_negotiation import OPENMETRICS, PROMETHEUS_2, PROMETHEUS_3_TEXT, TEXT, TEXT_1


@pytest.mark.parametrize("installed", [True, False])
def test_a_compressed_page_is_the_page(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    """With the faster library and without it."""
    if not installed:
        monkeypatch.setattr(web, "igzip", None)
    page = b"risk_up 1.0\n" * 1000
    packed = compress(page)
    assert gzip.decompress(packed) == page
    assert len(packed) < len(page) / 10
    assert (vars(web)["igzip"] is not None) is installed


def status(account: str = "desk-a", **fields: object) -> AccountStatus:
    values = {"exchange": "x", "state": "up", "fresh": True, "last_success_age": 4.2, **fields}
    return AccountStatus(account=account, **values)  # type: ignore[arg-type]  # a test's short cut


class Site:
    """What the server shows."""

    def __init__(self) -> None:
        telemetry = Telemetry()
        telemetry.add_account("x", "desk-a", interval=15.0, max_age=45.0)
        self.store = Store(telemetry, elapsed=lambda: 0.0)
        self.store.put("x", "desk-a", render("x", "desk-a", complete_risk()), taken_at=0.0, max_age=1.0)
        self.accounts: list[AccountStatus] = [status()]
        self.ready = True

    @asynccontextmanager
    async def served(self, path: str = "/metrics") -> AsyncIterator[aiohttp.ClientSession]:
        app = create_app(self.store, lambda: self.accounts, lambda: self.ready, telemetry_path=path)
        async with (
            serve(app, [Address("127.0.0.1", 0)]) as (bound,),
            aiohttp.ClientSession(
                f"http://{bound}",
                auto_decompress=False,
                skip_auto_headers=["Accept-Encoding", "Accept", "User-Agent"],
            ) as session,
        ):
            yield session


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, TEXT),
        ({"Accept": PROMETHEUS_2}, OPENMETRICS),
        ({"Accept": PROMETHEUS_3_TEXT}, TEXT_1),
        ({"Accept": "application/openmetrics-text;version=9.9.9"}, TEXT),
    ],
)
async def test_the_page_comes_in_the_negotiated_format(headers: dict[str, str], expected: Format) -> None:
    site = Site()
    async with site.served() as session, session.get("/metrics", headers=headers) as answer:
        body = await answer.read()
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(expected.value)
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert answer.headers["Cache-Control"] == "no-store"
    assert b'risk_account_equity{exchange="x",account="desk-a",' in body
    assert body.endswith(b"# EOF\n") == (expected is OPENMETRICS)


async def test_several_accept_headers_are_one_list() -> None:
    headers = [("Accept", "text/plain;version=0.0.4;q=0.1"), ("Accept", "text/plain;version=1.0.0")]
    async with Site().served() as session, session.get("/metrics", headers=headers) as answer:
        assert answer.headers["Content-Type"].startswith(TEXT_1.value)


async def test_a_large_page_is_compressed_for_who_takes_it() -> None:
    site = Site()
    async with site.served() as session:
        async with session.get("/metrics", headers={"Accept-Encoding": "gzip"}) as answer:
            packed = await answer.read()
        async with session.get("/metrics", headers={"Accept-Encoding": "gzip;q=0"}) as plain:
            page = await plain.read()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) == len(packed) < len(page)
    data = [line for line in page.splitlines() if line.startswith(b"risk_account_")]
    assert data
    assert [
        line for line in gzip.decompress(packed).splitlines() if line.startswith(b"risk_account_")
    ] == data


async def test_a_tiny_page_is_not_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    monkeypatch.setattr(site.store, "page", lambda _format: b"risk_up 1.0\n")
    async with (
        site.served() as session,
        session.get("/metrics", headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        assert await answer.read() == b"risk_up 1.0\n"
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
async def test_head_has_the_headers_of_get_and_no_body(path: str) -> None:
    async with Site().served() as session, session.head(path) as answer:
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) > 0
        assert await answer.read() == b""


async def test_the_path_of_the_page_can_be_another() -> None:
    async with Site().served("/risk/metrics") as session:
        async with session.get("/risk/metrics") as answer:
            assert answer.status == 200
        async with session.get("/metrics") as answer:
            assert answer.status == 404
        async with session.get("/") as answer:
            assert 'href="/risk/metrics"' in await answer.text()


@pytest.mark.parametrize("path", ["/", "metrics", "/-/healthy", "/a b", "/{x}", "", "/met?rics"])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(ListenError, match="is not a path for the metrics page"):
        create_app(Site().store, list, lambda: True, telemetry_path=path)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/unknown", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/..%2f..%2fetc/passwd", 404),
        ("POST", "/metrics", 405),
        ("PUT", "/", 405),
        ("DELETE", "/-/healthy", 405),
    ],
)
async def test_other_paths_and_methods_are_refused(method: str, path: str, expected: int) -> None:
    async with Site().served() as session, session.request(method, path) as answer:
        assert answer.status == expected
        assert answer.headers["Server"] == "risk-exporter"


async def test_health_needs_nothing_but_the_server() -> None:
    site = Site()
    site.ready = False
    async with site.served() as session, session.get("/-/healthy") as answer:
        assert answer.status == 200


async def test_readiness_waits_for_the_first_attempt_of_every_account() -> None:
    site = Site()
    site.ready = False
    async with site.served() as session:
        async with session.get("/-/ready") as answer:
            assert answer.status == 503
        site.ready = True
        async with session.get("/-/ready") as answer:
            assert answer.status == 200


async def test_the_landing_page_links_the_pages_and_shows_how_accounts_stand() -> None:
    site = Site()
    site.accounts = [
        status("desk-a"),
        status("desk-b", state="failing", fresh=False, reason="auth", message="the key was refused"),
        status("desk-c", state="starting", fresh=False, last_success_age=None),
    ]
    async with site.served() as session, session.get("/") as answer:
        text = await answer.text()
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for link in ("/metrics", "/-/healthy", "/-/ready"):
        assert f'href="{link}"' in text
    for shown in ("desk-a", "desk-b", "desk-c", "4 s ago", "never", "auth: the key was refused"):
        assert shown in text


async def test_the_landing_page_escapes_what_a_venue_said() -> None:
    site = Site()
    site.accounts = [status(state="failing", reason="exchange", message="<script>alert(1)</script> & more")]
    async with site.served() as session, session.get("/") as answer:
        text = await answer.text()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text


async def test_the_landing_page_says_so_when_no_account_is_there() -> None:
    site = Site()
    site.accounts = []
    async with site.served() as session, session.get("/") as answer:
        assert "No account is configured." in await answer.text()


async def test_no_answer_names_the_software_below() -> None:
    async with Site().served() as session, session.get("/metrics") as answer:
        assert answer.headers["Server"] == "risk-exporter"


async def test_requests_leave_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """It would hold the addresses of callers."""
    caplog.set_level("DEBUG", "aiohttp")
    async with Site().served() as session, session.get("/metrics") as answer:
        assert answer.status == 200
    assert caplog.records == []


@pytest.mark.parametrize(
    "request_text",
    [
        "NONSENSE",
        "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: word-of-the-caller",
        "GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + "x" * 20_000,
        "POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nword-of-the-caller",
    ],
)
async def test_a_client_that_does_not_speak_http_leaves_no_line_in_the_log(
    caplog: pytest.LogCaptureFixture, request_text: str
) -> None:
    async with Site().served() as session:
        assert session._base_url is not None
        reader, writer = await asyncio.open_connection(session._base_url.host, session._base_url.port)
        writer.write(f"{request_text}\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.0 400 ")
        writer.close()
        await writer.wait_closed()
        async with session.get("/-/healthy") as answer:
            assert answer.status == 200
    assert [record.message for record in caplog.records if record.levelname != "DEBUG"] == []


@pytest.mark.parametrize("path", ["/", "/metrics"])
async def test_a_defect_is_told_to_the_log_and_not_to_the_caller(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """In asyncio's debug mode aiohttp would send the traceback."""
    site = Site()

    def broken(*_: object) -> None:
        raise KeyError("word of the defect")

    asyncio.get_running_loop().set_debug(True)
    monkeypatch.setattr(site, "accounts", property(broken))  # no list: the landing page cannot show it
    monkeypatch.setattr(site.store, "page", broken)
    with capture_logs() as lines:
        async with site.served() as session, session.get(path) as answer:
            assert answer.status == 500
            assert answer.headers["Cache-Control"] == "no-store"
            assert await answer.text() == "500: Internal Server Error"
    assert [(line["event"], line["path"], line["log_level"]) for line in lines] == [
        ("page failed", path, "error")
    ]


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("127.0.0.1:10217", Address("127.0.0.1", 10217), "127.0.0.1:10217"),
        ("[::1]:10217", Address("::1", 10217), "[::1]:10217"),
        ("[fe80::1%eth0]:1", Address("fe80::1%eth0", 1), "[fe80::1%eth0]:1"),
        (":10217", Address(None, 10217), ":10217"),
        ("localhost:0", Address("localhost", 0), "localhost:0"),
        (" 0.0.0.0:65535 ", Address("0.0.0.0", 65535), "0.0.0.0:65535"),  # noqa: S104 (as text)
    ],
)
def test_addresses_are_written_as_in_other_exporters(text: str, expected: Address, shown: str) -> None:
    (found,) = listen_addresses([text])
    assert found == expected
    assert str(found) == shown


@pytest.mark.parametrize(
    "text",
    ["", "10217", "127.0.0.1", "::1:10217", "[::1]", "host:", "host:65536", "host:-1", "http://host:1"],
)
def test_an_address_that_is_none_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ListenError, match=r"expected host:port, \[ipv6\]:port or :port"):
        listen_addresses([text])


def test_addresses_can_be_several_but_not_none_and_not_the_same_twice() -> None:
    assert listen_addresses(["127.0.0.1:1", "[::1]:1"]) == (Address("127.0.0.1", 1), Address("::1", 1))
    with pytest.raises(ListenError, match="given twice"):
        listen_addresses(["127.0.0.1:1", "127.0.0.1:1"])
    with pytest.raises(ListenError, match="no address"):
        listen_addresses([])


async def test_it_listens_on_several_addresses() -> None:
    app = create_app(Site().store, list, lambda: True)
    async with (
        serve(app, listen_addresses(["127.0.0.1:0", "127.0.0.1:0"])) as bound,
        aiohttp.ClientSession() as session,
    ):
        assert len({address.port for address in bound}) == len(bound)
        for address in bound:
            async with session.get(f"http://{address}/-/healthy") as answer:
                assert answer.status == 200


async def test_a_taken_address_is_an_error_that_names_it_and_frees_the_others() -> None:
    with socket.socket() as other, socket.socket() as probe:
        other.bind(("127.0.0.1", 0))
        other.listen()
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
        probe.close()
        taken = other.getsockname()[1]
        app = create_app(Site().store, list, lambda: True)
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{taken}: .*in use"):
            async with serve(app, [Address("127.0.0.1", free), Address("127.0.0.1", taken)]):
                pytest.fail("it must not start")
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", free))


def test_the_faster_library_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module loads where it is not installed."""
    monkeypatch.setitem(sys.modules, "isal", None)
    spec = importlib.util.spec_from_file_location("web_without_isal", web.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    assert module.igzip is None
    assert gzip.decompress(module.compress(b"risk_up 1.0\n")) == b"risk_up 1.0\n"
