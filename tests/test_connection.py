"""What one caller sends: heads in any pieces, bodies, headers without end, nothing at all."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import time
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from tests.site import HEALTHY, Site, calling, ended, exchange, healthy, opened, request


async def test_requests_in_one_go_are_answered_one_by_one() -> None:
    async with Site().listening() as address, calling(address) as caller:
        caller.send(request() + request("GET /unknown HTTP/1.1") + request("HEAD / HTTP/1.1") + request())
        statuses = [(await caller.answer())[0].split()[1] for _ in range(2)]
        head = await caller.head()
        assert int(head.lower().split("content-length: ")[1].split("\r\n")[0]) > 0
        assert [*statuses, head.split()[1]] == ["200", "404", "200"]
        assert (await caller.answer())[1] == HEALTHY


async def test_a_request_may_come_byte_by_byte_and_after_empty_lines() -> None:
    async with Site().listening() as address, calling(address) as caller:
        for _ in range(2):
            for byte in "\r\n\r\n\r\n" + request():
                caller.send(byte)
                await caller.writer.drain()
                await asyncio.sleep(0)
            assert (await caller.answer())[1] == HEALTHY


async def test_a_connection_stays_for_the_next_request_unless_it_is_not_wanted() -> None:
    async with Site().listening() as address, calling(address) as caller:
        for _ in range(3):
            caller.send(request())
            await caller.answer()
        caller.send(request(Connection="close"))
        await caller.answer()
        assert await caller.rest() == b""


async def test_a_wish_for_another_protocol_is_passed_over() -> None:
    async with Site().listening() as address, calling(address) as caller:
        for _ in range(2):
            caller.send(request(Connection="Upgrade", Upgrade="websocket"))
            assert (await caller.answer())[1] == HEALTHY


@pytest.mark.parametrize(
    "framing",
    [{"Content_Length": str(10**12)}, {"Transfer_Encoding": "chunked"}],
)
@pytest.mark.parametrize("line", ["POST /metrics HTTP/1.1", "GET /metrics HTTP/1.1", "PUT /x HTTP/1.1"])
async def test_an_endless_body_is_refused_before_it_is_read(line: str, framing: dict[str, str]) -> None:
    """11.7 GB were once accepted."""
    async with Site().listening() as address, calling(address) as caller:
        caller.send(request(line, **framing))
        sent = 0
        try:
            async with asyncio.timeout(10):
                while True:
                    caller.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                    await caller.writer.drain()
                    sent += 0x10000
        except ConnectionError:
            pass
        # What the system's own buffers take.
        assert sent < 32 * 1024 * 1024
        await healthy(address)


async def test_a_sender_of_a_body_sees_why_it_is_refused() -> None:
    async with Site().listening() as address, aiohttp.ClientSession(f"http://{address}") as session:
        answer = await session.post("/metrics", data=b"x" * 1000)
        assert answer.status == 413
        assert await answer.text() == "413: no request has a body here\n"


async def test_what_is_no_gzip_is_not_unpacked_and_leaves_no_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """200 such requests once wrote 200 tracebacks."""
    bomb = gzip.compress(b"\0" * 1_000_000)
    async with Site().listening() as address:
        with capture_logs() as lines:
            for body in (b"no gzip", bomb[:100], bomb) * 3:
                text = request(
                    "POST /metrics HTTP/1.1", Content_Encoding="gzip", Content_Length=str(len(body))
                )
                assert (await exchange(address, text.encode() + body)).split()[1] == "413"
    assert [record.message for record in caplog.records if record.levelname != "DEBUG"] == []
    assert lines == []


@pytest.mark.parametrize("accept", ["a" * 8_000 + '"', '"' + '\\"' * 4_000, "a," * 4_000, ";" * 8_000])
async def test_no_header_holds_the_others_up(accept: str) -> None:
    async with Site().listening() as address, AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(calling(address)) for _ in range(6)]
        for caller in callers:
            fields = "".join(f"Accept: {accept}\r\n" for _ in range(3))
            caller.send(request("GET /metrics HTTP/1.1").replace("\r\n\r\n", f"\r\n{fields}\r\n"))
        async with asyncio.timeout(5):
            for caller in callers:
                assert (await caller.head()).startswith("HTTP/1.1 200 ")
            await healthy(address)


async def test_headers_have_an_end(caplog: pytest.LogCaptureFixture) -> None:
    async with Site().listening() as address, calling(address) as caller:
        caller.send("GET / HTTP/1.1\r\n")
        try:
            for number in itertools.count():
                caller.send(f"X-{number}: {'x' * 1000}\r\n")
                await caller.writer.drain()
                await asyncio.sleep(0)
                assert number < 1000
        except ConnectionError:
            pass
        await healthy(address)
    assert [record.message for record in caplog.records if record.levelname != "DEBUG"] == []


@pytest.mark.parametrize(
    ("sent", "limit"),
    [("", "head_seconds"), ("GET / HT", "head_seconds"), (request(), "idle_seconds")],
)
async def test_time_for_a_request_is_limited(sent: str, limit: str) -> None:
    limits: dict[str, Any] = {limit: 0.3}
    async with Site().listening(**limits) as address, calling(address) as caller:
        began = time.monotonic()
        caller.send(sent)
        await caller.rest()
        assert 0.25 < time.monotonic() - began < 3.0


async def test_drops_of_a_request_do_not_lengthen_its_time() -> None:
    async with Site().listening(head_seconds=0.5) as address, AsyncExitStack() as stack:
        callers = await opened(stack, address, 50)
        began = time.monotonic()
        while await ended(callers) < 50:
            for caller in callers:
                if not caller.writer.is_closing():
                    caller.send("x")
            assert time.monotonic() - began < 5.0
        await healthy(address)
