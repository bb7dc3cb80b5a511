"""Binance USD-M: what is asked when, and what it takes from the address's request weight."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.demo._binance_usdm import CONTRACTS
from exporter.demo.faults import Status
from exporter.errors import VenueError
from exporter.model import AccountSnapshot
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, make_venue
from tests.venues.payloads.binance_usdm.bench import CONFIG, ONE_WAY, answers, document, snapshot_of
from tests.venues.payloads.binance_usdm.desk import Desk


def modes(found: dict[str, AccountSnapshot]) -> dict[str, str]:
    (snapshot,) = found.values()
    return dict(snapshot.modes)


class TestWeight:
    async def test_one_account_takes_no_more_than_10_5_a_collection_with_all_it_ever_asks(self) -> None:
        """Account and positions are 10; the first collection, which asks for everything, is counted."""
        desk = Desk()
        async with desk.open("usdm-directional"):
            await desk.collect(200)
            assert desk.meter.total / 200 <= 10.5
            before = desk.meter.total
            await desk.collect(240)
            assert (desk.meter.total - before) / 240 <= 10.5

    async def test_many_accounts_share_what_is_public(self) -> None:
        desk = Desk()
        names = [f"desk-{number}" for number in range(20)]
        for name in names:
            desk.account(name).open(CONTRACTS["BTCUSDT"], "long", "0.01", now=desk.now)
        async with desk.open(*names):
            await desk.collect(1)
            before = desk.meter.total
            await desk.collect(10)
            assert (desk.meter.total - before) / 200 == pytest.approx(10.0, abs=0.01)

    async def test_an_account_without_positions_takes_less_than_half(self) -> None:
        desk = Desk()
        desk.account("flat")
        async with desk.open("flat"):
            await desk.collect(1)
            before = desk.meter.total
            await desk.collect(120)
            assert (desk.meter.total - before) / 120 <= 5.5


class TestPositions:
    async def test_the_position_call_is_left_out_while_the_account_shows_none(self) -> None:
        desk = Desk()
        book = desk.account("desk")
        async with desk.open("desk"):
            await desk.collect(1)
            assert await desk.asked() == {"v3/account": 1}
            held = book.open(CONTRACTS["BTCUSDT"], "long", "0.01", now=desk.now)
            found = await desk.collect()
            assert [position.mark_price for position in found["desk"].positions] != [None]
            asked = await desk.asked()
            assert asked == {"v3/account": 1, "v3/positionRisk": 1}
            book.close(held)
            assert (await desk.collect())["desk"].positions == ()
            assert await desk.asked() == {"v3/account": 1}

    @pytest.mark.parametrize("positions", [[{"symbol": "ADAUSDT", "positionSide": "BOTH"}], None])
    async def test_it_is_asked_where_the_account_does_not_tell(self, positions: Any) -> None:
        account = {**document("account_single_asset.json"), "positions": positions}
        transport = MemoryTransport(answers(account=account, position_risk=[], account_config=ONE_WAY))
        venue = make_venue("binance_usdm", "http://venue.test", CONFIG)
        async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
            for _ in range(3):
                await venue.fetch(client.account(venue))
        assert Counter(request.path for request in transport.asked)["/fapi/v3/positionRisk"] == 3


class TestModes:
    async def test_a_changed_position_mode_is_seen_with_the_first_position_that_shows_it(self) -> None:
        desk = Desk()
        book = desk.account("desk")
        held = book.open(CONTRACTS["BTCUSDT"], "long", "0.01", now=desk.now)
        async with desk.open("desk"):
            assert modes(await desk.collect(3)) == {"asset_mode": "single", "position_mode": "one_way"}
            book.close(held)
            book.hedge_mode = True
            book.open(CONTRACTS["BTCUSDT"], "short", "0.01", now=desk.now)
            assert modes(await desk.collect()) == {"asset_mode": "single", "position_mode": "hedge"}
            assert (await desk.asked())["v1/accountConfig"] == 0

    async def test_a_changed_asset_mode_is_seen_with_the_first_answer_that_shows_it(self) -> None:
        desk = Desk()
        book = desk.account("desk")
        book.deposit("BTC", "0.1")
        book.open(CONTRACTS["ETHUSDT"], "long", "0.01", now=desk.now)
        async with desk.open("desk"):
            (snapshot,) = (await desk.collect(3)).values()
            assert {pool.currency for pool in snapshot.pools} == {"USDT", "BTC"}
            book.multi_asset = True
            (snapshot,) = (await desk.collect()).values()
            assert [pool.currency for pool in snapshot.pools] == ["USD"]
            assert {asset.asset for asset in snapshot.assets} == {"USDT", "BTC"}
            book.multi_asset = False
            (snapshot,) = (await desk.collect()).values()
            assert {pool.currency for pool in snapshot.pools} == {"USDT", "BTC"}

    async def test_a_mode_that_nothing_shows_is_seen_after_minutes(self) -> None:
        desk = Desk()
        book = desk.account("desk")
        async with desk.open("desk"):
            assert modes(await desk.collect(3))["position_mode"] == "one_way"
            book.hedge_mode = True
            desk.now += 300.0
            assert modes(await desk.collect())["position_mode"] == "hedge"

    async def test_without_the_modes_the_totals_tell_the_asset_mode(self) -> None:
        """A call that fails must not take an account down whose answers tell the same."""
        for name, expected in (("usdm-directional", "single"), ("usdm-multi-asset", "multi")):
            desk = Desk()
            desk.simulator.faults.set(Status(500, b""), at="/fapi/v1/accountConfig")
            async with desk.open(name):
                venue, api = desk._venues[name]
                snapshot = await venue.fetch(api)
                assert snapshot.modes == {"asset_mode": expected, "position_mode": "one_way"}
                assert [error.reason for error in desk.observer.optional_failures] == ["exchange"]

    async def test_where_nothing_tells_the_mode_the_collection_fails_with_the_reason(self) -> None:
        """The documented totals fit neither: figures of an unknown mode would be a guess."""
        with pytest.raises(VenueError, match="accountConfig") as caught:
            await snapshot_of(account_config=web.Response(status=503), position_risk=[])
        assert caught.value.reason == "exchange"
        without = {name: value for name, value in ONE_WAY.items() if name != "multiAssetsMargin"}
        with pytest.raises(VenueError, match="`multiAssetsMargin` is missing") as caught:
            await snapshot_of(account_config=without, position_risk=[])
        assert caught.value.reason == "schema"


class TestSettings:
    async def test_a_changed_leverage_is_seen_within_a_minute(self) -> None:
        """The initial margin shows it at once; the configuration is asked no more often than that."""
        desk = Desk()
        book = desk.account("desk")
        held = book.open(CONTRACTS["BTCUSDT"], "long", "0.01", leverage=20, now=desk.now)
        async with desk.open("desk"):
            assert (await desk.asked(3))["v1/symbolConfig"] == 1
            held.leverage = 5
            (snapshot,) = (await desk.collect(5)).values()
            assert snapshot.positions[0].leverage == 5.0
            assert (await desk.asked(20))["v1/symbolConfig"] == 0

    async def test_an_isolated_position_s_settings_are_asked_every_few_minutes(self) -> None:
        """Whether margin is added to it leaves no trace elsewhere."""
        desk = Desk()
        async with desk.open("usdm-hedged"):
            await desk.collect(1)
            assert 3 <= (await desk.asked(60))["v1/symbolConfig"] <= 4

    async def test_funding_is_asked_every_quarter_of_an_hour_and_when_it_is_due(self) -> None:
        desk = Desk()
        async with desk.open("usdm-directional"):
            found = await desk.collect(1)
            due = {position.next_funding_at for position in found["usdm-directional"].positions}
            assert (await desk.asked(52))["v1/premiumIndex"] == 0
            desk.now = max(time for time in due if time is not None) + 1.0
            assert (await desk.asked(1))["v1/premiumIndex"] == 1
            later = await desk.collect(1)
            assert min(row.next_funding_at or 0.0 for row in later["usdm-directional"].positions) > desk.now


class TestPrices:
    async def test_prices_of_dollars_are_asked_rarely_where_nothing_is_valued_in_them(self) -> None:
        desk = Desk()
        async with desk.open("usdm-directional"):
            assert (await desk.asked(100))["v1/assetIndex"] == 1
            desk.simulator.accounts["usdm-directional"].deposit("BTC", "1")
            asked = await desk.asked(10)
            assert asked["v1/assetIndex"] == 10

    async def test_multi_assets_mode_values_its_collateral_in_every_collection(self) -> None:
        desk = Desk()
        async with desk.open("usdm-multi-asset"):
            assert (await desk.asked(10))["v1/assetIndex"] == 10
