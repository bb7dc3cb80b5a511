"""BingX: tiers, and the maintenance margin that follows from them."""

from __future__ import annotations

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.model import MaintenanceTier, RiskSettings
from exporter.risk import assess
from tests.venues.harness import (
    QuietObserver,
    VenueServer,
    make_venue,
)
from tests.venues.payloads.bingx.bench import (
    CONFIG,
    HEDGED,
    NAME,
    answers,
    check,
    document,
    position_of,
    row,
    rows,
    snapshot_of,
)


class TestMaintenanceMargin:
    async def test_it_follows_the_documented_tiers(self) -> None:
        risk = assess(await snapshot_of(**HEDGED), RiskSettings())
        long, short, _ = risk.positions
        assert long.maintenance_margin == pytest.approx(211082 * 0.004 - 30)
        assert short.maintenance_margin == pytest.approx(84432.8 * 0.0038)
        (pool,) = risk.pools
        assert pool.maintenance_margin == pytest.approx(1135.17264)
        assert pool.maintenance_margin_rate == pytest.approx(1135.17264 / 6849.2)
        # The venue's own figure of the same pool, on the rows.
        assert pool.pool.venue_margin_rate == 0.1657
        assert pool.maintenance_margin_rate == pytest.approx(0.1657, abs=1e-4)

    async def test_the_documented_deduction_makes_the_schedule_continuous(self) -> None:
        answer = document("maint_margin_ratio.json")
        answer["data"].reverse()
        tiers = (
            (await snapshot_of(positions=rows(row(symbol="BTC-USDT")), tiers=answer))
            .positions[0]
            .maintenance_tiers
        )
        assert tiers == (
            MaintenanceTier(floor=0.0, cap=150000.0, rate=0.0038, deduction=0.0),
            MaintenanceTier(floor=150000.0, cap=float("inf"), rate=0.004, deduction=30.0),
        )
        assert pytest.approx(tiers[1].deduction) == 150000 * (0.0040 - 0.0038)

    async def test_tiers_of_another_symbol_are_not_used(self) -> None:
        position = await position_of()
        assert position.maintenance_tiers == ()
        assert position.maintenance_margin is None

    async def test_without_tiers_an_isolated_position_has_its_risk_rate(self) -> None:
        """The published row: 0.0849 of a margin of 21.4291 is 0.72 % of the position."""
        risk = assess(await snapshot_of(**HEDGED), RiskSettings())
        position = risk.positions[2]
        assert position.maintenance_margin == pytest.approx(1.819, abs=1e-3)
        assert position.maintenance_margin == pytest.approx(0.0072 * 252.47, rel=2e-3)
        assert position.maintenance_margin_rate == pytest.approx(0.0849, rel=1e-5)

    async def test_with_tiers_they_are_preferred_to_the_risk_rate(self) -> None:
        position = await position_of(symbol="BTC-USDT", isolated=True, margin="2", riskRate="0.5")
        assert position.maintenance_margin is None
        assert len(position.maintenance_tiers) == 2

    async def test_without_tiers_nothing_is_made_up(self) -> None:
        observer = QuietObserver()
        snapshot = await snapshot_of(observer=observer, tiers={"code": 100500, "msg": "busy"})
        (pool,) = assess(snapshot, RiskSettings()).pools
        assert pool.maintenance_margin is None
        assert pool.maintenance_margin_rate is None
        assert [failure.reason for failure in observer.optional_failures] == ["exchange"]

    async def test_risk_rates_of_one_pool_that_differ_are_not_its_rate(self) -> None:
        pair = rows(row(riskRate="0.0008"), row(symbol="BTC-USDT", riskRate="0.0009"))
        assert (await snapshot_of(positions=pair)).pools[0].venue_margin_rate is None
        assert (await snapshot_of()).pools[0].venue_margin_rate == 0.0008
        assert (await snapshot_of(positions=rows(row(riskRate="0.0000")))).pools[0].venue_margin_rate is None

    async def test_tiers_are_asked_a_few_at_a_time_and_kept_for_an_hour(self) -> None:
        symbols = [f"C{number}-USDT" for number in range(6)]
        asked: list[str] = []

        def tiers(request: web.Request) -> web.Response:
            symbol = request.query["symbol"]
            asked.append(symbol)
            answer = document("maint_margin_ratio.json")
            return web.json_response(
                {**answer, "data": [{**tier, "symbol": symbol} for tier in answer["data"]]}
            )

        now = 1_700_000_000.0
        given_rows = rows(*(row(symbol=symbol) for symbol in symbols))
        async with (
            VenueServer(answers(positions=given_rows, tiers=tiers), check) as server,
            Client(QuietObserver(), wall=lambda: now) as client,
        ):
            venue = make_venue(NAME, server.base_url, CONFIG)
            api = client.account(venue)
            first = await venue.fetch(api)
            assert [len(position.maintenance_tiers) for position in first.positions] == [2] * 2 + [0] * 4
            for known in (4, 6, 6):
                now += 15
                snapshot = await venue.fetch(api)
                assert [len(position.maintenance_tiers) for position in snapshot.positions] == [2] * known + [
                    0
                ] * (6 - known)
            assert sorted(asked) == symbols
            now += 3600
            await venue.fetch(api)
            assert len(asked) == 8

    async def test_accounts_share_the_tiers(self) -> None:
        async with (
            VenueServer(answers(positions=rows(row(symbol="BTC-USDT"))), check) as server,
            Client(QuietObserver(), wall=lambda: 1_700_000_000.0) as client,
        ):
            for name in ("one", "two"):
                venue = make_venue(NAME, server.base_url, {**CONFIG, "name": name})
                snapshot = await venue.fetch(client.account(venue))
                assert len(snapshot.positions[0].maintenance_tiers) == 2
            asked = [request.path for request in server.requests]
            assert asked.count("/openApi/swap/v1/maintMarginRatio") == 1

    async def test_tiers_that_cannot_be_read_again_are_kept_for_a_day(self) -> None:
        now = 1_700_000_000.0
        position = rows(row(symbol="BTC-USDT"))
        async with (
            VenueServer(answers(positions=position), check) as server,
            Client(QuietObserver(), wall=lambda: now) as client,
        ):
            venue = make_venue(NAME, server.base_url, CONFIG)
            api = client.account(venue)
            await venue.fetch(api)
            server.answers["/openApi/swap/v1/maintMarginRatio"] = b'{"code":100500,"msg":"busy"}'
            asked = len(server.requests)
            now += 2 * 3600
            assert len((await venue.fetch(api)).positions[0].maintenance_tiers) == 2
            now += 15
            await venue.fetch(api)
            # Not asked at every collection while the venue cannot answer.
            paths = [request.path for request in server.requests[asked:]]
            assert paths.count("/openApi/swap/v1/maintMarginRatio") == 1
            now += 22 * 3600
            assert (await venue.fetch(api)).positions[0].maintenance_tiers == ()
