"""BingX: tiers, and the maintenance margin that follows from them."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.api import Client
from exporter.model import MaintenanceTier, RiskSettings
from exporter.risk import assess
from tests.venues.harness import (
    NOW,
    MemoryTransport,
    QuietObserver,
    VenueServer,
    make_venue,
)
from tests.venues.payloads.bingx.bench import (
    CONFIG,
    DENIED,
    HEDGED,
    NAME,
    UNKNOWN_PATH,
    answers,
    check,
    document,
    position_of,
    row,
    rows,
    snapshot_of,
)


class TestMaintenanceMargin:
    async def test_it_follows_the_documented_tiers_and_the_venue_s_rate_has_the_closing_fees(self) -> None:
        risk = assess(await snapshot_of(**HEDGED), RiskSettings())
        long, short, _ = risk.positions
        assert long.maintenance_margin == pytest.approx(211082 * 0.004 - 30)
        assert short.maintenance_margin == pytest.approx(84432.8 * 0.0038)
        (pool,) = risk.pools
        assert pool.maintenance_margin == pytest.approx(1135.17264)
        assert pool.maintenance_margin_rate == pytest.approx((1135.17264 + 147.7574) / 6839.2)
        # The venue's own figure of the same pool, on the rows.
        assert pool.pool.venue_margin_rate == 0.1876
        assert pool.maintenance_margin_rate == pytest.approx(0.1876, abs=1e-4)

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

    async def test_without_tiers_an_isolated_position_has_its_risk_rate_less_the_fee(self) -> None:
        """The published row: 0.0849 of a margin of 21.4291 is 0.72 % of the position, 0.05 % of it a fee."""
        risk = assess(await snapshot_of(**HEDGED), RiskSettings())
        position = risk.positions[2]
        assert position.maintenance_margin == pytest.approx(1.8193 - 0.1262, abs=1e-3)
        assert position.maintenance_margin == pytest.approx(0.0067 * 252.47, rel=2e-3)
        assert position.maintenance_margin_rate == pytest.approx(0.0849, rel=1e-5)

    @pytest.mark.parametrize(
        ("margin", "risk", "expected"),
        [
            # 7.314 × 0.0043 of 2: the tiers say it, with more digits.
            ("2", "0.0157", None),
            ("2", "0.0158", None),
            ("2", "0.5", 2 * 0.5 - 7.314 * 0.0005),
            # Nothing is left beside the fee, and a loss of all margin is not told as a rate.
            ("0.001", "0.5", None),
            ("-1", "9", None),
            ("2", "", None),
            ("", "0.5", None),
        ],
    )
    async def test_an_isolated_position_has_what_its_risk_rate_says_where_the_tiers_do_not(
        self, margin: str, risk: str, expected: float | None
    ) -> None:
        position = await position_of(symbol="BTC-USDT", isolated=True, margin=margin, riskRate=risk)
        assert position.maintenance_margin == (None if expected is None else pytest.approx(expected))
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

    async def test_tiers_lack_what_is_not_needed(self) -> None:
        answer = document("maint_margin_ratio.json")
        for tier in answer["data"]:
            del tier["symbol"], tier["maxPositionVal"], tier["tier"]
        snapshot = await snapshot_of(positions=rows(row(symbol="BTC-USDT")), tiers=answer)
        assert [tier.floor for tier in snapshot.positions[0].maintenance_tiers] == [0.0, 150000.0]

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


def cross(risk: str, *, equity: float, frozen: float = 0.0, amount: float = 2.0) -> dict[str, Any]:
    """A cross BTC-USDT at 50,000 in the first documented tier, and what backs it."""
    coin = {
        "asset": "USDT",
        "balance": str(equity),
        "equity": str(equity),
        "unrealizedProfit": "0.0000",
        "availableMargin": "0.0000",
        "usedMargin": "1000.0000",
        "freezedMargin": str(frozen),
    }
    position = row(
        symbol="BTC-USDT",
        positionAmt=str(amount),
        avgPrice="50000",
        markPrice="50000",
        unrealizedProfit="0.0000",
        riskRate=risk,
    )
    return {"balance": {"code": 0, "msg": "", "data": [coin]}, "positions": rows(position)}


class TestClosingFee:
    async def test_at_the_venue_s_hundred_per_cent_the_rate_is_one(self) -> None:
        """Without the fee it is 0.0038 / 0.0043 = 0.884."""
        (pool,) = assess(await snapshot_of(**cross("1.0000", equity=430.0)), RiskSettings()).pools
        assert pool.maintenance_margin == pytest.approx(380.0)
        assert pool.maintenance_margin_rate == pytest.approx(1.0)
        (pool,) = assess(await snapshot_of(**cross("", equity=430.0)), RiskSettings()).pools
        assert pool.maintenance_margin_rate == pytest.approx(1.0)

    async def test_frozen_assets_back_nothing(self) -> None:
        (pool,) = assess(
            await snapshot_of(**cross("0.8600", equity=600.0, frozen=100.0)), RiskSettings()
        ).pools
        assert pool.margin_equity == 500.0
        assert pool.maintenance_margin_rate == pytest.approx(0.86)

    async def test_the_account_s_own_rate_is_taken_where_the_key_is_told_it(self) -> None:
        own = {"code": 0, "msg": "", "data": {"commission": {"takerCommissionRate": 0.00032}}}
        assert (await position_of()).closing_fee_rate == 0.0005
        assert (await snapshot_of(commission=own)).positions[0].closing_fee_rate == 0.00032
        flat = {"code": 0, "msg": "", "data": {"takerCommissionRate": "0.00041"}}
        assert (await snapshot_of(commission=flat)).positions[0].closing_fee_rate == 0.00041

    @pytest.mark.parametrize("refusal", [DENIED, UNKNOWN_PATH, web.Response(status=404)])
    async def test_a_key_that_is_not_told_it_takes_the_contract_s(self, refusal: Any) -> None:
        contracts = document("contracts.json")
        contracts["data"].append({**contracts["data"][0], "symbol": "LTC-USDT", "takerFeeRate": "0.00045"})
        observer = QuietObserver()
        snapshot = await snapshot_of(observer=observer, commission=refusal, contracts=contracts)
        assert snapshot.positions[0].closing_fee_rate == 0.00045
        assert observer.optional_failures == []

    @pytest.mark.parametrize("rate", [None, "", -0.0001, ...])
    async def test_where_nobody_tells_it_is_that_of_the_fee_schedule(self, rate: Any) -> None:
        answer = document("contracts.json")["data"][0] | {"symbol": "LTC-USDT", "takerFeeRate": rate}
        contracts = rows({name: value for name, value in answer.items() if value is not ...})
        snapshot = await snapshot_of(commission=DENIED, contracts=contracts)
        assert snapshot.positions[0].closing_fee_rate == 0.0005
        nothing = await snapshot_of(commission=web.Response(status=500), contracts=web.Response(status=500))
        assert nothing.positions[0].closing_fee_rate == 0.0005

    async def test_it_is_asked_once_an_hour(self) -> None:
        now = NOW
        transport = MemoryTransport(answers(commission=DENIED), check, wall=lambda: now)
        async with Client(
            QuietObserver(), wall=lambda: now, elapsed=lambda: now, transport=transport
        ) as client:
            venue = make_venue(NAME, "http://venue.test", CONFIG)
            api = client.account(venue)
            for _ in range(4):
                await venue.fetch(api)
                now += 899.0
        for path in ("/openApi/swap/v2/user/commissionRate", "/openApi/swap/v2/quote/contracts"):
            assert [one.path for one in transport.asked].count(path) == 1


class TestRiskRate:
    """The risk rate printed on cross positions is that of their pool, and the venue acts on it."""

    @pytest.mark.parametrize(
        ("risk", "equity", "frozen", "margin_equity", "maintenance_margin"),
        [
            # (380 + 50) / 1000: what the tiers say, to the last decimal or a moment later.
            ("0.4300", 1000.0, 0.0, 1000.0, None),
            ("0.4301", 1000.0, 0.0, 1000.0, None),
            ("0.4350", 1000.0, 0.0, 1000.0, None),
            # The venue requires more or less: another schedule, or open orders.
            ("0.6000", 1000.0, 0.0, 1000.0, 550.0),
            ("0.3000", 1000.0, 0.0, 1000.0, 250.0),
            # Of 200 of frozen margin the venue counts all, a half, nothing.
            ("0.5375", 1000.0, 200.0, 800.0, None),
            ("0.4778", 1000.0, 200.0, 430 / 0.4778, None),
            ("0.4300", 1000.0, 200.0, 1000.0, None),
            # More than the frozen margin explains.
            ("0.3000", 1000.0, 200.0, 800.0, 190.0),
            # Fees alone are more than that.
            ("0.0400", 1000.0, 0.0, 1000.0, 0.0),
            # Not told.
            ("", 1000.0, 200.0, 800.0, None),
        ],
    )
    async def test_the_figures_of_a_pool_fit_it(
        self,
        risk: str,
        equity: float,
        frozen: float,
        margin_equity: float,
        maintenance_margin: float | None,
    ) -> None:
        (pool,) = (await snapshot_of(**cross(risk, equity=equity, frozen=frozen))).pools
        assert pool.margin_equity == pytest.approx(margin_equity)
        assert pool.maintenance_margin == (
            None if maintenance_margin is None else pytest.approx(maintenance_margin)
        )
        assert pool.equity == equity

    @given(
        equity=st.floats(500.0, 1e6),
        frozen=st.floats(0.0, 400.0),
        risk=st.integers(1, 9999),
        share=st.booleans(),
    )
    @settings(max_examples=200, deadline=None)
    async def test_the_rate_is_the_venue_s_up_to_its_last_decimal(
        self, equity: float, frozen: float, risk: int, share: bool
    ) -> None:
        printed = risk / 10_000
        if share:
            # Near to what the tiers say.
            printed = round(430.0 / equity * (1.0 + risk / 1e6), 4) or 0.0001
        given_ = cross(f"{printed:.4f}", equity=equity, frozen=frozen)
        (pool,) = (await snapshot_of(**given_)).pools
        assert pool.margin_equity is not None
        required = 380.0 if pool.maintenance_margin is None else pool.maintenance_margin
        # The fees remain where the venue's figure is below them.
        rate = (required + 50.0) / pool.margin_equity
        assert equity - frozen <= pool.margin_equity * (1 + 1e-9)
        assert pool.margin_equity <= equity * (1 + 1e-9)
        if required > 0.0:
            assert abs(rate - printed) <= 1e-4 + 0.02 * printed + 1e-9

    async def test_without_tiers_the_requirement_stays_unknown(self) -> None:
        """Four decimals of a rate are no amount."""
        (pool,) = (
            await snapshot_of(tiers={"code": 100500, "msg": "busy"}, **cross("0.43", equity=1e3))
        ).pools
        assert (pool.maintenance_margin, pool.venue_margin_rate) == (None, 0.43)
