"""A web server to ask: what it shows, and callers who do not speak HTTP as a library does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from exporter.addresses import Address
from exporter.board.standing import Standing
from exporter.collector import AccountStatus
from exporter.connection import Limits
from exporter.exposition import Store, render
from exporter.hosts import Hosts
from exporter.locks.door import Door
from exporter.server import serve
from exporter.telemetry import Telemetry
from exporter.web import create_app
from tests.accounts import complete_risk


def status(account: str = "desk-a", **fields: object) -> AccountStatus:
    values = {"exchange": "x", "state": "up", "fresh": True, "last_success_age": 4.2, **fields}
    return AccountStatus(account=account, **values)  # type: ignore[arg-type]  # a test's short cut


HEALTHY = b"risk-exporter is healthy.\n"


class Site:
    """What the server shows."""

    def __init__(self, reload: Callable[[], Awaitable[Sequence[str]]] | None = None) -> None:
        self.reload = reload
        telemetry = Telemetry()
        telemetry.add_account("x", "desk-a", interval=15.0, max_age=45.0)
        self.store = Store(telemetry, elapsed=lambda: 0.0)
        self.store.put("x", "desk-a", render("x", "desk-a", complete_risk()), taken_at=0.0, max_age=1.0)
        self.accounts: list[AccountStatus] = [status()]
        self.standings: list[Standing] | None = None
        """What the risk page shows; without any there is none."""
        self.ready = True

    def shown(self) -> list[Standing]:
        return self.standings or []

    def app(
        self, path: str = "/metrics", hosts: Iterable[str] = (), door: Door | None = None
    ) -> web.Application:
        return create_app(
            self.store,
            lambda: self.accounts,
            lambda: self.ready,
            standings=None if self.standings is None else self.shown,
            telemetry_path=path,
            hosts=Hosts(hosts),
            door=door,
            reload=self.reload,
        )

    @asynccontextmanager
    async def served(self, path: str = "/metrics") -> AsyncIterator[aiohttp.ClientSession]:
        async with (
            serve(self.app(path), [Address("127.0.0.1", 0)]) as (bound,),
            aiohttp.ClientSession(
                f"http://{bound}",
                auto_decompress=False,
                skip_auto_headers=["Accept-Encoding", "Accept", "User-Agent"],
            ) as session,
        ):
            yield session

    @asynccontextmanager
    async def listening(
        self, host: str = "127.0.0.1", *, hosts: Iterable[str] = (), door: Door | None = None, **limits: Any
    ) -> AsyncIterator[Address]:
        """The server alone, with other limits than usual."""
        usual = Limits(**{"connections": 100, **limits})
        app = self.app(hosts=hosts, door=door)
        async with serve(app, [Address(host, 0)], limits=usual, door=door) as (bound,):
            yield bound


class Caller:
    """One connection, on which anything can be sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: str | bytes) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def head(self) -> str:
        """Of the next answer: status line and headers."""
        return (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode()

    async def answer(self) -> tuple[str, bytes]:
        """The next answer: head and body."""
        head = await self.head()
        fields = dict(line.lower().split(": ", 1) for line in head.strip().split("\r\n")[1:])
        body = await asyncio.wait_for(self.reader.readexactly(int(fields["content-length"])), 10)
        return head, body

    async def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(), 10)
        except ConnectionResetError:
            return b""


@asynccontextmanager
async def calling(address: Address) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()


async def exchange(address: Address, data: str | bytes) -> str:
    """All that comes back for `data`, up to the end of the connection."""
    async with calling(address) as caller:
        caller.send(data)
        return (await caller.rest()).decode()


def request(line: str = "GET /-/healthy HTTP/1.1", host: str = "localhost", **headers: str) -> str:
    fields = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in fields.items()), "", ""])


async def healthy(address: Address) -> None:
    """A caller like any other is answered, and soon."""
    async with calling(address) as caller, asyncio.timeout(2):
        caller.send(request())
        head, body = await caller.answer()
    assert head.startswith("HTTP/1.1 200 ")
    assert body == HEALTHY


async def opened(stack: AsyncExitStack, address: Address, count: int) -> list[Caller]:
    return [await stack.enter_async_context(calling(address)) for _ in range(count)]


async def ended(callers: list[Caller]) -> int:
    """How many of them the server has sent away."""
    await asyncio.sleep(0.05)
    return sum(vars(caller.reader)["_eof"] or caller.reader.exception() is not None for caller in callers)
