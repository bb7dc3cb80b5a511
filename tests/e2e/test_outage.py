"""A venue goes away and comes back: what the page shows meanwhile, for real and over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from exporter.config import Config
from exporter.demo import Market, Server
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from exporter.venues.binance_usdm import BinanceUsdm
from tests.e2e.programs import UNPACED, exporter

INTERVAL, MAX_AGE = 0.2, 1.2


def configuration(server: Server) -> Config:
    entries = server.simulator.demo_accounts(server.base_url)
    # A venue that is gone refuses connections at once; the time is for a machine that is busy.
    timing = {"interval": INTERVAL, "timeout": 2.0, "max_age": MAX_AGE}
    return Config(
        accounts=tuple(BinanceUsdm.config_class.model_validate({**entry, **timing}) for entry in entries),
        budgets=UNPACED,
    )


def families(page: str) -> set[str]:
    return {line.split("{")[0].split(" ")[0] for line in page.splitlines() if not line.startswith("#")}


def up(page: str) -> set[str]:
    return {line.rpartition(" ")[2] for line in page.splitlines() if line.startswith("risk_up{")}


async def page_when(url: str, condition: Callable[[str], bool], pages: list[str] | None = None) -> str:
    """The first page that meets the condition; every page seen on the way goes into `pages`."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            async with session.get(url) as answer:
                assert answer.status == 200
                page = await answer.text()
            if condition(page):
                return page
            if pages is not None:
                pages.append(page)
            await asyncio.sleep(0.02)


async def test_data_stay_until_they_are_too_old_then_vanish_together_and_return() -> None:
    market = Market(seed=3)
    async with Server(BinanceUsdmSimulator(market)) as venue, exporter(configuration(venue)) as url:
        complete = families(await page_when(url, lambda page: up(page) == {"1.0"}))
        assert {"risk_account_equity", "risk_position_liquidation_distance_ratio"} <= complete

        await venue.stop()
        failing = await page_when(url, lambda page: up(page) == {"0.0"})
        assert "risk_account_equity" in families(failing)

        on_the_way: list[str] = []
        gone = await page_when(url, lambda page: "risk_positions{" not in page, on_the_way)
        assert not {name for name in families(gone) if name.startswith(("risk_position", "risk_asset"))}
        # Whose it is and when somebody is told stand in the configuration.
        configured = {"risk_account_owner_info", "risk_account_limit"}
        assert {name for name in families(gone) if name.startswith("risk_account")} == configured
        assert "risk_collector_last_success_timestamp_seconds" in families(gone)
        assert up(gone) == {"0.0"}
        assert 'reason="network"' in gone

        # An account is on a page with all its families or with none.
        accounts = {str(entry["name"]) for entry in venue.simulator.demo_accounts("")}
        for page in on_the_way:
            for account in accounts:
                parts = [
                    f'risk_{kind}{{exchange="binance_usdm",account="{account}"' in page
                    for kind in (
                        "account_wallet_balance",
                        "account_maintenance_margin_rate",
                        "position_quantity",
                        "positions",
                    )
                ]
                assert all(parts) or not any(parts)

        await venue.restart()
        back = await page_when(url, lambda page: up(page) == {"1.0"})
        assert families(back) >= complete


async def test_values_change_from_one_collection_to_the_next() -> None:
    """With a market that moves and nothing else done."""

    def equity(page: str) -> set[str]:
        return {line for line in page.splitlines() if line.startswith("risk_account_equity{")}

    simulator = BinanceUsdmSimulator(Market(seed=3))
    async with Server(simulator) as venue, exporter(configuration(venue)) as url:
        first = equity(await page_when(url, lambda page: up(page) == {"1.0"}))
        simulator.market.advance(60)
        second = equity(await page_when(url, lambda page: equity(page) != first))
    assert second
