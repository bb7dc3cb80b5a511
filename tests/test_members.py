"""One entry that stands for many accounts: which there are, under which names, and how they come and go."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import credentials
from exporter.account import ApiKeyConfig, Member, SubAccounts, secret_forms
from exporter.api import Api, Client
from exporter.config import Config
from exporter.errors import VenueError
from exporter.exposition import Format, Store
from exporter.fleet import Fleet
from exporter.keys import KeyRules
from exporter.members import SURE_AFTER, expanded
from exporter.model import AccountSnapshot, KeyRights
from exporter.request import Endpoint
from exporter.scheduler import Scheduler
from exporter.telemetry import Telemetry
from tests.accounts import ScriptedVenue, position, snapshot

LIST, KEY = Endpoint("/list"), Endpoint("/key")
ALPHA, BETA = Member("alpha", "alpha@desk.example"), Member("beta", "beta@desk.example")


class MasterConfig(ApiKeyConfig, SubAccounts):
    """A key that reads sub-accounts."""


class Master(ScriptedVenue):
    """A venue that lists what a test wants, and tells all accounts in one answer."""

    name = "master"
    config_class = MasterConfig
    listing_endpoint = LIST
    listed: Sequence[Member] | Exception = ()
    asked: list[str]
    broken: frozenset[str] = frozenset()
    config: MasterConfig

    async def sub_accounts(self, api: Api) -> Sequence[Member]:  # noqa: ARG002 (it asks nobody)
        if isinstance(self.listed, Exception):
            raise self.listed
        return self.listed

    async def fetch(self, api: Api) -> AccountSnapshot:
        await api.family_cached("all", self.everything, 5.0)
        if self.config.handle in self.broken:
            raise VenueError("exchange", f"no account {self.config.handle}")
        return snapshot(position("BTCUSDT"))

    async def everything(self, _api: Api) -> str:
        type(self).asked.append(self.config.name)
        return "all of them"


def entry(name: str = "fund", **fields: Any) -> MasterConfig:
    given = {
        "name": name,
        "exchange": "master",
        "api_key": "key",
        "api_secret": "secret",
        "sub_accounts": True,
        "labels": {"owner": "anna"},
    }
    return MasterConfig.model_validate({**given, **fields})


class Yard:
    """A fleet whose jobs run when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.telemetry = Telemetry()
        self.store = Store(self.telemetry)
        self.scheduler = Scheduler(on_skipped=lambda _: None)
        self.client = Client(self.telemetry, wall=lambda: self.now)
        self.fleet = Fleet({"master": Master}, self.client, self.store, self.telemetry, self.scheduler)

    async def use(self, *accounts: MasterConfig, **fields: Any) -> None:
        await self.fleet.use(Config(accounts=accounts, **fields))
        self.scheduler.plan()

    async def run(self, key: str) -> None:
        await self.scheduler._entries[key].job.collect()

    async def listing(self, listed: Sequence[Member] | Exception, name: str = "fund") -> None:
        Master.listed = listed
        await self.run(f"sub-accounts:{name}")
        await asyncio.gather(*self.fleet._relisting)

    def names(self) -> list[str]:
        return [one.account for one in self.fleet.statuses()]

    def page(self) -> str:
        return self.store.page(Format.TEXT_0_0_4).decode()


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    Master.asked, Master.listed, Master.broken = [], (), frozenset()
    found = Yard()
    yield found
    await found.fleet.close()


async def test_the_entry_and_each_sub_account_are_accounts(yard: Yard) -> None:
    await yard.use(entry())
    await yard.listing([BETA, ALPHA])
    assert yard.names() == ["fund", "fund.alpha", "fund.beta"]
    for name in yard.names():
        await yard.run(name)
    page = yard.page()
    for line in (
        'risk_up{account="fund.beta",exchange="master"} 1',
        'risk_account_owner_info{account="fund.beta"',
        'risk_collector_sub_accounts{account="fund",exchange="master"} 2',
    ):
        assert line in page, [one for one in page.splitlines() if one.startswith(line.partition("{")[0])]


async def test_they_come_and_go_with_the_list(yard: Yard) -> None:
    await yard.use(entry())
    await yard.listing([ALPHA])
    alpha = yard.fleet._collectors["fund.alpha"]
    await yard.listing([ALPHA, BETA])
    assert yard.fleet._collectors["fund.alpha"] is alpha
    assert "fund.beta" in yard.names()
    await yard.run("fund.beta")
    for _ in range(2):
        await yard.listing([ALPHA])
    assert yard.names() == ["fund", "fund.alpha"]
    assert "fund.beta" not in yard.page()


async def test_nobody_goes_by_one_list_that_is_short_by_mistake(yard: Yard) -> None:
    await yard.use(entry())
    await yard.listing([ALPHA, BETA])
    job = yard.scheduler._entries["sub-accounts:fund"].job
    beta = yard.fleet._collectors["fund.beta"]
    Master.listed = []
    assert await job.collect() == SURE_AFTER, "it is asked again before the minute is over"
    assert yard.names() == ["fund", "fund.alpha", "fund.beta"]
    assert 'risk_collector_sub_accounts{account="fund",exchange="master"} 0' in yard.page()
    await yard.listing([ALPHA, BETA])
    await yard.listing([BETA])
    # Twice, but not one after the other; and a reload forgets nobody.
    assert yard.names() == ["fund", "fund.alpha", "fund.beta"]
    await yard.use(entry(labels={"owner": "otto"}))
    await yard.listing([BETA])
    assert yard.names() == ["fund", "fund.alpha", "fund.beta"], "another job asks, and begins to count"
    await yard.listing(VenueError("timeout", "no list"))
    await yard.listing([BETA])
    assert yard.names() == ["fund", "fund.beta"]
    assert yard.fleet._collectors["fund.beta"].status().account == beta.status().account


async def test_without_a_list_those_that_are_known_stay_and_somebody_is_told(yard: Yard) -> None:
    await yard.use(entry())
    await yard.listing([ALPHA])
    await yard.listing(VenueError("permission", "not a master key"))
    assert yard.names() == ["fund", "fund.alpha"]
    told = 'risk_collector_optional_errors_total{account="fund",exchange="master"} 1'
    assert told in yard.page(), [one for one in yard.page().splitlines() if "optional_errors_total{" in one]
    listed = 'risk_collector_sub_accounts_up{account="fund",exchange="master"}'
    assert f"{listed} 0" in yard.page()
    await yard.listing([ALPHA])
    assert f"{listed} 1" in yard.page()


async def test_a_defect_in_the_list_ends_nothing(yard: Yard) -> None:
    await yard.use(entry())
    await yard.listing(KeyError("email"))
    assert yard.names() == ["fund"]


async def test_a_sub_account_that_fails_costs_nobody_else_its_data(yard: Yard) -> None:
    await yard.use(entry())
    await yard.listing([ALPHA, BETA])
    Master.broken = frozenset({ALPHA.handle})
    for name in yard.names():
        await yard.run(name)
    assert [one.fresh for one in yard.fleet.statuses()] == [True, False, True]
    assert ALPHA.handle not in "".join(one.message for one in yard.fleet.statuses())


async def test_one_answer_serves_all_and_its_age_is_theirs(yard: Yard) -> None:
    await yard.use(entry())
    await yard.listing([ALPHA, BETA])
    await yard.run("fund")
    yard.now += 3.0
    await yard.run("fund.alpha")
    assert Master.asked == ["fund"]
    ages = {one.account: one.last_success_age or 0.0 for one in yard.fleet.statuses()}
    assert ages["fund.alpha"] >= 3.0, "it is as old as the answer, not as its collection"
    assert ages["fund"] < 3.0
    yard.now += 3.0
    await yard.run("fund.beta")
    assert Master.asked == ["fund", "fund.beta"]
    took = re.search(r"risk_collector_duration_seconds_sum\{.*\} (.*)", yard.page())
    assert took, yard.page()
    assert float(took[1]) < 3.0, "the age of an answer is no time that a collection took"


async def test_what_it_waits_for_its_own_answer_makes_a_collection_no_older(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(_self: Master, _api: Api) -> str:
        yard.now += 3.0
        return "all of them"

    monkeypatch.setattr(Master, "everything", slow)
    await yard.use(entry())
    await yard.run("fund")
    assert (yard.fleet.statuses()[0].last_success_age or 0.0) < 3.0


async def test_a_reload_keeps_them_where_the_account_is_the_same(yard: Yard) -> None:
    await yard.use(entry())
    await yard.listing([ALPHA])
    await yard.use(entry(interval=30.0))
    assert yard.names() == ["fund", "fund.alpha"]
    assert yard.fleet._collectors["fund.alpha"].interval == 30.0
    await yard.use(entry(base_url="http://127.0.0.1:9"))
    assert yard.names() == ["fund"], "another account, of which nothing is listed yet"
    await yard.use(entry(base_url="http://127.0.0.1:9"), entry("other"))
    assert yard.names() == ["fund", "other"], "nor does another change bring back those of the one before"
    await yard.listing([ALPHA])
    assert yard.names() == ["fund", "fund.alpha", "other"], "who has the same ones has them, too"
    await yard.use(entry(sub_accounts=False))
    assert yard.names() == ["fund"]
    assert "risk_collector_sub_accounts{" not in yard.page()
    assert "risk_collector_sub_accounts_up{" not in yard.page()


class Keyed(Master):
    """One that tells what the key may do, which all accounts of an entry have in common."""

    name = "keyed"
    endpoints = (LIST, KEY)
    key_endpoint = KEY
    rights = KeyRights(read=True, withdraw=False)
    lists = 0

    async def key_rights(self, api: Api) -> KeyRights:  # noqa: ARG002 (it asks nobody)
        self.asked.append(f"key of {self.config.name}")
        return self.rights

    async def sub_accounts(self, api: Api) -> Sequence[Member]:
        type(self).lists += 1
        return await super().sub_accounts(api)


@pytest.fixture
async def keyed(yard: Yard) -> Yard:
    Keyed.lists, Keyed.rights = 0, KeyRights(read=True, withdraw=False)
    yard.fleet._venues = {"keyed": Keyed}
    return yard


async def test_the_one_key_of_an_entry_is_asked_about_once(keyed: Yard) -> None:
    await keyed.use(entry(exchange="keyed"))
    await keyed.listing([ALPHA])
    assert keyed.names() == ["fund"], "it is not known yet whether the key may be used"
    await keyed.run("fund")
    await keyed.listing([ALPHA, BETA])
    for name in ("fund.alpha", "fund.beta"):
        await keyed.run(name)
    assert [one for one in Master.asked if one.startswith("key of")] == ["key of fund"]
    for name in keyed.names():
        assert (
            f'risk_api_key_permission{{account="{name}",exchange="keyed",permission="read"}} 1'
            in keyed.page()
        )


async def test_an_entry_whose_key_is_refused_asks_for_no_list(keyed: Yard) -> None:
    Keyed.rights = KeyRights(read=True, withdraw=True)
    await keyed.use(entry(exchange="keyed"))
    await keyed.run("fund")
    await keyed.listing([ALPHA])
    assert (Keyed.lists, Master.asked) == (0, ["key of fund"])
    await keyed.use(entry(exchange="keyed", keys=KeyRules(refuse=())))
    await keyed.run("fund")
    await keyed.listing([ALPHA])
    assert (Keyed.lists, keyed.names()) == (1, ["fund", "fund.alpha"])


async def test_another_list_is_no_reason_to_ask_about_a_refused_key_again(keyed: Yard) -> None:
    Keyed.rights = KeyRights(read=True, trade=True)
    stopped = entry("stopped", exchange="keyed", keys=KeyRules(refuse=("trade",)))
    await keyed.use(entry(exchange="keyed"), stopped)
    for name in keyed.names():
        await keyed.run(name)
    await keyed.listing([ALPHA])
    assert "fund.alpha" in keyed.names()
    await keyed.run("stopped")
    assert Master.asked.count("key of stopped") == 1
    await keyed.use(entry(exchange="keyed"), stopped)
    await keyed.run("stopped")
    assert Master.asked.count("key of stopped") == 2, "a reload is one"


def test_with_another_secret_a_sub_account_is_still_that_sub_account(tmp_path: Path) -> None:
    """Not the entry's own account under its name."""
    (tmp_path / "secret").write_text("another\n")
    alpha = entry().member("fund.alpha", ALPHA)
    found = credentials.renewed(alpha, {"api_secret": tmp_path / "secret"})
    assert isinstance(found, MasterConfig)
    assert (found.name, found.handle) == ("fund.alpha", ALPHA.handle)
    assert found.api_secret.get_secret_value() == "another"
    assert found.entry == entry(api_secret="another")


class Locked(Master):
    """One that takes one secret, which its owner changes."""

    name = "locked"
    accepted = "secret"

    async def sub_accounts(self, api: Api) -> Sequence[Member]:
        self.admit()
        return await super().sub_accounts(api)

    async def fetch(self, api: Api) -> AccountSnapshot:
        self.admit()
        return await super().fetch(api)

    def admit(self) -> None:
        if self.config.api_secret.get_secret_value() != self.accepted:
            raise VenueError("auth", "another secret is expected")


async def test_a_secret_changed_in_its_file_is_from_then_on_that_of_all_who_have_it(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the list too, and of whoever comes or stays when it changes."""
    file = tmp_path / "secret"
    file.write_text("secret\n")
    yard.fleet._venues = {"locked": Locked}
    accounts = (entry(exchange="locked"), entry("solo", exchange="locked", sub_accounts=False))
    await yard.use(*accounts, secret_files={one.name: {"api_secret": file} for one in accounts})
    await yard.listing([ALPHA])
    monkeypatch.setattr(Locked, "accepted", "rotated")
    file.write_text("rotated\n")
    for name in ("solo", "fund.alpha"):
        await yard.run(name)
    await asyncio.gather(*yard.fleet._relisting)
    venues = {name: one.venue for name, one in yard.fleet._collectors.items()}
    assert {one.config.api_secret.get_secret_value() for one in venues.values()} == {"rotated"}
    await yard.listing([ALPHA, BETA])
    assert yard.names() == ["fund", "fund.alpha", "fund.beta", "solo"]
    assert {name: yard.fleet._collectors[name].venue for name in venues} == venues, "nobody begins again"
    await yard.run("fund.beta")
    assert yard.fleet._collectors["fund.beta"].status().state == "up"


def names(*accounts: MasterConfig, **listed: Sequence[Member]) -> list[str]:
    return [one.name for one in expanded(Config(accounts=accounts), listed).accounts]


def test_a_name_that_several_have_is_told_apart_for_each_of_them() -> None:
    twins = [Member("a b", "1"), Member("a-b", "2"), Member("", "3")]
    found = names(entry("fund"), fund=twins)
    assert len(set(found)) == 4
    assert found[0] == "fund"
    assert sum(one.startswith("fund.a-b-") for one in found) == 2
    assert "fund.sub-account" in found
    # Whoever goes, the others are called as before.
    assert set(names(entry("fund"), fund=[*twins, Member("a/b", "4")])) > set(found)


def test_a_name_that_stands_in_the_file_is_not_taken() -> None:
    found = names(entry("fund"), entry("fund.alpha", sub_accounts=False), fund=[ALPHA])
    assert len(set(found)) == 3
    assert found[2] == "fund.alpha"


@given(st.lists(st.builds(Member, st.text(max_size=90), st.text(min_size=1, max_size=9)), max_size=8))
def test_every_listed_account_has_one_valid_name(listed: list[Member]) -> None:
    found = names(entry("fund"), fund=listed)
    assert len(found) == len(set(found)) == 1 + len({one.handle for one in listed})
    for name in found:
        entry(name)  # refuses what is none


def test_their_secrets_are_those_of_the_entry_and_what_the_venue_calls_them() -> None:
    files = {"fund": MappingProxyType({"api_secret": Path("secret")})}
    given = Config(accounts=(entry(),), secret_files=files)
    config = expanded(given, {"fund": [ALPHA]})
    assert config.secret_files["fund.alpha"] == files["fund"]
    assert config.fingerprint() == given.fingerprint(), "of what stands in the file"
    assert ALPHA.handle in set(secret_forms(config.accounts[1]))
