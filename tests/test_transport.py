"""Bytes to a venue and back, over real connections: nothing that comes is trusted to be small, or quick."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import sys
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp.resolver import AsyncResolver

from exporter import inflate
from exporter.errors import VenueError
from exporter.resolver import Resolver
from exporter.transport import Answer, HttpTransport

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[str]:
    """A server that treats each connection as `peer` does, and the URL of it."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await peer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def send(
    transport: HttpTransport,
    url: str,
    *,
    method: str = "GET",
    within: float = 10.0,
    body: bytes | None = None,
) -> Answer:
    return await transport.send(method, url, headers={}, body=body, proxy=None, timeout=within)


async def ask(peer: Peer, *, within: float = 10.0) -> Answer:
    async with listening(peer) as url, HttpTransport() as transport:
        return await send(transport, url, within=within)


def saying(*parts: bytes) -> Peer:
    """Answers each request with these bytes."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()

    return peer


def answer(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def repeating(head: bytes, part: bytes, pause: float = 0.0) -> Peer:
    """Answers with `head`, and then `part` without end."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return peer


# What is packed


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body)[2:-4]),
        ("identity", bytes),
        ("", bytes),
    ],
)
async def test_an_answer_may_be_packed(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = os.urandom(100_000).hex().encode()
    got = await ask(saying(answer(pack(body), f"Content-Encoding: {encoding}")))
    assert got.body == body


async def test_a_gzip_bomb_is_never_unpacked() -> None:
    """128 MiB in 128 KiB; the memory for it is never taken."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(128)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(VenueError, match="unpacks to more than 100 times its size") as caught:
            await ask(saying(answer(bomb, "Content-Encoding: gzip")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.reason == "schema"
    assert peak < 4 * inflate.MAX_BODY_BYTES


async def test_what_packs_like_an_honest_answer_ends_at_the_limit() -> None:
    packed = gzip.compress(os.urandom(inflate.MAX_BODY_BYTES // 2 + 1).hex().encode(), compresslevel=1)
    assert len(packed) < inflate.MAX_BODY_BYTES
    with pytest.raises(VenueError, match=f"larger than {inflate.MAX_BODY_BYTES} bytes") as caught:
        await ask(saying(answer(packed, "Content-Encoding: gzip")))
    assert caught.value.reason == "schema"


async def test_honest_tables_pack_well_and_pass() -> None:
    row = '{"symbol":"%dUSDT","notionalFloor":"0.00000000","maintMarginRatio":"0.00400000","cum":"0"},'
    body = "".join(row % number for number in range(20_000)).encode()
    got = await ask(saying(answer(gzip.compress(body), "Content-Encoding: gzip")))
    assert got.body == body


@pytest.mark.parametrize(
    ("body", "encoding", "reason", "text"),
    [
        (b"no gzip at all", "gzip", "network", "cannot be unpacked"),
        (gzip.compress(b"x" * 1000)[:-9], "gzip", "network", "broke off"),
        (gzip.compress(b"x") + gzip.compress(b"y"), "gzip", "network", "goes on after its end"),
        (b"x", "br", "schema", "packed in another way"),
        (gzip.compress(gzip.compress(b"x")), "gzip, gzip", "schema", "packed in another way"),
    ],
    ids=["not packed", "cut off", "two", "another way", "twice"],
)
async def test_what_is_packed_wrongly_has_words_of_its_own(
    body: bytes, encoding: str, reason: str, text: str
) -> None:
    with pytest.raises(VenueError, match=text) as caught:
        await ask(saying(answer(body, f"Content-Encoding: {encoding}")))
    assert caught.value.reason == reason


# What does not end

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


async def test_an_endless_body_ends_at_the_limit() -> None:
    with pytest.raises(VenueError, match="larger than") as caught:
        await ask(repeating(CHUNKED, CHUNK))
    assert caught.value.reason == "schema"


@pytest.mark.parametrize(
    "peer",
    [
        repeating(CHUNKED, b"1\r\nx\r\n", pause=0.05),
        repeating(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", pause=0.05),
        repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.01),
        repeating(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x", pause=0.05),
        repeating(CHUNKED + b"1;", b"x" * 65536),
    ],
    ids=["chunks", "headers", "continue", "body", "a chunk's extension"],
)
async def test_what_comes_drop_by_drop_ends_at_the_deadline(peer: Peer) -> None:
    began = time.monotonic()
    with pytest.raises(VenueError) as caught:
        await ask(peer, within=0.5)
    assert caught.value.reason == "timeout"
    assert time.monotonic() - began < 8.0


@pytest.mark.parametrize(
    "peer",
    [
        saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (4 << 20) + b"\r\n\r\n"),
        repeating(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
        repeating(b"HTTP/1.1 200 ", b"x" * 65536),
        repeating(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100),
    ],
    ids=["a long one", "an endless one", "an endless reason", "endlessly many"],
)
async def test_headers_of_megabytes_are_refused(peer: Peer) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(VenueError) as caught:
            await ask(peer, within=10.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.reason == "network"
    assert peak < 32 << 20


# Connections that are kept


class Closing:
    """Answers a request and closes the connection a moment later, without having said so; counts them."""

    def __init__(self) -> None:
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self._read(reader)
        writer.write(answer(b"{}"))
        # What comes next on this connection is read, and not answered.
        await self._read(reader)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"Content-Length: 4" in head:
            await reader.readexactly(4)


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", None), ("POST", b"read")])
async def test_a_kept_connection_that_the_venue_closed_costs_nothing(method: str, body: bytes | None) -> None:
    peer = Closing()
    async with listening(peer) as url, HttpTransport() as transport:
        for _ in range(3):
            assert (await send(transport, url, method=method, body=body)).body == b"{}"
    assert peer.connections == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_however_many_kept_connections_are_dead_it_is_sent_on_a_new_one(method: str) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(answer(b"{}"))
        await reader.readuntil(b"\r\n\r\n")

    async with listening(peer) as url, HttpTransport() as transport:
        await asyncio.gather(*(send(transport, url) for _ in range(5)))
        for _ in range(5):
            assert (await send(transport, url, method=method)).body == b"{}"


async def test_a_venue_that_closes_new_connections_is_not_asked_again() -> None:
    connections = 0

    async def peer(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")

    with pytest.raises(VenueError, match="the server closed the connection"):
        async with listening(peer) as url, HttpTransport() as transport:
            await send(transport, url, method="POST")
    assert connections == 1


# Names that do not resolve


@asynccontextmanager
async def silent_name_server() -> AsyncIterator[AsyncResolver]:
    """Asks a name server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        yield AsyncResolver(nameservers=[f"127.0.0.1:{server.getsockname()[1]}"], timeout=30.0, tries=3)


async def test_twelve_names_that_hang_delay_no_address_and_do_not_hold_up_the_end() -> None:
    async with silent_name_server() as names, listening(saying(answer(b"{}"))) as url:
        async with HttpTransport(resolver=Resolver(names)) as transport:
            hanging = [
                asyncio.ensure_future(send(transport, f"http://venue-{number}.example/", within=30.0))
                for number in range(12)
            ]
            await asyncio.sleep(0.1)
            began = time.monotonic()
            assert (await send(transport, url)).body == b"{}"
            assert time.monotonic() - began < 5.0
            assert not any(one.done() for one in hanging)
            began = time.monotonic()
        assert time.monotonic() - began < 5.0
        for one in hanging:
            one.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_name_server_that_does_not_answer_is_told_as_such() -> None:
    async with (
        silent_name_server() as names,
        HttpTransport(resolver=Resolver(names, within=0.1)) as transport,
    ):
        with pytest.raises(
            VenueError, match=r"does not resolve: no name server answers within 0\.1 s"
        ) as caught:
            await send(transport, "http://venue.example/")
    assert caught.value.reason == "network"


# Descriptors


# Run by a process of its own, whose limit it is: uses up all descriptors and asks twice.
EXHAUSTED = """
import asyncio, os, resource, sys
from exporter.transport import HttpTransport

async def main(url):
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    async with HttpTransport() as transport:
        opened = []
        try:
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            print(error.strerror)
        for _ in range(2):
            answer = await transport.send("GET", url, headers={}, body=None, proxy=None, timeout=10.0)
            print(answer.body.decode())
        os.close(opened.pop())
        await transport.send("GET", url, headers={}, body=None, proxy=None, timeout=10.0)
        print(len(transport._reserve._held))

asyncio.run(main(sys.argv[1]))
"""


async def test_a_venue_is_reached_when_clients_have_used_up_all_descriptors() -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"here", "Connection: close"))

    async with listening(peer) as url:
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", EXHAUSTED, url, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await program.communicate()
    assert said.decode().splitlines() == ["Too many open files", "here", "here", "8"]
