"""The venue of the guide, from somebody else's package: a module and an entry point, nothing here changes."""

from __future__ import annotations

import asyncio
import hmac
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.venues.guide import SOURCE

CONFIGURATION = """
accounts:
  - name: desk
    exchange: toy
    base_url: {base_url}
    api_key: toy-key
    api_secret: toy-secret
"""


def install(site: Path) -> None:
    """What pip leaves behind of a package with one module and one entry point."""
    (site / "toy_venue.py").write_text(SOURCE)
    info = site / "toy_venue-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-venue\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[risk_exporter.venues]\ntoy = toy_venue:Toy\n")


def environment(site: Path) -> dict[str, str]:
    project = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{project}"}


ROWS = [
    {"symbol": "BTCUSDT", "size": "2", "entryPrice": "100", "markPrice": 110, "liquidationPrice": "60"},
    {"symbol": "ETHUSDT", "size": "-3", "entryPrice": "10", "markPrice": "9", "liquidationPrice": "0"},
    {"symbol": "SOLUSDT", "size": "0"},
]


def signed(handler: Handler) -> Handler:
    """Checks the toy's signature, written down a second time."""

    async def checked(request: web.Request) -> web.StreamResponse:
        assert request.headers["X-KEY"] == "toy-key"
        text = request.raw_path.encode()
        assert request.headers["X-SIGN"] == hmac.new(b"toy-secret", text, "sha256").hexdigest()
        return await handler(request)

    return checked


@asynccontextmanager
async def toy_server() -> AsyncIterator[str]:
    """The toy's venue: its positions come in two pages, its clock is two minutes ahead."""

    async def balance(request: web.Request) -> web.Response:
        assert request.match_info["coin"] == "usdt"
        if abs(int(request.query["timestamp"]) / 1000 - time.time() - 120.0) > 10.0:
            return web.json_response({"code": 1001, "msg": "timestamp"})
        return web.json_response({"code": 0, "data": {"equity": "1234.5", "maintenanceMargin": 10}})

    async def positions(request: web.Request) -> web.Response:
        more = "cursor" not in request.query
        page = {"rows": ROWS[:1] if more else ROWS[1:], "cursor": "next" if more else ""}
        return web.json_response({"code": 0, "data": page})

    async def key(_: web.Request) -> web.Response:
        return web.json_response({"code": 0, "data": {"scopes": ["read"], "expiresAt": 1760000000000}})

    async def server_time(_: web.Request) -> web.Response:
        return web.json_response({"code": 0, "data": {"time": int((time.time() + 120.0) * 1000)}})

    app = web.Application()
    app.router.add_get("/v1/{coin}/balance", signed(balance))
    app.router.add_get("/v1/positions", signed(positions))
    app.router.add_get("/v1/key", signed(key))
    app.router.add_get("/v1/time", server_time)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield "http://{}:{}".format(*runner.addresses[0][:2])
    await runner.cleanup()


async def program(site: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "exporter",
        *arguments,
        env=environment(site),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def metrics_with(base_url: str, wanted: str) -> str:
    """The metrics page as soon as it has `wanted`."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            async with session.get(f"http://{base_url}/metrics") as answer:
                page = await answer.text()
            if wanted in page:
                return page
            await asyncio.sleep(0.1)


async def listening(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(20):
        async for line in process.stdout:
            lines.append(line.decode())
            found = re.search(r"listening.*url=\S*?(127\.0\.0\.1:\d+)", lines[-1])
            if found:
                return found[1]
    raise AssertionError("".join(lines))


def test_the_guide_s_venue_is_short() -> None:
    lines = [line for line in SOURCE.splitlines() if line.strip()]
    assert 20 < len(lines) <= 72


async def test_it_is_on_the_metrics_page(tmp_path: Path) -> None:
    install(tmp_path)
    async with toy_server() as base_url:
        config = tmp_path / "risk-exporter.yml"
        config.write_text(CONFIGURATION.format(base_url=base_url))
        process = await program(
            tmp_path,
            "run",
            f"--config.file={config}",
            "--web.listen-address=127.0.0.1:0",
            "--collect.first-within=0s",
        )
        try:
            page = await metrics_with(await listening(process), "risk_account_equity{")
        finally:
            process.terminate()
            await process.wait()
    assert 'risk_account_equity{exchange="toy",account="desk",currency="USDT"} 1234.5' in page
    assert 'risk_positions{exchange="toy",account="desk"} 2.0' in page
    assert re.search(r'risk_position_liquidation_price\{.*"BTCUSDT",side="long".*\} 60\.0', page)
    # The path's template, not what it was filled with; the second attempt is that after the clock was asked.
    assert re.search(r'risk_api_requests_total\{endpoint="/v1/\{coin\}/balance",.*status="200"\} 2\.0', page)
    assert 'risk_up{account="desk",exchange="toy"} 1.0' in page
    assert 'risk_api_key_permission{account="desk",exchange="toy",permission="withdraw"} 0.0' in page
    assert 'risk_api_key_expiry_timestamp_seconds{account="desk",exchange="toy"} 1760000000.0' in page


async def test_it_is_in_the_documentation(tmp_path: Path) -> None:
    install(tmp_path)
    process = await program(tmp_path, "metrics", "--format=markdown", "--page=venues")
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    text = output.decode()
    assert "[Toy exchange](https://toy.example/docs)" in text
    assert "`exchange: toy`" in text
