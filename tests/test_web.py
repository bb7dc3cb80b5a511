"""The pages over real HTTP: formats, compression, what they show, health."""

from __future__ import annotations

import asyncio
import gzip
import time

import pytest
from structlog.testing import capture_logs

from exporter.addresses import ListenError
from exporter.exposition import Format
from exporter.web import create_app
from tests.site import Site, calling, request, status
from tests.test_negotiation import OPENMETRICS, PROMETHEUS_2, PROMETHEUS_3_TEXT, TEXT, TEXT_1


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


@pytest.mark.parametrize(
    "path", ["/", "metrics", "/-/healthy", "/api/v1", "/accounts/x", "/a b", "/{x}", "", "/met?rics"]
)
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


async def test_the_landing_page_shows_what_cannot_be_seen() -> None:
    """A mark of the writing direction would show a text in another order than it has."""
    site = Site()
    site.accounts = [status(state="failing", reason="exchange", message="bad\u202etxe\x1b[2J\x00 <b>")]
    async with site.served() as session, session.get("/") as answer:
        text = await answer.text()
    assert "bad\\u202etxe\\x1b[2J\\x00 &lt;b&gt;" in text
    assert not {"\u202e", "\x1b", "\x00"} & set(text)


async def test_the_landing_page_says_so_when_no_account_is_there() -> None:
    site = Site()
    site.accounts = []
    async with site.served() as session, session.get("/") as answer:
        assert "No account is configured." in await answer.text()


async def test_requests_leave_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """It would hold the addresses of callers."""
    caplog.set_level("DEBUG", "aiohttp")
    async with Site().served() as session, session.get("/metrics") as answer:
        assert answer.status == 200
    assert caplog.records == []


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


RELOAD = "POST /-/reload HTTP/1.1"


@pytest.mark.parametrize(
    ("problems", "status", "text"),
    [
        ((), 200, "The configuration was reloaded.\n"),
        (
            ("f:1: is wrong", "f:2: \x1b"),
            500,
            "The configuration was not reloaded.\nf:1: is wrong\nf:2: \\x1b\n",
        ),
    ],
)
async def test_a_caller_can_have_the_configuration_read_again(
    problems: tuple[str, ...], status: int, text: str
) -> None:
    async def reload() -> tuple[str, ...]:
        return problems

    async with Site(reload).listening() as address:
        for origin in ({}, {"Origin": "http://localhost:1234"}):
            async with calling(address) as caller:
                caller.send(request(RELOAD, host="localhost:1234", **origin))
                head, body = await caller.answer()
            assert (int(head.split()[1]), body.decode()) == (status, text)


async def test_a_page_from_elsewhere_cannot() -> None:
    async def reload() -> tuple[str, ...]:
        pytest.fail("it was asked for")

    async with Site(reload).listening() as address:
        for origin in ("https://evil.example", "null", "http://localhost:1", ""):
            async with calling(address) as caller:
                caller.send(request(RELOAD, host="localhost:1234", Origin=origin))
                assert (await caller.head()).split()[1] == "403"


async def test_without_the_flag_nobody_can() -> None:
    async with Site().listening() as address, calling(address) as caller:
        caller.send(request(RELOAD))
        head, body = await caller.answer()
        assert (head.split()[1], body) == ("403", b"--web.enable-lifecycle is not given.\n")
        caller.send(request("GET /-/reload HTTP/1.1"))
        assert (await caller.head()).split()[1] == "405"


async def test_after_a_reload_a_large_page_is_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def reload() -> tuple[str, ...]:
        return ()

    site = Site(reload)
    built = 0

    def page(_format: Format) -> bytes:
        nonlocal built
        built += 1
        time.sleep(0.1)  # it is shared for ten times as long
        return b"x" * 2_000_000

    monkeypatch.setattr(site.store, "page", page)
    async with site.served() as session:
        for expected in (1, 1):
            async with session.get("/metrics") as answer:
                await answer.read()
            assert built == expected
        async with session.post("/-/reload") as answer:
            assert answer.status == 200
        async with session.get("/metrics") as answer:
            await answer.read()
        assert built == 2
