"""BingX: what its failures mean."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.errors import VenueError
from exporter.venues import _bingx as bingx
from tests.venues.harness import (
    NOW,
    MemoryTransport,
    QuietObserver,
    make_venue,
    response,
)
from tests.venues.payloads.bingx.bench import (
    CONFIG,
    NAME,
    answers,
    check,
    document,
    position_of,
    snapshot_of,
)


def refused(status: int, body: Any = None, headers: dict[str, str] | None = None) -> VenueError | None:
    venue = make_venue(NAME, "http://localhost", CONFIG)
    return venue.error(bingx.POSITIONS, response(status, body, headers, received_at=1_727_193_000.0))


class TestErrors:
    @pytest.mark.parametrize("error", document("errors.json"), ids=lambda error: f"{error['code']}")
    def test_documented_errors_inside_http_200(self, error: dict[str, Any]) -> None:
        found = refused(200, error)
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
            (403, b"<html>forbidden</html>", "banned", 1_727_193_300.0),
            (403, b"", "banned", 1_727_193_300.0),
            (403, {"code": 100004, "msg": "Permission denied"}, "permission", None),
            (403, {"code": 100777, "msg": "forbidden"}, "permission", None),
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
        found = refused(status, body)
        assert (found.reason if found else None) == reason
        assert (found.blocked_until if found else None) == blocked_until

    @pytest.mark.parametrize("status", [418, 429])
    def test_the_venue_s_own_waiting_time_is_kept(self, status: int) -> None:
        found = refused(status, b"", {"Retry-After": "77"})
        assert found is not None
        assert found.blocked_until == 1_727_193_077.0

    def test_a_moment_that_has_passed_by_our_clock_still_means_a_pause(self) -> None:
        words = "will be unblocked after 1727192999000"
        found = refused(200, {"code": 100410, "msg": words})
        assert found is not None
        assert found.blocked_until == 1_727_193_010.0

    async def test_nothing_is_asked_after_the_page_of_a_firewall(self) -> None:
        page = web.Response(status=403, text="<html>Access denied</html>")
        transport = MemoryTransport(dict.fromkeys(answers(), page), check)
        now = NOW
        async with Client(
            QuietObserver(), wall=lambda: now, elapsed=lambda: now, transport=transport
        ) as client:
            accounts = [make_venue(NAME, "http://venue.test", {**CONFIG, "name": name}) for name in "ab"]
            for _ in range(20):
                for venue in accounts:
                    with pytest.raises(VenueError, match="firewall") as caught:
                        await venue.fetch(client.account(venue))
                    assert caught.value.reason == "banned"
                now += 14.9
            # Only the first call of the first account; five minutes later it is asked again.
            assert len(transport.asked) == 1
            now += 14.9
            with pytest.raises(VenueError, match="firewall"):
                await accounts[0].fetch(client.account(accounts[0]))
            assert len(transport.asked) == 2

    @pytest.mark.parametrize(
        ("refusal", "silenced"),
        [
            (web.json_response({"code": 100410, "msg": "will be unblocked after 9999999999999"}), False),
            (web.Response(status=429, headers={"Retry-After": "60"}), True),
        ],
    )
    async def test_a_limit_of_one_user_silences_no_other_account_and_one_of_the_address_all(
        self, refusal: web.Response, silenced: bool
    ) -> None:
        transport = MemoryTransport(answers(balance=refusal), check)
        async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
            first = make_venue(NAME, "http://venue.test", CONFIG)
            api = client.account(first)
            for _ in range(2):
                with pytest.raises(VenueError, match="request limit is used up") as caught:
                    await first.fetch(api)
                assert caught.value.reason == "rate_limited"
            sent = len(transport.asked)
            second = make_venue(NAME, "http://venue.test", {**CONFIG, "name": "other"})
            with pytest.raises(VenueError):
                await second.fetch(client.account(second))
            assert (len(transport.asked) == sent) == silenced

    async def test_an_empty_amount_that_is_required_is_named(self) -> None:
        with pytest.raises(VenueError, match="`positionAmt` is empty") as caught:
            await position_of(positionAmt="")
        assert caught.value.reason == "schema"

    async def test_a_page_of_a_firewall_is_a_schema_error(self) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(balance=b"<html>hello</html>")
        assert caught.value.reason == "schema"
