"""What a BingX key may do: the venue documents two answers of one call."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.errors import VenueError
from exporter.model import KeyRights
from tests.venues.harness import decoded, payload, rights_of
from tests.venues.payloads.bingx.bench import CONFIG, KEY, UNKNOWN_PATH, check

PATH = "/openApi/v1/account/apiPermissions"
FLAGS = decoded(payload("bingx", "api_permissions_flags.json"))["data"]


async def told(document: Any) -> KeyRights:
    return await rights_of("bingx", PATH, document, config=CONFIG, check=check)


def numbered(*permissions: Any, **more: Any) -> dict[str, Any]:
    return {"apiKey": KEY, "permissions": [*permissions], "ipAddresses": [], "note": "desk", **more}


async def test_the_documented_answers() -> None:
    numbers = decoded(payload("bingx", "api_permissions.json"))
    expected = KeyRights(read=True, trade=True, transfer=False, withdraw=False, ip_restricted=True)
    assert await told(numbers) == expected
    assert await told(numbers["data"]) == expected  # clients have seen it without the envelope
    expected = KeyRights(read=True, trade=False, transfer=False, withdraw=False, ip_restricted=False)
    assert await told({"code": 0, "msg": "", "data": FLAGS}) == expected


@pytest.mark.parametrize(
    ("number", "right"), [(1, "trade"), (3, "trade"), (4, "transfer"), (7, "transfer"), (5, "withdraw")]
)
async def test_each_number_is_a_right(number: int, right: str) -> None:
    for written in (number, str(number)):
        rights = await told(numbered(2, written))
        assert [name for name in ("trade", "transfer", "withdraw") if getattr(rights, name)] == [right]
        assert (rights.read, rights.ip_restricted) == (True, False)


async def test_numbers_without_a_meaning_are_none() -> None:
    assert await told(numbered(2, 6, 99, "")) == await told(numbered(2))


async def test_words_in_the_place_of_numbers_leave_open_what_is_missing() -> None:
    rights = await told(numbered("2", "withdrawal"))
    assert (rights.read, rights.trade, rights.transfer, rights.withdraw) == (True, None, None, None)


async def test_what_is_not_told_is_not_known() -> None:
    assert (await told(numbered(2, ipAddresses=None))).ip_restricted is None
    assert (await told({"data": {**FLAGS, "enableWithdrawals": None}})).withdraw is None
    assert (await told({"data": {**FLAGS, "enableWithdrawals": "true"}})).withdraw is True


@pytest.mark.parametrize("nothing", [None, {}, {"permissions": ["all"], "ipAddresses": ["10.0.0.1"]}])
async def test_an_answer_that_says_nothing_of_the_key_is_none(nothing: object) -> None:
    with pytest.raises(VenueError, match="says nothing of what the key may do"):
        await told({"code": 0, "data": nothing})


@pytest.mark.parametrize("odd", [{"permissions": "2,3"}, {"permissions": [2.5]}, {"ipAddresses": "any"}])
async def test_an_answer_in_another_form_is_a_schema_error(odd: dict[str, Any]) -> None:
    with pytest.raises(VenueError) as caught:
        await told({"code": 0, "data": numbered(2, **odd)})
    assert caught.value.reason == "schema"
    assert KEY not in caught.value.message


async def test_a_host_that_lacks_the_call_is_told_apart() -> None:
    with pytest.raises(VenueError) as caught:
        await told(UNKNOWN_PATH)
    assert caught.value.reason == "unsupported"
