"""BingX, version 1 of the API: documented answers in, published numbers out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import VenueError
from exporter.model import AccountSnapshot, Position, RiskSettings
from exporter.risk import assess
from exporter.venues import bingx_v1
from exporter.venues.base import Response
from exporter.venues.bingx_v1 import BingxV1
from tests.venues.harness import (
    DAMAGE,
    Answer,
    QuietObserver,
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

NAME = "bingx_v1"
KEY = "Zsm4DcrHBTewmVaElrdwA67PmivPv6VDK6JAkiECZ9QfcUnmn67qjCOgvRuZVOzU"
SECRET = "UuGuyEGt6ZEkpUObCYCmIfh0elYsZVh80jlYwpJuRZEw70t6vomMH7Sjmf94ztSI"
CONFIG = {"api_key": KEY, "api_secret": SECRET}

PATHS = {
    "balance": ("/api/v1/user/getBalance", "balance.json"),
    "positions": ("/api/v1/user/getPositions", "positions.json"),
    "price": ("/api/v1/market/getLatestPrice", "latest_price.json"),
    "time": ("/api/v1/common/server/time", "server_time.json"),
}
REQUIRED = {
    "/api/v1/user/getBalance": {"currency": "USDT"},
    "/api/v1/user/getPositions": {"symbol": ""},
}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert body == b""
    query = request.raw_path.partition("?")[2]
    parameters = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    if request.path not in REQUIRED:
        assert request.method == "GET"
        assert set(parameters) <= {"symbol"}
        return
    assert request.method == "POST"
    assert request.headers["Content-Type"] == "application/json"
    text, _, sign = query.rpartition("&sign=")
    assert "/" not in sign
    assert "+" not in sign
    origin = f"POST{request.path}{unquote(text)}"
    expected = hmac.new(SECRET.encode(), origin.encode(), hashlib.sha256).digest()
    assert base64.b64decode(unquote(sign), validate=True) == expected
    assert parameters.pop("apiKey") == KEY
    assert len(parameters.pop("timestamp")) == 13
    del parameters["sign"]
    assert parameters == REQUIRED[request.path]
    names = [pair.partition("=")[0] for pair in text.split("&")]
    assert names == sorted(names)


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, changed)


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


async def snapshot_of(*, observer: QuietObserver | None = None, **changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check, observer=observer)


def row(**changed: Any) -> dict[str, Any]:
    """The first documented row with some fields changed; `...` takes one away."""
    fields = {**document("positions.json")["data"]["positions"][0], **changed}
    return {name: value for name, value in fields.items() if value is not ...}


def rows(*given_rows: Any) -> dict[str, Any]:
    return {"code": 0, "msg": "", "data": {"positions": list(given_rows)}}


async def position_of(**changed: Any) -> Position:
    return (await snapshot_of(positions=rows(row(**changed)))).positions[0]


async def test_documented_answers_become_the_golden_exposition() -> None:
    """Without the documented fair price: it belongs to a market at 50,000, the positions to one at 2.2."""
    snapshot = await snapshot_of(price=None)
    assert_golden(NAME, {"documented account, mark prices derived": exposition(NAME, "desk", snapshot)})


class TestSigning:
    def test_official_vector(self) -> None:
        venue = make_venue(NAME, "http://localhost", CONFIG)
        signed = venue.sign(bingx_v1.BALANCE, (("currency", "USDT"),), 1615272721001)
        assert signed.query == (
            f"apiKey={KEY}&currency=USDT&timestamp=1615272721001"
            "&sign=ZLDEpF7hj%2BzW8Cnvfus%2BVsRBK690iZwPI%2BOlYfH%2BHR4%3D"
        )
        assert signed.body is None

    def test_the_origin_string_is_method_path_and_sorted_parameters(self) -> None:
        text = f"apiKey={KEY}&currency=USDT&timestamp=1615272721001"
        sign = bingx_v1.signature(SECRET, "POST", "/api/v1/user/getBalance", text)
        assert sign == "ZLDEpF7hj+zW8Cnvfus+VsRBK690iZwPI+OlYfH+HR4="


class TestAccount:
    async def test_documented_balance(self) -> None:
        (pool,) = (await snapshot_of()).pools
        assert (pool.currency, pool.equity, pool.wallet_balance) == ("USDT", 128.99, 123.33)
        assert (pool.available_balance, pool.unrealized_pnl) == (123.33, 1.22)
        assert pool.initial_margin == pytest.approx(2.2 + 3.3)
        assert pool.maintenance_margin is None

    async def test_there_is_no_maintenance_margin_and_so_no_rate(self) -> None:
        (pool,) = assess(await snapshot_of(), RiskSettings()).pools
        assert pool.maintenance_margin is None
        assert pool.maintenance_margin_rate is None

    async def test_what_backs_cross_positions_is_unknown_beside_isolated_ones(self) -> None:
        assert (await snapshot_of()).pools[0].margin_equity is None
        assert (await snapshot_of(positions=rows(row()))).pools[0].margin_equity == 128.99

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

    @pytest.mark.parametrize("none", [None, "", "0", 0, -3, 99999999])
    async def test_no_liquidation_price_in_any_spelling(self, none: object) -> None:
        assert (await position_of(liquidatedPrice=none)).liquidation_price is None

    @pytest.mark.parametrize("value", ["2.5", 2.5])
    async def test_numbers_as_text_or_number(self, value: object) -> None:
        position = await position_of(liquidatedPrice=value, volume=value, avgPrice=value)
        assert position.liquidation_price == position.quantity == position.entry_price == 2.5

    async def test_rows_without_size_are_dropped(self) -> None:
        positions = rows(row(volume=0), row(volume="0.0"), row())
        assert len((await snapshot_of(positions=positions)).positions) == 1

    async def test_an_object_where_an_array_is_usual(self) -> None:
        positions = {"code": 0, "msg": "", "data": {"positions": row()}}
        assert len((await snapshot_of(positions=positions)).positions) == 1

    async def test_an_unknown_field_is_ignored(self) -> None:
        assert (await position_of(somethingNew={"deep": [1]})).quantity == 123.33

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


def response(status: int, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers or {}, body=content, received_at=1000.0)


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
            (403, b"<html></html>", "permission", None),
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
        found = bingx_v1.bingx_v1_error(response(status, body))
        assert (found.reason if found else None) == reason
        assert (found.blocked_until if found else None) == blocked_until

    def test_an_unknown_error_carries_the_venue_s_words_without_secrets(self) -> None:
        body = {"code": 7, "msg": f"trouble with {KEY} at 203.0.113.7"}
        found = bingx_v1.bingx_v1_error(response(200, body), [KEY, SECRET])
        assert found is not None
        assert found.reason == "exchange"
        assert "trouble" in found.message
        assert KEY not in found.message
        assert "203.0.113.7" not in found.message

    async def test_the_key_in_the_query_is_in_no_error(self) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(balance=None)
        assert KEY not in str(caught.value)
        assert str(caught.value).startswith("bingx_v1 POST /api/v1/user/getBalance: HTTP 404")

    async def test_a_clock_error_is_retried_once_after_a_resync(self) -> None:
        asked: list[str] = []

        def balance(request: web.Request) -> web.Response:
            asked.append(request.query["timestamp"])
            if len(asked) == 1:
                return web.json_response({"code": 400, "msg": "timestamp expired"}, status=400)
            return web.Response(body=payload(NAME, "balance.json"))

        await snapshot_of(balance=balance)
        # The documented time of the example lies in 2018: the second request follows it.
        assert len(asked) == 2
        assert asked[1].startswith("15344319")

    @pytest.mark.parametrize(
        ("endpoint", "file", "path", "field"),
        [
            ("balance", "balance.json", [], "data"),
            ("balance", "balance.json", ["data"], "equity"),
            ("positions", "positions.json", ["data"], "positions"),
            ("positions", "positions.json", ["data", "positions", 1], "volume"),
            ("positions", "positions.json", ["data", "positions", 0], "marginMode"),
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
        assert str(caught.value).startswith(f"bingx_v1 POST {PATHS[endpoint][0]}")
        assert f"`{field}`" in str(caught.value)

    @pytest.mark.parametrize("bad", ["NaN", "Infinity", "1_000", "abc"])
    async def test_what_is_no_finite_number_is_a_schema_error(self, bad: str) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(avgPrice=bad)
        assert caught.value.reason == "schema"
        assert "avgPrice" in str(caught.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["balance", "positions", "price"]),
    choice=st.integers(0, 10_000),
    value=DAMAGE,
)
async def test_a_damaged_answer_raises_nothing_but_a_venue_error(name: str, choice: int, value: Any) -> None:
    body, key = damaged(document(PATHS[name][1]), choice, value)
    try:
        snapshot = await snapshot_of(**{name: body})
        exposition(NAME, "desk", snapshot)
    except VenueError as error:
        # A code that is no longer 0 is a failure of the venue.
        assert error.reason == "schema" or key == "code"  # noqa: PT017 (either outcome is right)


def test_every_number_of_the_documented_answers_is_used_or_explained() -> None:
    stated = {(use.endpoint, use.field) for use in BingxV1.fields}
    for path, file in (PATHS["balance"], PATHS["positions"], PATHS["price"]):
        for field in numeric_fields(document(file)):
            assert (path, field) in stated, (path, field)
