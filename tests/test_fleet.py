"""One configuration gives way to the next: what goes on, what comes, what goes, and keys that change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from exporter import logs
from exporter.account import AccountConfig, ApiKeyConfig
from exporter.api import Api, Client
from exporter.collector import Collector
from exporter.config import Config
from exporter.errors import Reason, VenueError
from exporter.exposition import Format, Store
from exporter.fleet import Changes, Fleet
from exporter.model import AccountSnapshot, RiskSettings
from exporter.request import Endpoint
from exporter.scheduler import Scheduler
from exporter.telemetry import Telemetry
from tests.accounts import ScriptedVenue, position, snapshot


class Keyed(ScriptedVenue):
    """A venue that accepts one key, and tells who asked."""

    name = "keyed"
    accepted = "secret"
    failure: Reason = "auth"
    fetched: list[str]
    check_says: str | None = None

    async def fetch(self, api: Api) -> AccountSnapshot:
        cls = type(self)
        await api.account_cached(self.kept, 3600.0)
        if self.config.api_secret.get_secret_value() != cls.accepted:
            raise VenueError(cls.failure, "refused")
        cls.fetched.append(self.config.name)
        return snapshot(position("BTCUSDT"))

    async def kept(self, _api: Api) -> str:
        type(self).fetched.append(f"kept of {self.config.name}")
        return "kept"

    @classmethod
    def check(cls, config: ApiKeyConfig) -> str | None:
        return "no such key" if config.api_secret.get_secret_value() == "nonsense" else None


class Hanging(Keyed):
    """A venue that never answers."""

    name = "hanging"

    async def fetch(self, api: Api) -> AccountSnapshot:  # noqa: ARG002 (it asks nobody)
        await asyncio.Event().wait()
        raise AssertionError


class Quoting(Keyed):
    """A venue with a call for marks."""

    name = "quoting"
    marks_endpoint = Endpoint("/marks", signed=False)
    endpoints = (marks_endpoint,)


class Impossible(Keyed):
    """A venue whose adapter cannot be made."""

    name = "impossible"

    def __init__(self, config: ApiKeyConfig) -> None:
        super().__init__(config)
        raise RuntimeError("defect")


def account(name: str = "a", exchange: str = "keyed", **fields: Any) -> ApiKeyConfig:
    entry = {"name": name, "exchange": exchange, "api_key": "key", "api_secret": "secret", "timeout": 5.0}
    return ApiKeyConfig.model_validate({**entry, **fields})


def config(*accounts: AccountConfig, **fields: Any) -> Config:
    return Config(accounts=accounts, **fields)


class Yard:
    """A fleet with everything around it; nothing runs by itself."""

    def __init__(self) -> None:
        telemetry = Telemetry()
        self.store = Store(telemetry)
        self.scheduler = Scheduler(on_skipped=lambda _: None)
        venues = {venue.name: venue for venue in (Keyed, Hanging, Quoting, Impossible)}
        self.fleet = Fleet(venues, Client(telemetry), self.store, telemetry, self.scheduler)

    async def use(self, new: Config) -> Changes:
        changes = await self.fleet.use(new)
        self.scheduler.plan()
        return changes

    async def collect(self, name: str = "a") -> None:
        await self.scheduler._entries[name].job.collect()

    def collector(self, name: str = "a") -> Collector:
        return self.fleet._collectors[name]

    def page(self) -> str:
        return self.store.page(Format.TEXT_0_0_4).decode()

    def equity(self, name: str = "a") -> bool:
        """Whether data of the account are on the page."""
        return f'risk_account_equity{{exchange="keyed",account="{name}"' in self.page()

    def up(self, name: str = "a") -> float | None:
        for line in self.page().splitlines():
            if line.startswith("risk_up{") and f'account="{name}"' in line:
                return float(line.split()[-1])
        return None


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Yard:
    monkeypatch.setattr(Keyed, "accepted", "secret")
    monkeypatch.setattr(Keyed, "failure", "auth")
    monkeypatch.setattr(Keyed, "fetched", [], raising=False)
    return Yard()


async def test_an_account_that_is_the_same_goes_on_as_if_nothing_had_happened(yard: Yard) -> None:
    await yard.use(config(account("a"), account("b")))
    await yard.collect("a")
    await yard.collect("b")
    before = {name: (yard.collector(name), yard.collector(name).venue, next_run(yard, name)) for name in "ab"}
    page = yard.page()
    # The same by value: every object is another one.
    assert await yard.use(config(account("a"), account("b"))) == Changes(added=0, removed=0, changed=0)
    assert {n: (yard.collector(n), yard.collector(n).venue, next_run(yard, n)) for n in "ab"} == before
    assert data(yard.page()) == data(page)
    await yard.collect("a")
    assert Keyed.fetched == ["kept of a", "a", "kept of b", "b", "a"]


def next_run(yard: Yard, name: str) -> datetime:
    job = yard.scheduler._scheduler.get_job(name)
    found: datetime = job.next_run_time
    second: datetime = job.trigger.get_next_fire_time(found, found)
    return second


def data(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("risk_account_")]


async def test_the_schedule_of_others_stays_when_accounts_come_and_go(yard: Yard) -> None:
    await yard.use(config(*(account(name) for name in "abcde")))
    before = {name: next_run(yard, name) for name in "bd"}
    await yard.use(config(*(account(name) for name in "bdfgh")))
    assert {name: next_run(yard, name) for name in "bd"} == before


async def test_a_collection_that_runs_is_not_disturbed(yard: Yard) -> None:
    await yard.use(config(account("a", "hanging"), account("b")))
    running = asyncio.create_task(yard.scheduler._run("a"))
    await asyncio.sleep(0)
    await yard.use(config(account("a", "hanging")))
    assert not running.done()
    running.cancel()
    await running


async def test_an_added_account_is_there_at_once_and_collected_soon(yard: Yard) -> None:
    await yard.use(config(account("a")))
    assert await yard.use(config(account("a"), account("b"))) == Changes(added=1, removed=0, changed=0)
    assert yard.up("b") == 0.0
    assert not yard.equity("b")
    await yard.collect("b")
    assert yard.up("b") == 1.0
    assert yard.equity("b")


async def test_a_removed_account_is_gone_at_once_and_so_is_its_collection(yard: Yard) -> None:
    await yard.use(config(account("a"), account("b", "hanging")))
    await yard.collect("a")
    running = asyncio.create_task(yard.scheduler._run("b"))
    await asyncio.sleep(0)
    assert await yard.use(config(account("c"))) == Changes(added=1, removed=2, changed=0)
    assert running.done()
    assert 'account="a"' not in yard.page()
    assert 'account="b"' not in yard.page()
    assert [status.account for status in yard.fleet.statuses()] == ["c"]
    assert yard.scheduler.next_run("a") is None


@pytest.mark.parametrize(
    "change",
    [
        {"api_secret": "rotated"},
        {"api_key": "rotated"},
        {"interval": 30.0},
        {"timeout": 3.0},
        {"max_age": 100.0},
        {"proxy": "http://127.0.0.1:1"},
    ],
)
async def test_data_stay_when_only_secrets_or_times_change(yard: Yard, change: dict[str, Any]) -> None:
    await yard.use(config(account("a")))
    await yard.collect()
    assert await yard.use(config(account("a", **change))) == Changes(added=0, removed=0, changed=1)
    assert yard.equity()
    assert yard.up() == 1.0
    assert yard.fleet.ready()
    Keyed.accepted = change.get("api_secret", "secret")
    await yard.collect()
    assert yard.up() == 1.0
    assert 'risk_collector_runs_total{account="a",exchange="keyed"} 2.0' in yard.page()
    interval = change.get("interval", 15.0)
    assert f'risk_collector_interval_seconds{{account="a",exchange="keyed"}} {interval}' in yard.page()
    # Nothing that was kept for the old configuration serves the new one.
    assert Keyed.fetched == ["kept of a", "a"] * 2


@pytest.mark.parametrize("change", [{"base_url": "https://example.com"}, {"exchange": "hanging"}])
async def test_data_of_another_account_do_not_stand_under_the_name(
    yard: Yard, change: dict[str, str]
) -> None:
    await yard.use(config(account("a")))
    await yard.collect()
    await yard.use(config(account("a", **change)))
    assert not yard.equity()
    assert yard.up() == 0.0


async def test_changed_risk_settings_count_from_the_next_collection(yard: Yard) -> None:
    equity = 'risk_account_equity_usd{exchange="keyed",account="a",currency="USDT"}'
    for value in (1.0, 0.5):
        pegs = {"USD": 1.0, "USDT": value}
        await yard.use(config(account("a"), risk=RiskSettings(usd_pegs=pegs)))
        await yard.collect()
        assert f"{equity} {1000.0 * value}\n" in yard.page()


async def test_accounts_are_shown_in_the_order_of_the_file(yard: Yard) -> None:
    await yard.use(config(account("a"), account("b")))
    await yard.use(config(account("c"), account("b"), account("a")))
    assert [status.account for status in yard.fleet.statuses()] == ["c", "b", "a"]


async def test_a_defect_changes_nothing(yard: Yard) -> None:
    await yard.use(config(account("a")))
    await yard.collect()
    with pytest.raises(RuntimeError):
        await yard.use(config(account("b"), account("c", "impossible")))
    assert yard.equity("a")
    assert yard.up("b") is None
    await yard.collect("a")


async def test_new_secrets_are_kept_out_of_logs(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: list[str] = []
    monkeypatch.setattr(logs, "hide", hidden.extend)
    await yard.use(config(account("a", api_secret="first-secret")))
    await yard.use(config(account("a", api_secret="second-secret")))
    assert {"first-secret", "second-secret"} <= set(hidden)


async def test_ready_once_is_ready_though_accounts_come(yard: Yard) -> None:
    await yard.use(config(account("a")))
    assert not yard.fleet.ready()
    await yard.collect()
    assert yard.fleet.ready()
    await yard.use(config(account("a"), account("b")))
    assert yard.fleet.ready()


# Keys that change


def from_file(path: Path, **fields: Any) -> Config:
    return config(
        account("a", **fields), secret_files=MappingProxyType({"a": MappingProxyType({"api_secret": path})})
    )


Write = Callable[[str], Path]


@pytest.fixture
def secret(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        (tmp_path / "secret").write_text(text)
        return tmp_path / "secret"

    return write


@pytest.mark.parametrize("reason", ["auth", "permission"])
async def test_a_secret_that_was_changed_in_its_file_is_used_after_a_refusal(
    yard: Yard, secret: Write, reason: Reason
) -> None:
    Keyed.failure = reason
    await yard.use(from_file(secret("secret")))
    await yard.collect()
    Keyed.accepted = "rotated"
    await yard.collect()
    assert (yard.up(), yard.equity()) == (0.0, True)
    path = secret("rotated\n")
    with capture_logs() as lines:
        await yard.collect()
        await yard.collect()
    assert (yard.up(), yard.equity()) == (1.0, True)
    assert [line["event"] for line in lines] == [
        "secrets read again from their files",
        "collection works again",
    ]
    assert "rotated" not in str(lines)
    # The file is the same when the configuration is read again: nothing to do.
    assert await yard.use(from_file(path, api_secret="rotated")) == Changes(added=0, removed=0, changed=0)


@pytest.mark.parametrize("text", ["", "two\nlines", "nonsense", "secret"])
async def test_a_file_of_no_use_leaves_the_account_as_it_is(yard: Yard, secret: Write, text: str) -> None:
    await yard.use(from_file(secret("secret")))
    Keyed.accepted = "rotated"
    before = yard.collector().venue
    secret(text)
    await yard.collect()
    assert yard.collector().venue is before
    secret("rotated")
    await yard.collect()
    await yard.collect()
    assert yard.up() == 1.0


async def test_other_failures_are_no_reason_to_read_files(yard: Yard, secret: Write) -> None:
    Keyed.failure = "exchange"
    await yard.use(from_file(secret("secret")))
    Keyed.accepted = "rotated"
    before = yard.collector().venue
    secret("rotated")
    await yard.collect()
    assert yard.collector().venue is before


async def test_an_account_without_files_stays_refused(yard: Yard) -> None:
    await yard.use(config(account("a")))
    Keyed.accepted = "rotated"
    before = yard.collector().venue
    await yard.collect()
    assert (yard.collector().venue is before, yard.up()) == (True, 0.0)


async def test_a_renewed_secret_is_kept_out_of_logs(
    yard: Yard, secret: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    await yard.use(from_file(secret("secret")))
    Keyed.accepted = "rotated-secret"
    hidden: list[str] = []
    monkeypatch.setattr(logs, "hide", hidden.extend)
    secret("rotated-secret")
    await yard.collect()
    assert "rotated-secret" in hidden
    assert isinstance(yard.collector().venue.config.api_secret, SecretStr)


@pytest.mark.parametrize("interval", [0.0, 5.0])
async def test_snapshots_are_kept_where_marks_come(yard: Yard, interval: float) -> None:
    await yard.use(config(account(exchange="quoting"), marks_interval=interval))
    await yard.collect()
    assert "risk_positions{" in yard.page()
    assert (yard.collector()._published is not None) is (interval > 0.0)
