"""What API keys may do: which account is stopped for it, and when its venue is asked."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from exporter import demo
from exporter.account import ApiKeyConfig
from exporter.api import Api
from exporter.collector import Collector
from exporter.demo import Market, Server
from exporter.demo.faults import Status
from exporter.demo.switch import Fault
from exporter.errors import VenueError
from exporter.keys import BELIEVED, DAILY, RAREST_REFUSED, RAREST_RETRY, KeyRules, KeyWatch, Refusable
from exporter.model import AccountSnapshot, KeyRights, RiskSettings
from exporter.request import Endpoint
from exporter.venues import discover
from tests.accounts import API_KEY, API_SECRET, Bench, ScriptedVenue, sample, snapshot

READ_ONLY = KeyRights(read=True, trade=False, transfer=False, withdraw=False, ip_restricted=True)
DANGEROUS = msgspec.structs.replace(READ_ONLY, withdraw=True)
NO_RULES = KeyRules()


def rules(*refuse: Refusable) -> KeyRules:
    return KeyRules(refuse=refuse)


# Rules


def test_withdrawal_is_refused_unless_somebody_says_otherwise() -> None:
    assert NO_RULES.refused(DANGEROUS) == ("withdraw",)
    assert rules().refused(DANGEROUS) == ()
    assert NO_RULES.refused(msgspec.structs.replace(READ_ONLY, trade=True, transfer=True)) == ()


def test_what_is_not_known_is_not_refused() -> None:
    everything = rules("withdraw", "transfer", "trade")
    assert everything.refused(None) == ()
    assert everything.refused(KeyRights(read=True)) == ()
    assert everything.refused(KeyRights(trade=True)) == ("trade",)


def test_an_account_has_the_rules_of_all_unless_it_has_its_own() -> None:
    of_all = rules("transfer")
    assert NO_RULES.over(of_all) == of_all
    assert rules().over(of_all) == rules()


# When


def test_it_is_asked_at_once_and_then_daily() -> None:
    watch = KeyWatch(NO_RULES, asks=True, chance=lambda: 0.5)
    assert watch.due(0.0, failing=True)
    watch.begin(0.0)
    watch.answered(READ_ONLY, 1.0, at=1_700_000_000.0)
    assert not watch.due(0.94 * DAILY, failing=False)
    assert watch.due(0.96 * DAILY, failing=False)
    assert not watch.due(0.96 * DAILY, failing=True)


def test_without_an_answer_it_is_asked_again_less_and_less_often() -> None:
    watch, now, asked = KeyWatch(NO_RULES, asks=True), 0.0, []
    while now < 5 * DAILY:
        if watch.due(now, failing=False):
            asked.append(now)
            watch.begin(now)
            watch.failed("no", now)
        now += 15.0
    waits = [later - earlier for earlier, later in pairwise(asked)]
    assert waits[:3] == [60.0, 120.0, 240.0]
    assert max(waits) == RAREST_RETRY
    assert watch.state.failure == "no"


def test_a_venue_that_does_not_tell_is_not_asked() -> None:
    watch = KeyWatch(NO_RULES, asks=False)
    assert not watch.due(0.0, failing=False)
    assert not watch.state.told


def test_what_was_told_stands_for_a_while_without_a_newer_answer() -> None:
    watch = KeyWatch(NO_RULES, asks=True)
    watch.answered(READ_ONLY, 0.0, at=100.0)
    watch.failed("no answer", BELIEVED)
    assert (watch.rights, watch.state.failure) == (READ_ONLY, "no answer")
    watch.failed("no answer", BELIEVED + 1.0)
    assert (watch.rights, watch.state.answered_timestamp_seconds) == (None, None)
    assert watch.state.may == ()


def test_a_refused_key_stays_refused_until_the_venue_says_otherwise() -> None:
    watch = KeyWatch(NO_RULES, asks=True)
    watch.answered(DANGEROUS, 0.0, at=100.0)
    watch.failed("no answer", 10 * DAILY)
    assert watch.state.refused == ("withdraw",)
    watch.again()
    assert watch.due(0.0, failing=False)
    watch.answered(KeyRights(read=True, trade=False), 0.0, at=200.0)
    assert watch.state.refused == ("withdraw",)
    assert watch.state.failure == "the venue no longer says whether it can withdraw"
    watch.answered(READ_ONLY, 0.0, at=200.0)
    assert not watch.state.refused


def test_a_refused_key_is_asked_about_again_soon_and_then_hourly() -> None:
    watch, now, asked = KeyWatch(NO_RULES, asks=True), 0.0, []
    while now < DAILY:
        if watch.due(now, failing=False):
            asked.append(now)
            watch.begin(now)
            watch.answered(DANGEROUS, now, at=now)
            assert watch.state.refused == ("withdraw",)
        now += 60.0
    waits = [later - earlier for earlier, later in pairwise(asked)]
    assert waits[:3] == [60.0, 120.0, 240.0]
    assert max(waits) == waits[-1] == RAREST_REFUSED


def told(watch: KeyWatch, now: float, *answers: KeyRights | None) -> None:
    """The answers to as many questions, a minute apart; None is a question that failed."""
    for number, answer in enumerate(answers):
        moment = now + 60.0 * number
        watch.begin(moment)
        if answer is None:
            watch.failed("no answer", moment)
        else:
            watch.answered(answer, moment, at=moment)


def test_one_answer_against_an_earlier_one_stops_nobody_until_the_next_says_the_same() -> None:
    watch = KeyWatch(NO_RULES, asks=True)
    told(watch, 0.0, READ_ONLY)
    told(watch, DAILY, DANGEROUS)
    assert not watch.state.refused
    assert watch.state.may == ("read", "withdraw")
    assert not watch.due(DAILY + 59.0, failing=False)
    assert watch.due(DAILY + 60.0, failing=False)
    assert watch.max_age < 60.0  # not the same answer once more
    told(watch, DAILY + 60.0, None)
    assert not watch.state.refused
    told(watch, DAILY + 180.0, DANGEROUS)
    assert watch.state.refused

    wrong_once = KeyWatch(NO_RULES, asks=True)
    told(wrong_once, 0.0, READ_ONLY, DANGEROUS, READ_ONLY, DANGEROUS)
    assert wrong_once.state.refused == ()


# One account


class Keyed(ScriptedVenue):
    """A venue that tells what a key may do, or fails to."""

    key_endpoint = Endpoint("/key")
    endpoints = (Endpoint("/key"),)

    def __init__(self, config: ApiKeyConfig) -> None:
        super().__init__(config)
        self.tells: KeyRights | Exception | None = READ_ONLY
        """None: it never answers."""
        self.asked = 0
        self.fetched = 0

    async def key_rights(self, api: Api) -> KeyRights:  # noqa: ARG002 (it asks nobody)
        self.asked += 1
        if self.tells is None:
            await asyncio.Event().wait()
        if isinstance(self.tells, Exception):
            raise self.tells
        assert self.tells is not None
        return self.tells

    async def fetch(self, api: Api) -> AccountSnapshot:  # noqa: ARG002 (it asks nobody)
        self.fetched += 1
        return snapshot()


class Account(Bench):
    """One account at such a venue."""

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        self.venue = self.made(**fields)
        self.collector_: Collector = self.collector(self.venue)

    def made(self, **fields: Any) -> Keyed:
        secrets = {"api_key": SecretStr(API_KEY), "api_secret": SecretStr(API_SECRET)}
        return Keyed(ApiKeyConfig(name="desk-a", exchange="scripted", **{**secrets, **fields}))

    async def collect(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        await self.collector_.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # a question beside it ends

    def meta(self, name: str, **labels: str) -> float | None:
        return sample(self.telemetry, name, {"exchange": "scripted", "account": "desk-a", **labels})

    def may(self) -> dict[str, float | None]:
        rights = ("read", "trade", "transfer", "withdraw")
        return {right: self.meta("risk_api_key_permission", permission=right) for right in rights}


async def test_what_the_key_may_do_is_published_and_the_rest_is_absent() -> None:
    account = Account()
    account.venue.tells = KeyRights(read=True, trade=False, expires_at=1_760_000_000.0)
    await account.collect()
    assert account.may() == {"read": 1.0, "trade": 0.0, "transfer": None, "withdraw": None}
    assert account.meta("risk_api_key_ip_restricted") is None
    assert account.meta("risk_api_key_expiry_timestamp_seconds") == 1_760_000_000.0
    assert account.collector_.standing.key.may == ("read",)
    for _ in range(5):
        await account.collect(15.0)
    assert (account.venue.asked, account.venue.fetched) == (1, 6)
    account.venue.tells = READ_ONLY
    await account.collect(DAILY)
    await account.collect(15.0)
    assert account.venue.asked == 2
    assert account.meta("risk_api_key_ip_restricted") == 1.0
    assert account.meta("risk_api_key_expiry_timestamp_seconds") is None


async def test_a_refused_key_stops_its_account_before_anything_else_is_asked() -> None:
    account = Account()
    account.venue.tells = DANGEROUS
    for _ in range(8):
        await account.collect(60.0)
    assert (account.venue.asked, account.venue.fetched) == (4, 0)  # at 60 s, 180 s, 420 s
    assert account.meta("risk_up") == 0.0
    assert account.meta("risk_collector_errors_total", reason="refused") == 8.0
    assert account.may()["withdraw"] == 1.0
    status = account.collector_.status()
    assert status.reason == "refused"
    assert "the key can withdraw, which `keys.refuse` does not allow" in status.message
    assert account.collector_.refused  # its secret files are read again

    account.venue.tells = READ_ONLY
    await account.collect(3600.0)
    assert (account.venue.asked, account.venue.fetched) == (5, 1)
    assert account.meta("risk_up") == 1.0


async def test_after_a_reload_a_refused_key_is_asked_about_again_at_once() -> None:
    account = Account()
    soon: list[float] = []
    account.collector_.run_in = soon.append
    await account.collect()
    account.collector_.look_at_key_again()
    await account.collect(15.0)
    assert (account.venue.asked, soon) == (1, [])

    account.venue.tells = DANGEROUS
    for wait in (DAILY, 15.0, 60.0, 15.0, 15.0):
        await account.collect(wait)
    fetched, asked = account.venue.fetched, account.venue.asked
    assert account.meta("risk_up") == 0.0
    account.venue.tells = READ_ONLY
    account.collector_.look_at_key_again()
    assert soon == [0.0]
    await account.collect()
    assert (account.venue.asked, account.venue.fetched) == (asked + 1, fetched + 1)


async def test_an_account_that_is_collected_goes_on_when_its_venue_is_wrong_about_its_key_once() -> None:
    account = Account()
    await account.collect()
    account.venue.tells = DANGEROUS
    await account.collect(DAILY)
    await account.collect(15.0)  # nobody waits for the answer
    assert (account.meta("risk_up"), account.may()["withdraw"]) == (1.0, 1.0)
    account.venue.tells = READ_ONLY
    for _ in range(5):
        await account.collect(30.0)
        assert account.meta("risk_up") == 1.0
    assert (account.venue.asked, account.may()["withdraw"]) == (3, 0.0)


async def test_another_configuration_begins_anew() -> None:
    account = Account()
    account.venue.tells = DANGEROUS
    await account.collect()
    allowed = account.made(keys=KeyRules(refuse=()))
    allowed.tells = DANGEROUS
    account.collector_.use(allowed, account.client.account(allowed), RiskSettings())
    assert account.may() == dict.fromkeys(("read", "trade", "transfer", "withdraw"))
    await account.collect()
    assert (allowed.asked, allowed.fetched, account.meta("risk_up")) == (1, 1, 1.0)
    assert account.may()["withdraw"] == 1.0


@pytest.mark.parametrize("failure", [VenueError("exchange", f"no: {API_SECRET}"), KeyError(API_SECRET)])
async def test_a_question_that_fails_costs_nothing_and_is_seen(failure: Exception) -> None:
    account = Account()
    account.venue.tells = failure
    with capture_logs() as lines:
        for _ in range(4):
            await account.collect(15.0)
    assert (account.venue.asked, account.venue.fetched) == (1, 4)
    assert account.meta("risk_up") == 1.0
    assert account.meta("risk_collector_optional_errors_total") == 1.0
    assert account.may()["read"] is None
    state = account.collector_.standing.key
    assert (state.told, bool(state.failure), state.answered_timestamp_seconds) == (True, True, None)
    assert API_SECRET not in f"{lines} {state.failure}"

    account.venue.tells = READ_ONLY
    await account.collect(15.0)
    await account.collect(15.0)
    assert account.venue.asked == 2
    assert account.may()["read"] == 1.0
    assert account.collector_.standing.key.failure == ""


async def test_a_question_that_hangs_is_waited_for_once_and_not_for_long() -> None:
    account = Account(timeout=0.1, interval=15.0)
    account.venue.tells = None
    began = asyncio.get_running_loop().time()
    for _ in range(10):
        await account.collect(15.0)
    assert asyncio.get_running_loop().time() - began < 1.0
    assert account.venue.fetched == 10
    assert account.meta("risk_collector_errors_total", reason="timeout") == 0.0
    await account.client.shared.close()


async def test_a_venue_that_refuses_the_key_is_asked_nothing_more_about_it() -> None:
    account = Account()
    account.venue.tells = VenueError("auth", "no such key")

    async def fetch(_: Api) -> AccountSnapshot:
        raise VenueError("auth", "no such key")

    account.venue.fetch = fetch  # type: ignore[assignment, method-assign]  # for this test
    for _ in range(20):
        await account.collect(60.0)
    assert account.venue.asked == 1


# At the stand-ins


class Collected(Bench):
    """One account at a stand-in, over HTTP."""

    def __init__(self, exchange: str) -> None:
        super().__init__()
        self.simulator = demo.discover()[exchange](Market(seed=3), clock=self.clock)
        self.exchange = exchange
        self.name = ""

    @asynccontextmanager
    async def collector_of(self) -> AsyncIterator[Collector]:
        """The first account's; while the stand-in runs."""
        cls = discover()[self.exchange]
        async with Server(self.simulator) as server, self.client:
            venue = cls(cls.config_class.model_validate(self.simulator.demo_accounts(server.base_url)[0]))
            self.name = venue.config.name
            yield self.collector(venue)

    def change_key(self, **fields: Any) -> None:
        """The key is another one at the venue from now on."""
        for key, credential in self.simulator.credentials.items():
            if credential.account == self.name:
                self.simulator.credentials[key] = dataclasses.replace(credential, **fields)

    def asked(self) -> set[str]:
        """The paths that were asked for since the last look."""
        found = {request.partition(" ")[2] for request in self.simulator.requests}
        self.simulator.requests.clear()
        return found

    def up(self) -> float | None:
        return sample(self.telemetry, "risk_up", {"exchange": self.exchange, "account": self.name})


PATHS = {
    "binance_usdm": "/sapi/v1/account/apiRestrictions",
    "binance_coinm": "/sapi/v1/account/apiRestrictions",
    "bingx": "/openApi/v1/account/apiPermissions",
}
DANGER: dict[str, dict[str, Any]] = {
    "binance_usdm": {"may": frozenset({"enableWithdrawals"})},
    "binance_coinm": {"may": frozenset({"enableWithdrawals"})},
    "bingx": {"more": frozenset({5})},
}
SAFE: dict[str, dict[str, Any]] = {
    name: {field: frozenset() for field in fields} for name, fields in DANGER.items()
}


@pytest.mark.parametrize("exchange", PATHS)
async def test_a_refused_account_makes_no_further_request_until_its_key_has_changed(exchange: str) -> None:
    account = Collected(exchange)
    async with account.collector_of() as collector:
        account.change_key(**DANGER[exchange])
        for _ in range(6):
            await collector.collect()
            account.clock.advance(60.0)
        assert (account.asked(), account.up()) == ({PATHS[exchange]}, 0.0)
        assert collector.status().reason == "refused"
        collector.look_at_key_again()
        await collector.collect()
        assert (account.asked(), account.up()) == ({PATHS[exchange]}, 0.0)
        account.change_key(**SAFE[exchange])
        collector.look_at_key_again()
        await collector.collect()
        assert account.up() == 1.0
        assert len(account.asked()) > 2


@pytest.mark.parametrize("exchange", ["binance_usdm", "bingx"])
@pytest.mark.parametrize("fault", [Status(429, b""), Status(418, b""), Status(403, b"<html>")])
async def test_a_limit_that_the_question_meets_costs_no_data(exchange: str, fault: Fault) -> None:
    account = Collected(exchange)
    account.simulator.faults.set(fault, at=PATHS[exchange])
    async with account.collector_of() as collector:
        for _ in range(3):
            await collector.collect()
            assert account.up() == 1.0
            account.clock.advance(15.0)
    assert account.simulator.requests.count(f"GET {PATHS[exchange]}") == 1
    assert collector.standing.key.failure
    labels = {"exchange": exchange, "account": account.name}
    assert sample(account.telemetry, "risk_collector_optional_errors_total", labels) == 1.0
    blocked = sample(account.telemetry, "risk_api_blocked_until_timestamp_seconds", {"exchange": exchange})
    assert blocked is None
