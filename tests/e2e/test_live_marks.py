"""Between two collections a minute apart, prices on the page are seconds old, for one public call a venue."""

from __future__ import annotations

import re

import aiohttp

from exporter.config import Config
from exporter.demo import Market, Server, discover
from exporter.venues import discover as discover_venues
from tests.e2e.programs import UNPACED, eventually, exporter

MARK = re.compile(
    r'risk_position_mark_price\{exchange="binance_usdm",account="[^"]*",symbol="BTCUSDT"[^}]*\} (\S+)'
)
AGE = re.compile(r"risk_collector_last_success_timestamp_seconds\{[^}]*\} (\S+)")


async def test_the_page_follows_the_market_between_two_collections() -> None:
    market = Market(seed=3)
    market.freeze()
    market.set_price("BTC", "65000", "USDT")
    async with Server(discover()["binance_usdm"](market)) as server:
        config_class = discover_venues()["binance_usdm"].config_class
        accounts = tuple(
            config_class.model_validate({**entry, "interval": 60.0})
            for entry in server.simulator.demo_accounts(server.base_url)
        )
        config = Config(accounts=accounts, budgets=UNPACED, marks_interval=1.0)
        async with exporter(config) as url, aiohttp.ClientSession() as session:

            async def page() -> str:
                async with session.get(url) as answer:
                    return await answer.text()

            async def collected() -> bool:
                return len(AGE.findall(await page())) == len(accounts)

            await eventually(collected, lambda: "not all accounts are collected")
            before = await page()
            assert set(MARK.findall(before)) == {"65000.0"}
            asked = len(server.simulator.requests)
            market.set_price("BTC", "64000", "USDT")

            async def moved() -> bool:
                return set(MARK.findall(await page())) == {"64000.0"}

            await eventually(moved, lambda: "the marks are those of the collections")
            after = await page()
            assert AGE.findall(after) == AGE.findall(before), "an account got younger without being collected"
            assert re.search(r'risk_marks_last_success_timestamp_seconds\{exchange="binance_usdm"\} 1', after)
            assert {*server.simulator.requests[asked:]} == {"GET /fapi/v1/premiumIndex"}
