"""Gate: how it is asked, what its failures mean, and what of an account is not there yet."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace as with_fields

from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import PublicPrice
from exporter.venues._gate import (
    ACCOUNT,
    KEYS,
    MODE,
    OPTIONS,
    POSITIONS,
    TABLE,
    TICKERS,
    TIERS,
    UNIFIED,
    ContractRow,
)
from tests.venues.bench import as_answers, row_with
from tests.venues.harness import (
    NOW,
    MemoryTransport,
    QuietObserver,
    make_venue,
    response,
    rights_of,
    unsigned,
)
from tests.venues.payloads.gate.bench import (
    BITCOIN,
    CREDENTIALS,
    IN_MULTI,
    NONE_YET,
    OF_BITCOIN,
    OF_USDT,
    USDT,
    account,
    check,
    classic,
    document,
    none_yet,
    short,
    snapshot_of,
)

CALLS = {endpoint.path.format(settle="usdt"): endpoint for endpoint in (ACCOUNT, POSITIONS, UNIFIED, MODE)}


@pytest.mark.parametrize("number", range(4))
def test_signatures_are_those_of_an_independent_program(number: int) -> None:
    case = document("signatures.json")[number]
    params = (("holding", "true"),) if case["query"] else ()
    request = unsigned(CALLS[case["path"]], params, at=1_700_000_000_000)
    venue = make_venue("gate", "http://venue.test", {**CREDENTIALS, "api_key": "TESTKEY"})
    signed = venue.sign(with_fields(request, path=case["path"]))
    assert signed.headers["SIGN"] == case["sign"]
    assert (signed.headers["KEY"], signed.headers["Timestamp"]) == ("TESTKEY", "1700000000")
    assert signed.headers.get("X-Gate-Size-Decimal") == ("1" if "/futures/" in case["path"] else None)
    assert signed.query == case["query"]


def test_what_its_failures_mean() -> None:
    venue = make_venue("gate", "http://venue.test", CREDENTIALS)
    for case in document("errors.json"):
        error = venue.error(UNIFIED, response(case["status"], case["body"]))
        assert error is not None
        assert error.reason == case["reason"], case


@pytest.mark.parametrize("until", [None, NOW + 4, (NOW + 4) * 1000, NOW - 3])
def test_too_many_requests_are_waited_for_as_its_header_says(until: float | None) -> None:
    headers = {} if until is None else {"X-Gate-RateLimit-Reset-Timestamp": str(int(until))}
    venue = make_venue("gate", "http://venue.test", CREDENTIALS)
    error = venue.error(UNIFIED, response(429, {"label": "TOO_MANY_REQUESTS", "message": ""}, headers))
    assert error is not None
    told = until is not None and until > NOW
    assert (error.scope, error.blocked_until) == ("account", NOW + (4.0 if told else 10.0))


# What an account does not have


async def test_an_account_without_futures_is_an_empty_one_and_no_failure() -> None:
    answers: dict[Any, Any] = {(ACCOUNT, USDT): none_yet, (ACCOUNT, BITCOIN): none_yet}
    observer = QuietObserver()
    snapshot = await snapshot_of(answers, observer=observer)
    assert [(pool.currency, pool.equity, pool.maintenance_margin) for pool in snapshot.pools] == [
        ("USDT", 0.0, 0.0)
    ]
    assert (snapshot.positions, observer.optional_failures) == ((), [])


async def test_the_same_failure_anywhere_else_is_one() -> None:
    with pytest.raises(VenueError, match="there is no account for this yet") as caught:
        await snapshot_of({(POSITIONS, USDT): lambda _: web.json_response(NONE_YET, status=400)})
    assert caught.value.reason == "unsupported"


async def test_a_unified_account_without_futures_has_its_coins() -> None:
    answers = {**IN_MULTI, (ACCOUNT, USDT): none_yet, (ACCOUNT, BITCOIN): none_yet, OPTIONS: NONE_YET}
    snapshot = await snapshot_of(answers)
    assert [(pool.key, pool.unlisted) for pool in snapshot.pools] == [("USD", False)]
    assert [one.asset for one in snapshot.assets] == ["ETH", "USDT"]


def forbidden(_: Any) -> web.Response:
    body = {"label": "FORBIDDEN", "message": "Request API key does not have this permission"}
    return web.json_response(body, status=403)


async def test_a_key_that_may_not_see_the_mode_shows_classic_accounts_and_no_others() -> None:
    assert [pool.key for pool in (await snapshot_of({MODE: forbidden})).pools] == ["USDT"]
    with pytest.raises(VenueError, match="give its key the permission to read `unified`") as caught:
        await snapshot_of({MODE: forbidden, (ACCOUNT, USDT): account(margin_mode=1)})
    assert caught.value.reason == "permission"


@pytest.mark.parametrize(
    ("rows", "unlisted"),
    [([{"contract": "BTC_USDT-C", "size": -2}], True), ([{"size": 0}], False), (forbidden, False)],
)
async def test_options_count_in_the_figures_and_nothing_is_computed_past_them(
    rows: Any, unlisted: bool
) -> None:
    snapshot = await snapshot_of({**IN_MULTI, OPTIONS: rows})
    assert [pool.unlisted for pool in snapshot.pools] == [unlisted, False]


async def test_options_are_not_asked_for_where_they_are_switched_off() -> None:
    mode = {"mode": "multi_currency", "settings": {"options": False}}
    snapshot = await snapshot_of({**IN_MULTI, MODE: mode, OPTIONS: [{"size": 1}]})
    assert not snapshot.pools[0].unlisted


async def test_a_mode_that_is_not_known_is_told() -> None:
    with pytest.raises(VenueError, match="`mode` is none of CLASSIC, SINGLE_CURRENCY"):
        await snapshot_of({MODE: {"mode": "quantum"}})


# Lists


async def test_positions_come_in_pages_until_one_is_not_full() -> None:
    rows = [classic(contract=f"C{number}_USDT") for number in range(230)]

    def pages(request: Any) -> web.Response:
        begin = int(request.query.get("offset", "0"))
        return web.json_response(rows[begin : begin + int(request.query["limit"])])

    assert len((await snapshot_of({(POSITIONS, USDT): pages})).positions) == 230


@pytest.mark.parametrize("count", [99, 100, 230])
async def test_a_list_without_pages_is_read_once(count: int) -> None:
    rows = [classic(contract=f"C{number}_USDT") for number in range(count)]
    assert len((await snapshot_of({(POSITIONS, USDT): rows})).positions) == count


async def test_positions_that_share_a_side_are_told_apart() -> None:
    rows = [short(pid=7), short(pid=8, size=-3)]
    snapshot = await snapshot_of({(POSITIONS, USDT): rows, (TABLE, USDT): []})
    assert [one.position_id for one in snapshot.positions] == ["7", "8"]


async def test_tiers_are_those_of_the_table_that_a_position_names() -> None:
    asked: list[str] = []

    def answer(request: Any) -> web.Response:
        asked.append(request.raw_path.removeprefix("/api/v4/futures/usdt/"))
        return web.json_response([])

    rows = [classic(), classic(contract="HYPE_USDT", risk_limit_table="HYPE_USDT_202509030753")]
    await snapshot_of({(POSITIONS, USDT): rows, (TIERS, USDT): answer, (TABLE, USDT): answer})
    assert sorted(asked) == [
        "risk_limit_table?table_id=HYPE_USDT_202509030753",
        "risk_limit_tiers?contract=LTC_USDT",
    ]


@pytest.mark.parametrize(
    ("due", "expected"), [(NOW + 60, NOW + 60), (NOW, NOW), (NOW - 1, NOW + 28_799), (NOW - 57_600, NOW)]
)
def test_the_next_funding_follows_from_one_that_has_passed(due: float, expected: float) -> None:
    row = ContractRow("BTC_USDT", funding_next_apply=due, funding_interval=28_800.0)
    assert row.next_funding(NOW) == expected
    assert ContractRow("BTC_USDT", funding_next_apply=NOW - 1).next_funding(NOW) is None


async def test_marks_are_those_of_all_contracts_and_coins_are_worth_what_their_indices_say() -> None:
    answers: dict[Any, Any] = {(TICKERS, USDT): OF_USDT, (TICKERS, BITCOIN): OF_BITCOIN}
    venue = make_venue("gate", "http://venue.test", CREDENTIALS)
    transport = MemoryTransport(as_answers(answers), check)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        marks = await venue.marks(client.account(venue, only=venue.marks_endpoint))
    assert marks.symbols["LTC_USDT"] == PublicPrice(74.43, NOW)
    assert marks.symbols["BTC_USD"] == PublicPrice(61000.0, NOW)
    tether = 61010 / 61016.101
    assert marks.coins["USDT"] == PublicPrice(tether, NOW)
    assert marks.coins["BTC"] == PublicPrice(61010.0, NOW)
    assert marks.coins["ETH"] == PublicPrice(3000 * tether, NOW)


# The key

READS = [{"name": name, "read_only": True} for name in ("futures", "unified", "account")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (True, True, False, None, False)),  # as documented: it may trade spot
        ({"perms": READS, "ip_whitelist": ["203.0.113.7"]}, (True, False, False, None, True)),
        ({"perms": [*READS, {"name": "wallet", "read_only": False}]}, (True, False, True, None, False)),
        ({"perms": [{"name": "withdraw", "read_only": False}]}, (True, False, False, True, False)),
        (
            {"perms": [{"name": "withdraw", "read_only": True}], "ip_whitelist": ...},
            (True, False, False, False, None),
        ),
    ],
)
async def test_what_a_key_may_do(fields: Any, expected: tuple[bool | None, ...]) -> None:
    own, other = document("main_keys.json")
    for answer in ([other, row_with(own, **fields)], row_with(own, key={"mode": 1}, **fields)):
        found = await rights_of("gate", KEYS.path, answer, config=CREDENTIALS, check=check)
        assert (found.read, found.trade, found.transfer, found.withdraw, found.ip_restricted) == expected


@pytest.mark.parametrize("key", ["52fd0035f665*****", "*****", None])
async def test_of_keys_that_are_others_nothing_is_said(key: str | None) -> None:
    rows = [row_with(row, key=key) for row in document("main_keys.json")]
    with pytest.raises(VenueError, match="says nothing of what the key may do"):
        await rights_of("gate", KEYS.path, rows, config=CREDENTIALS, check=check)
