"""The sockets: what callers send and hold never costs the others, or the collections, what they need."""

from __future__ import annotations

import asyncio
import errno
import gzip
import resource
import socket
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from exporter import connection, server
from exporter.addresses import Address, ListenError, listen_addresses
from exporter.connection import HEADERS
from exporter.exposition import Format
from exporter.server import MOST_CONNECTIONS, connection_limit, serve
from tests.site import Site, calling, ended, exchange, healthy, opened, request


@pytest.fixture(autouse=True)
def _talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test sees its own first line of each kind."""
    for module in (server, connection):
        monkeypatch.setattr(module, "_seldom", type(module._seldom)())


# What is said


NO_HTTP = [
    "NONSENSE\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: word-of-the-caller\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + "x" * 20_000 + "\r\n\r\n",
    "GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nword-of-the-caller\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
]
REFUSED = [
    (request("GET /unknown HTTP/1.1"), 404),
    (request("GET /metrics/../../etc HTTP/1.1"), 404),
    (request("DELETE /metrics HTTP/1.1"), 405),
    (request("PATCH /metrics HTTP/1.1"), 405),
    (request("CONNECT evil.example:443 HTTP/1.1"), 413),
    (request("POST /metrics HTTP/1.1", Content_Length="5") + "hello", 413),
    (request("POST /metrics HTTP/1.1", Transfer_Encoding="chunked") + "word-of-the-caller", 413),
    (request("GET /metrics HTTP/1.1", host="evil.example"), 403),
    ("GET /metrics HTTP/1.0\r\n\r\n", 403),
    (request("GET /metrics HTTP/1.1") + request(host="x" * 40_000), 431),
    *((text, 400) for text in NO_HTTP),
]


@pytest.mark.parametrize(("text", "status"), [(request("GET /metrics HTTP/1.1"), 200), *REFUSED])
async def test_every_answer_has_the_headers_and_names_no_software_below(text: str, status: int) -> None:
    async with Site().listening(idle_seconds=0.2) as address:
        answers = await exchange(address, text)
    last = answers[answers.rindex("HTTP/1.") :]
    head, _, body = last.partition("\r\n\r\n")
    assert head.split()[1] == str(status)
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert HEADERS.items() <= fields.items()
    for word in ("Python", "aiohttp", "word-of-the-caller", "Traceback", "evil"):
        assert word not in head
        assert word not in body or status == 200  # the page has the version of Python, on purpose


@pytest.mark.parametrize("text", NO_HTTP)
async def test_a_client_that_does_not_speak_http_leaves_no_line_in_the_log(
    caplog: pytest.LogCaptureFixture, text: str
) -> None:
    async with Site().listening() as address:
        with capture_logs() as lines:
            for _ in range(3):
                assert (await exchange(address, text)).startswith("HTTP/1.0 400 ")
            await healthy(address)
    assert [record.message for record in caplog.records if record.levelname != "DEBUG"] == []
    assert lines == []


@pytest.mark.parametrize(
    ("bound", "names", "host", "answered"),
    [
        ("127.0.0.1", (), "localhost:10217", True),
        ("127.0.0.1", (), "evil.example", False),
        ("127.0.0.1", ("risk.example.com",), "risk.example.com", True),
        ("0.0.0.0", (), "evil.example", True),  # noqa: S104 (that is the point)
        ("0.0.0.0", ("risk.example.com",), "evil.example", False),  # noqa: S104
        ("0.0.0.0", ("risk.example.com",), "127.0.0.1", True),  # noqa: S104 (health checks)
    ],
)
@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
async def test_a_name_that_is_made_to_mean_this_machine_reads_nothing(
    bound: str, names: tuple[str, ...], host: str, answered: bool, path: str
) -> None:
    async with Site().listening(bound, hosts=names) as address, calling(address) as caller:
        caller.send(request(f"GET {path} HTTP/1.1", host=host))
        head, body = await caller.answer()
        assert head.split()[1] == ("200" if answered else "403")
        assert (b"--web.allowed-host" in body) is not answered
        assert b"desk-a" not in body or answered


async def test_two_names_are_none() -> None:
    async with Site().listening() as address, calling(address) as caller:
        caller.send(request().replace("\r\n\r\n", "\r\nHost: evil.example\r\n\r\n"))
        assert (await caller.head()).split()[1] in ("400", "403")  # the former from newer versions of aiohttp


async def test_a_flood_under_another_name_is_one_line() -> None:
    async with Site().listening() as address:
        with capture_logs() as lines:
            for _ in range(20):
                async with calling(address) as caller:
                    caller.send(request(host="evil.example"))
                    await caller.answer()
    assert [line["event"] for line in lines] == ["asked under a name that is not answered"]


# What is held


@pytest.mark.parametrize("sent", ["", "GET /met", request()])
async def test_idle_callers_make_room_for_others(sent: str) -> None:
    """2,000 of them must not keep Prometheus out. They said nothing, too little, or all they had to."""
    async with Site().listening(connections=20, settle_seconds=0.05) as address, AsyncExitStack() as stack:
        with capture_logs() as lines:
            callers = await opened(stack, address, 100)
            for caller in callers:
                if not caller.writer.is_closing():
                    caller.send(sent)
            for _ in range(5):
                await healthy(address)
            assert await ended(callers) >= 80
    assert [line["event"] for line in lines] == ["no more connections are let in, idle ones end"]


async def test_callers_beyond_the_limit_wait_for_those_who_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is answered in the end; nobody at work is turned out."""
    site = Site()
    page = site.store.page

    def slow(format_: Format) -> bytes:
        time.sleep(0.02)
        return page(format_)

    monkeypatch.setattr(site.store, "page", slow)
    async with site.listening(connections=8, settle_seconds=1.0) as address:

        async def scraped() -> str:
            async with calling(address) as caller:
                caller.send(request("GET /metrics HTTP/1.1"))
                return (await caller.answer())[0]

        heads = await asyncio.gather(*(scraped() for _ in range(64)))
    assert all(head.startswith("HTTP/1.1 200 ") for head in heads)


class Held(bytes):
    """A page that says when it is gone."""

    alive = 0
    most = 0

    def __init__(self, *_: object) -> None:
        Held.alive += 1
        Held.most = max(Held.most, Held.alive)

    def __del__(self) -> None:
        Held.alive -= 1


def resident() -> int:
    """Bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def test_slow_readers_share_one_page_and_lose_it_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 of a page of 10 MB once held 1.3 GB, and did not give it back."""
    size = 10 * 1024 * 1024
    site = Site()
    monkeypatch.setattr(site.store, "page", lambda _format: Held(size))
    loop = asyncio.get_running_loop()
    async with site.listening(answer_seconds=1.5) as address, AsyncExitStack() as stack:
        before = resident()
        callers = []
        for _ in range(60):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            stack.callback(sock.close)
            await loop.sock_connect(sock, (address.host, address.port))
            await loop.sock_sendall(sock, request("GET /metrics HTTP/1.1").encode())
            callers.append(sock)
        await asyncio.sleep(0.5)
        assert 0 < Held.alive <= Held.most < 15
        assert resident() - before < 20 * size
        await healthy(address)
        await asyncio.sleep(2.5)
        assert Held.alive == 0
        for sock in callers:
            received, part = 0, b"first"
            with suppress(ConnectionResetError):
                while part:
                    part = await loop.sock_recv(sock, 1_000_000)
                    received += len(part)
            assert received < size


async def test_a_large_page_reaches_a_reader_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    body = bytes(range(256)) * 40_000
    monkeypatch.setattr(site.store, "page", lambda _format: body)
    async with site.served() as session:
        async with session.get("/metrics") as answer:
            assert await answer.read() == body
        async with session.get("/metrics", headers={"Accept-Encoding": "gzip"}) as answer:
            assert gzip.decompress(await answer.read()) == body


async def test_a_reader_who_leaves_in_the_middle_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site()
    monkeypatch.setattr(site.store, "page", lambda _format: b"x" * 20_000_000)
    async with site.listening() as address:
        with capture_logs() as lines:
            for _ in range(3):
                async with calling(address) as caller:
                    caller.send(request("GET /metrics HTTP/1.1"))
                    await caller.head()
            await asyncio.sleep(0.2)
            await healthy(address)
    assert lines == []
    assert [record.message for record in caplog.records if record.levelname != "DEBUG"] == []


async def test_without_descriptors_it_waits_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asyncio's own server wrote 170,000 lines in 20 seconds."""
    accept = socket.socket.accept
    tries = 0

    def exhausted(one: socket.socket) -> tuple[socket.socket, object]:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(one)

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    with capture_logs() as lines:
        async with Site().listening() as address:
            await healthy(address)
    assert tries < 10
    assert [(line["event"], line["error"]) for line in lines] == [
        ("no caller can be let in", "Too many open files")
    ]


@pytest.mark.parametrize(
    ("descriptors", "connections"), [(20, 8), (64, 16), (256, 64), (1024, 256), (2**20, MOST_CONNECTIONS)]
)
def test_the_venues_have_most_of_the_descriptors(descriptors: int, connections: int) -> None:
    assert connection_limit(descriptors) == connections


def test_the_limit_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (256, 4096))
    assert connection_limit() == 64
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert connection_limit() == MOST_CONNECTIONS


async def test_it_stops_whatever_callers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    monkeypatch.setattr(site.store, "page", lambda _format: b"x" * 20_000_000)
    async with AsyncExitStack() as stack:
        began = time.monotonic()
        async with site.listening() as address:
            for text in ("", "GET /", request(), request("GET /metrics HTTP/1.1"), "NONSENSE\r\n\r\n"):
                for caller in await opened(stack, address, 5):
                    caller.send(text)
            await asyncio.sleep(0.2)
            began = time.monotonic()
        assert time.monotonic() - began < 2.0
        with pytest.raises(ConnectionRefusedError):
            await healthy(address)


# Where it listens


async def test_it_listens_on_several_addresses() -> None:
    async with (
        serve(Site().app(), listen_addresses(["127.0.0.1:0", "127.0.0.2:0"])) as bound,
        aiohttp.ClientSession() as session,
    ):
        assert [address.host for address in bound] == ["127.0.0.1", "127.0.0.2"]
        for address in bound:
            async with session.get(f"http://{address}/-/healthy") as answer:
                assert answer.status == 200


async def test_no_host_is_every_address_of_the_machine() -> None:
    async with serve(Site().app(), listen_addresses([":0"])) as bound:
        assert {address.host for address in bound} <= {"0.0.0.0", "::"}  # noqa: S104 (that is the point)
        await healthy(Address("127.0.0.1", next(one.port for one in bound if one.host == "0.0.0.0")))  # noqa: S104


async def test_a_taken_address_is_an_error_that_names_it_and_frees_the_others() -> None:
    with socket.socket() as other, socket.socket() as probe:
        other.bind(("127.0.0.1", 0))
        other.listen()
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
        probe.close()
        taken = other.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{taken}: .*in use"):
            async with serve(Site().app(), [Address("127.0.0.1", free), Address("127.0.0.1", taken)]):
                pytest.fail("it must not start")
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", free))


async def test_a_host_that_is_none_is_an_error_that_names_it() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on no-such-host\.invalid:1: "):
        async with serve(Site().app(), [Address("no-such-host.invalid", 1)]):
            pytest.fail("it must not start")
