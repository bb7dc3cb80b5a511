"""`risk-exporter check`: what it finds of each account, and how a terminal, a file and a program see it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # the library's gap
import pytest
import yaml

from exporter import demo
from exporter.account import AccountConfig
from exporter.check import Checked, Report, check, report, schema, text_of
from exporter.config import Config
from exporter.demo import Market, Server
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from exporter.demo.faults import Status
from exporter.errors import VenueError
from exporter.keys import KeyRules
from exporter.model import KeyRights
from exporter.screen import Screen, console
from exporter.venues import discover
from tests.test_members import ALPHA, BETA, Keyed, entry

ROOT = Path(__file__).parent.parent
KEY_PATH = "/sapi/v1/account/apiRestrictions"
ACCOUNTS = ("usdm-directional", "usdm-hedged")
PLAIN = re.compile(r"\x1b")


@asynccontextmanager
async def venue(**rights: frozenset[str]) -> AsyncIterator[tuple[BinanceUsdmSimulator, list[dict[str, Any]]]]:
    """A stand-in of Binance and the entries of two of its accounts; `rights` that keys have besides."""
    market = Market(seed=3)
    market.freeze()
    simulator = demo.discover()["binance_usdm"](market)
    assert isinstance(simulator, BinanceUsdmSimulator)
    for key, credential in simulator.credentials.items():
        may = rights.get(credential.account.removeprefix("usdm-"), frozenset())
        simulator.credentials[key] = replace(credential, may=may)
    async with Server(simulator) as server:
        entries = simulator.demo_accounts(server.base_url)
        yield simulator, [entry for entry in entries if entry["name"] in ACCOUNTS]


def configured(entries: list[dict[str, Any]], **fields: Any) -> Config:
    config_class = discover()["binance_usdm"].config_class
    accounts: tuple[AccountConfig, ...] = tuple(
        config_class.model_validate({**entry, **fields}) for entry in entries
    )
    return Config(accounts=accounts)


def asked(simulator: BinanceUsdmSimulator) -> set[str]:
    return {request.removeprefix("GET ") for request in simulator.requests}


def by_name(found: Report) -> dict[str, Checked]:
    return {one.account: one for one in found.accounts}


def shown(found: Report, width: int = 100) -> str:
    """As a file, or a terminal without colours, has it."""
    stream = io.StringIO()
    on = console(stream)
    on.width = width
    screen = Screen(on)
    for one in found.accounts:
        screen.show(one)
    screen.end(found)
    return stream.getvalue()


async def test_every_account_is_shown_as_it_comes_in_with_all_that_can_go_wrong() -> None:
    came: list[str] = []
    async with venue() as (_, entries):
        found = await check(configured(entries), lambda one: came.append(one.account))
    assert found.ok
    assert sorted(came) == sorted(ACCOUNTS)
    for one in found.accounts:
        assert (one.ok, one.reachable, one.key_accepted, one.reason, one.message) == (
            True,
            True,
            True,
            None,
            "",
        )
        assert one.key.may == ("read",)
        assert one.clock_offset_seconds is not None
        assert one.figures is not None
        assert one.budget is not None
        assert (one.budget.budget, one.budget.accounts, one.budget.interval_seconds) == ("binance", 2, 15.0)
    assert found.nearest is not None
    assert found.nearest.account == "usdm-hedged"
    text = shown(found, 120)
    for part in (
        "usdm-hedged (binance_usdm): ok",
        "reachable  yes",
        "key        accepted",
        "permission read only; from some addresses alone",
        " this machine",  # ahead of it, or behind
        "for 2 accounts; collected every 15 s",
        "3 positions",
        "liquidated at",
        "█",
        "nearest: ",
        "2 accounts: 2 ok",
    ):
        assert part in text, part
    jsonschema.validate(json.loads(text_of(found)), schema())


@pytest.mark.parametrize("width", [40, 79, 200])
async def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    async with venue() as (_, entries):
        text = shown(await check(configured(entries)), width)
    assert max(map(len, text.splitlines())) <= width
    assert ("█" in text) is (width >= 80)
    assert "usdm-directional" in text


async def test_a_refused_key_makes_no_further_request() -> None:
    async with venue(hedged=frozenset({"enableWithdrawals"})) as (simulator, entries):
        config = configured(entries[1:])
        found = await check(config)
        assert asked(simulator) == {KEY_PATH}
        (one,) = found.accounts
        assert (found.ok, one.ok, one.reason, one.key_accepted, one.figures) == (
            False,
            False,
            "refused",
            True,
            None,
        )
        assert one.key.refused == ("withdraw",)
        text = shown(found)
        assert "fails (refused)" in text
        assert "can read, withdraw; cannot trade, transfer" in text
        assert "1 account: 0 ok, 1 fails" in text
        jsonschema.validate(json.loads(text_of(found)), schema())

        allowed = await check(configured(entries[1:], keys=KeyRules(refuse=())))
        assert allowed.ok
        assert allowed.accounts[0].key.may == ("read", "withdraw")


async def test_a_question_about_the_key_that_fails_is_seen_and_costs_nothing() -> None:
    async with venue() as (simulator, entries):
        simulator.faults.set(Status(500, b"down"), at=KEY_PATH)
        found = await check(configured(entries))
    assert found.ok
    (one, _) = found.accounts
    assert one.key.may == ()
    assert "HTTP 500" in one.key.failure
    assert "permission not known: binance_usdm GET" in " ".join(shown(found).split())


async def test_a_venue_that_is_not_there_is_not_reachable() -> None:
    async with venue() as (_, entries):
        pass
    found = await check(configured(entries))
    assert [(one.reachable, one.key_accepted, one.reason) for one in found.accounts] == [
        (False, None, "network")
    ] * 2
    assert found.nearest is None


# Entries that stand for many accounts


READS = KeyRights(read=True, withdraw=False)


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> type[Keyed]:
    monkeypatch.setattr("exporter.check.discover", lambda: {"keyed": Keyed})
    fresh = {"asked": [], "broken": frozenset(), "listed": [BETA, ALPHA], "lists": 0, "rights": READS}
    for name, value in fresh.items():
        monkeypatch.setattr(Keyed, name, value, raising=False)
    return Keyed


FUND = Config(accounts=(entry(exchange="keyed"),))


async def test_each_sub_account_of_an_entry_is_checked_too(master: type[Keyed]) -> None:
    master.broken = frozenset({BETA.handle})
    told: list[Sequence[str]] = []
    found = await check(FUND, on_listed=told.append)
    assert [(one.account, one.ok) for one in found.accounts] == [
        ("fund", True),
        ("fund.alpha", True),
        ("fund.beta", False),
    ]
    assert told == [["fund", "fund.alpha", "fund.beta"]]
    assert not found.ok
    assert BETA.handle not in text_of(found)
    assert [one for one in master.asked if one.startswith("key of")] == ["key of fund"]
    assert [one.key.may for one in found.accounts] == [("read",)] * 3


@pytest.mark.parametrize("failure", [VenueError("permission", "not a master key"), KeyError("email")])
async def test_sub_accounts_that_are_not_listed_are_a_failure(
    master: type[Keyed], failure: Exception
) -> None:
    master.listed = failure
    found = await check(FUND)
    fund = by_name(found)["fund"]
    assert (found.ok, fund.ok, fund.key_accepted, fund.reachable) == (False, False, True, True)
    assert fund.figures is not None
    assert fund.message.startswith("sub-accounts not listed: ")


async def test_a_refused_entry_lists_nothing(master: type[Keyed]) -> None:
    master.rights = KeyRights(read=True, withdraw=True)
    found = await check(FUND)
    assert [(one.account, one.reason) for one in found.accounts] == [("fund", "refused")]
    assert (master.asked, master.lists) == (["key of fund"], 0)


def test_no_account_is_nothing_to_complain_about() -> None:
    assert report([]).ok


# Real processes


async def test_the_command_says_how_it_went_by_its_status(tmp_path: Path) -> None:
    async with venue() as (_, entries):
        path = tmp_path / "exporter.yml"
        path.write_text(yaml.safe_dump({"accounts": entries}))
        status, output, errors = await finished("check", f"--config.file={path}", "--output=json")
        assert (status, errors) == (0, "")
        jsonschema.validate(json.loads(output), schema())
        assert [one["account"] for one in json.loads(output)["accounts"]] == list(ACCOUNTS)

        entries[0]["api_secret"] = "S3cretS3cretS3cret"
        path.write_text(yaml.safe_dump({"accounts": entries}))
        status, output, errors = await finished("check", f"--config.file={path}", PYTHONIOENCODING="ascii")
    assert status == 1
    assert "usdm-directional (binance_usdm): fails (auth)" in output
    assert "usdm-hedged (binance_usdm): ok" in output
    assert not PLAIN.search(output)
    assert not any(str(entry["api_secret"]) in output + errors for entry in entries)
    assert not any(str(entry["api_key"]) in output + errors for entry in entries)


async def finished(*arguments: str, **environment: str) -> tuple[int | None, str, str]:
    """Exit status, output and errors of a `risk-exporter` process."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", *arguments),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=-1,
        stderr=-1,
    )
    output, errors = await asyncio.wait_for(child.communicate(), 30)
    return child.returncode, output.decode(), errors.decode()
