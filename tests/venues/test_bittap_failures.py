"""BitTap: what its failures mean."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web

from exporter.errors import VenueError
from exporter.venues import _bittap as bittap
from tests.venues.harness import (
    NOW,
    QuietObserver,
    make_venue,
    payload,
    response,
)
from tests.venues.payloads.bittap.bench import (
    CONFIG,
    EQUITY,
    KEY,
    NAME,
    PATHS,
    account_of,
    account_row,
    asset,
    document,
    failure,
    open_row,
    snapshot_of,
)


def refused(status: int, body: Any = None, headers: dict[str, str] | None = None) -> VenueError | None:
    venue = make_venue(NAME, "http://localhost", CONFIG)
    return venue.error(bittap.OPEN_POSITION, response(status, body, headers, received_at=1000.0))


def failed(code: Any, words: str | None = "words") -> dict[str, Any]:
    return {"code": code, "msg": words, "success": False}


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "body", "reason", "blocked_until"),
        [
            (200, {"code": "0", "msg": "Request successful", "success": True}, None, None),
            (200, {"code": 0, "msg": "Request successful"}, None, None),
            (200, failed("0"), "exchange", None),
            (200, failed("10001", "Parameter error"), "exchange", None),
            (400, failed("100011", "Parameter error"), "exchange", None),
            (200, failed("410001"), "auth", None),
            (401, failed("410001"), "auth", None),
            (401, failed("410002"), "auth", None),
            (200, failed(410002), "auth", None),
            (403, failed("410006"), "permission", None),
            (200, failed("410006"), "permission", None),
            (401, failed("410009", "API key expired"), "clock", None),
            (401, failed("410003", "request time is invalid"), "clock", None),
            (400, failed("100011", "timestamp error"), "clock", None),
            (401, failed("410005", "IP not in whitelist"), "permission", None),
            (200, failed("410005", "no"), "auth", None),
            (200, failed("500", "Server Error"), "exchange", None),
            (500, failed("500", "Request timed out"), "exchange", None),
            (401, failed("410003", "Request timed out"), "auth", None),
            (429, failed("429", "too many"), "rate_limited", 1010.0),
            (429, b"", "rate_limited", 1010.0),
            (400, b"", "exchange", None),
            (401, b"", "auth", None),
            (403, b"<html></html>", "banned", 1300.0),
            (403, b"", "banned", 1300.0),
            (403, failed("403", "Forbidden"), "permission", None),
            (404, b"", "exchange", None),
            (500, b"oops", "exchange", None),
            (502, b"", "exchange", None),
            (503, failed("503", None), "exchange", None),
            (504, b"", "exchange", None),
        ],
    )
    def test_documented_codes_and_statuses(
        self, status: int, body: Any, reason: str | None, blocked_until: float | None
    ) -> None:
        found = refused(status, body)
        assert (found.reason if found else None) == reason
        assert (found.blocked_until if found else None) == blocked_until

    def test_a_code_that_is_none_is_not_repeated(self) -> None:
        found = refused(200, failed(KEY))
        assert found is not None
        assert KEY not in found.message

    @pytest.mark.parametrize(
        ("headers", "moment"),
        [
            ({"Date": "Thu, 18 Sep 2025 07:08:39 GMT"}, 1758179319.5),
            ({"Date": "Thu, 18 Sep 2025 07:08:39 GMT", "Age": "7"}, 1758179326.5),
            ({}, None),
            ({"Date": "Thu, 18 Sep 2025 07:08:39 GMT", "Age": "9" * 5000}, 1758179319.5),
            ({"Date": "yesterday"}, None),
        ],
    )
    def test_the_clock_is_the_date_of_an_answer(self, headers: dict[str, str], moment: float | None) -> None:
        assert response(headers=headers).sent_at == moment

    async def test_after_a_refused_timestamp_the_venue_s_clock_is_followed(self) -> None:
        asked: list[int] = []

        def account(request: Any) -> web.Response:
            asked.append(int(request.headers["X-BT-TS"]))
            if len(asked) == 1:
                return failure(401, "410003", "timestamp out of range")
            return web.Response(body=payload(NAME, "account_info.json"))

        contracts = web.Response(
            body=payload(NAME, "exchange_info.json"), headers={"Date": formatdate(NOW + 7200.0, usegmt=True)}
        )
        await snapshot_of(account=account, contracts=contracts)
        assert len(asked) == 2
        assert asked[1] / 1000 == pytest.approx(NOW + 7200.5, abs=60.0)

    @pytest.mark.parametrize(
        ("call", "path", "field"),
        [
            ("account", (), "data"),
            ("account", ("data",), "assets"),
            ("account", ("data", "assets", 0), "coin"),
            ("account", ("data", "positions", 0), "quantity"),
            ("opened", (), "data"),
            ("opened", ("data", 0), "symbolId"),
        ],
    )
    async def test_a_missing_required_field_is_named(
        self, call: str, path: tuple[str | int, ...], field: str
    ) -> None:
        url, file = PATHS[call]
        body = document(file)
        place = body
        for step in path:
            place = place[step]
        del place[field]
        with pytest.raises(VenueError) as caught:
            await snapshot_of(**{call: body})
        assert caught.value.reason == "schema"
        assert str(caught.value).startswith(f"bittap GET {url}")
        assert f"`{field}`" in str(caught.value)

    @pytest.mark.parametrize("empty", [None, "", ...])
    async def test_a_balance_that_is_empty_is_not_zero(self, empty: object) -> None:
        assets = [asset(balance=empty)]
        (pool,) = (await snapshot_of(account=account_of(account_row(), assets=assets))).pools
        assert (pool.wallet_balance, pool.equity) == (None, EQUITY)

    @pytest.mark.parametrize("empty", [None, "", ...])
    async def test_an_equity_that_is_not_told_follows_from_balance_and_pnl_or_is_an_error(
        self, empty: object
    ) -> None:
        (pool,) = (await snapshot_of(account=account_of(account_row(), assets=[asset(equities=empty)]))).pools
        assert pool.equity == pytest.approx(EQUITY, rel=1e-15)
        nothing = [asset(equities=empty, balance=empty)]
        with pytest.raises(VenueError, match=r"`equities` is missing or empty.*\$\.data\.assets\[") as caught:
            await snapshot_of(account=account_of(account_row(), assets=nothing))
        assert caught.value.reason == "schema"

    async def test_a_side_that_neither_call_tells_is_an_error_and_not_a_guess(self) -> None:
        opened = {"code": "0", "data": [open_row(side=...)]}
        assert (await snapshot_of(opened=opened)).positions[0].side == "long"
        with pytest.raises(VenueError, match="`side` of a position is missing"):
            await snapshot_of(account=account_of(account_row(side=...)), opened=opened)

    async def test_rows_without_ids_are_joined_by_what_else_identifies_them(self) -> None:
        opened = {"code": "0", "data": [open_row(positionId=...), open_row(positionId=..., side="SELL")]}
        account = account_of(account_row(side="SELL", leverage=5), account_row(positionId="7"))
        positions = (await snapshot_of(account=account, opened=opened)).positions
        assert [position.side for position in positions] == ["long", "short"]

    async def test_a_damaged_list_of_contracts_does_not_cost_the_account(self) -> None:
        observer = QuietObserver()
        body = document("exchange_info.json")
        del body["data"]["symbols"][0]["symbolId"]
        snapshot = await snapshot_of(contracts=body, observer=observer)
        assert len(snapshot.positions) == 1
        assert [error.reason for error in observer.optional_failures] == ["schema"]
