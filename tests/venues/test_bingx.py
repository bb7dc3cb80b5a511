"""BingX, current API: documented answers in, published numbers out."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from pydantic import SecretStr

from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from exporter.signing import hmac_hex
from exporter.venues import _bingx as bingx
from exporter.venues._bingx import BALANCE, POSITIONS
from tests.venues.harness import (
    QuietObserver,
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
    Collections,
    document,
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
        assert (await snapshot_of()).pools[0].open_order_margin == 0.0

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

    async def test_a_row_lacks_what_is_not_needed_and_the_account_is_there(self) -> None:
        for field in document("balance_v3.json")["data"][0].keys() - {"asset"}:
            balance = document("balance_v3.json")
            del balance["data"][0][field]
            pool = (await snapshot_of(balance=balance)).pools[0]
            # The equity is the balance and the PnL, where it is not told.
            assert pool.equity == pytest.approx(196.7431), field
        for field in row().keys() - {"symbol", "positionSide", "isolated", "positionAmt"}:
            (position,) = (await snapshot_of(positions=rows(row(**{field: ...})))).positions
            assert (position.symbol, position.quantity) == ("LTC-USDT", 0.1), field

    @pytest.mark.parametrize("field", ["symbol", "positionSide", "isolated", "positionAmt"])
    async def test_what_a_position_cannot_be_read_without_is_named(self, field: str) -> None:
        with pytest.raises(VenueError, match=field) as caught:
            await snapshot_of(positions=rows(row(**{field: ...})))
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

    @pytest.mark.parametrize("refusal", [UNKNOWN_PATH, web.Response(status=404, text="no")])
    async def test_the_missing_version_is_asked_again_at_once_and_then_ever_more_rarely(
        self, refusal: Any
    ) -> None:
        async with Collections(balance=refusal) as collections:
            asked = [await collections.at(moment) for moment in range(0, 7200, 15)]
        versions = [[path.split("/")[3] for path in paths if path.endswith("balance")] for paths in asked]
        both = [15 * number for number, found in enumerate(versions) if found == ["v3", "v2"]]
        assert both == [0, 15, 75, 195, 435, 915, 1875, 3795]
        assert all(found == ["v2"] for number, found in enumerate(versions) if 15 * number not in both)

    async def test_one_answer_of_a_proxy_hides_no_coin_at_the_next_collection(self) -> None:
        """Version 2 of the call knows USDT only."""
        balance = document("balance_v3.json")
        balance["data"].append({**balance["data"][0], "asset": "USDC"})
        async with Collections(balance=balance) as collections:
            assert await collections.coins(0.0) == ["USDT", "USDC"]
            collections.answer("balance", web.Response(status=404, text="no"))
            assert await collections.coins(15.0) == ["USDT"]
            collections.answer("balance", json.dumps(balance).encode())
            assert await collections.coins(30.0) == ["USDT", "USDC"]

    async def test_where_the_older_version_fails_the_newer_is_asked_in_the_same_collection(self) -> None:
        async with Collections(balance=UNKNOWN_PATH) as collections:
            for moment in (0.0, 15.0, 30.0):
                assert await collections.coins(moment) == ["USDT"]
            collections.answer("balance_v2", web.Response(status=404, text="no"))
            with pytest.raises(VenueError):
                await collections.coins(45.0)
            collections.answer("balance", payload(NAME, "balance_v3.json"))
            assert await collections.coins(60.0) == ["USDT"]
            assert set(await collections.at(75.0)) == {POSITIONS.path, BALANCE.path}

    async def test_other_refusals_of_the_balance_are_failures(self) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(balance={"code": 100400, "msg": "timestamp is invalid"})
        assert caught.value.reason == "clock"
        with pytest.raises(VenueError) as caught:
            await snapshot_of(balance={"code": 100500, "msg": "Internal system error"})
        assert caught.value.reason == "exchange"

    async def test_isolated_margin_is_not_part_of_what_backs_cross_positions(self) -> None:
        pool = (await snapshot_of(**HEDGED)).pools[0]
        # 6000 of wallet outside the isolated position - 10 of open orders + 1082 - 232.8 of PnL.
        assert pool.margin_equity == pytest.approx(6839.2, abs=1e-9)
        assert pool.open_order_margin == 10.0

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
