"""Hyperliquid: what is told where answers have gaps."""

from __future__ import annotations

import copy

import pytest

from exporter.account import Member
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from exporter.venues.hyperliquid import Hyperliquid
from tests.venues.payloads.hyperliquid.bench import (
    ADDRESS,
    AT_MAIN,
    AT_XYZ,
    BENCH,
    EMPTY,
    OF_ALL,
    ON_BALANCES,
    SUBS,
    document,
    snapshot_of,
    state,
)
from tests.venues.test_hyperliquid_calls import client_of, config_of, transport_of

NOTHING = document(EMPTY)


async def test_what_is_not_told_of_an_exchange_or_a_position_is_not_made_up() -> None:
    metas = copy.deepcopy(document("all_perp_metas.json"))
    del metas[0]["collateralToken"], metas[1]["collateralToken"]
    found = await snapshot_of({OF_ALL: metas, AT_XYZ: NOTHING})
    assert [pool.currency for pool in found.pools] == ["USDC"]
    with pytest.raises(VenueError, match="`collateralToken` of an exchange with positions"):
        await snapshot_of({OF_ALL: metas})
    (ethereum,) = (row for row in metas[0]["universe"] if row["name"] == "ETH")
    for number, known in ((50, True), (97, False)):
        ethereum["marginTableId"] = number  # neither is listed
        found = await snapshot_of({OF_ALL: metas, AT_XYZ: NOTHING})
        assert bool(found.positions[0].maintenance_tiers) is known
    for missing in (..., {"value": 20}):
        with pytest.raises(VenueError, match=r"`leverage`|`type`"):
            await snapshot_of({AT_MAIN: state(leverage=missing)})
    unknown = copy.deepcopy(document("balances_portfolio.json"))
    unknown["balances"][0]["total"] = None
    found = await BENCH.snapshot("portfolio", {ON_BALANCES: unknown})
    assert found.assets[0].equity is None
    assert assess(found, RiskSettings()).pools[0].equity is None


async def test_a_row_about_nobody_costs_the_list_and_no_sub_account() -> None:
    """Those that are known stay, and somebody is told."""
    (row,) = copy.deepcopy(document("sub_accounts.json"))[:1]
    nobody = {name: value for name, value in row.items() if name != "subAccountUser"}
    transport = transport_of({SUBS: [nobody, {**row, "name": None}]})
    master = config_of(ADDRESS, sub_accounts=True)
    async with client_of(transport) as client:
        below = Hyperliquid(master.member("desk.one", Member("one", row["subAccountUser"])))
        assert (await below.fetch(client.account(below))).pools[0].equity == 19762.483455
        venue = Hyperliquid(master)
        with pytest.raises(VenueError, match="`subAccountUser`"):
            await venue.sub_accounts(client.account(venue))
    async with client_of(transport_of({SUBS: [{**row, "name": None}]})) as client:
        assert await venue.sub_accounts(client.account(venue)) == [Member("", row["subAccountUser"])]
