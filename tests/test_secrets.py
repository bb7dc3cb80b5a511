"""Tries to make a secret visible, in every way that is known to have worked somewhere."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from exporter import app, logs
from exporter import check as one_collection
from exporter.account import AccountConfig
from exporter.api import Api
from exporter.config import Config
from exporter.defaults import LOG_FORMATS, LogFormat
from exporter.demo import running as simulated
from exporter.errors import VenueError
from exporter.venues import AnyVenue, discover

pytestmark = pytest.mark.usefixtures("restored_logging")

CALLER = "203.0.113.77"
ACCOUNT_ID = "900800700600"
PROXY_PASSWORD = "proxy-passw0rd"
STATUSES = (200, 400, 401, 403, 404, 418, 429, 500, 503)


@dataclass
class Seen:
    """What a run of the exporter showed."""

    logs: str
    metrics: str
    page: str
    accounts: str
    """What is told of each account, for people and for programs."""

    def lines(self, account: str) -> list[str]:
        return [line for line in self.logs.splitlines() if f"account={account} " in line]

    def reason(self, account: str) -> str:
        """Of the first failed collection, from the metrics."""
        match = re.search(
            rf'risk_collector_errors_total{{account="{account}",exchange="\w+",reason="(\w+)"}} [1-9]',
            self.metrics,
        )
        assert match is not None, f"{account} did not fail"
        return match[1]

    def holds_none_of(self, secrets: Iterable[str]) -> None:
        for secret in secrets:
            for name, text in vars(self).items():
                assert secret not in text, f"{secret!r} is in the {name}"


async def run(config: Config, format_: LogFormat = "logfmt") -> Seen:
    """Runs the whole program at its most talkative until every account has been tried once."""
    stream = io.StringIO()
    logs.configure("debug", format_, stream)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def started(urls: Sequence[str]) -> None:
        listening.set_result(urls[0].removesuffix("/metrics"))

    task = asyncio.create_task(app.run(config, ["127.0.0.1:0"], "/metrics", started))
    try:
        url = await asyncio.wait_for(listening, 10)
        async with aiohttp.ClientSession(raise_for_status=True) as session, asyncio.timeout(30):
            while True:
                async with session.get(f"{url}/-/ready", raise_for_status=False) as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.05)
            metrics = await text(session, f"{url}/metrics")
            page = await text(session, url)
            paths = [f"accounts/{account.exchange}/{account.name}" for account in config.accounts]
            told = [await text(session, f"{url}/{path}") for path in paths]
            told += [await text(session, f"{url}/api/v1/{path}") for path in ("accounts", *paths)]
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return Seen(stream.getvalue(), metrics, page, "\n".join(told))


async def text(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as answer:
        return await answer.text()


@dataclass
class Echo:
    """A venue, or a proxy, that repeats everything it was sent. The path begins with the status to answer."""

    port: int = 0
    received: set[str] = field(default_factory=set)
    """Every value of a query, a body or a header that a client sent."""

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.text()
        values = [value for _, value in parse_qsl(f"{request.query_string}&{body}", keep_blank_values=True)]
        values += [value for name, value in request.headers.items() if name not in _PLAIN_HEADERS]
        self.received.update(value for value in values if len(value) >= 16)
        if request.method == "CONNECT" or request.path.startswith("http"):
            status = 407
        else:
            status = int(request.path.split("/")[1])
        words = f"key {values} of account {ACCOUNT_ID} from {CALLER} may not {request.path_qs}"
        # One of these is the field in which the venue at hand says what went wrong.
        fields = dict.fromkeys(("msg", "message", "error", "errorMsg", "debugMsg", "data"), words)
        return web.json_response({"code": -2015, **fields}, status=status)


_PLAIN_HEADERS = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Content-Type", "Content-Length"}


def host(status: int) -> str:
    """A loopback address for each status, so that a ban at one is not one at the others."""
    return f"127.0.{status // 100}.{status % 100 + 1}"


@asynccontextmanager
async def echo(*hosts: str) -> AsyncIterator[Echo]:
    """Runs one on 127.0.0.1 and `hosts`, all loopback, on the same port."""
    server = Echo()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.port = runner.addresses[0][1]
        for one in hosts:
            await web.TCPSite(runner, one, server.port).start()
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def one_account_a_venue() -> AsyncIterator[list[AccountConfig]]:
    """An account of every venue that has a stand-in, with fake keys of the right kind."""
    async with simulated.running(seed=1, interval=60.0) as config:
        yield list({account.exchange: account for account in config.accounts}.values())


def all_secrets(accounts: Iterable[AccountConfig]) -> frozenset[str]:
    return Config(accounts=tuple(accounts)).secrets()


def changed(account: AccountConfig, name: str, **fields: Any) -> AccountConfig:
    return account.model_copy(update={"name": name, "timeout": 5.0, **fields})


def with_wrong_secrets(account: AccountConfig, name: str) -> AccountConfig:
    """The same account with a secret that is well-formed and not the venue's."""
    wrong: dict[str, Any] = {}
    for field_name in type(account).model_fields:
        value = getattr(account, field_name)
        # The name of the key stays right, so that it is the signature that is refused.
        if isinstance(value, SecretStr) and field_name not in ("api_key", "proxy"):
            text = value.get_secret_value()
            wrong[field_name] = SecretStr(text[:-1] + ("1" if text[-1] == "0" else "0"))
    # Where there is no key, the address is wrong.
    return changed(account, name, **(wrong or {"address": f"0x{'ab' * 20}"}))


@pytest.mark.parametrize("format_", LOG_FORMATS)
async def test_a_wrong_secret_is_one_clear_line_without_it(format_: LogFormat) -> None:
    async with one_account_a_venue() as accounts:
        wrong = [with_wrong_secrets(account, f"wrong-{account.exchange}") for account in accounts]
        seen = await run(Config(accounts=tuple(wrong)), format_)
    seen.holds_none_of(all_secrets([*accounts, *wrong]))
    for account in wrong:
        assert f'risk_up{{account="{account.name}",exchange="{account.exchange}"}} 0.0' in seen.metrics
        assert f'risk_account_equity{{account="{account.name}"' not in seen.metrics
        assert seen.reason(account.name) == "auth"
    failed = [line for line in seen.logs.splitlines() if "collection failed" in line]
    assert len(failed) == len(wrong)


async def test_a_venue_that_repeats_what_it_was_sent_is_not_repeated() -> None:
    hosts = [host(status) for status in STATUSES]
    async with one_account_a_venue() as accounts, echo(*hosts) as venue:
        told = [
            changed(
                account,
                f"told-{account.exchange}-{status}",
                base_url=f"http://{host(status)}:{venue.port}/{status}",
            )
            for account in accounts
            for status in STATUSES
        ]
        seen = await run(Config(accounts=tuple(told)))
        for account in told:
            assert seen.reason(account.name)
            assert len(seen.lines(account.name)) >= 1
        # Signatures and keys as they went over the wire.
        assert len(venue.received) >= len(told)
        seen.holds_none_of(venue.received)
    seen.holds_none_of({*all_secrets(accounts), CALLER, ACCOUNT_ID})


@asynccontextmanager
async def nonsense(requests: list[str]) -> AsyncIterator[str]:
    """Runs a server that answers with what is no HTTP, and notes what it was sent; gives its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"NONSENSE from {CALLER}\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())


async def test_a_venue_that_does_not_speak_http_does_not_make_the_signed_url_visible() -> None:
    """The HTTP library's errors name it, with a signature that nobody knows to be secret beforehand."""
    requests: list[str] = []
    async with one_account_a_venue() as accounts, nonsense(requests) as url:
        told = [changed(account, f"told-{account.exchange}", base_url=url) for account in accounts]
        seen = await run(Config(accounts=tuple(told)))
    assert {seen.reason(account.name) for account in told} == {"network"}
    assert seen.page.count("the answer is not valid HTTP") == len(told)
    queries = [line.partition("?")[2].partition(" ")[0] for line in requests]
    values = {value for query in queries for _, value in parse_qsl(query) if len(value) >= 8}
    assert len(values) >= len(told)  # timestamps and signatures
    seen.holds_none_of({*values, *all_secrets(accounts), CALLER, "NONSENSE"})


async def test_a_proxy_and_its_password_are_not_named() -> None:
    async with one_account_a_venue() as accounts, echo() as proxy:
        address = f"127.0.0.1:{proxy.port}"
        proxies = {
            "refusing": f"http://desk:{PROXY_PASSWORD}@{address}",
            "absent": f"http://desk:{PROXY_PASSWORD}@127.0.0.1:1",
            "unresolved": f"http://desk:{PROXY_PASSWORD}@proxy.invalid:3128",
            # A password that was not percent-encoded: the URL has no port that could be read.
            "malformed": f"http://desk:{PROXY_PASSWORD}/x@{address}",
        }
        behind = [
            changed(
                accounts[0], f"{name}-{scheme}", proxy=SecretStr(url), base_url=f"{scheme}://venue.example"
            )
            for name, url in proxies.items()
            for scheme in ("http", "https")
        ]
        seen = await run(Config(accounts=tuple(behind)))
    seen.holds_none_of({*all_secrets(behind), PROXY_PASSWORD, "desk:", CALLER})
    for account in behind:
        # A proxy that answers a plain request itself cannot be told from the venue.
        if account.name != "refusing-http":
            assert seen.reason(account.name) == "network"


async def test_a_defect_leaves_a_traceback_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    async with one_account_a_venue() as accounts:
        account = accounts[0]
        secrets = all_secrets([account])
        texts = " ".join(sorted(secrets))
        url = f"https://desk:passw0rd@venue.example/v1?signature={'ab12' * 16}"
        key_error = KeyError(f"{url} {texts} {CALLER} {ACCOUNT_ID}")
        raised = {
            "plain": key_error,
            "chained": RuntimeError(str(key_error)),
            # An adapter that forgot its manners: what it knows is its own account's secrets.
            "venue-error": VenueError("internal", texts),
        }

        class Broken(discover()[account.exchange]):  # type: ignore[misc]  # a class made at run time
            async def fetch(self, api: object) -> Any:  # noqa: ARG002
                error = raised[self.config.name]
                raise error from (None if error is key_error else key_error)

        venues: dict[str, type[AnyVenue]] = {account.exchange: Broken}
        monkeypatch.setattr(app, "discover", lambda: MappingProxyType(venues))
        broken = [changed(account, name) for name in raised]
        seen = await run(Config(accounts=tuple(broken)))
    seen.holds_none_of({*secrets, "passw0rd", "ab12ab12", CALLER, ACCOUNT_ID})
    for account in broken:
        assert seen.reason(account.name) == "internal"
        # The place of the defect is what a person needs.
        assert any("in fetch" in line for line in seen.lines(account.name))


async def test_the_table_of_check_shows_no_secret_of_a_careless_adapter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with one_account_a_venue() as accounts:
        account = accounts[0]
    secrets = all_secrets([account])
    words = " ".join(sorted(secrets))

    class Careless(discover()[account.exchange]):  # type: ignore[misc]  # a class made at run time
        async def fetch(self, api: Api) -> Any:
            async def fail() -> None:
                raise VenueError("exchange", f"not needed: {words}")

            await api.optional(fail())
            raise VenueError("auth", f"refused: {words}")

        async def key_rights(self, api: Api) -> Any:  # noqa: ARG002 (it asks nobody)
            raise VenueError("exchange", f"not told: {words}")

    venues: dict[str, type[AnyVenue]] = {account.exchange: Careless}
    monkeypatch.setattr(one_collection, "discover", lambda: MappingProxyType(venues))
    found = one_collection.text_of(await one_collection.check(Config(accounts=(account,))))
    assert "refused: [redacted]" in found
    assert "not needed: [redacted]" in found
    assert "not told: [redacted]" in found
    assert not any(secret in found for secret in secrets)
