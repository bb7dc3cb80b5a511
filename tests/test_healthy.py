"""The health check: it needs no key to the lock, and tells a server that works from one that does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from exporter import healthy
from exporter.addresses import Address
from exporter.healthy import ask
from exporter.locks.door import Door, Rate, WebConfig
from exporter.locks.file import load
from tests.locks.certificates import SERVER, prepared
from tests.locks.test_door import USERS
from tests.site import Site


@pytest.mark.parametrize(
    "text",
    [
        None,
        SERVER,
        SERVER + "  max_version: TLS12\n",
        SERVER + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: authority.crt\n",
        SERVER
        + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: authority.crt\n"
        + "  client_allowed_sans: [one]\n  max_version: TLS12\n",
    ],
)
@pytest.mark.parametrize("listening", [Address("127.0.0.1", 0), Address("0.0.0.0", 0), Address(None, 0)])  # noqa: S104
async def test_a_server_that_works_is_healthy_whatever_its_lock(
    tmp_path: Path, text: str | None, listening: Address
) -> None:
    config = None
    if text is not None:
        file = prepared(tmp_path) / "web.yml"
        file.write_text(text)
        config = load(file)
    async with Site().listening(listening.host or "0.0.0.0", door=Door(config)) as bound:  # noqa: S104
        assert await asyncio.to_thread(ask, Address(listening.host, bound.port)) == ""


@pytest.mark.parametrize("config", [USERS, WebConfig(rate=Rate(interval=60.0, burst=0))])
async def test_that_one_is_not_let_in_is_an_answer(config: WebConfig) -> None:
    async with Site().listening(door=Door(config)) as bound:
        assert await asyncio.to_thread(ask, bound) == ""


@asynccontextmanager
async def server(answer: bytes | None) -> AsyncIterator[Address]:
    """One that says this to everybody, or nothing."""

    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer)
        if answer is None:
            with suppress(ConnectionError):
                await reader.read()  # until the caller gives up
        else:
            writer.write(answer)
        writer.close()

    callers: list[asyncio.StreamWriter] = []
    listening = await asyncio.start_server(said, "127.0.0.1", 0)
    try:
        yield Address(*listening.sockets[0].getsockname())
    finally:
        listening.close()
        for writer in callers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "does not answer in time"),
        (b"", "does not answer: "),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "answers with status 500"),
    ],
)
async def test_a_server_that_hangs_or_fails_is_not(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, problem: str
) -> None:
    monkeypatch.setattr(healthy, "TIMEOUT", 0.1)
    async with server(answer) as address:
        assert problem in await asyncio.to_thread(ask, address)


def test_no_server_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        free = Address("127.0.0.1", one.getsockname()[1])
    assert ask(free) == f"{free} does not answer: Connection refused"
