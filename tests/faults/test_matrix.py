"""Every fault at every venue: what the desk sees of it, what it costs others, and that it ends.

The table is `tests.faults.table`; what is seen of an account is compared with it in `tests.faults.stage`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial

import pytest

from exporter.api import Client
from exporter.errors import VenueError
from exporter.venues import _binance_members, _binance_pm_pro
from tests.faults.jumping import run
from tests.faults.stage import BENCHES, Cell, complaints, play
from tests.faults.table import SECTIONS, Row
from tests.venues.bench import Bench, as_answers, endpoint_of, key_of
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, make_venue

LONG = 150.0
"""Seconds."""
_OF_SUB_ACCOUNTS = {
    one.label: "asked for where sub-accounts are wanted" for one in _binance_members.ENDPOINTS
}
NEVER_ASKED: Mapping[str, Mapping[str, str]] = {
    "binance_coinm": {
        "/dapi/v1/pmAccountInfo": "asked where the account shows nothing",
        **_OF_SUB_ACCOUNTS,
    },
    "binance_usdm": {
        "/fapi/v1/pmAccountInfo": "asked where the account shows nothing",
        **_OF_SUB_ACCOUNTS,
    },
    "binance_pm": {
        one.label: "asked of accounts in Portfolio Margin Pro" for one in _binance_pm_pro.ENDPOINTS
    },
    "bingx": {
        "/openApi/swap/v2/user/balance": "asked where the newer call is not there",
        "/openApi/swap/v2/quote/contracts": "asked where the account's own rate is not told",
    },
    "bitget": {
        "/api/v2/mix/market/tickers": "asked for live marks alone",
    },
    "deribit": {
        "/api/v2/private/get_subaccounts": "asked for where sub-accounts are wanted",
    },
    "hyperliquid": {
        "/info userRole": "asked where an address holds nothing",
        "/info subAccounts2": "asked where sub-accounts are wanted",
    },
    "okx": {
        "/api/v5/public/mark-price": "asked for live marks alone",
        "/api/v5/users/subaccount/list": "asked for where sub-accounts are wanted",
        "/api/v5/account/subaccount/balances": "the same",
    },
}
"""Endpoints that no account of the stand-ins needs, with the reason."""
ASKED_BY: Mapping[str, str] = {
    "/api/v2/mix/market/discount-rate": "bitget-union",
    "/api/v2/mix/market/symbol-price": "bitget-union",
    "/api/v3/account/assets": "bitget-unified",
    "/api/v3/account/collateral-type": "bitget-unified",
    "/api/v3/account/settings": "bitget-unified",
    "/api/v3/market/discount-rate": "bitget-unified",
    "/api/v3/position/adlRank": "bitget-unified",
    "/api/v3/market/position-tier": "bitget-unified",
    "/api/v3/position/current-position": "bitget-unified",
    "/openApi/swap/v1/trade/multiAssetsRules": "bingx-multi-assets",
    "/openApi/swap/v1/user/marginAssets": "bingx-multi-assets",
    "/api/v4/futures/{settle}/risk_limit_tiers": "gate-older",
}
"""Endpoints that only some accounts of a stand-in need, with how their names begin."""


def endpoints(bench: Bench, row: Row) -> list[str | None]:
    """Where a fault strikes at a venue."""
    if row.where in ("account", "venue"):
        return [None]
    clock = clock_endpoints(bench.venue)
    optional = {one.label for one in bench.optional}
    labels = [one.label for one in bench.cls.endpoints]
    chosen = {
        "clock": clock,
        "side": optional,
        "needed": {label for label in labels if label not in optional | clock},
    }[row.where]
    return [label for label in labels if label in chosen and label not in NEVER_ASKED.get(bench.venue, {})]


@cache
def clock_endpoints(venue: str) -> set[str]:
    """The calls that tell the venue's time."""
    return asyncio.run(_clock_endpoints(BENCHES[venue]))


async def _clock_endpoints(bench: Bench) -> set[str]:
    documents = bench.documents(bench.rows.scenario)
    transport = MemoryTransport(as_answers(documents))
    venue = make_venue(bench.venue, "http://venue.test", bench.config)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        with suppress(VenueError):
            await venue.server_time(client.account(venue))
    return {endpoint_of(call).label for call in documents if key_of(call) in transport.answered}


def cells(bench: Bench, rows: Iterable[Row]) -> list[Cell]:
    """The faults at a venue, each at everything or at one endpoint after the other."""
    return [
        Cell(bench, _met_twice(bench, row, endpoint), endpoint, ASKED_BY.get(endpoint or "", ""))
        for row in rows
        for endpoint in endpoints(bench, row)
    ]


def _met_twice(bench: Bench, row: Row, endpoint: str | None) -> Row:
    """One more request meets it where the call also tells what the key may do, which is asked first."""
    key = bench.cls.key_endpoint
    if key is None or row.requests is None or key.label != endpoint or key in bench.optional:
        return row
    return replace(row, requests=row.requests + 1)


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("venue", BENCHES)
def test_a_fault_costs_what_the_table_says_and_nobody_else(venue: str, section: str) -> None:
    found: list[str] = []
    chosen = cells(BENCHES[venue], SECTIONS[section])
    # Those that take minutes to end apart from the others, which would go on all the while.
    for long in (False, True):
        together = [cell for cell in chosen if (cell.row.recovers_within > LONG) is long]
        if together:
            found += complaints(run(partial(play, together)))
    assert not found, "\n".join(found)
