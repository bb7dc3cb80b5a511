"""BingX, current API: documented answers in, published numbers out."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import AccountSnapshot, MaintenanceTier, Position, RiskSettings
from exporter.risk import assess
from exporter.venues import bingx
from exporter.venues.base import Response
from exporter.venues.bingx import Bingx
from exporter.wire import decode
from tests.venues.harness import (
    DAMAGE,
    Answer,
    QuietObserver,
    VenueServer,
    answers_of,
    assert_golden,
    damaged,
    decoded,
    exposition,
    fetch,
    make_venue,
    numeric_fields,
    payload,
)

NAME = "bingx"
KEY = "hO6oQotzTE0S5FRYze2Jx2wGx7eVnJGMolpA1nZyehsoMgCcgKNWQHd4QgTFZuwl4Zt4xMe2PqGBegWXO4A"
SECRET = "mheO6dR8ovSsxZQCOYEFCtelpuxcWGTfHw7te326y6jOwq5WpvFQ9JNljoTwBXZGv5It07m9RXSPpDQEK2w"
CONFIG = {"api_key": KEY, "api_secret": SECRET}

PATHS = {
    "balance": ("/openApi/swap/v3/user/balance", "balance_v3.json"),
    "balance_v2": ("/openApi/swap/v2/user/balance", "balance_v2.json"),
    "positions": ("/openApi/swap/v2/user/positions", "positions.json"),
    "tiers": ("/openApi/swap/v1/maintMarginRatio", "maint_margin_ratio.json"),
    "position_mode": ("/openApi/swap/v1/positionSide/dual", "position_mode.json"),
    "asset_mode": ("/openApi/swap/v1/trade/assetMode", "asset_mode.json"),
    "premium_index": ("/openApi/swap/v2/quote/premiumIndex", "premium_index.json"),
    "time": ("/openApi/swap/v2/server/time", "server_time.json"),
}
PUBLIC = {"/openApi/swap/v2/quote/premiumIndex", "/openApi/swap/v2/server/time"}
UNKNOWN_PATH = {
    "code": 100400,
    "msg": "this api is not exist, please refer to the API docs https://bingx-api.github.io/docs",
}
DENIED = {"code": 100004, "msg": "Permission denied as the API key was created without the permission"}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    if request.path in PUBLIC:
        assert "X-BX-APIKEY" not in request.headers
        assert [name for name, _ in parse_qsl(query)] == ["timestamp"]
        return
    assert request.headers["X-BX-APIKEY"] == KEY
    total, _, signature = query.rpartition("&signature=")
    assert hmac.new(SECRET.encode(), unquote(total).encode(), hashlib.sha256).hexdigest() == signature
    parameters = dict(parse_qsl(total, strict_parsing=True))
    symbol = {"symbol"} if request.path == "/openApi/swap/v1/maintMarginRatio" else set()
    assert set(parameters) == {"recvWindow", "timestamp"} | symbol
    assert list(parameters) == sorted(parameters)
    assert parameters["recvWindow"] == "5000"
    assert len(parameters["timestamp"]) == 13


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, changed)


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


async def snapshot_of(*, observer: QuietObserver | None = None, **changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check, observer=observer)


def row(**changed: Any) -> dict[str, Any]:
    """The documented cross row with some fields changed; `...` takes one away."""
    fields = {**document("positions.json")["data"][0], **changed}
    return {name: value for name, value in fields.items() if value is not ...}


def rows(*given_rows: Any) -> dict[str, Any]:
    return {"code": 0, "msg": "", "data": list(given_rows)}


async def position_of(**changed: Any) -> Position:
    return (await snapshot_of(positions=rows(row(**changed)))).positions[0]


HEDGED: dict[str, Any] = {
    "balance": payload(NAME, "hedged_balance.json"),
    "positions": payload(NAME, "hedged_positions.json"),
}


async def test_documented_answers_become_the_golden_exposition() -> None:
    cross = await snapshot_of()
    older = await snapshot_of(balance=UNKNOWN_PATH, positions=payload(NAME, "positions_older.json"))
    empty = await snapshot_of(balance=payload(NAME, "balance_v3_empty_usdc.json"), positions=rows())
    hedged = await snapshot_of(**HEDGED)
    assert_golden(
        NAME,
        {
            "documented balance and cross position": exposition(NAME, "cross", cross),
            "balance of version 2 and an older isolated row": exposition(NAME, "older", older),
            "empty strings in a currency that was never used": exposition(NAME, "empty", empty),
            "hedged pair in documented tiers and an isolated position": exposition(NAME, "hedged", hedged),
        },
    )


class TestSigning:
    @pytest.mark.parametrize(
        ("secret", "text", "expected"),
        [
            (
                SECRET,
                "symbol=BTC-USDT&timestamp=1667872120843&side=LONG&leverage=6",
                "4f581ecdb1fa09b9d6e57886b6f70cffed17f82b93399722939e49a38edec2bf",
            ),
            (
                SECRET,
                "symbol=BTC-USDT&timestamp=1668159715051side=LONG&leverage=6",
                "8b756b01e7a30f02e19c58a91ab01b29528694316b08a51ecb8dd072942bd47d",
            ),
            (
                "SECRET_KEY",
                "recvWindow=0&symbol=BTC-USDT&timestamp=1696751141337",
                "fe041f159118c90ac13eab4d32f9e2d75b80ca6fe17ca8acd290aba864753ce2",
            ),
        ],
    )
    def test_official_vectors(self, secret: str, text: str, expected: str) -> None:
        assert bingx.signature(secret, text) == expected

    def test_a_request_is_the_vector_of_its_parameters(self) -> None:
        venue = make_venue(NAME, "http://localhost", CONFIG)
        signed = venue.sign(bingx.BALANCE, (), 1696751141337)
        assert signed.query == (
            "recvWindow=5000&timestamp=1696751141337"
            "&signature=70b4def1f55526ff67fbed5576eb6f974652e8c2553224421fae1d1868ef7000"
        )
        assert signed.headers == {"X-BX-APIKEY": KEY}

    def test_values_are_signed_as_they_are_and_sent_encoded(self) -> None:
        venue = make_venue(NAME, "http://localhost", CONFIG)
        signed = venue.sign(bingx.TIERS, (("symbol", "币 [x]-USDT"),), 1696751141337)
        text, _, signature = signed.query.rpartition("&signature=")
        assert text.isascii()
        assert " " not in text
        assert "[" not in text
        raw = "recvWindow=5000&symbol=币 [x]-USDT&timestamp=1696751141337"
        assert signature == hmac.new(SECRET.encode(), raw.encode(), hashlib.sha256).hexdigest()
        assert unquote(text) == raw

    def test_the_receive_window_is_at_most_five_seconds(self) -> None:
        with pytest.raises(ValueError, match="recv_window"):
            make_venue(NAME, "http://localhost", {**CONFIG, "recv_window": "6s"})


class TestAccount:
    async def test_documented_balance(self) -> None:
        (pool,) = (await snapshot_of()).pools
        assert (pool.currency, pool.equity, pool.wallet_balance) == ("USDT", 196.7431, 194.8212)
        assert pool.equity == pytest.approx(194.8212 + 1.9219, abs=1e-9)
        assert (pool.available_balance, pool.unrealized_pnl) == (193.7609, 1.9219)
        assert pool.margin_equity == 196.7431
        assert pool.maintenance_margin is None

    async def test_initial_margin_includes_that_of_open_orders(self) -> None:
        pool = (await snapshot_of(**HEDGED)).pools[0]
        assert pool.initial_margin == pytest.approx(4200 + 1684 + 25.4501 + 10)

    async def test_empty_strings_are_unknown_and_their_row_is_left_out(self) -> None:
        snapshot = await snapshot_of(balance=payload(NAME, "balance_v3_empty_usdc.json"), positions=rows())
        assert [pool.currency for pool in snapshot.pools] == ["USDT"]

    async def test_a_currency_that_is_traded_but_unknown_has_a_pool_without_amounts(self) -> None:
        snapshot = await snapshot_of(
            balance=payload(NAME, "balance_v3_empty_usdc.json"),
            positions=rows(row(symbol="BTC-USDC", currency="USDC")),
        )
        usdc = next(pool for pool in snapshot.pools if pool.currency == "USDC")
        assert usdc.equity is None
        assert usdc.margin_equity is None
        assert usdc.wallet_balance is None

    async def test_an_empty_account_shows_its_zero(self) -> None:
        balance = document("balance_v3.json")
        for field, value in balance["data"][0].items():
            if value.replace(".", "").lstrip("-").isdigit() and "id" not in field.lower():
                balance["data"][0][field] = "0.0000"
        snapshot = await snapshot_of(balance=balance, positions=rows())
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [("USDT", 0.0)]

    async def test_demo_money_has_no_usd_value(self) -> None:
        balance = document("balance_v3.json")
        balance["data"][0]["asset"] = "VST"
        snapshot = await snapshot_of(balance=balance, positions=rows(row(currency="VST")))
        risk = assess(snapshot, RiskSettings())
        assert [(pool.pool.currency, pool.equity_usd) for pool in risk.pools] == [("VST", None)]
        assert snapshot.positions[0].contract.settle == "VST"
        assert snapshot.positions[0].contract.quote == "USDT"

    async def test_an_amount_without_a_currency_is_a_schema_error(self) -> None:
        balance = document("balance_v3.json")
        balance["data"][0]["asset"] = ""
        with pytest.raises(VenueError, match="`asset` is empty") as caught:
            await snapshot_of(balance=balance)
        assert caught.value.reason == "schema"

    async def test_an_object_where_an_array_is_usual(self) -> None:
        balance = document("balance_v3.json")
        balance["data"] = balance["data"][0]
        positions = document("positions.json")
        positions["data"] = positions["data"][0]
        snapshot = await snapshot_of(balance=balance, positions=positions)
        assert snapshot.pools[0].equity == 196.7431
        assert len(snapshot.positions) == 1

    @pytest.mark.parametrize(
        "refusal", [UNKNOWN_PATH, {"code": 100404, "msg": "not found"}, web.Response(status=404, text="no")]
    )
    async def test_without_version_3_the_balance_comes_from_version_2(self, refusal: Any) -> None:
        snapshot = await snapshot_of(balance=refusal, positions=rows())
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [("USDT", 15.6128)]

    async def test_the_missing_version_is_not_asked_again_for_an_hour(self) -> None:
        now = 1_700_000_000.0
        async with (
            VenueServer(answers(balance=UNKNOWN_PATH), check) as server,
            Client(QuietObserver(), clock=lambda: now) as client,
        ):
            venue = make_venue(NAME, server.base_url, CONFIG)
            api = client.account(venue)
            for moment in (0.0, 15.0, 3599.0, 3600.0):
                now = 1_700_000_000.0 + moment
                await venue.fetch(api)
            asked = [request.path for request in server.requests]
        assert asked.count("/openApi/swap/v3/user/balance") == 2
        assert asked.count("/openApi/swap/v2/user/balance") == 4

    async def test_other_refusals_of_the_balance_are_failures(self) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(balance={"code": 100400, "msg": "timestamp is invalid"})
        assert caught.value.reason == "clock"
        with pytest.raises(VenueError) as caught:
            await snapshot_of(balance={"code": 100500, "msg": "Internal system error"})
        assert caught.value.reason == "exchange"

    async def test_isolated_margin_is_not_part_of_what_backs_cross_positions(self) -> None:
        pool = (await snapshot_of(**HEDGED)).pools[0]
        # 6000 of wallet outside the isolated position + 1082 - 232.8 of PnL.
        assert pool.margin_equity == pytest.approx(6849.2, abs=1e-9)

    async def test_an_isolated_margin_that_is_unknown_leaves_it_unknown(self) -> None:
        pool = (await snapshot_of(positions=payload(NAME, "positions_older.json"))).pools[0]
        assert pool.margin_equity is None

    async def test_a_list_that_is_null_is_empty_only_where_no_margin_is_in_use(self) -> None:
        null = {"code": 0, "msg": "", "data": None}
        empty = payload(NAME, "balance_v3_empty_usdc.json")
        assert (await snapshot_of(balance=empty, positions=null)).positions == ()
        with pytest.raises(VenueError, match="margin is in use") as caught:
            await snapshot_of(positions=null)
        assert caught.value.reason == "schema"

    @pytest.mark.parametrize("listed", [rows(), rows(row(positionAmt="0"))])
    async def test_no_position_beside_unrealized_pnl_is_a_schema_error_and_no_rate_of_zero(
        self, listed: dict[str, Any]
    ) -> None:
        empty = payload(NAME, "balance_v3_empty_usdc.json")
        assert (await snapshot_of(balance=empty, positions=listed)).positions == ()
        with pytest.raises(VenueError, match="there is unrealized PnL") as caught:
            await snapshot_of(positions=listed)
        assert caught.value.reason == "schema"


class TestModes:
    async def test_modes_are_labels(self) -> None:
        assert (await snapshot_of()).modes == {"position_mode": "hedge", "asset_mode": "single"}

    @pytest.mark.parametrize("value", ["false", False, "False"])
    async def test_one_way_mode(self, value: object) -> None:
        mode = {"code": 0, "msg": "", "data": {"dualSidePosition": value}}
        assert (await snapshot_of(position_mode=mode)).modes["position_mode"] == "one_way"

    @pytest.mark.parametrize("refusal", [DENIED, UNKNOWN_PATH, web.Response(status=404)])
    async def test_a_key_that_may_not_trade_is_not_told_and_that_is_no_failure(self, refusal: Any) -> None:
        observer = QuietObserver()
        snapshot = await snapshot_of(observer=observer, position_mode=refusal, asset_mode=refusal)
        assert snapshot.modes == {}
        assert observer.optional_failures == []

    async def test_in_multi_assets_mode_no_rate_is_made_of_parts(self) -> None:
        """The collateral's value after haircuts is not told: an equity of one coin would be a wrong one."""
        multi = {"code": 0, "msg": "", "data": {"assetMode": "multiAssetsMode"}}
        snapshot = await snapshot_of(asset_mode=multi, **HEDGED)
        risk = assess(snapshot, RiskSettings())
        (pool,) = risk.pools
        assert (pool.pool.currency, pool.pool.equity, pool.maintenance_margin_rate) == ("USD", None, None)
        assert pool.pool.venue_margin_rate == 0.1657
        assert pool.liquidation_shock_down is None
        assert [(asset.asset, asset.equity) for asset in snapshot.assets] == [("USDT", 6870.6291)]
        assert pool.gross_notional_usd == pytest.approx(211082 + 84432.8 + 231.093 * 1.0925)


class TestPosition:
    async def test_documented_cross_row(self) -> None:
        position = await position_of()
        assert (position.symbol, position.side, position.margin_mode) == ("LTC-USDT", "long", "cross")
        assert (position.quantity, position.entry_price, position.mark_price) == (0.1, 83.53, 73.14)
        assert position.liquidation_price is None
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

    async def test_mark_prices_are_not_asked_where_every_row_has_one(self) -> None:
        observer = QuietObserver()
        await snapshot_of(observer=observer, premium_index=None)
        assert observer.optional_failures == []

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

    @pytest.mark.parametrize("none", [None, "", "0", 0, 0.0, "-1.5", -3, 99999999, "99999999"])
    async def test_no_liquidation_price_in_any_spelling(self, none: object) -> None:
        assert (await position_of(liquidationPrice=none)).liquidation_price is None

    @pytest.mark.parametrize("value", ["58.21", 58.21])
    async def test_numbers_as_text_or_number(self, value: object) -> None:
        position = await position_of(liquidationPrice=value, avgPrice=value, positionAmt=value)
        assert position.liquidation_price == position.entry_price == position.quantity == 58.21

    async def test_rows_without_size_are_dropped(self) -> None:
        snapshot = await snapshot_of(
            positions=rows(row(positionAmt="0"), row(positionAmt=0.0, positionSide="SHORT"), row())
        )
        assert len(snapshot.positions) == 1

    async def test_an_unknown_field_is_ignored(self) -> None:
        assert (await position_of(somethingNew={"deep": [1]})).quantity == 0.1

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
                row(positionId="4", isolated=True, onlyOnePosition=False),
            )
        )
        assert [position.position_id for position in snapshot.positions] == ["1", "2", "", "4"]
        exposition(NAME, "desk", snapshot)

    @pytest.mark.parametrize("same", ["7", ..., None])
    async def test_positions_that_nothing_tells_apart_are_a_schema_error(self, same: object) -> None:
        with pytest.raises(VenueError, match="positionId") as caught:
            await snapshot_of(positions=rows(row(positionId=same), row(positionId=same)))
        assert caught.value.reason == "schema"
        assert "bingx GET /openApi/swap/v2/user/positions" in str(caught.value)

    async def test_both_legs_of_a_hedge_get_the_distance_of_the_net(self) -> None:
        risk = assess(await snapshot_of(**HEDGED), RiskSettings(cross_check=True))
        long, short, _ = risk.positions
        # 6000 - 5 × 42000 + 2 × 42100 + 30 + P (3 - 5 × 0.004 - 2 × 0.0038) = 0
        expected = 119770 / 2.9724
        for leg in (long, short):
            assert leg.liquidation_price == pytest.approx(expected, abs=1e-3)
            assert leg.liquidation_distance_ratio == pytest.approx(1 - expected / 42216.4, abs=1e-7)
            assert leg.liquidation_cross_check_ratio == pytest.approx(0.0, abs=1e-7)


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

    def test_the_documented_deduction_makes_the_schedule_continuous(self) -> None:
        answer = decode(payload(NAME, "maint_margin_ratio.json"), bingx.Tiers, "test")
        assert isinstance(answer.data, list)
        tiers = bingx.maintenance_tiers(reversed(answer.data), "BTC-USDT")
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
            Client(QuietObserver(), clock=lambda: now) as client,
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
            Client(QuietObserver(), clock=lambda: 1_700_000_000.0) as client,
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
            Client(QuietObserver(), clock=lambda: now) as client,
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


def response(status: int, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers or {}, body=content, received_at=1_727_193_000.0)


class TestErrors:
    @pytest.mark.parametrize("error", document("errors.json"), ids=lambda error: f"{error['code']}")
    def test_documented_errors_inside_http_200(self, error: dict[str, Any]) -> None:
        found = bingx.bingx_error(response(200, error), [SECRET])
        assert found is not None
        assert (found.reason, found.blocked_until) == (error["reason"], error["blocked_until"])
        assert str(error["code"]) in found.message
        assert "203.0.113.7" not in found.message

    @pytest.mark.parametrize(
        ("status", "body", "reason", "blocked_until"),
        [
            (200, {"code": 0, "msg": ""}, None, None),
            (200, {"code": "0", "msg": ""}, None, None),
            (200, {"code": "100413", "msg": "Incorrect apiKey"}, "auth", None),
            (400, {"code": 100001, "msg": "Signature verification failed"}, "auth", None),
            (401, b"", "auth", None),
            (403, b"<html>forbidden</html>", "permission", None),
            (404, b"", "exchange", None),
            (418, b"", "banned", 1_727_193_300.0),
            (429, b"", "rate_limited", 1_727_193_010.0),
            (500, b"oops", "exchange", None),
            (504, {"code": 100500, "msg": "timed out"}, "exchange", None),
        ],
    )
    def test_other_errors(
        self, status: int, body: Any, reason: str | None, blocked_until: float | None
    ) -> None:
        found = bingx.bingx_error(response(status, body))
        assert (found.reason if found else None) == reason
        assert (found.blocked_until if found else None) == blocked_until

    @pytest.mark.parametrize("status", [418, 429])
    def test_the_venue_s_own_waiting_time_is_kept(self, status: int) -> None:
        found = bingx.bingx_error(response(status, b"", {"Retry-After": "77"}))
        assert found is not None
        assert found.blocked_until == 1_727_193_077.0

    def test_a_moment_that_has_passed_by_our_clock_still_means_a_pause(self) -> None:
        words = "will be unblocked after 1727192999000"
        found = bingx.bingx_error(response(200, {"code": 100410, "msg": words}))
        assert found is not None
        assert found.blocked_until == 1_727_193_001.0

    def test_an_unknown_error_carries_the_venue_s_words_without_secrets(self) -> None:
        words = f"key {KEY} of 203.0.113.7 used {SECRET} for account 116295116295"
        found = bingx.bingx_error(response(200, {"code": 123456, "msg": words}), [KEY, SECRET])
        assert found is not None
        assert found.reason == "exchange"
        for secret in (KEY, SECRET, "203.0.113.7", "116295116295"):
            assert secret not in found.message

    async def test_a_clock_error_is_retried_once_after_a_resync(self) -> None:
        asked: list[str] = []

        def balance(request: web.Request) -> web.Response:
            asked.append(request.query["timestamp"])
            if len(asked) == 1:
                return web.json_response({"code": 100421, "msg": "Null timestamp or timestamp mismatch"})
            return web.Response(body=payload(NAME, "balance_v3.json"))

        await snapshot_of(balance=balance)
        # The documented time of the example lies in February 2023: the second request follows it.
        assert len(asked) == 2
        assert asked[1].startswith("16753195")

    async def test_a_second_clock_error_is_the_answer(self) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(positions={"code": 80014, "msg": "timestamp is invalid"})
        assert caught.value.reason == "clock"

    async def test_a_restriction_closes_the_address_for_every_account(self) -> None:
        refusal = {"code": 100410, "msg": "code:100410:... will be unblocked after 9999999999999"}
        async with VenueServer(answers(balance=refusal), check) as server, Client(QuietObserver()) as client:
            first = make_venue(NAME, server.base_url, CONFIG)
            with pytest.raises(VenueError, match="request limit is used up"):
                await first.fetch(client.account(first))
            sent = len(server.requests)
            second = make_venue(NAME, server.base_url, {**CONFIG, "name": "other"})
            with pytest.raises(VenueError, match="no request is sent for another") as caught:
                await second.fetch(client.account(second))
            assert caught.value.reason == "rate_limited"
            assert len(server.requests) == sent

    @pytest.mark.parametrize(
        ("endpoint", "file", "path", "field"),
        [
            ("balance", "balance_v3.json", [], "data"),
            ("balance", "balance_v3.json", ["data", 0], "equity"),
            ("balance", "balance_v3.json", ["data", 0], "asset"),
            ("positions", "positions.json", [], "data"),
            ("positions", "positions.json", ["data", 0], "positionAmt"),
            ("positions", "positions.json", ["data", 0], "isolated"),
            ("positions", "positions.json", ["data", 0], "liquidationPrice"),
        ],
    )
    async def test_a_missing_required_field_is_named(
        self, endpoint: str, file: str, path: list[Any], field: str
    ) -> None:
        body = document(file)
        target = body
        for step in path:
            target = target[step]
        del target[field]
        with pytest.raises(VenueError) as caught:
            await snapshot_of(**{endpoint: body})
        assert caught.value.reason == "schema"
        assert str(caught.value).startswith(f"bingx GET {PATHS[endpoint][0]}")
        assert f"`{field}`" in str(caught.value)

    async def test_an_empty_amount_that_is_required_is_named(self) -> None:
        with pytest.raises(VenueError, match="`positionAmt` is empty") as caught:
            await position_of(positionAmt="")
        assert caught.value.reason == "schema"

    @pytest.mark.parametrize("bad", ["NaN", "Infinity", "-inf", "1_000", "abc"])
    async def test_what_is_no_finite_number_is_a_schema_error(self, bad: str) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(markPrice=bad)
        assert caught.value.reason == "schema"
        assert "markPrice" in str(caught.value)

    async def test_a_page_of_a_firewall_is_a_schema_error(self) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(balance=b"<html>hello</html>")
        assert caught.value.reason == "schema"

    @pytest.mark.parametrize("name", ["tiers", "position_mode", "asset_mode", "premium_index"])
    async def test_an_answer_that_can_be_missed_costs_nothing_else(self, name: str) -> None:
        observer = QuietObserver()
        changed: dict[str, Any] = {name: {"code": 100500, "msg": "Internal system error"}}
        snapshot = await snapshot_of(observer=observer, positions=rows(row(markPrice=...)), **changed)
        assert len(snapshot.pools) == 1
        assert len(observer.optional_failures) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["balance", "positions", "tiers", "premium_index", "position_mode", "asset_mode"]),
    choice=st.integers(0, 10_000),
    value=DAMAGE,
)
async def test_a_damaged_answer_raises_nothing_but_a_venue_error(name: str, choice: int, value: Any) -> None:
    hedged = {"balance": document("hedged_balance.json"), "positions": document("hedged_positions.json")}
    body, key = damaged(hedged.get(name) or document(PATHS[name][1]), choice, value)
    try:
        snapshot = await snapshot_of(**{**hedged, name: body})
        exposition(NAME, "desk", snapshot)
    except VenueError as error:
        # A code that is no longer 0 is a failure of the venue.
        assert error.reason == "schema" or key == "code"  # noqa: PT017 (either outcome is right)


def test_every_number_of_the_documented_answers_is_used_or_explained() -> None:
    stated = {(use.endpoint, use.field) for use in Bingx.fields}
    premium = document("premium_index.json")
    documents = [
        (bingx.MARK_PRICES.path, {**premium, "data": [premium["data"]]}),
        *(
            (path, document(file))
            for path, file in (
                (bingx.BALANCE.path, "balance_v3.json"),
                (bingx.BALANCE.path, "balance_v3_empty_usdc.json"),
                (bingx.BALANCE_V2.path, "balance_v2.json"),
                (bingx.POSITIONS.path, "positions.json"),
                (bingx.POSITIONS.path, "positions_older.json"),
                (bingx.TIERS.path, "maint_margin_ratio.json"),
            )
        ),
    ]
    for path, body in documents:
        for field in numeric_fields(body):
            assert (path, field) in stated, (path, field)
