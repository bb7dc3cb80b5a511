"""Hyperliquid: which addresses it is asked about, its sub-accounts, and the lists of all exchanges."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from msgspec import json
from pydantic import ValidationError

from exporter.account import Member
from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import AccountSnapshot
from exporter.request import Endpoint, Request
from exporter.venues._hyperliquid import BALANCES, MODE, STATE, question
from exporter.venues.hyperliquid import Hyperliquid, HyperliquidConfig
from tests.venues.bench import as_answers
from tests.venues.harness import NOW, MemoryTransport, QuietObserver
from tests.venues.payloads.hyperliquid.bench import (
    ADDRESS,
    AT_KM,
    AT_MAIN,
    AT_XYZ,
    BENCH,
    EMPTY,
    EXCHANGES,
    IN_MODE,
    OF_ALL,
    OF_MAIN,
    OF_ROLE,
    ON_BALANCES,
    SUBS,
    document,
    snapshot_of,
    state,
)

NOTHING = document(EMPTY)


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [(STATE, "clearinghouseState"), (BALANCES, "spotClearinghouseState"), (MODE, "userAbstraction")],
    ids=["state", "balances", "mode"],
)
def test_questions_are_those_of_an_independent_program(endpoint: Endpoint, kind: str) -> None:
    """Unsigned: a document and its type are all that is sent."""
    user = "0x1111111111111111111111111111111111111111"
    body = f'{{"type":"{kind}","user":"{user}"}}'.encode()
    assert json.encode(question(endpoint, user=user)) == body
    signed = Hyperliquid(config_of(ADDRESS)).sign(Request(endpoint, (), endpoint.path, body))
    assert (signed.query, signed.headers, signed.body) == ("", {"Content-Type": "application/json"}, body)


# Addresses


@pytest.mark.parametrize(
    ("role", "reason", "words"),
    [
        ({"role": "missing"}, "auth", "mistyped"),
        ({"role": "agent", "data": {"user": "0x" + "9" * 40}}, "auth", "agent"),
        ({"role": "user"}, "unsupported", "holds nothing"),
        ({"role": "vault"}, "unsupported", "holds nothing"),
    ],
)
async def test_an_address_that_holds_nothing_is_told(role: Any, reason: str, words: str) -> None:
    empty = {AT_MAIN: NOTHING, AT_XYZ: NOTHING, ON_BALANCES: {"balances": []}, OF_ROLE: role}
    with pytest.raises(VenueError, match=words) as caught:
        await snapshot_of(empty)
    assert caught.value.reason == reason
    assert "0x9" not in caught.value.message
    assert ADDRESS not in caught.value.message
    async with client_of(transport_of(empty)) as client:
        master = Hyperliquid(config_of(ADDRESS, sub_accounts=True))
        if reason == "unsupported":  # the sub-accounts may have everything
            assert (await master.fetch(client.account(master))).pools[0].equity == 0.0
        else:
            with pytest.raises(VenueError, match=words):
                await master.fetch(client.account(master))
    coins = {"balances": [{"coin": "HYPE", "token": 150, "total": "2.0"}]}
    assert (await snapshot_of({**empty, ON_BALANCES: coins})).pools[0].equity == 0.0


def config_of(address: object, **fields: Any) -> HyperliquidConfig:
    return HyperliquidConfig.model_validate(
        {"name": "desk", "exchange": "hyperliquid", "address": address, **fields}
    )


def test_an_address_is_one_however_it_is_written() -> None:
    for written in (ADDRESS, ADDRESS.upper().replace("X", "x"), int(ADDRESS, 16), f" {ADDRESS}\n"):
        config = config_of(written)
        assert config.address == ADDRESS
        assert ADDRESS in config.secrets()
    assert config_of(1).address == "0x" + "0" * 39 + "1"
    assert config_of(ADDRESS) != config_of(1)


@pytest.mark.parametrize("key", ["ab" * 32, "0x" + "AB" * 32, int("ab" * 32, 16), "x" * 40, "0x12", -1, True])
def test_a_private_key_is_refused_and_not_repeated(key: object) -> None:
    with pytest.raises(ValidationError) as caught:
        config_of(key)
    text = str(caught.value)
    assert ("private key" in text) == (len(str(key)) > 60)
    assert "abab" not in text.lower()
    assert str(key) not in text or key in (-1, True)


# Sub-accounts


def transport_of(changed: dict[Any, Any], scenario: str = "separate") -> MemoryTransport:
    documents = {
        call: document(answer) if str(answer).endswith(".json") else answer
        for call, answer in {**BENCH.documents(scenario), **changed}.items()
    }
    return MemoryTransport(as_answers(documents))


def client_of(transport: MemoryTransport) -> Client:
    return Client(QuietObserver(), wall=lambda: NOW, transport=transport)


async def member(handle: str, rows: Any) -> AccountSnapshot:
    master = config_of(ADDRESS, sub_accounts=True)
    venue = Hyperliquid(master.member("desk.one", Member("one", handle)))
    async with client_of(transport_of({SUBS: rows})) as client:
        return await venue.fetch(client.account(venue))


async def test_sub_accounts_are_read_from_one_answer() -> None:
    rows = copy.deepcopy(document("sub_accounts.json"))[:1]
    handle = rows[0]["subAccountUser"]
    rows.append(
        {**rows[0], "name": "other", "subAccountUser": "0x" + "AB" * 20, "abstraction": "unifiedAccount"}
    )
    rows[1]["dexToClearinghouseState"] = [["", NOTHING]]
    assert (await member(handle, rows)).pools[0].equity == 19762.483455
    assert (await member("0x" + "ab" * 20, rows)).pools[0].equity == 3.5
    venue = Hyperliquid(config_of(ADDRESS, sub_accounts=True))
    for answer, listed in ((rows, [("Test", handle), ("other", "0x" + "ab" * 20)]), (b"null", [])):
        async with client_of(transport_of({SUBS: answer})) as client:
            found = await venue.sub_accounts(client.account(venue))
        assert [(one.name, one.handle) for one in found] == listed
    for broken, words in (
        ([], "not listed any more"),
        ([{**rows[0], "dexToClearinghouseState": [["new", state()]]}], "perpDexs"),
        ([{**rows[0], "dexToClearinghouseState": [["xyz", NOTHING]]}], "own exchange"),
        ([{**rows[0], "abstraction": "dexAbstraction"}], "mode"),
    ):
        with pytest.raises(VenueError, match=words) as caught:
            await member(handle, broken)
        assert handle not in caught.value.message


async def test_a_sub_account_that_cannot_be_read_costs_the_others_nothing() -> None:
    (good,) = copy.deepcopy(document("sub_accounts.json"))[:1]
    broken = copy.deepcopy(good) | {"subAccountUser": "0x" + "ab" * 20}
    old = copy.deepcopy(good) | {"subAccountUser": "0x" + "cd" * 20}
    broken["dexToClearinghouseState"][0][1]["assetPositions"][0]["position"]["szi"] = "many"
    old["dexToClearinghouseState"][0][1]["time"] = int(1000 * (NOW - 60))
    rows = [broken, old, good]
    assert (await member(good["subAccountUser"], rows)).pools[0].equity == 19762.483455
    for row, reason, words in ((broken, "schema", "`szi`"), (old, "exchange", "60 s old")):
        with pytest.raises(VenueError, match=words) as caught:
            await member(row["subAccountUser"], rows)
        assert caught.value.reason == reason


# The mode


async def test_a_sub_account_s_mode_that_its_figures_contradict_is_asked_for_again() -> None:
    (row,) = copy.deepcopy(document("sub_accounts.json"))[:1]
    row["abstraction"] = None
    config = config_of(ADDRESS, sub_accounts=True).member("desk.one", Member("one", row["subAccountUser"]))
    transport = transport_of({SUBS: [row], IN_MODE: "disabled"})
    now = NOW
    async with Client(QuietObserver(), wall=lambda: now, transport=transport) as client:
        api = client.account(venue := Hyperliquid(config))
        assert (await venue.fetch(api)).modes["asset_mode"] == "separate"
        row["spotState"] = document("balances_unified.json")
        transport.answers = {**transport.answers, **as_answers({SUBS: [row], IN_MODE: "unifiedAccount"})}
        now += 20.0
        assert (await venue.fetch(api)).modes["asset_mode"] == "unified"


async def test_a_mode_that_the_figures_contradict_is_asked_for_again() -> None:
    transport = transport_of({IN_MODE: "disabled", ON_BALANCES: "balances_unified.json"})
    config = HyperliquidConfig.model_validate({"name": "desk", "exchange": "hyperliquid", "address": ADDRESS})
    async with client_of(transport) as client:
        api = client.account(venue := Hyperliquid(config))
        assert (await venue.fetch(api)).modes["asset_mode"] == "separate"
        transport.answers = {**transport.answers, **as_answers({IN_MODE: "unifiedAccount"})}
        client.forget(config)
        assert (await venue.fetch(api)).modes["asset_mode"] == "unified"


async def test_figures_that_were_old_when_they_were_given_are_refused() -> None:
    """Answers of these tests are dated now; one has 45 s, three intervals."""
    for seconds, old in ((44, False), (46, True), (-60, False), (30 * 86400, False)):
        answer = {**state(), "time": int(1000 * (NOW - seconds))}
        if not old:
            await snapshot_of({AT_MAIN: answer})
            continue
        with pytest.raises(VenueError, match="46 s old") as caught:
            await snapshot_of({AT_MAIN: answer})
        assert caught.value.reason == "exchange"


# What all exchanges have


async def test_lists_that_do_not_belong_together_are_refused() -> None:
    metas = document("all_perp_metas.json")
    twice, nameless = ([None, {"name": "xyz"}, {"name": name}] for name in ("xyz", ""))
    for changed in (
        *({OF_ALL: metas[:2]}, {OF_ALL: [None, *metas[1:]]}, {EXCHANGES: [None]}),
        *({EXCHANGES: twice}, {EXCHANGES: nameless}),
    ):
        with pytest.raises(VenueError, match="exchanges") as caught:
            await snapshot_of(changed)
        assert caught.value.reason == "schema"
    gone = await snapshot_of({OF_ALL: [*metas[:2], None], AT_KM: None})
    assert len(gone.pools) == 2


async def test_marks_stand_in_the_places_of_the_symbols() -> None:
    venue = Hyperliquid(config_of(ADDRESS))
    async with client_of(transport_of({})) as client:
        marks = await venue.marks(client.account(venue))
    assert {name: one.price for name, one in marks.symbols.items()} == {"ETH": 3803.9}
    assert {name: one.price for name, one in marks.coins.items()} == {"ETH": 3803.0, "UETH": 3803.0}
    short = document("meta_and_asset_ctxs.json")
    short[1].pop()
    async with client_of(transport_of({OF_MAIN: short})) as client:
        with pytest.raises(VenueError, match="6 contexts of 7 symbols"):
            await venue.marks(client.account(venue))
