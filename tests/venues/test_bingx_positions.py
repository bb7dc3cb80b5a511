"""BingX: what the rows of its position call say, and the marks and funding beside them."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from tests.venues.harness import (
    NOW,
    MemoryTransport,
    QuietObserver,
    VenueServer,
    exposition,
    make_venue,
    payload,
)
from tests.venues.payloads.bingx.bench import (
    CONFIG,
    HEDGED,
    NAME,
    UNKNOWN_PATH,
    Collections,
    answers,
    check,
    document,
    position_of,
    row,
    rows,
    snapshot_of,
)


class TestPosition:
    async def test_documented_cross_row(self) -> None:
        position = await position_of()
        assert (position.symbol, position.side, position.margin_mode) == ("LTC-USDT", "long", "cross")
        assert (position.quantity, position.entry_price, position.mark_price) == (0.1, 83.53, 73.14)
        assert (position.leverage, position.initial_margin) == (6.0, 1.3922)
        assert (position.contract.base, position.contract.quote, position.contract.settle) == (
            "LTC",
            "USDT",
            "USDT",
        )
        assert position.margin is None
        assert position.position_id == ""
        # The identities of the published row.
        assert position.unrealized_pnl == pytest.approx(0.1 * (73.14 - 83.53), abs=5e-4)
        assert position.initial_margin == pytest.approx(0.1 * 83.53 / 6, abs=5e-5)

    async def test_the_mark_of_an_older_row_follows_from_its_pnl(self) -> None:
        snapshot = await snapshot_of(positions=payload(NAME, "positions_older.json"))
        assert snapshot.positions[0].mark_price is None
        (position,) = assess(snapshot, RiskSettings()).positions
        assert position.mark_price == pytest.approx(246.43 + 0.0653 / 0.20)
        assert position.position.margin is None

    async def test_a_row_without_mark_takes_it_from_the_premium_index(self) -> None:
        premium = document("premium_index.json")
        premium["data"] = [{**premium["data"], "symbol": "LTC-USDT", "markPrice": "73.21"}, premium["data"]]
        for missing in (..., "", "0", None):
            snapshot = await snapshot_of(premium_index=premium, positions=rows(row(markPrice=missing)))
            assert snapshot.positions[0].mark_price == 73.21

    @pytest.mark.parametrize(
        ("changed", "largest"),
        [
            ({}, 3e6),
            ({"positionSide": "SHORT"}, 2.9e6),
            # The leverage was changed since the venue was asked.
            ({"leverage": 7}, None),
            ({"leverage": ...}, None),
        ],
    )
    async def test_the_largest_position_is_that_of_the_leverage_set(
        self, changed: dict[str, Any], largest: float | None
    ) -> None:
        assert (await position_of(**changed)).largest_notional == largest

    @pytest.mark.parametrize("refusal", [UNKNOWN_PATH, {"code": 0, "data": {}}, web.Response(status=404)])
    async def test_a_venue_that_does_not_tell_it_is_not_asked_again_and_again(self, refusal: Any) -> None:
        async with Collections(leverage=refusal) as collections:
            asked = [await collections.at(moment) for moment in range(0, 3600, 60)]
            assert (await collections.venue.fetch(collections.api)).positions[0].largest_notional is None
        assert sum(paths.count("/openApi/swap/v2/trade/leverage") for paths in asked) == 1

    async def test_each_account_is_asked_for_its_own(self) -> None:
        transport = MemoryTransport(answers(), check)
        async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
            for name in ("one", "two"):
                venue = make_venue(NAME, "http://venue.test", {**CONFIG, "name": name})
                await venue.fetch(client.account(venue))
        asked = [one.path for one in transport.asked]
        assert asked.count("/openApi/swap/v2/trade/leverage") == 2
        assert asked.count("/openApi/swap/v1/maintMarginRatio") == 1

    async def test_funding_comes_with_the_marks(self) -> None:
        premium = document("premium_index.json")
        premium["data"] |= {"symbol": "LTC-USDT", "lastFundingRate": "-0.00025100"}
        position = (await snapshot_of(premium_index=premium)).positions[0]
        assert (position.mark_price, position.funding_rate) == (73.14, -0.000251)
        assert position.next_funding_at == 1702742400.0

    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            (1702742400000, 1702742400.0),
            ("1702742400000", 1702742400.0),
            # The documentation's table says that it is the time that remains.
            (1800000, NOW + 1800.0),
            (0, None),
            ("", None),
            (..., None),
            # It has come since the answer was printed.
            (1699999999000, None),
        ],
    )
    async def test_the_next_funding_is_a_moment_to_come(self, told: Any, expected: float | None) -> None:
        premium = document("premium_index.json")
        premium["data"] |= {"symbol": "LTC-USDT", "nextFundingTime": told}
        if told is ...:
            del premium["data"]["nextFundingTime"]
        assert (await snapshot_of(premium_index=premium)).positions[0].next_funding_at == expected

    async def test_without_an_answer_funding_is_unknown_and_nothing_else(self) -> None:
        observer = QuietObserver()
        position = (await snapshot_of(observer=observer, premium_index=None)).positions[0]
        assert (position.funding_rate, position.next_funding_at, position.mark_price) == (None, None, 73.14)
        assert len(observer.optional_failures) == 1

    async def test_an_account_without_positions_asks_for_no_marks(self) -> None:
        empty = payload(NAME, "balance_v3_empty_usdc.json")
        async with Collections(balance=empty, positions=rows()) as collections:
            assert "/openApi/swap/v2/quote/premiumIndex" not in await collections.at(0.0)

    async def test_funding_is_asked_once_a_minute_where_rows_have_their_marks(self) -> None:
        async with Collections() as collections:
            asked = [await collections.at(moment) for moment in range(0, 120, 15)]
        premium = ["/openApi/swap/v2/quote/premiumIndex" in paths for paths in asked]
        assert premium == [True, False, False, False] * 2

    async def test_mark_prices_are_asked_once_for_all_accounts(self) -> None:
        older = rows(row(markPrice=...))
        async with (
            VenueServer(answers(positions=older), check) as server,
            Client(QuietObserver()) as client,
        ):
            for name in ("one", "two"):
                venue = make_venue(NAME, server.base_url, {**CONFIG, "name": name})
                await venue.fetch(client.account(venue))
            asked = [request.path for request in server.requests]
        assert asked.count("/openApi/swap/v2/quote/premiumIndex") == 1

    async def test_a_coin_without_a_peg_is_priced_by_its_mark(self) -> None:
        balance = document("balance_v3.json")
        balance["data"].append({**balance["data"][0], "asset": "BTC", "balance": "0.5", "equity": "0.5"})
        snapshot = await snapshot_of(balance=balance)
        assert snapshot.prices == {"BTC": 42216.4}

    async def test_the_spelling_of_the_documentation_s_table_is_read_too(self) -> None:
        position = await position_of(realisedProfit=..., realizedProfit="3.5")
        assert position.realized_pnl == 3.5

    async def test_isolated_margin_excludes_unrealized_pnl(self) -> None:
        position = (await snapshot_of(**HEDGED)).positions[2]
        assert position.margin == pytest.approx(21.4291 + 4.0210)

    @pytest.mark.parametrize("side", ["LONG", "long", "SHORT"])
    async def test_the_side_of_a_row_is_what_it_says_whatever_the_sign(self, side: str) -> None:
        for amount in ("0.1", "-0.1"):
            position = await position_of(positionSide=side, positionAmt=amount)
            assert (position.side, position.quantity) == (side.lower(), 0.1)

    @pytest.mark.parametrize(
        ("changed", "side"),
        [
            ({"positionAmt": "-0.1"}, "short"),
            # 0.1 × (73.14 - 83.53) is a loss for a long.
            ({"positionAmt": "0.1", "unrealizedProfit": "-1.0393"}, "long"),
            ({"positionAmt": "0.1", "unrealizedProfit": "1.0393"}, "short"),
            # The mark stands where it was entered: PnL says nothing, the liquidation price does.
            ({"avgPrice": "73.14", "unrealizedProfit": "-0.0004", "liquidationPrice": 90.1}, "short"),
            ({"avgPrice": "73.14", "unrealizedProfit": "0", "liquidationPrice": 60.1}, "long"),
            ({"avgPrice": "73.14", "unrealizedProfit": "0"}, "long"),
        ],
    )
    async def test_rows_of_both_are_told_apart_by_sign_then_pnl_then_liquidation_price(
        self, changed: dict[str, Any], side: str
    ) -> None:
        position = await position_of(positionSide="BOTH", **changed)
        assert (position.side, position.quantity) == (side, 0.1)

    @pytest.mark.parametrize(
        ("field", "value"), [("positionSide", "SIDEWAYS"), ("isolated", "yes"), ("isolated", None)]
    )
    async def test_a_word_that_is_not_documented_is_a_schema_error(self, field: str, value: object) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(**{field: value})
        assert caught.value.reason == "schema"
        assert field in str(caught.value)

    async def test_positions_that_labels_do_not_identify_carry_their_id(self) -> None:
        snapshot = await snapshot_of(
            positions=rows(
                row(positionId="1"),
                row(positionId=2, positionAmt="0.2"),
                row(positionId="3", positionSide="SHORT"),
                row(positionId="4", isolated=True),
            )
        )
        assert [position.position_id for position in snapshot.positions] == ["1", "2", "", ""]
        exposition(NAME, "desk", snapshot)

    @pytest.mark.parametrize("only", [True, False, None, ...])
    async def test_a_hedged_pair_keeps_its_labels_whatever_number_its_positions_have(self, only: Any) -> None:
        """In hedge mode every row says `onlyOnePosition: false`."""
        for first, second in (("1", "2"), ("3", "4")):
            pair = rows(
                row(positionId=first, onlyOnePosition=only),
                row(positionId=second, positionSide="SHORT", onlyOnePosition=only),
                row(positionId=f"{first}0", isolated=True, onlyOnePosition=only),
            )
            snapshot = await snapshot_of(positions=pair)
            assert [position.position_id for position in snapshot.positions] == ["", "", ""]

    @pytest.mark.parametrize("same", ["7", ..., None])
    async def test_positions_that_nothing_tells_apart_are_a_schema_error(self, same: object) -> None:
        with pytest.raises(VenueError, match="positionId") as caught:
            await snapshot_of(positions=rows(row(positionId=same), row(positionId=same)))
        assert caught.value.reason == "schema"
        assert "GET /openApi/swap/v2/user/positions" in str(caught.value)

    async def test_both_legs_of_a_hedge_get_the_distance_of_the_net(self) -> None:
        risk = assess(await snapshot_of(**HEDGED), RiskSettings(cross_check=True))
        long, short, _ = risk.positions
        # 6000 - 10 - 5 × 42000 + 2 × 42100 + 30 + P (3 - 5 × 0.0045 - 2 × 0.0043) = 0
        expected = 119780 / 2.9689
        for leg in (long, short):
            assert leg.liquidation_price == pytest.approx(expected, abs=1e-3)
            assert leg.liquidation_distance_ratio == pytest.approx(1 - expected / 42216.4, abs=1e-7)
            assert leg.liquidation_cross_check_ratio == pytest.approx(0.0, abs=1e-7)
