"""Reading the configuration again: what it says of how it went, whoever asks and whatever the file is."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter import reload
from exporter.config import Config, ConfigError, Problem
from exporter.exposition import Format
from exporter.fleet import Changes
from exporter.model import RiskSettings
from exporter.reload import Reloader, hold_hangups
from exporter.telemetry import Telemetry
from tests.accounts import FakeClock, scripted

BEFORE = Config(accounts=(scripted("a").config,))
AFTER = Config(accounts=(scripted("b").config,))


class File:
    """A configuration file, and the program that uses it."""

    def __init__(self) -> None:
        self.clock = FakeClock(1000.0)
        self.telemetry = Telemetry(wall=self.clock)
        self.telemetry.config_loaded(BEFORE.fingerprint())
        self.content: Config | Exception = AFTER
        self.used: list[Config] = []
        self.reads = 0
        self.may_be_read = threading.Event()
        self.may_be_read.set()
        self.reloader = Reloader(self.read, self.use, self.telemetry)

    def read(self) -> Config:
        self.reads += 1
        assert self.may_be_read.wait(10)
        if isinstance(self.content, Exception):
            raise self.content
        return self.content

    async def use(self, config: Config) -> Changes:
        self.used.append(config)
        return Changes(added=1, removed=1, changed=0)

    def metric(self, name: str) -> str:
        page = b"".join(self.telemetry.exposition(Format.TEXT_0_0_4)).decode()
        (line,) = (line for line in page.splitlines() if line.startswith(f"risk_exporter_config_{name}"))
        return line.removeprefix(f"risk_exporter_config_{name}")


@pytest.fixture
def file() -> File:
    return File()


async def test_a_good_file_is_used_and_told(file: File) -> None:
    file.clock.advance(60.0)
    with capture_logs() as lines:
        assert await file.reloader.reload() == ()
    assert file.used == [AFTER]
    assert file.metric("last_reload_successful") == " 1.0"
    assert file.metric("last_reload_success_timestamp_seconds") == " 1060.0"
    assert file.metric("info") == f'{{hash="{AFTER.fingerprint()}"}} 1.0'
    assert [(line["event"], line["accounts"], line["added"]) for line in lines] == [
        ("configuration reloaded", 1, 1)
    ]


async def test_a_bad_file_changes_nothing_and_says_what_is_wrong(file: File) -> None:
    file.content = ConfigError(Problem("f.yml", line, "accounts", "is wrong") for line in range(1, 31))
    file.clock.advance(60.0)
    with capture_logs() as lines:
        problems = await file.reloader.reload()
        await file.reloader.reload()  # a caller can repeat that
    assert problems[0] == "f.yml:1: accounts: is wrong"
    assert len(problems) == 30
    assert file.used == []
    assert file.metric("last_reload_successful") == " 0.0"
    assert file.metric("last_reload_success_timestamp_seconds") == " 1000.0"
    assert file.metric("info") == f'{{hash="{BEFORE.fingerprint()}"}} 1.0'
    assert [line["problem"] for line in lines] == [
        f"f.yml:{line}: accounts: is wrong" for line in range(1, 21)
    ]
    file.content = AFTER
    assert await file.reloader.reload() == ()
    assert file.metric("last_reload_successful") == " 1.0"


@pytest.mark.parametrize("where", ["read", "use"])
async def test_a_defect_is_not_the_end(file: File, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    async def broken(_config: Config) -> Changes:
        raise KeyError("word of the defect")

    if where == "read":
        file.content = KeyError("word of the defect")
    else:
        monkeypatch.setattr(file.reloader, "_use", broken)
    assert await file.reloader.reload() == ["defect in the exporter: KeyError"]
    assert file.metric("last_reload_successful") == " 0.0"


async def test_a_file_that_hangs_is_a_bad_one(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "READ_SECONDS", 0.1)
    file.may_be_read.clear()
    assert await file.reloader.reload() == ["the files were not read within 0.1 s"]
    assert file.metric("last_reload_successful") == " 0.0"
    file.may_be_read.set()
    assert await file.reloader.reload() == ()


async def test_many_who_ask_at_once_cost_two_readings(file: File) -> None:
    file.may_be_read.clear()
    first = asyncio.create_task(file.reloader.reload())
    async with asyncio.timeout(5):
        while not file.reads:  # noqa: ASYNC110 (the thread tells nobody)
            await asyncio.sleep(0.01)
    others = [asyncio.create_task(file.reloader.reload()) for _ in range(50)]
    await asyncio.sleep(0)
    file.may_be_read.set()
    assert await asyncio.gather(first, *others) == [()] * 51
    assert file.reads == 2


async def test_the_end_does_not_wait_for_a_file_that_hangs(file: File) -> None:
    file.may_be_read.clear()
    asking = asyncio.create_task(file.reloader.reload())
    await asyncio.sleep(0)
    async with asyncio.timeout(2):
        await file.reloader.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    file.may_be_read.set()


@pytest.fixture
def _hangups_as_before() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, handler)


@pytest.mark.usefixtures("_hangups_as_before")
async def test_a_hangup_is_a_reload_also_if_it_came_before_anybody_waited_for_it(file: File) -> None:
    hold_hangups()
    os.kill(os.getpid(), signal.SIGHUP)
    with file.reloader.at_hangup():
        await used(file, 1)
        os.kill(os.getpid(), signal.SIGHUP)
        await used(file, 2)
    os.kill(os.getpid(), signal.SIGHUP)  # the process ends in its own way
    await asyncio.sleep(0.05)
    assert len(file.used) == 2


async def used(file: File, times: int) -> None:
    async with asyncio.timeout(10):
        while len(file.used) < times:  # noqa: ASYNC110 (the signal tells nobody)
            await asyncio.sleep(0.01)


def test_the_hash_is_another_one_for_another_configuration_but_not_for_another_secret(tmp_path: Path) -> None:
    plain = scripted("a").config
    secret = plain.model_copy(update={"api_secret": plain.api_key, "proxy": None})
    others = [
        Config(accounts=(plain,), risk=RiskSettings(shocks=(0.5,))),
        Config(accounts=(plain,), risk=RiskSettings(usd_pegs={"USD": 1.0})),
        Config(accounts=(plain.model_copy(update={"interval": 7.0}),)),
        Config(accounts=(plain, scripted("b").config)),
        Config(accounts=(plain,), secret_files={"a": {"api_key": tmp_path}}),
    ]
    hashes = {one.fingerprint() for one in (BEFORE, *others)}
    assert len(hashes) == 6
    assert Config(accounts=(scripted("a").config,)).fingerprint() == BEFORE.fingerprint()
    masked = plain.model_copy(update={"api_secret": plain.api_key})
    assert Config(accounts=(masked,)).fingerprint() == BEFORE.fingerprint()
    assert Config(accounts=(secret,)).fingerprint() != BEFORE.fingerprint()
