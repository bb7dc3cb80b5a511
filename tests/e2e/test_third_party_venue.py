"""A venue from somebody else's package: one module and an entry point, nothing in this project changes."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

MODULE = """
from exporter.account import ApiKeyConfig
from exporter.model import AccountSnapshot, MarginPool
from exporter.venues.base import Endpoint, FieldUse, SignedRequest, Venue
from exporter.wire import Required, Wire

BALANCE = Endpoint("/balance")


class Balance(Wire):
    equity: Required


class Toy(Venue[ApiKeyConfig]):
    name = "toy"
    title = "Toy exchange"
    documentation = "https://toy.example/docs"
    config_class = ApiKeyConfig
    base_url = None
    endpoints = (BALANCE,)
    fields = (FieldUse("/balance", "equity", ("risk_account_equity",)),)

    def sign(self, endpoint, params, timestamp_ms):
        return SignedRequest(headers={"X-KEY": self.config.api_key.get_secret_value()})

    async def fetch(self, api):
        balance = await api.get(BALANCE, Balance)
        return AccountSnapshot(pools=(MarginPool(currency="USDT", equity=balance.equity),))
"""

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
    (site / "toy_venue.py").write_text(MODULE)
    info = site / "toy_venue-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-venue\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[risk_exporter.venues]\ntoy = toy_venue:Toy\n")


def environment(site: Path) -> dict[str, str]:
    project = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{project}"}


@asynccontextmanager
async def toy_server() -> AsyncIterator[str]:
    async def balance(request: web.Request) -> web.Response:
        assert request.headers["X-KEY"] == "toy-key"
        return web.json_response({"equity": "1234.5"})

    app = web.Application()
    app.router.add_get("/balance", balance)
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


async def test_it_is_on_the_metrics_page(tmp_path: Path) -> None:
    install(tmp_path)
    async with toy_server() as base_url:
        config = tmp_path / "risk-exporter.yml"
        config.write_text(CONFIGURATION.format(base_url=base_url))
        process = await program(
            tmp_path, "run", f"--config.file={config}", "--web.listen-address=127.0.0.1:0"
        )
        try:
            page = await metrics_with(await listening(process), "risk_account_equity{")
        finally:
            process.terminate()
            await process.wait()
    assert 'risk_account_equity{exchange="toy",account="desk",currency="USDT"} 1234.5' in page
    assert 'risk_up{account="desk",exchange="toy"} 1.0' in page


async def test_it_is_in_the_documentation(tmp_path: Path) -> None:
    install(tmp_path)
    process = await program(tmp_path, "metrics", "--format=markdown", "--page=venues")
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    text = output.decode()
    assert "[Toy exchange](https://toy.example/docs)" in text
    assert "| `equity` | `risk_account_equity` |" in text
