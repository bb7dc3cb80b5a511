"""ZKX: what is its own; what holds for every venue is in `test_every_venue`."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.errors import VenueError
from exporter.model import AccountSnapshot, Contract, Position, RiskSettings
from exporter.request import Response
from exporter.risk import assess
from exporter.venues.zkx import ACCOUNT_INFO
from tests.venues.bench import row_with
from tests.venues.harness import NOW, decoded, exposition, fetch, make_venue, payload, response
from tests.venues.payloads.zkx.bench import BENCH, DOCUMENT


async def snapshot_of(answer: Any = None, **changed: Any) -> AccountSnapshot:
    """What becomes of the documented answer with some fields changed; `...` takes one away."""
    if answer is None:
        answer = row_with(DOCUMENT, **changed)
    return await BENCH.snapshot("documented account", {ACCOUNT_INFO: answer})


def row(**changed: Any) -> dict[str, Any]:
    """The first documented row with some fields changed; `...` takes one away."""
    return row_with(DOCUMENT["positions"][0], **changed)


async def position_of(**changed: Any) -> Position:
    return (await snapshot_of(positions=[row(**changed)])).positions[0]


def refused(answer: Response) -> VenueError | None:
    return make_venue(BENCH.venue, "http://localhost", BENCH.config).error(ACCOUNT_INFO, answer)


class TestAccount:
    async def test_documented_totals(self) -> None:
        (pool,) = (await snapshot_of()).pools
        assert pool.currency == "USDC"
        assert pool.equity == pool.margin_equity == 3634.378226
        assert (pool.wallet_balance, pool.available_balance) == (3627.894177, 3049.205067)
        assert pool.unrealized_pnl == 6.662591
        assert pool.initial_margin == pytest.approx(438.726714 + 146.446445, rel=1e-14)

    async def test_identities_of_the_documented_example(self) -> None:
        """Available and invested margin follow from the rows; margin and PnL are not of one moment."""
        snapshot = await snapshot_of()
        (pool,) = snapshot.pools
        assert pool.equity is not None
        assert pool.initial_margin is not None
        assert pool.equity - pool.initial_margin == pytest.approx(3049.205067, rel=1e-12)
        invested = sum(held.quantity * (held.entry_price or 0.0) for held in snapshot.positions)
        assert invested == pytest.approx(float(DOCUMENT["totalInvested"]), rel=1e-12)
        for held in snapshot.positions:
            assert held.maintenance_margin == pytest.approx(
                0.03 * held.quantity * (held.entry_price or 0.0), rel=1e-9
            )

    async def test_documented_rate(self) -> None:
        (pool,) = assess(await snapshot_of(), RiskSettings()).pools
        assert pool.maintenance_margin == pytest.approx(105.331182, rel=1e-14)
        assert pool.maintenance_margin_rate == pytest.approx(105.331182 / 3634.378226, rel=1e-12)
        assert pool.maintenance_margin_rate == pytest.approx(0.02898, abs=5e-6)

    async def test_without_positions_no_margin_is_in_use(self) -> None:
        snapshot = await snapshot_of(positions=[], totalInvested="0", totalUnrealizedPnl="0")
        (pool,) = assess(snapshot, RiskSettings()).pools
        assert snapshot.positions == ()
        assert (pool.pool.initial_margin, pool.pool.unrealized_pnl) == (0.0, 0.0)
        assert (pool.maintenance_margin, pool.maintenance_margin_rate) == (0.0, 0.0)

    @pytest.mark.parametrize("empty", [None, ""])
    async def test_an_empty_amount_is_not_zero(self, empty: object) -> None:
        snapshot = await snapshot_of(collateralBalance=empty, availableMargin=empty, totalUnrealizedPnl=empty)
        (pool,) = snapshot.pools
        assert (pool.wallet_balance, pool.available_balance, pool.unrealized_pnl) == (None, None, None)
        assert pool.equity == 3634.378226

    @pytest.mark.parametrize("unknown", [None, "", "0", 0, -1])
    async def test_a_maintenance_margin_that_is_not_told_leaves_the_total_and_the_rate_unknown(
        self, unknown: object
    ) -> None:
        snapshot = await snapshot_of(positions=[row(maintenanceMargin=unknown), DOCUMENT["positions"][1]])
        assert [held.maintenance_margin for held in snapshot.positions] == [None, 26.360334]
        assert snapshot.pools[0].maintenance_margin is None
        (pool,) = assess(snapshot, RiskSettings()).pools
        assert (pool.maintenance_margin, pool.maintenance_margin_rate) == (None, None)

    async def test_a_position_the_venue_cannot_price_hides_the_pnl_that_lacks_it(self) -> None:
        snapshot = await snapshot_of(positions=[row(maintenanceMargin="0")], totalUnrealizedPnl="-3.1")
        assert snapshot.pools[0].unrealized_pnl is None
        (position,) = assess(snapshot, RiskSettings()).positions
        assert position.mark_price is None

    @pytest.mark.parametrize("zero", ["0", 0, "0.000000"])
    async def test_a_pnl_of_exactly_0_beside_a_position_is_no_pnl(self, zero: object) -> None:
        """Without a mark price the venue says 0, which would put the mark at the entry price."""
        snapshot = await snapshot_of(positions=[row()], totalUnrealizedPnl=zero)
        assert snapshot.pools[0].unrealized_pnl is None
        (position,) = assess(snapshot, RiskSettings()).positions
        assert (position.mark_price, position.liquidation_distance_ratio) == (None, None)

    @pytest.mark.parametrize("unknown", [None, ""])
    async def test_a_margin_that_is_not_told_leaves_the_sum_unknown(self, unknown: object) -> None:
        snapshot = await snapshot_of(positions=[row(marginAmount=unknown), DOCUMENT["positions"][1]])
        assert snapshot.pools[0].initial_margin is None
        assert snapshot.positions[0].initial_margin is None

    async def test_another_collateral(self) -> None:
        answer = DOCUMENT | {"collateralId": "DAI", "positions": [row(marketId="SOLDAI")]}
        asked: list[str] = []

        def account(request: web.Request) -> web.Response:
            asked.append(request.query["collateralId"])
            return web.json_response(answer)

        snapshot = await fetch(
            BENCH.venue, {ACCOUNT_INFO.path: account}, config={**BENCH.config, "collateral_id": "DAI"}
        )
        assert asked == ["DAI"]
        assert snapshot.pools[0].currency == "DAI"
        assert snapshot.positions[0].contract == Contract("linear", 1.0, "SOL", "DAI", "DAI")

    async def test_the_account_of_another_collateral_is_not_taken(self) -> None:
        assert (await snapshot_of(collateralId="usdc")).pools[0].currency == "USDC"
        with pytest.raises(VenueError, match=r"`collateralId`") as caught:
            await snapshot_of(collateralId="USDT")
        assert caught.value.reason == "schema"


class TestPositionsThatAreNoList:
    """The schema's sample has a number where the documented example has a list."""

    async def test_the_generated_sample_is_a_clear_schema_error(self) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(payload(BENCH.venue, "account_info_schema.json"))
        assert caught.value.reason == "schema"
        assert str(caught.value).startswith("GET /v1/private/account-info: `positions`")

    @pytest.mark.parametrize("none", [0, "0", 0.0, None, ""])
    async def test_no_positions_in_any_spelling(self, none: object) -> None:
        answer = {**decoded(payload(BENCH.venue, "account_info_schema.json")), "positions": none}
        snapshot = await snapshot_of({**answer, "totalInvested": 0, "totalUnrealizedPnl": 0})
        assert snapshot.positions == ()
        # Numbers as numbers.
        assert (snapshot.pools[0].equity, snapshot.pools[0].wallet_balance) == (100.0, 200.0)

    @pytest.mark.parametrize("none", [0, None, ()])
    @pytest.mark.parametrize("total", ["totalInvested", "totalUnrealizedPnl"])
    async def test_none_is_not_believed_beside_totals_of_positions(self, none: object, total: str) -> None:
        answer = {**DOCUMENT, "positions": none, "totalInvested": "0", "totalUnrealizedPnl": "0"}
        with pytest.raises(VenueError, match="`positions` is empty although") as caught:
            await snapshot_of({**answer, total: "12.5"})
        assert caught.value.reason == "schema"

    @pytest.mark.parametrize("wrong", [10, "10", -1, 0.5, "many", True])
    async def test_anything_else_is_a_schema_error(self, wrong: object) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(positions=wrong, totalInvested="0", totalUnrealizedPnl="0")
        assert caught.value.reason == "schema"
        assert ACCOUNT_INFO.path in str(caught.value)
        assert "positions" in str(caught.value)


class TestPosition:
    async def test_documented_rows(self) -> None:
        sol, eth = (await snapshot_of()).positions
        assert (sol.symbol, sol.side, sol.margin_mode, sol.position_id) == ("SOLUSDC", "short", "cross", "")
        assert (sol.quantity, sol.entry_price, sol.leverage) == (17.6, 149.566, 6.0)
        assert (sol.liquidation_price, sol.realized_pnl) == (372.988834, 1.931)
        assert (sol.initial_margin, sol.maintenance_margin) == (438.726714, 78.970848)
        assert (sol.mark_price, sol.unrealized_pnl) == (None, None)
        assert sol.contract == Contract("linear", 1.0, "SOL", "USDC", "USDC")
        assert (eth.symbol, eth.side, eth.liquidation_price) == ("ETHUSDC", "short", 21204.717038)
        assert eth.contract.base == "ETH"

    async def test_the_only_position_gets_pnl_and_mark_from_the_account(self) -> None:
        snapshot = await snapshot_of(positions=[row()])
        (position,) = assess(snapshot, RiskSettings()).positions
        mark = 149.566 - 6.662591 / 17.6
        assert position.mark_price == pytest.approx(mark, rel=1e-12)
        assert position.liquidation_distance_ratio == pytest.approx((372.988834 - mark) / mark, rel=1e-12)

    async def test_several_positions_without_marks_have_no_distance(self) -> None:
        for position in assess(await snapshot_of(), RiskSettings(cross_check=True)).positions:
            assert position.liquidation_source == "venue"
            assert (position.mark_price, position.liquidation_distance_ratio) == (None, None)
            assert (position.notional_usd, position.liquidation_cross_check_ratio) == (None, None)

    async def test_long_and_short_of_one_market_are_two_positions_with_their_own_prices(self) -> None:
        pair = [row(), row(direction="LONG", size="3", liquidationPrice="21.5")]
        snapshot = await snapshot_of(positions=pair)
        short, long = snapshot.positions
        assert (short.side, short.liquidation_price) == ("short", 372.988834)
        assert (long.side, long.liquidation_price) == ("long", 21.5)
        assert 'side="long"' in exposition(BENCH.venue, "desk", snapshot)

    @pytest.mark.parametrize("unknown", [None, "", "0"])
    async def test_entry_and_leverage_of_nothing_are_unknown(self, unknown: object) -> None:
        position = await position_of(avgExecutionPrice=unknown, leverage=unknown)
        assert (position.entry_price, position.leverage) == (None, None)

    @pytest.mark.parametrize(
        ("market", "base"),
        [("BTCUSDC", "BTC"), ("BTC-USDC", "BTC"), ("USDC", "USDC"), ("BTCUSDT", "BTCUSDT")],
    )
    async def test_the_base_is_what_the_market_s_name_leaves(self, market: str, base: str) -> None:
        position = await position_of(marketId=market)
        assert position.symbol == market
        assert position.contract == Contract("linear", 1.0, base, "USDC", "USDC")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("direction", "BOTH"),
            ("direction", ""),
            ("direction", None),
            ("size", "-1"),
            ("size", None),
            ("marketId", " "),
            ("marketId", None),
        ],
    )
    async def test_a_row_that_contradicts_the_documentation_is_a_schema_error(
        self, field: str, value: object
    ) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(**{field: value})
        assert caught.value.reason == "schema"
        assert field in str(caught.value)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (200, {}, None),
            (400, b"", "exchange"),
            (400, {"message": "collateralId is unknown"}, "exchange"),
            (400, {"message": ["x-timestamp: timestamp is too old"]}, "clock"),
            (400, {"message": "invalid signature"}, "auth"),
            (401, b"", "auth"),
            (401, {"message": "Unauthorized"}, "auth"),
            (401, {"message": "timestamp expired", "error": "Unauthorized"}, "clock"),
            (401, {"message": "signature or timestamp is wrong"}, "auth"),
            (403, b"<html>a firewall</html>", "banned"),
            (403, b"", "banned"),
            (403, {"message": "Forbidden"}, "permission"),
            (403, {"message": "wrong public key"}, "auth"),
            (404, {"message": "Cannot GET /v1/private/account-info"}, "exchange"),
            (408, b"", "timeout"),
            (301, b"", "exchange"),
            (429, b"", "rate_limited"),
            (451, b"", "unsupported"),
            (500, {"message": {"deep": 1}}, "exchange"),
            (502, b"\xff", "exchange"),
            (503, b"[" * 100_000, "exchange"),
        ],
    )
    def test_what_statuses_and_words_mean(self, status: int, body: Any, reason: str | None) -> None:
        found = refused(response(status, body))
        assert (found.reason if found else None) == reason

    def test_too_many_requests_block_for_ten_seconds_or_as_long_as_the_venue_says(self) -> None:
        found = [refused(response(429, headers=one)) for one in ({}, {"Retry-After": "25"})]
        assert [error.blocked_until if error else None for error in found] == [NOW + 10.0, NOW + 25.0]

    async def test_a_refused_timestamp_is_not_tried_again(self) -> None:
        """The venue's clock cannot be asked, so a second request would fail as the first."""
        asked: list[str] = []

        def account(request: web.Request) -> web.Response:
            asked.append(request.headers["x-timestamp"])
            return web.json_response({"message": "timestamp expired"}, status=401)

        with pytest.raises(VenueError, match=r"zkx GET /v1/private/account-info: .*clock") as caught:
            await snapshot_of(account)
        assert caught.value.reason == "clock"
        assert len(asked) == 1

    @pytest.mark.parametrize("empty", [None, ""])
    async def test_an_account_without_equity_is_a_schema_error(self, empty: object) -> None:
        with pytest.raises(VenueError, match="totalMargin") as caught:
            await snapshot_of(totalMargin=empty)
        assert caught.value.reason == "schema"
