"""Binance USD-M: what its failures mean."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.errors import VenueError
from exporter.venues._binance_usdm import ACCOUNT
from tests.venues.harness import QuietObserver, VenueServer, make_venue, response
from tests.venues.payloads.binance_usdm.bench import CONFIG, NAME, answers, check, document


def refused(status: int, body: Any = None, headers: dict[str, str] | None = None) -> VenueError | None:
    venue = make_venue(NAME, "http://localhost", CONFIG)
    return venue.error(ACCOUNT, response(status, body, headers, received_at=1000.0))


class TestErrors:
    @pytest.mark.parametrize(
        ("index", "reason", "blocked_until"),
        [
            (0, "auth", None),
            (1, "clock", None),
            (2, "auth", None),
            (3, "banned", 1774784983.833),
            (4, "rate_limited", 1034.0),
            (5, "unsupported", None),
        ],
    )
    def test_documented_errors(self, index: int, reason: str, blocked_until: float | None) -> None:
        error = document("errors.json")[index]
        found = refused(error["http"], error["body"], error.get("headers"))
        assert found is not None
        assert (found.reason, found.blocked_until) == (reason, blocked_until)
        assert "203.0.113.7" not in found.message

    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (200, {"code": 200}, None),
            (400, {"code": -1000, "msg": ""}, "exchange"),
            (400, {"code": -1102, "msg": "Mandatory parameter 'timestamp' was not sent."}, "exchange"),
            (401, {"code": -2014, "msg": "API-key format invalid."}, "auth"),
            (403, b"<html>forbidden</html>", "banned"),
            (400, {"code": -4109, "msg": "Inactive account"}, "unsupported"),
            (400, {"code": -1020, "msg": "Not available in Portfolio Margin mode."}, "unsupported"),
            (
                403,
                {"code": -1003, "msg": "Way too many requests; IP(1.2.3.4) banned until 1774784983833."},
                "banned",
            ),
            (408, b"", "timeout"),
            (418, b"", "banned"),
            (429, b"", "rate_limited"),
            (500, b"oops", "exchange"),
            (503, {"code": -1008, "msg": "Server is currently overloaded"}, "exchange"),
        ],
    )
    def test_other_errors(self, status: int, body: Any, reason: str | None) -> None:
        found = refused(status, body)
        assert (found.reason if found else None) == reason
        if reason in {"banned", "rate_limited"}:
            assert found is not None
            assert found.blocked_until is not None
            assert found.blocked_until > 1000.0

    @pytest.mark.parametrize(("headers", "until"), [({}, 1120.0), ({"Retry-After": "7200"}, 8200.0)])
    def test_a_ban_that_is_over_by_our_clock_is_kept_to(self, headers: dict[str, str], until: float) -> None:
        body = {"code": -1003, "msg": "Way too many requests; IP(1.2.3.4) banned until 0000000999000."}
        found = refused(418, body, headers)
        assert found is not None
        assert (found.reason, found.blocked_until) == ("banned", until)

    async def test_a_ban_closes_the_address_for_every_account(self) -> None:
        error = document("errors.json")[4]
        refusal = web.json_response(error["body"], status=error["http"], headers=error["headers"])
        async with (
            VenueServer(answers(account=refusal), check) as server,
            Client(QuietObserver()) as client,
        ):
            first = make_venue(NAME, server.base_url, CONFIG)
            with pytest.raises(VenueError, match="request limit is used up"):
                await first.fetch(client.account(first))
            sent = len(server.requests)
            second = make_venue(NAME, server.base_url, {**CONFIG, "name": "other"})
            with pytest.raises(VenueError, match="no request is sent for another") as caught:
                await second.fetch(client.account(second))
            assert caught.value.reason == "rate_limited"
            assert len(server.requests) == sent
