"""VictoriaMetrics and vmalert, each on a free loopback port and ended with the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.e2e.programs import eventually
from tests.grafana.programs import program


class Victoria:
    """What is asked of one of them; the same API as that of Prometheus."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self._session = url, session

    async def text(self, path: str) -> str:
        """The body of an answer."""
        async with self._session.get(f"{self.url}{path}") as answer:
            return await answer.text()

    async def api(self, path: str, **query: str) -> Any:
        """The data of an answer; fails if the question is refused."""
        async with self._session.get(f"{self.url}/api/v1/{path}", params=query) as answer:
            content = await answer.json()
        assert content["status"] == "success", content
        return content["data"]

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """The series an instant query gives."""
        found: list[dict[str, Any]] = (await self.api("query", query=expr))["result"]
        return found


def _free_address() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        host, port = found.getsockname()
    return f"{host}:{port}"


@asynccontextmanager
async def _running(log: Path, name: str, *arguments: str) -> AsyncIterator[Victoria]:
    address = _free_address()
    with log.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            program(name, release="newer"),
            f"-httpListenAddr={address}",
            *arguments,
            stdout=output,
            stderr=output,
        )
    url = f"http://{address}"

    async def healthy() -> bool:
        try:
            async with session.get(f"{url}/health") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    try:
        async with aiohttp.ClientSession() as session:
            await eventually(healthy, lambda: f"{name} does not listen; its log:\n{log.read_text()}")
            yield Victoria(url, session)
    finally:
        child.terminate()
        await child.wait()


@asynccontextmanager
async def victoria_metrics(
    folder: Path, config: Mapping[str, Any], *, agent: bool = False
) -> AsyncIterator[Victoria]:
    """VictoriaMetrics, which scrapes by itself, or through a vmagent as on many machines."""
    folder.mkdir()  # noqa: ASYNC240 (nothing else runs yet)
    scrapes = f"-promscrape.config={folder / 'scrape.yml'}"
    (folder / "scrape.yml").write_text(yaml.safe_dump(dict(config)))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            _running(
                folder / "database.log",
                "victoria-metrics",
                f"-storageDataPath={folder / 'data'}",
                "-search.latencyOffset=0s",
                *([] if agent else [scrapes]),
            )
        )
        if agent:
            await stack.enter_async_context(
                _running(
                    folder / "agent.log",
                    "vmagent",
                    scrapes,
                    f"-remoteWrite.url={database.url}/api/v1/write",
                    f"-remoteWrite.tmpDataPath={folder / 'buffer'}",
                )
            )
        yield database


@asynccontextmanager
async def vmalert(folder: Path, rules: Path, database: Victoria) -> AsyncIterator[Victoria]:
    """It evaluates all rule files of a folder every second, and sends alerts nowhere."""
    async with _running(
        folder / "vmalert.log",
        "vmalert",
        f"-rule={rules}/*.yml",
        f"-datasource.url={database.url}",
        f"-remoteRead.url={database.url}",
        f"-remoteWrite.url={database.url}",
        "-remoteWrite.flushInterval=100ms",
        "-evaluationInterval=1s",
        "-rule.evalDelay=0s",
        "-notifier.blackhole",
    ) as running:
        yield running
