"""Bitget: how it is asked, what its failures mean, and how the kind of an account is found out."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.api import Client
from exporter.errors import VenueError
from exporter.livemarks import ways
from exporter.model import PublicPrice
from exporter.venues._bitget import (
    ASSETS,
    CLASSIC_ACCOUNTS,
    CLASSIC_KEY,
    CLASSIC_POSITIONS,
    CLASSIC_TIERS,
    KEY,
    MARKS,
    POSITIONS,
    SETTINGS,
)
from tests.venues.bench import as_answers
from tests.venues.harness import (
    NOW,
    MemoryTransport,
    QuietObserver,
    make_venue,
    response,
    rights_of,
    unpaced,
    unsigned,
)
from tests.venues.payloads.bitget.bench import (
    BENCH,
    CREDENTIALS,
    NOT_CLASSIC,
    NOT_UNIFIED,
    check,
    document,
    in_classic,
    in_unified,
    snapshot_of,
    success,
)

VECTOR = {**CREDENTIALS, "passphrase": "PASS"}


@pytest.mark.parametrize(
    ("endpoint", "params", "expected"),
    [
        (
            CLASSIC_ACCOUNTS,
            (("productType", "USDT-FUTURES"),),
            "9+o4HVe6DcliMzVGaPZHITPYNeVHZ5iwm7tMsFtO6Cs=",
        ),
        (
            CLASSIC_POSITIONS,
            (("marginCoin", "USDT"), ("productType", "USDT-FUTURES")),
            "+BDmGbBwm/kejB31nLPPday1l4jDUtaqn4Yjc/GQf6I=",
        ),
        (ASSETS, (), "yuzfGPTKbjqh5ggVd7MBStxdm7+/f1ETuJ0idz8YdOw="),
        (POSITIONS, (("category", "USDT-FUTURES"),), "yPZ9Zyb9DJUv409eZHvQ3d2IbtZPeUndxmizpRvzMoo="),
        (SETTINGS, (), "NuOhAadDgQATN1b+bioRcvE7doEN5socjxWijLOvjDk="),
    ],
    ids=lambda one: getattr(one, "path", None),
)
def test_signatures_are_those_of_an_independent_program(endpoint: Any, params: Any, expected: str) -> None:
    venue = make_venue("bitget", "http://venue.test", VECTOR)
    signed = venue.sign(unsigned(endpoint, params, at=1_700_000_000_000))
    assert signed.headers == {
        "ACCESS-KEY": "TESTKEY",
        "ACCESS-PASSPHRASE": "PASS",
        "ACCESS-TIMESTAMP": "1700000000000",
        "ACCESS-SIGN": expected,
    }


async def test_demo_trading_is_another_market_at_the_same_address() -> None:
    entries: list[dict[str, Any]] = [CREDENTIALS, {**CREDENTIALS, "simulated_trading": True}, CREDENTIALS]
    venues = [make_venue("bitget", "http://venue.test", entry) for entry in entries]
    assert [len(found) for found in ways(venues).values()] == [2, 1]
    transport = MemoryTransport(as_answers(BENCH.documents("classic")))
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        for venue in venues[:2]:
            await venue.fetch(client.account(venue))
    headers = [one.headers for one in transport.asked if one.path == CLASSIC_TIERS.path]
    assert [one.get("paptrading") for one in headers] == [None, "1"]


def test_what_its_failures_mean() -> None:
    venue = make_venue("bitget", "http://venue.test", CREDENTIALS)
    for case in document("errors.json"):
        error = venue.error(ASSETS, response(case["status"], case["body"]))
        assert error is not None
        assert error.reason == case["reason"], case
    busy = venue.error(ASSETS, response(429, {"code": "429", "msg": "Too Many Requests"}))
    assert busy is not None
    assert (busy.scope, busy.blocked_until) == ("account", NOW + 5.0)


# The kind of an account


async def asked_in_turn(*answers: dict[Any, Any]) -> list[list[str]]:
    """The calls of one account that are not public, at each collection."""
    venue = make_venue("bitget", "http://venue.test", CREDENTIALS)
    transport = MemoryTransport({}, check)
    found, before = [], 0
    async with Client(
        QuietObserver(), wall=lambda: NOW, transport=transport, budgets=unpaced(venue)
    ) as client:
        api = client.account(venue)
        for one in answers:
            transport.answers = as_answers(one)
            await venue.fetch(api)
            found.append(
                sorted({asked.path for asked in transport.asked[before:] if "/market/" not in asked.path})
            )
            before = len(transport.asked)
    return found


CLASSIC = {**in_classic(document("accounts.json")), ASSETS: NOT_UNIFIED}
UNIFIED = {
    **in_unified(),
    **{(CLASSIC_ACCOUNTS, f"productType={one}"): NOT_CLASSIC for one in ("USDT", "USDC", "COIN")},
    **{(CLASSIC_POSITIONS, f"productType={one}"): NOT_CLASSIC for one in ("USDT", "USDC", "COIN")},
}


async def test_a_classic_account_is_found_out_once_and_an_upgrade_is_noticed() -> None:
    first, second, third, fourth = await asked_in_turn(CLASSIC, CLASSIC, UNIFIED, UNIFIED)
    classic = [CLASSIC_ACCOUNTS.path, CLASSIC_POSITIONS.path]
    unified = ["/api/v3/account/assets", "/api/v3/account/settings", "/api/v3/position/current-position"]
    assert (first, second) == ([*classic, SETTINGS.path], classic)
    assert set(unified) < set(third)
    assert fourth == unified


async def test_an_account_that_is_refused_as_either_kind_may_be_between_them() -> None:
    both = {SETTINGS: NOT_UNIFIED, CLASSIC_ACCOUNTS: NOT_CLASSIC, CLASSIC_POSITIONS: NOT_CLASSIC}
    with pytest.raises(VenueError, match="perhaps it is being switched between the two") as caught:
        await snapshot_of(both)
    assert caught.value.reason == "unsupported"


async def test_a_failure_of_another_kind_is_not_taken_for_the_other_kind_of_account() -> None:
    refused = {"code": "40014", "msg": "Incorrect permissions", "data": None}
    with pytest.raises(VenueError) as caught:
        await snapshot_of({SETTINGS: refused})
    assert (caught.value.reason, SETTINGS.label in str(caught.value)) == ("permission", True)


# What a key may do


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"permType": "read-only", "permissions": ["uta_mgt", "uta_trade"], "ips": ""}, "TFFFF"),
        (
            {"permType": "read-and-write", "permissions": ["uta_mgt", "uta_trade"], "ips": "203.0.113.7"},
            "TTTFT",
        ),
        ({"permType": "read-and-write", "permissions": ["withdraw"], "ips": ""}, "FFFTF"),
        ({"permType": "read-and-write", "permissions": ["uta_mgt", "uta_new"], "ips": ""}, "F?T?F"),
        ({"permType": "other", "permissions": ["uta_mgt", "uta_trade"]}, "T????"),
    ],
)
async def test_what_the_key_of_a_unified_account_may_do(told: dict[str, Any], expected: str) -> None:
    found = await rights_of("bitget", KEY.path, success(told), config=CREDENTIALS, check=check)
    assert shown(found) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"authorities": ["coor", "cpor"], "ips": ""}, "TFFFF"),
        ({"authorities": ["cpow", "wtor"], "ips": "203.0.113.7"}, "TTFFT"),
        ({"authorities": ["stor", "wtow", "wwow"], "ips": ""}, "FFTTF"),
        ({"authorities": ["trade", "readonly"]}, "TT?F?"),
        ({"authorities": ["coor", "new"]}, "T????"),
    ],
)
async def test_what_the_key_of_a_classic_account_may_do(told: dict[str, Any], expected: str) -> None:
    assert shown(await classic_rights(success(told))) == expected


async def test_an_answer_that_says_nothing_of_a_key_is_none() -> None:
    for answer in (
        rights_of("bitget", KEY.path, success({}), config=CREDENTIALS, check=check),
        classic_rights(success({})),
    ):
        with pytest.raises(VenueError, match="says nothing of what the key may do"):
            await answer


async def classic_rights(document: Any) -> Any:
    venue = make_venue("bitget", "http://venue.test", CREDENTIALS)
    transport = MemoryTransport(as_answers({KEY: NOT_UNIFIED, CLASSIC_KEY: document}), check)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        return await venue.key_rights(client.account(venue))


def shown(rights: Any) -> str:
    told = (rights.read, rights.trade, rights.transfer, rights.withdraw, rights.ip_restricted)
    return "".join({True: "T", False: "F", None: "?"}[one] for one in told)


async def test_marks_are_those_of_all_products_and_coins_those_of_perpetual_contracts() -> None:
    linear = [
        {"symbol": "BTCUSDT", "markPrice": "60000", "indexPrice": "59990"},
        {"symbol": "SOLUSDT", "markPrice": "150", "indexPrice": "149"},
        {"symbol": "NEWUSDT", "markPrice": "", "indexPrice": None},
    ]
    answers: dict[Any, Any] = {
        (MARKS, "productType=USDT-FUTURES"): success(linear),
        (MARKS, "productType=USDC-FUTURES"): success([{"symbol": "BTCPERP", "markPrice": "60010"}]),
        (MARKS, "productType=COIN-FUTURES"): document("tickers.json"),
    }
    venue = make_venue("bitget", "http://venue.test", CREDENTIALS)
    transport = MemoryTransport(as_answers(answers), check)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        marks = await venue.marks(client.account(venue, only=venue.marks_endpoint))
    assert {name: one.price for name, one in marks.symbols.items()} == {
        "BTCUSDT": 60000.0,
        "SOLUSDT": 150.0,
        "BTCPERP": 60010.0,
        "BTCUSD": 12345.0,
        "ETHUSD_231229": 1234.0,
    }
    assert marks.coins == {
        "BTC": PublicPrice(29132.353333, NOW, "USD"),
        "SOL": PublicPrice(149.0, NOW, "USDT"),
    }
