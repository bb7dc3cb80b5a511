"""A real Prometheus server scrapes the exporter in front of a simulated venue, in every format."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from exporter.config import Config
from exporter.demo import Market, Server, discover
from exporter.venues import discover as discover_venues
from tests.e2e.programs import UNPACED, exporter, prometheus
from tests.grafana.programs import RELEASES, Release

EXCHANGE = "binance_usdm"

# Path at the proxy to the Accept header it asks the exporter with; None is what Prometheus itself says.
SCRAPES = {
    "own": None,
    "openmetrics": "application/openmetrics-text;version=1.0.0",
    "text-0": "text/plain;version=0.0.4",
    "text-1": "text/plain;version=1.0.0",
}
# What they ask for first of all.
PREFERRED: dict[Release, str] = {
    "installed": "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "newer": "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
}
CONTENT_TYPES = {
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "text-0": "text/plain; version=0.0.4; charset=utf-8",
    "text-1": "text/plain; version=1.0.0; charset=utf-8",
}


@asynccontextmanager
async def page_of_a_simulated_venue() -> AsyncIterator[str]:
    """The exporter with the simulated venue's accounts; gives the URL of its page."""
    async with Server(discover()[EXCHANGE](Market(seed=3))) as server:
        config_class = discover_venues()[EXCHANGE].config_class
        accounts = tuple(
            # Sub-accounts are there once their list is: the number of accounts would depend on the moment.
            config_class.model_validate({**entry, "interval": 1.0, "timeout": 1.0, "sub_accounts": False})
            for entry in server.simulator.demo_accounts(server.base_url)
        )
        async with exporter(Config(accounts=accounts, budgets=UNPACED)) as url:
            yield url


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


def scrape_config(target: str) -> dict[str, Any]:
    """One job for each format."""
    job = {"scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
    return {"scrape_configs": [{**job, "job_name": name, "metrics_path": f"/{name}"} for name in SCRAPES]}


@pytest.mark.parametrize("release", RELEASES)
async def test_prometheus_takes_the_page_in_every_format(release: Release, tmp_path: Path) -> None:
    """Every scrape is up, all formats bring the same series, and the server complains of nothing."""
    async with page_of_a_simulated_venue() as page:
        proxy = Proxy(page)
        async with (
            proxy.served() as target,
            prometheus(tmp_path, scrape_config(target), "--log.level=debug", release=release) as server,
        ):
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
            own_page = await server.text("/metrics")
        # What a scrape brought and the server did not take.
        for kind in ("duplicate_timestamp", "out_of_order", "out_of_bounds"):
            assert f"prometheus_target_scrapes_sample_{kind}_total 0\n" in own_page
        assert server.complaints() == []
    expected = {"own": PREFERRED[release], **CONTENT_TYPES}
    assert proxy.content_types == {name: {type_} for name, type_ in expected.items()}
    assert proxy.encodings == {"gzip"}
