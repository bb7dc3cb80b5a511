"""BingX, version 1 of the API: documented answers in, published numbers out."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from exporter.signing import hmac_base64
from exporter.venues import bingx_v1
from tests.venues.harness import (
    QuietObserver,
    make_venue,
    response,
    unsigned,
)
from tests.venues.payloads.bingx_v1.bench import (
    CONFIG,
    KEY,
    NAME,
    SECRET,
    document,
    position_of,
    row,
    rows,
    snapshot_of,
)


class TestSigning:
    def test_official_vector(self) -> None:
        venue = make_venue(NAME, "http://localhost", CONFIG)
        signed = venue.sign(unsigned(bingx_v1.BALANCE, (("currency", "USDT"),), at=1615272721001))
        assert signed.query == (
            f"apiKey={KEY}&currency=USDT&timestamp=1615272721001"
            "&sign=ZLDEpF7hj%2BzW8Cnvfus%2BVsRBK690iZwPI%2BOlYfH%2BHR4%3D"
        )
        assert signed.body is None

    def test_the_origin_string_is_method_path_and_sorted_parameters(self) -> None:
        text = f"apiKey={KEY}&currency=USDT&timestamp=1615272721001"
        sign = hmac_base64(SecretStr(SECRET), f"POST/api/v1/user/getBalance{text}")
        assert sign == "ZLDEpF7hj+zW8Cnvfus+VsRBK690iZwPI+OlYfH+HR4="


class TestAccount:
    async def test_documented_balance(self) -> None:
        (pool,) = (await snapshot_of()).pools
        assert (pool.currency, pool.equity, pool.wallet_balance) == ("USDT", 128.99, 123.33)
        assert (pool.available_balance, pool.unrealized_pnl) == (123.33, 1.22)
        assert pool.initial_margin == pytest.approx(2.2 + 3.3)
        assert pool.open_order_margin == 3.3
        assert pool.maintenance_margin is None

    async def test_there_is_no_maintenance_margin_and_so_no_rate(self) -> None:
        (pool,) = assess(await snapshot_of(), RiskSettings()).pools
        assert pool.maintenance_margin is None
        assert pool.maintenance_margin_rate is None

    async def test_an_answer_lacks_what_is_not_needed_and_the_account_is_there(self) -> None:
        balance = document("balance.json")
        del balance["data"]["equity"], balance["data"]["currency"]
        (pool,) = (await snapshot_of(balance=balance)).pools
        # The equity is the balance and the PnL, where it is not told.
        assert pool.currency == "USDT"
        assert pool.equity == pytest.approx(123.33 + 1.22)
        for field in document("balance.json")["data"]:
            balance = document("balance.json")
            del balance["data"][field]
            assert len((await snapshot_of(balance=balance)).positions) == 2, field
        for field in row().keys() - {"symbol", "positionSide", "marginMode", "volume"}:
            position = await position_of(**{field: ...})
            assert (position.symbol, position.contract.settle) == ("BTC-USDT", "USDT"), field

    async def test_what_backs_cross_positions_is_unknown_beside_isolated_ones(self) -> None:
        for snapshot, backing in (
            (await snapshot_of(), None),
            (await snapshot_of(positions=rows(row())), 128.99),
        ):
            (pool,) = assess(snapshot, RiskSettings()).pools
            assert pool.margin_equity == backing

    @pytest.mark.parametrize("empty", [None, "", ...])
    async def test_a_margin_that_is_not_told_is_not_zero(self, empty: object) -> None:
        balance = document("balance.json")
        if empty is ...:
            del balance["data"]["usedMargin"]
        else:
            balance["data"]["usedMargin"] = empty
        assert (await snapshot_of(balance=balance)).pools[0].initial_margin is None

    @pytest.mark.parametrize("null", [{"positions": None}, None])
    async def test_a_list_that_is_null_is_empty_only_where_no_margin_is_in_use(self, null: object) -> None:
        positions = {"code": 0, "msg": "", "data": null}
        balance = document("balance.json")
        balance["data"] |= {"usedMargin": 0, "unrealisedPNL": 0}
        assert (await snapshot_of(balance=balance, positions=positions)).positions == ()
        with pytest.raises(VenueError, match="margin is in use") as caught:
            await snapshot_of(positions=positions)
        assert caught.value.reason == "schema"

    async def test_no_position_beside_unrealized_pnl_is_a_schema_error(self) -> None:
        with pytest.raises(VenueError, match="there is unrealized PnL") as caught:
            await snapshot_of(positions=rows())
        assert caught.value.reason == "schema"


class TestPosition:
    async def test_documented_rows(self) -> None:
        long, short = (await snapshot_of()).positions
        assert (long.symbol, long.side, long.margin_mode) == ("BTC-USDT", "long", "cross")
        assert (short.symbol, short.side, short.margin_mode) == ("ETH-USDT", "short", "isolated")
        assert (long.quantity, long.entry_price, long.leverage) == (123.33, 2.2, 10.0)
        assert (long.unrealized_pnl, long.realized_pnl, long.liquidation_price) == (1.22, 8.1, 2.2)
        assert (long.position_id, short.position_id) == ("", "")

    async def test_the_margin_whose_meaning_is_not_told_is_not_shown_as_collateral(self) -> None:
        assert [position.margin for position in (await snapshot_of()).positions] == [None, None]

    async def test_the_mark_is_the_fair_price(self) -> None:
        price = {"code": 0, "msg": "", "data": {"fairPrice": 2.21, "tradePrice": "9", "indexPrice": "8"}}
        assert (await snapshot_of(price=price)).positions[0].mark_price == 2.21

    async def test_each_symbol_is_asked_for_its_own_price(self) -> None:
        asked: list[str] = []

        def price(request: web.Request) -> web.Response:
            asked.append(request.query["symbol"])
            value = {"BTC-USDT": "2.3", "ETH-USDT": "2.1"}[request.query["symbol"]]
            return web.json_response({"code": 0, "msg": "", "data": {"fairPrice": value}})

        snapshot = await snapshot_of(price=price)
        assert [position.mark_price for position in snapshot.positions] == [2.3, 2.1]
        assert sorted(asked) == ["BTC-USDT", "ETH-USDT"]

    async def test_without_a_fair_price_the_mark_follows_from_the_pnl(self) -> None:
        observer = QuietObserver()
        snapshot = await snapshot_of(observer=observer, price=None)
        long, short = assess(snapshot, RiskSettings()).positions
        assert long.mark_price == pytest.approx(2.2 + 1.22 / 123.33)
        assert short.mark_price == pytest.approx(2.2 - 1.22 / 123.33)
        assert len(observer.optional_failures) == 2

    async def test_positions_that_labels_do_not_identify_carry_their_id(self) -> None:
        positions = rows(row(positionId="1"), row(positionId=2), row(positionId="3", positionSide="Short"))
        snapshot = await snapshot_of(positions=positions)
        assert [position.position_id for position in snapshot.positions] == ["1", "2", ""]

    async def test_positions_that_nothing_tells_apart_are_a_schema_error(self) -> None:
        with pytest.raises(VenueError, match="positionId") as caught:
            await snapshot_of(positions=rows(row(positionId=...), row(positionId=...)))
        assert caught.value.reason == "schema"

    @pytest.mark.parametrize(
        ("field", "value"), [("positionSide", "Both"), ("marginMode", "Crossed"), ("marginMode", "")]
    )
    async def test_a_word_that_is_not_documented_is_a_schema_error(self, field: str, value: str) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(**{field: value})
        assert caught.value.reason == "schema"
        assert field in str(caught.value)


def refused(status: int, body: Any = None, headers: dict[str, str] | None = None) -> VenueError | None:
    venue = make_venue(NAME, "http://localhost", CONFIG)
    return venue.error(bingx_v1.POSITIONS, response(status, body, headers, received_at=1000.0))


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "body", "reason", "blocked_until"),
        [
            (200, {"code": 0, "msg": ""}, None, None),
            (200, {"code": 1, "msg": "Incorrect apiKey"}, "auth", None),
            (200, {"code": 1, "message": "sign is wrong"}, "auth", None),
            (200, {"code": 1, "msg": "timestamp expired"}, "clock", None),
            (200, {"code": 1, "msg": "permission denied"}, "permission", None),
            (200, {"code": 1, "msg": "IP does not match IP whitelist"}, "permission", None),
            (200, {"code": 1, "msg": "requests are too frequent"}, "rate_limited", 1010.0),
            (200, {"code": 1, "msg": "system busy"}, "exchange", None),
            (200, {"code": 1, "msg": ""}, "exchange", None),
            (400, {"code": 400, "msg": "symbol does not exist"}, "exchange", None),
            (400, b"", "exchange", None),
            (401, b"", "auth", None),
            (403, b"<html></html>", "banned", 1300.0),
            (403, {"code": 403, "msg": "permission denied"}, "permission", None),
            (403, {"code": 403, "msg": "forbidden"}, "permission", None),
            (404, b"", "exchange", None),
            (418, b"", "banned", 1300.0),
            (429, b"", "rate_limited", 1010.0),
            (500, b"oops", "exchange", None),
            (504, b"", "exchange", None),
        ],
    )
    def test_documented_statuses_and_words(
        self, status: int, body: Any, reason: str | None, blocked_until: float | None
    ) -> None:
        found = refused(status, body)
        assert (found.reason if found else None) == reason
        assert (found.blocked_until if found else None) == blocked_until

    async def test_the_key_in_the_query_is_in_no_error(self) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(balance=None)
        assert KEY not in str(caught.value)
        assert str(caught.value).startswith("bingx_v1 POST /api/v1/user/getBalance: HTTP 404")
