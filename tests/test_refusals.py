"""What failures mean at every venue, and for how long they ask for silence."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from aiohttp import web

from exporter.api import Api, Client
from exporter.errors import Scope, VenueError
from exporter.refusals import Refusal, Refusals, http_error, retry_after
from exporter.request import Endpoint, Response
from tests.toy import OPEN, FakeClock, Recorder, Time, Toy, ask, toy
from tests.venues.harness import NOW, VenueServer, response

# NOW is 2023-11-14 22:13:20 GMT.
IN_AN_HOUR = "Tue, 14 Nov 2023 23:13:20 GMT"
AN_HOUR_AGO = "Tue, 14 Nov 2023 21:13:20 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        (" 30 ", 30.0),
        ("2.5", 2.5),
        ("0", None),
        ("0.0", None),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("٣", None),
        ("1e3", None),
        ("999999999999", 999999999999.0),
        ("9" * 400, math.inf),
        (IN_AN_HOUR, 3600.0),
        ("Tuesday, 14-Nov-23 23:13:20 GMT", 3600.0),
        ("Tue Nov 14 23:13:20 2023", 3600.0),
        (AN_HOUR_AGO, None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799.0 - NOW),
        ("Tue, 99 Nov 2023 23:13:20 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    found = retry_after(response(429, b"", {"Retry-After": text}))
    assert found == (None if seconds is None else NOW + seconds)


def test_a_date_to_come_back_is_read_by_the_clock_of_the_answer() -> None:
    """Ours is wrong by an hour: the venue still means what it means by its own."""
    answer = response(
        429, b"", {"Retry-After": IN_AN_HOUR, "Date": IN_AN_HOUR.replace("23:13:20", "23:12:49")}
    )
    assert retry_after(answer) == NOW + 30.5


def test_a_moment_in_the_words_is_read_by_the_clock_of_the_answer() -> None:
    table = Refusals(Refusal("banned", words="banned until", pause=120.0))
    headers = {"Date": IN_AN_HOUR}
    for moment, wait in [(NOW + 3600.0 + 60.0, 59.5), (NOW, 120.0)]:
        error = table.read(response(400, {"code": 1, "msg": f"banned until {moment * 1000:.0f}"}, headers))
        assert error is not None
        assert error.blocked_until == NOW + wait


def judged(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> VenueError:
    error = http_error(response(status, body, headers))
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("status", "body", "reason", "scope", "pause"),
    [
        (418, b"", "banned", "address", 300.0),
        (429, b"", "rate_limited", "address", 60.0),
        (403, b"<html>Attention Required! | Cloudflare</html>", "banned", "address", 300.0),
        (403, b"\n <!DOCTYPE html>", "banned", "address", 300.0),
        # It cannot be told whom this is for: one account's key must not silence the others.
        (403, b"", "banned", "account", 300.0),
        (403, b"Forbidden", "banned", "account", 300.0),
    ],
)
def test_a_venue_without_a_word_on_it_is_left_alone_for_a_while(
    status: int, body: bytes, reason: str, scope: Scope, pause: float
) -> None:
    for headers in ({}, {"Retry-After": "0"}):
        error = judged(status, body, headers)
        assert (error.reason, error.scope, error.blocked_until) == (reason, scope, NOW + pause)


def test_a_venue_s_own_table_knows_better() -> None:
    table = Refusals(Refusal("rate_limited", statuses=(429,), pause=10.0), Refusal("banned", codes=("7",)))
    limited = table.read(response(429))
    banned = table.read(response(400, {"code": 7}))
    assert limited is not None
    assert banned is not None
    assert (limited.blocked_until, banned.blocked_until) == (NOW + 10.0, NOW + 300.0)


def test_a_refusal_in_the_venue_s_own_form_is_no_firewall() -> None:
    error = Refusals().read(response(403, {"code": 12, "msg": "no permission"}))
    assert error is not None
    assert (error.reason, error.blocked_until) == ("permission", None)


def test_a_location_that_is_not_served_is_no_rejected_key() -> None:
    error = judged(451, b"")
    assert error.reason == "unsupported"
    assert "location" in error.message


def test_a_secret_is_taken_out_of_words_that_are_too_long_to_be_read() -> None:
    secret = "s3cret of the desk"
    table = Refusals(success=frozenset({"0"}))
    for before in (0, 1_990, 1_999, 50_000):
        words = "A1" * (before // 2) + " " + secret + " end"
        error = table.read(response(200, {"code": "1", "msg": words}), [secret])
        assert error is not None
        assert "s3cret" not in error.message


HOSTILE = [
    b"\xff\xfe\x00 banned",
    b'{"code":-1003,"msg":"\xff\xfe"}',
    b'{"code":-1003,"msg":' + b"[" * 100_000,
    b'{"code":' + b"9" * 5000 + b"}",
    b'{"code":"\\ud800","msg":"\\u202e"}',
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("status", [418, 429])
async def test_a_ban_is_kept_to_whatever_its_bytes(status: int, body: bytes) -> None:
    """16 to 22 requests in 8 seconds went out during such a ban."""
    clock, count = FakeClock(), 0

    def handler(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        headers = {"Retry-After": "120", "X-Used": "9" * 400, "X-Other": "\udcff"}
        return web.Response(status=status, body=body, headers=headers)

    async def question(api: Api) -> None:
        for _ in range(20):
            with pytest.raises(VenueError) as caught:
                await api.get(OPEN, Time)
            assert caught.value.reason in {"banned", "rate_limited"}
            clock.now += 0.4

    await ask(handler, question, clock=clock)
    assert count == 1


class Careless(Toy):
    """An adapter that reads what it must not rely on."""

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:
        return super().error(endpoint, response) if response.headers["X-Always-There"] else None


async def test_an_adapter_that_fails_over_an_answer_does_not_overlook_a_ban() -> None:
    count = 0

    def handler(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.Response(status=418)

    async with VenueServer({"/open": handler}) as server, Client(Recorder(), wall=FakeClock()) as client:
        api = client.account(Careless(toy(server.base_url).config))
        for _ in range(3):
            with pytest.raises(VenueError) as caught:
                await api.get(OPEN, Time)
            assert caught.value.reason == "banned"
    assert count == 1
