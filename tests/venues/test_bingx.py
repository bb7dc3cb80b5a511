"""BingX, current API: documented answers in, published numbers out."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from pydantic import SecretStr

from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from exporter.signing import hmac_hex
from exporter.venues import bingx
from tests.venues.harness import (
    QuietObserver,
    VenueServer,
    exposition,
    make_venue,
    payload,
    unsigned,
)
from tests.venues.payloads.bingx.bench import (
    CONFIG,
    DENIED,
    HEDGED,
    KEY,
    NAME,
    SECRET,
    UNKNOWN_PATH,
    answers,
    check,
    document,
    position_of,
    row,
    rows,
    snapshot_of,
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
        assert hmac_hex(SecretStr(secret), text) == expected

    def test_a_request_is_the_vector_of_its_parameters(self) -> None:
        venue = make_venue(NAME, "http://localhost", CONFIG)
        signed = venue.sign(unsigned(bingx.BALANCE, at=1696751141337))
        assert signed.query == (
            "recvWindow=5000&timestamp=1696751141337"
            "&signature=70b4def1f55526ff67fbed5576eb6f974652e8c2553224421fae1d1868ef7000"
        )
        assert signed.headers == {"X-BX-APIKEY": KEY}

    def test_values_are_signed_as_they_are_and_sent_encoded(self) -> None:
        venue = make_venue(NAME, "http://localhost", CONFIG)
        signed = venue.sign(unsigned(bingx.TIERS, (("symbol", "币 [x]-USDT"),), at=1696751141337))
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

    async def test_a_balance_may_come_as_an_object_in_place_of_an_array(self) -> None:
        balance = document("balance_v3.json")
        balance["data"] = balance["data"][0]
        assert (await snapshot_of(balance=balance)).pools[0].equity == 196.7431

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
            Client(QuietObserver(), wall=lambda: now) as client,
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
        assert "GET /openApi/swap/v2/user/positions" in str(caught.value)

    async def test_both_legs_of_a_hedge_get_the_distance_of_the_net(self) -> None:
        risk = assess(await snapshot_of(**HEDGED), RiskSettings(cross_check=True))
        long, short, _ = risk.positions
        # 6000 - 5 × 42000 + 2 × 42100 + 30 + P (3 - 5 × 0.004 - 2 × 0.0038) = 0
        expected = 119770 / 2.9724
        for leg in (long, short):
            assert leg.liquidation_price == pytest.approx(expected, abs=1e-3)
            assert leg.liquidation_distance_ratio == pytest.approx(1 - expected / 42216.4, abs=1e-7)
            assert leg.liquidation_cross_check_ratio == pytest.approx(0.0, abs=1e-7)
