"""Hyperliquid: what is told where answers have gaps."""

from __future__ import annotations

import copy

import pytest

from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from tests.venues.payloads.hyperliquid.bench import (
    AT_MAIN,
    AT_XYZ,
    BENCH,
    EMPTY,
    OF_ALL,
    ON_BALANCES,
    document,
    snapshot_of,
    state,
)

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
