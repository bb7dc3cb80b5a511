"""The real programs of the end-to-end tests, each started on a free loopback port and ended with the test.

A missing program fails the tests: a skipped proof looks like a passed one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from exporter import app
from exporter.config import Config
from exporter.limits import BudgetSettings
from exporter.locks.file import load
from exporter.venues import budgets_of, discover
from tests.grafana.programs import Release, program

WAIT_SECONDS = 90.0
"""How long anything is waited for: far longer than it takes on a busy machine."""

UNPACED: Mapping[str, BudgetSettings] = {
    name: BudgetSettings(per_minute=1e9) for name in budgets_of(discover())
}
"""For tests in a hurry, which collect every second: request limits that hold up nobody."""


async def eventually(
    condition: Callable[[], Awaitable[bool]],
    complaint: Callable[[], str],
    *,
    every: float = 0.1,
    within: float = WAIT_SECONDS,
) -> None:
    """Returns as soon as the condition holds; another process brings it about."""
    try:
        async with asyncio.timeout(within):
            while not await condition():  # noqa: ASYNC110 (another process brings it about)
                await asyncio.sleep(every)
    except TimeoutError:
        pytest.fail(complaint())


@asynccontextmanager
async def exporter(config: Config, lock: Path | None = None) -> AsyncIterator[str]:
    """The exporter, stopped as a signal stops it; gives the URL of its metrics page."""
    bound: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        app.run(
            config,
            ["127.0.0.1:0"],
            on_listening=bound.set_result,
            web_config=None if lock is None else load(lock),
            read_web_config=None if lock is None else partial(load, lock),
        )
    )

    def ended(_: object) -> None:
        if not bound.done():  # it could not start: its failure is what the test should show
            bound.set_exception(task.exception() or RuntimeError("the program ended"))

    task.add_done_callback(ended)
    try:
        yield (await bound)[0]
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def running(log: Path, path: str, *arguments: str) -> AsyncIterator[str]:
    """A program of Prometheus' family; gives the address it listens on, from its JSON log."""
    name = Path(path).name
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            path, *arguments, "--log.format=json", stdout=output, stderr=output
        )

    async def listens_or_ended() -> bool:
        return process.returncode is not None or _listening_address(log) is not None

    try:
        await eventually(listens_or_ended, lambda: _said(log, f"{name} does not listen"))
        address = _listening_address(log)
        if address is None:
            pytest.fail(_said(log, f"{name} ended before it listened"))
        yield address
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _listening_address(log: Path) -> str | None:
    for line in log.read_text().splitlines():
        if '"Listening on"' in line and line.endswith("}"):
            return str(json.loads(line)["address"])
    return None


def _said(log: Path, complaint: str) -> str:
    return f"{complaint}; its log:\n{log.read_text()}"


class Prometheus:
    """A running server: its API and its log."""

    def __init__(self, url: str, session: aiohttp.ClientSession, log: Path) -> None:
        self.url, self._session, self._log = url, session, log

    async def text(self, path: str) -> str:
        async with self._session.get(self.url + path) as answer:
            return await answer.text()

    async def api(self, path: str, **data: str) -> Any:
        """The data of an answer; fails if Prometheus refuses it."""
        async with self._session.request(
            "POST" if data else "GET", f"{self.url}/api/v1/{path}", data=data or None
        ) as answer:
            content = await answer.json()
        assert content["status"] == "success", f"{path} {data}: {content}"
        return content["data"]

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """The series an instant query gives."""
        found: list[dict[str, Any]] = (await self.api("query", query=expr))["result"]
        return found

    async def until(self, expr: str, count: int | None = None) -> list[dict[str, Any]]:
        """What the query gives once it gives something, or as many series as `count`."""
        found: list[dict[str, Any]] = []

        async def enough() -> bool:
            nonlocal found
            found = await self.query(expr)
            return bool(found) if count is None else len(found) == count

        await eventually(enough, lambda: _said(self._log, f"{expr} gives {found}"))
        return found

    async def rules_that_fail(self) -> list[str]:
        groups = (await self.api("rules"))["groups"]
        return [
            f"{rule['name']}: {rule.get('lastError')}"
            for group in groups
            for rule in group["rules"]
            if rule["health"] == "err"
        ]

    def complaints(self) -> list[dict[str, Any]]:
        """Warnings and errors in the log, but for the one about our own signal to end."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines()]
        our_signal = ("Received SIGTERM", "Received an OS signal")
        return [
            line
            for line in lines
            if line["level"].lower() not in ("info", "debug") and not line["msg"].startswith(our_signal)
        ]


@asynccontextmanager
async def prometheus(
    directory: Path, config: Mapping[str, Any], *arguments: str, release: Release = "installed"
) -> AsyncIterator[Prometheus]:
    """A server with this configuration, ready to be asked; paths in it are relative to `directory`."""
    file, log = directory / "prometheus.yml", directory / "prometheus.log"
    file.write_text(yaml.safe_dump(dict(config)))
    async with (
        running(
            log,
            program("prometheus", release=release),
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            *arguments,
        ) as address,
        aiohttp.ClientSession() as session,
    ):
        url = f"http://{address}"

        async def ready() -> bool:
            """It listens before it has opened its storage, and answers 503 until then."""
            async with session.get(f"{url}/-/ready") as answer:
                return answer.status == 200

        await eventually(ready, lambda: _said(log, "Prometheus does not get ready"))
        yield Prometheus(url, session, log)
