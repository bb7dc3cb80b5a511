"""A real Prometheus server scrapes the exporter in front of a simulated venue, in every format."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from exporter import app
from exporter.config import Config
from exporter.simulator import Market, Server, discover
from exporter.venues import discover as discover_venues

EXCHANGE = "binance_usdm"

# Path at the proxy to the Accept header it asks the exporter with; None is what Prometheus itself says.
SCRAPES = {
    "own": None,
    "openmetrics": "application/openmetrics-text;version=1.0.0",
    "text-0": "text/plain;version=0.0.4",
    "text-1": "text/plain;version=1.0.0",
}
CONTENT_TYPES = {
    "own": "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "text-0": "text/plain; version=0.0.4; charset=utf-8",
    "text-1": "text/plain; version=1.0.0; charset=utf-8",
}
WAIT_SECONDS = 60.0


@asynccontextmanager
async def exporter() -> AsyncIterator[str]:
    """The exporter with the simulated venue's accounts; gives the URL of its page."""
    async with Server(discover()[EXCHANGE](Market(seed=3))) as server:
        config_class = discover_venues()[EXCHANGE].config_class
        accounts = tuple(
            config_class.model_validate({**entry, "interval": 1.0, "timeout": 1.0})
            for entry in server.simulator.demo_accounts(server.base_url)
        )
        listening: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(
            app.run(Config(accounts=accounts), ["127.0.0.1:0"], on_listening=listening.set_result)
        )
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                (url,) = await listening
            yield url
        finally:
            running.cancel()
            await asyncio.wait([running])


class Proxy:
    """Stands between Prometheus and the exporter and asks for another format at each path."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.content_types: dict[str, set[str]] = {name: set() for name in SCRAPES}
        self.encodings: set[str | None] = set()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        application = web.Application()
        application.router.add_get("/{name}", self._forward)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession(auto_decompress=False) as self._session:
            try:
                yield f"127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()

    async def _forward(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        headers = {
            "Accept": SCRAPES[name] or request.headers["Accept"],
            "Accept-Encoding": request.headers.get("Accept-Encoding", ""),
        }
        async with self._session.get(self.page, headers=headers) as answer:
            body = await answer.read()
        self.content_types[name].add(answer.headers["Content-Type"])
        self.encodings.add(answer.headers.get("Content-Encoding"))
        kept = {
            header: answer.headers[header]
            for header in ("Content-Type", "Content-Encoding")
            if header in answer.headers
        }
        return web.Response(status=answer.status, body=body, headers=kept)


class Prometheus:
    """The server, with its log."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self._log = log

    async def get(self, path: str, **params: str) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}{path}", params=params) as answer,
        ):
            return await answer.json() if path.startswith("/api") else await answer.text()

    async def query(self, expression: str) -> list[dict[str, Any]]:
        answer = await self.get("/api/v1/query", query=expression)
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    async def until(self, expression: str, count: int) -> list[dict[str, Any]]:
        """The result of a query once it has this many series."""
        found: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while len(found := await self.query(expression)) != count:  # noqa: ASYNC110 (another process)
                    await asyncio.sleep(0.2)
        except TimeoutError:
            targets = await self.get("/api/v1/targets")
            pytest.fail(f"{expression} gives {found}\n{targets}\n{self._log.read_text()}")
        return found

    def complaints(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._log.read_text().splitlines()]
        return [
            line
            for line in lines
            if line["level"] not in ("info", "debug") and "Received SIGTERM" not in line["msg"]
        ]


@asynccontextmanager
async def prometheus(directory: Path, target: str) -> AsyncIterator[Prometheus]:
    """A server of its own; a missing program fails the test."""
    config = directory / "prometheus.yml"
    job = {"scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
    jobs = [{**job, "job_name": name, "metrics_path": f"/{name}"} for name in SCRAPES]
    config.write_text(yaml.safe_dump({"scrape_configs": jobs}))
    log = directory / "prometheus.log"
    with log.open("wb") as log_file:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            "--log.level=debug",
            "--log.format=json",
            stdout=log_file,
            stderr=log_file,
        )
    try:
        yield Prometheus(f"http://{await bound_address(process, log)}", log)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def bound_address(process: asyncio.subprocess.Process, log: Path) -> str:
    """Where the server listens, from its log."""
    async with asyncio.timeout(WAIT_SECONDS):
        while process.returncode is None:
            address = listening_address(log)
            if address is not None:
                return address
            await asyncio.sleep(0.1)
    pytest.fail("prometheus ended before it listened")


def listening_address(log: Path) -> str | None:
    for line in log.read_text().splitlines():
        if '"Listening on"' in line and line.endswith("}"):
            return str(json.loads(line)["address"])
    return None


async def test_prometheus_takes_the_page_in_every_format(tmp_path: Path) -> None:
    """Every scrape is up, all formats bring the same series, and the server complains of nothing."""
    async with exporter() as page:
        proxy = Proxy(page)
        async with proxy.served() as target, prometheus(tmp_path, target) as server:
            await server.until("count_over_time(up[1m]) >= 4", len(SCRAPES))
            assert [row["value"][1] for row in await server.query("min_over_time(up[1m])")] == ["1"] * 4
            accounts = await server.query(f'sum by (job) (risk_up{{exchange="{EXCHANGE}"}})')
            assert {row["value"][1] for row in accounts} == {"4"}
            await server.until("count by (job) (risk_account_equity_usd > 0)", len(SCRAPES))
            await server.until("count by (job) (risk_position_liquidation_distance_ratio > 0)", len(SCRAPES))
            # The demo's prices move: a page that stood still would be a page that is not collected.
            await server.until("count by (job) (changes(risk_account_equity_usd[1m]) > 0)", len(SCRAPES))
            by_job: dict[str, set[tuple[tuple[str, str], ...]]] = {name: set() for name in SCRAPES}
            for row in await server.query('{__name__=~"risk_(account|asset|position).*"}'):
                labels = row["metric"]
                job = labels.pop("job")
                by_job[job].add(tuple(sorted(labels.items())))
            assert by_job["own"]
            assert all(series == by_job["own"] for series in by_job.values())
            own_page = await server.get("/metrics")
        # What a scrape brought and the server did not take.
        for kind in ("duplicate_timestamp", "out_of_order", "out_of_bounds"):
            assert f"prometheus_target_scrapes_sample_{kind}_total 0\n" in own_page
        assert server.complaints() == []
    assert proxy.content_types == {name: {expected} for name, expected in CONTENT_TYPES.items()}
    assert proxy.encodings == {"gzip"}
