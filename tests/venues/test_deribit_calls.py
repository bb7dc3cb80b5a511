"""Deribit: how it is asked, what its failures mean, its keys, and the sub-accounts of a main account."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.account import Member
from exporter.api import Client
from exporter.errors import VenueError
from exporter.request import Request
from exporter.venues._deribit import BOOKS, KEY, MEMBERS, POSITIONS, SUMMARIES
from exporter.venues.deribit import Deribit, DeribitConfig
from tests.venues.bench import as_answers
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, make_venue, response, rights_of
from tests.venues.payloads.deribit.bench import (
    BENCH,
    CREDENTIALS,
    check,
    document,
    documented,
    strangle,
    success,
    summaries,
)

AT = 1_700_000_000_000
ENTRY = {"name": "main", "exchange": "deribit", **CREDENTIALS}


def adapter(nonce: str = str(AT), **changed: str) -> Deribit:
    return Deribit(DeribitConfig.model_validate({**ENTRY, **changed}), nonce=lambda: nonce)


@pytest.mark.parametrize("case", document("signatures.json")["requests"], ids=lambda case: case["implicit"])
def test_signatures_are_those_of_an_independent_program(case: dict[str, Any]) -> None:
    endpoint = {one.path: one for one in (SUMMARIES, POSITIONS)}[
        case["request"]["url"].removeprefix("https://www.deribit.com").partition("?")[0]
    ]
    asked = Request(endpoint, tuple(case["params"].items()), endpoint.path, timestamp_ms=AT)
    signed = adapter().sign(asked)
    assert signed.headers["Authorization"] == case["request"]["headers"]["Authorization"]
    assert f"https://www.deribit.com{endpoint.path}?{signed.query}" == case["request"]["url"]


def test_a_token_is_asked_for_by_the_documented_signature_and_the_secret_is_in_no_url() -> None:
    """The venue's own example: client AMANDA, no data."""
    venue = adapter("1iqt2wls", api_key="AMANDA", api_secret="AMANDASECRECT")
    signed = venue.sign(Request(KEY, (), KEY.path, timestamp_ms=1_576_074_319_000))
    expected = "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1"
    assert f"signature={expected}" in signed.query
    assert "AMANDASECRECT" not in signed.query
    assert not signed.headers


def test_no_two_requests_have_the_same_nonce_and_public_ones_say_nothing_of_the_key() -> None:
    venue = make_venue("deribit", "http://venue.test", CREDENTIALS)
    asked = Request(SUMMARIES, (), SUMMARIES.path, timestamp_ms=AT)
    assert venue.sign(asked).headers != venue.sign(asked).headers
    assert not venue.sign(Request(BOOKS, (), BOOKS.path, timestamp_ms=AT)).headers


def test_what_its_failures_mean() -> None:
    venue = make_venue("deribit", "http://venue.test", CREDENTIALS)
    for case in document("errors.json"):
        error = venue.error(SUMMARIES, response(case["status"], case["body"]))
        assert error is not None
        assert error.reason == case["reason"], case
    busy = venue.error(SUMMARIES, response(429, document("errors.json")[6]["body"]))
    assert busy is not None
    assert (busy.scope, busy.blocked_until) == ("account", NOW + 5.0)
    slow = venue.error(SUMMARIES, response(400, document("errors.json")[10]["body"]))
    assert "the venue timed out" in str(slow)
    # One that is told inside a success is one all the same.
    assert venue.error(SUMMARIES, response(200, document("errors.json")[0]["body"])) is not None
    assert venue.error(SUMMARIES, response(200, document("account_summaries.json"))) is None


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (10001, "invalid_credentials", "auth"),
        (10001, "error", "exchange"),
        (10005, "forbidden", "permission"),
        (13009, "nonce_already_used_or_too_old", "clock"),
        (13010, "token_revoked", "auth"),
        (13010, "value_required", "exchange"),
        (13011, "insufficient_scope", "permission"),
        (13011, "value_too_short", "exchange"),
        (13028, "temporarily_unavailable", "exchange"),
        (13403, "scope_exceeded", "permission"),
    ],
)
def test_a_venue_that_is_out_of_order_is_not_blamed_on_the_key(code: int, message: str, reason: str) -> None:
    """Two lists of codes are published, which differ: the words decide."""
    body = {"jsonrpc": "2.0", "error": {"code": code, "message": message}}
    error = adapter().error(SUMMARIES, response(400, body))
    assert error is not None
    assert error.reason == reason


# Keys


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("account:read trade:read", (True, False, False, False, None)),
        ("account:read connection mainaccount trade:none wallet:none", (False, False, False, False, None)),
        ("account:read block_trade:read_write trade:read", (True, True, False, False, None)),
        ("account:read_write trade:read_write wallet:read_write", (True, True, True, True, None)),
        ("account:read custody:read_write ip:203.0.113.7 trade:read", (True, False, True, True, True)),
    ],
)
async def test_what_a_key_may_do_is_what_its_scope_says(
    scope: str, expected: tuple[bool | None, ...]
) -> None:
    answer = success({"access_token": "TOKEN", "scope": scope, "token_type": "bearer"})
    found = await rights_of("deribit", KEY.path, answer, config=CREDENTIALS, check=check)
    rights = (found.read, found.trade, found.transfer, found.withdraw, found.ip_restricted)
    assert (rights, found.expires_at) == (expected, None)


@pytest.mark.parametrize("result", [{"scope": "connection mainaccount"}, {"scope": None}, {}])
async def test_a_scope_that_says_nothing_of_a_key_is_no_answer(result: dict[str, Any]) -> None:
    with pytest.raises(VenueError, match="says nothing of what the key may do"):
        await rights_of("deribit", KEY.path, success(result), config=CREDENTIALS, check=check)


def test_the_call_that_can_print_the_secrets_of_keys_is_not_there() -> None:
    assert not [one for one in Deribit.endpoints if "api_key" in one.path]


# Sub-accounts


async def listed(*rows: Any, own: Any = None) -> list[Member]:
    answers = as_answers({SUMMARIES: own or document("account_summaries.json"), MEMBERS: success(list(rows))})
    venue = make_venue("deribit", "http://venue.test", CREDENTIALS)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=MemoryTransport(answers, check)) as client:
        return list(await venue.sub_accounts(client.account(venue)))


async def test_the_sub_accounts_of_a_main_account_are_listed_without_itself() -> None:
    rows = document("subaccounts.json")["result"]
    assert await listed(*rows) == [Member("user_1_1", "7")]
    assert await listed({**rows[1], "username": ""}) == [Member("user_1_1", "7")]


async def test_a_key_of_a_sub_account_does_not_show_itself_twice() -> None:
    own = documented()
    own["result"]["type"] = "subaccount"
    with pytest.raises(VenueError, match="needs a key of the main account") as caught:
        await listed(*document("subaccounts.json")["result"], own=own)
    assert caught.value.reason == "unsupported"


async def test_a_sub_account_is_asked_for_by_its_number_with_its_positions() -> None:
    entry = DeribitConfig.model_validate({**ENTRY, "sub_accounts": True, "base_url": "http://venue.test"})
    below = Deribit(entry.member("main.user_1_1", Member("user_1_1", "7")))
    answers = as_answers(
        {
            **{call: found for call, found in BENCH.documents("segregated").items() if call != SUMMARIES},
            (SUMMARIES, "subaccount_id=7"): summaries(strangle("segregated_sm")),
        }
    )
    transport = MemoryTransport(answers, check)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        snapshot = await below.fetch(client.account(below))
    asked = [one for one in transport.asked if "/private/" in one.path]
    assert [one.query["subaccount_id"] for one in asked] == ["7", "7"]
    assert len(snapshot.positions) == 3
