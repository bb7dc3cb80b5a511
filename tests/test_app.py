"""The program without its command line: it starts, serves, and ends."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp.resolver import AsyncResolver

from exporter import addresses, app, logs, transport
from exporter.addresses import ListenError
from exporter.api import Api
from exporter.config import Config
from exporter.model import AccountSnapshot
from exporter.request import Endpoint
from exporter.resolver import Resolver
from tests.accounts import API_SECRET, ScriptedVenue, position, scripted, snapshot
from tests.venues.harness import VenueServer


class HangingVenue(ScriptedVenue):
    """A venue that never answers."""

    async def fetch(self, api: Api) -> AccountSnapshot:  # noqa: ARG002 (it asks nobody)
        await asyncio.Event().wait()
        raise AssertionError


class PromptVenue(ScriptedVenue):
    """A venue that answers at once."""

    async def fetch(self, api: Api) -> AccountSnapshot:  # noqa: ARG002 (it asks nobody)
        return snapshot(position("BTCUSDT"))


class Run:
    """The program in a task, on a free port."""

    def __init__(self, *names: str, **options: Any) -> None:
        self.options = options
        self.config = Config(accounts=tuple(scripted(name, interval=3600.0).config for name in names))
        self.listening: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> str:
        self.task = asyncio.create_task(
            app.run(
                self.config,
                ["127.0.0.1:0"],
                "/metrics",
                self.listening.set_result,
                first_within=0.1,
                **self.options,
            )
        )
        async with asyncio.timeout(20):
            (url,) = await self.listening
        return url.removesuffix("/metrics")

    async def __aexit__(self, *exc: object) -> None:
        self.task.cancel()
        async with asyncio.timeout(5):  # what a service manager waits, and what is promised
            with pytest.raises(asyncio.CancelledError):
                await self.task


def use(monkeypatch: pytest.MonkeyPatch, venue: type[ScriptedVenue]) -> None:
    monkeypatch.setattr(app, "discover", lambda: {"scripted": venue})


async def text(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


async def until_ready(url: str) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/-/ready") as answer:
                if answer.status == 200:
                    return


async def test_it_serves_all_accounts_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, PromptVenue)
    async with Run("desk-a", "desk-b") as url:
        await until_ready(url)
        page = await text(f"{url}/metrics")
    for account in ("desk-a", "desk-b"):
        assert f'risk_up{{account="{account}",exchange="scripted"}} 1.0' in page
        assert (
            f'risk_account_equity{{exchange="scripted",account="{account}",currency="USDT"}} 1000.0' in page
        )
    with pytest.raises(aiohttp.ClientConnectorError):
        await text(url)


async def test_a_scrape_does_not_wait_for_a_venue_and_neither_does_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, HangingVenue)
    async with Run("desk-a") as url:
        page = await text(f"{url}/metrics")
        ready = await text(f"{url}/-/ready")
    assert 'risk_up{account="desk-a",exchange="scripted"} 0.0' in page
    assert "risk_account_equity" not in page
    assert "Not every account" in ready
    assert asyncio.all_tasks() == {asyncio.current_task()}


STATE = Endpoint("/state", signed=False)


class AskingVenue(ScriptedVenue):
    """A venue that is asked one thing."""

    endpoints = (STATE,)

    async def fetch(self, api: Api) -> AccountSnapshot:
        await api.request(STATE)
        return snapshot()


async def test_twelve_names_that_do_not_resolve_starve_no_account_and_do_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their name server never answers. With threads for lookups, nothing else was asked for half a minute."""
    use(monkeypatch, AskingVenue)
    hosts = [f"http://venue-{number}.example" for number in range(12)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        names = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr(
            transport, "Resolver", lambda: Resolver(AsyncResolver(nameservers=[names], timeout=30.0))
        )
        async with VenueServer({"/state": b"{}"}) as server:
            run = Run()
            run.config = Config(
                accounts=tuple(
                    scripted(f"desk-{number}", base_url=base_url, timeout=30.0).config.model_copy(
                        update={"proxy": None}
                    )
                    for number, base_url in enumerate([*hosts, server.base_url])
                )
            )
            async with run as url, asyncio.timeout(3):
                up = 'risk_up{account="desk-12",exchange="scripted"} 1.0'
                while up not in await text(f"{url}/metrics"):
                    pass


async def test_without_accounts_it_is_ready_and_serves_its_own_metrics() -> None:
    async with Run() as url:
        await until_ready(url)
        assert "risk_exporter_build_info{" in await text(f"{url}/metrics")


async def test_the_secrets_of_the_configuration_are_kept_out_of_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, PromptVenue)
    hidden: list[str] = []
    monkeypatch.setattr(logs, "hide", hidden.extend)
    async with Run("desk-a"):
        assert API_SECRET in hidden


@pytest.mark.parametrize(
    ("address", "path", "message"),
    [
        ("nonsense", "/metrics", "'nonsense' is not an address"),
        ("127.0.0.1:0", "/", "'/' is not a path"),
        ("192.0.2.1:1", "/metrics", "cannot listen on 192.0.2.1:1: "),
    ],
)
async def test_what_it_cannot_listen_on_is_an_error_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, address: str, path: str, message: str
) -> None:
    use(monkeypatch, PromptVenue)
    config = Config(accounts=(scripted().config,))
    with pytest.raises(ListenError, match=re.escape(message)):
        await app.run(config, [address], path)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_it_serves_at_a_socket_from_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, PromptVenue)
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
        monkeypatch.setattr(addresses, "_FIRST_INHERITED", opened.detach())
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    async with Run("a", systemd_socket=True) as url:
        assert url == f"http://127.0.0.1:{port}"
        assert "healthy" in await text(f"{url}/-/healthy")
    with pytest.raises(ListenError, match="no socket from systemd"):
        await app.run(Config(accounts=(scripted().config,)), [], systemd_socket=True)
