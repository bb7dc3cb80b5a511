"""The demo with a story, in front of a Prometheus with the rules: something to see on the dashboards.

The market falls, which brings the fullest book near its liquidation, and one venue refuses a key, so that an
account is blind while it loses money.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from exporter import demo
from exporter.config import Config
from exporter.demo.faults import RevokedKey
from exporter.demo.market import Market
from exporter.demo.server import Server
from exporter.model import RiskSettings
from exporter.venues import discover
from tests.e2e.programs import exporter, prometheus
from tests.grafana.programs import GRAFANA

INTERVAL: Final = 5
"""Seconds: of collections, scrapes and rules."""
FALL: Final = {"ADA": 0.135, "BTC": 0.045, "ETH": 0.05, "SOL": 0.06}
"""Part of the price that each coin loses in the story."""
FALLS_AT, BLIND_AT = 0.4, 0.75
"""Parts of the time that is played: when the fall begins, and when the key is refused."""
BLIND: Final = "bingx-hedged"
NEAREST: Final = {"exchange": "binance_usdm", "account": "usdm-concentrated", "symbol": "ADAUSDT"}
"""What the fall brings nearest to its liquidation."""


@asynccontextmanager
async def played(minutes: float, folder: Path) -> AsyncIterator[str]:
    """The URL of a Prometheus that has seen the whole story."""
    market = Market(seed=3)
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(Server(simulator(market)))
            for simulator in demo.discover().values()
        ]
        venues = discover()
        accounts = tuple(
            venues[server.simulator.name].config_class.model_validate(
                {"timeout": INTERVAL, **entry, "interval": INTERVAL}
            )
            for server in servers
            for entry in server.simulator.demo_accounts(server.base_url)
        )
        config = Config(accounts=accounts, risk=RiskSettings(cross_check=True))
        page = await stack.enter_async_context(exporter(config))
        target = page.split("/")[2]
        settings = {
            "global": {"scrape_interval": f"{INTERVAL}s", "evaluation_interval": f"{INTERVAL}s"},
            "rule_files": [str(GRAFANA / "prometheus" / "rules" / "*.yml")],
            "scrape_configs": [{"job_name": "risk-exporter", "static_configs": [{"targets": [target]}]}],
        }
        server = await stack.enter_async_context(prometheus(folder, settings))
        await _play(market, servers, minutes * 60)
        yield server.url


async def _play(market: Market, servers: Sequence[Server], seconds: float) -> None:
    begin, before, blind = time.monotonic(), dict[str, float](), False
    while (passed := (time.monotonic() - begin) / seconds) < 1:
        if passed >= FALLS_AT:
            share = min(1.0, (passed - FALLS_AT) / 0.35)
            for coin, part in FALL.items():
                at_first = before.setdefault(coin, market.mark(coin))
                market.set_price(coin, at_first * (1 - part * share))
        if passed >= BLIND_AT and not blind:
            blind = True
            for server in servers:
                if server.simulator.name == "bingx":
                    server.simulator.faults.set(RevokedKey(), account=BLIND)
        await asyncio.sleep(INTERVAL / 2)
