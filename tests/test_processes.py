"""The program as its own process: it reloads, keeps descriptors for the venues, and stops in every state."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from exporter.account import ApiKeyConfig
from exporter.demo import running as simulated

ROOT = Path(__file__).parent.parent
STOPS_WITHIN = 5.0


class Program:
    """``risk-exporter run`` with a configuration in a folder, and what it says."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.file = folder / "exporter.yml"
        self.flags = flags
        self.lines: list[dict[str, Any]] = []
        self.url = ""

    def write(self, *accounts: Mapping[str, Any], **sections: Any) -> None:
        self.file.write_text(yaml.safe_dump({"accounts": [dict(one) for one in accounts], **sections}))

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[Program]:
        self.child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "exporter",
            "run",
            f"--config.file={self.file}",
            "--web.listen-address=127.0.0.1:0",
            "--log.format=json",
            *self.flags,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **options,
        )
        reading = asyncio.create_task(self._read())
        try:
            await self.said("listening")
            yield self
        finally:
            if self.child.returncode is None:
                self.child.kill()
            await self.child.wait()
            await reading

    async def _read(self) -> None:
        assert self.child.stderr is not None
        async for line in self.child.stderr:
            said = json.loads(line)
            self.lines.append(said)
            if said["msg"] == "listening":
                self.url = said["url"].removesuffix("/metrics")

    async def said(self, message: str, times: int = 1) -> None:
        async with asyncio.timeout(60):
            while sum(line["msg"] == message for line in self.lines) < times:
                assert self.child.returncode is None, self.lines
                await asyncio.sleep(0.02)

    async def page(self) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as answer:
            return await answer.text()

    async def until(self, condition: Callable[[str], object]) -> str:
        """The first page that is as wanted."""
        page = ""
        async with asyncio.timeout(60):
            while not condition(page := await self.page()):  # noqa: ASYNC110 (it is another process)
                await asyncio.sleep(0.05)
        return page

    async def stops(self) -> None:
        began = time.monotonic()
        self.child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.child.wait(), 20) == 0
        assert time.monotonic() - began < STOPS_WITHIN
        assert not [line for line in self.lines if "exception" in line], self.lines


def value(page: str, name: str, **labels: str) -> float | None:
    """Of the only series with this name and these labels."""
    for line in page.splitlines():
        if re.match(rf"{name}[{{ ]", line) and all(f'{key}="{text}"' in line for key, text in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    return None


@asynccontextmanager
async def venues() -> AsyncIterator[list[dict[str, Any]]]:
    """Entries of the configuration for accounts at stand-ins."""
    async with simulated.running(seed=1, interval=1.0) as config:
        yield [
            {
                "name": account.name,
                "exchange": account.exchange,
                "base_url": account.base_url,
                "api_key": account.api_key.get_secret_value(),
                "api_secret": account.api_secret.get_secret_value(),
                "interval": "1s",
            }
            for account in config.accounts
            if isinstance(account, ApiKeyConfig)
        ]


@contextmanager
def hanging_venue(count: int = 3) -> Iterator[list[dict[str, Any]]]:
    """Accounts at a venue that takes connections and never answers."""
    with socket.socket() as venue:
        venue.bind(("127.0.0.1", 0))
        venue.listen(1000)
        url = f"http://127.0.0.1:{venue.getsockname()[1]}"
        yield [
            {
                "name": f"desk-{number}",
                "exchange": "binance_usdm",
                "base_url": url,
                "api_key": "k",
                "api_secret": "s",
                "interval": "15s",
            }
            for number in range(count)
        ]


# Reload


async def test_a_reload_brings_and_takes_accounts_and_leaves_the_others_alone(tmp_path: Path) -> None:
    program = Program(tmp_path, "--web.enable-lifecycle")
    async with venues() as (first, second, third, *_), aiohttp.ClientSession() as session:
        program.write(first, second)
        async with program.running():
            page = await program.until(lambda page: page.count("risk_up{") == 2 and "} 0.0" not in _ups(page))
            before = value(page, "risk_collector_runs_total", account=first["name"])
            assert before is not None
            old_hash = _hash(page)

            program.write(first, third)
            program.child.send_signal(signal.SIGHUP)
            page = await program.until(lambda page: f'account="{third["name"]}"' in _ups(page))
            assert f'account="{second["name"]}"' not in page
            assert value(page, "risk_up", account=first["name"]) == 1.0
            runs = value(page, "risk_collector_runs_total", account=first["name"])
            assert runs is not None
            assert runs >= before
            assert _hash(page) != old_hash
            await program.until(lambda page: value(page, "risk_up", account=third["name"]) == 1.0)

            program.file.write_text("accounts: nonsense")
            async with session.post(f"{program.url}/-/reload") as answer:
                assert answer.status == 500
                assert "accounts: expected a list" in await answer.text()
            page = await program.page()
            assert value(page, "risk_exporter_config_last_reload_successful") == 0.0
            assert value(page, "risk_up", account=first["name"]) == 1.0

            program.write(second)
            async with session.post(f"{program.url}/-/reload") as answer:
                assert answer.status == 200
            page = await program.page()  # the next page
            assert value(page, "risk_exporter_config_last_reload_successful") == 1.0
            assert re.findall(r'risk_up\{account="([^"]+)"', page) == [second["name"]]
            await program.stops()


def _ups(page: str) -> str:
    return "\n".join(line for line in page.splitlines() if line.startswith("risk_up{"))


def _hash(page: str) -> str:
    match = re.search(r'^risk_exporter_config_info\{hash="([0-9a-f]{16})"\} 1\.0$', page, re.MULTILINE)
    assert match is not None
    return match[1]


async def test_a_rotated_key_is_used_without_a_reload(tmp_path: Path) -> None:
    async with venues() as (entry, *_):
        good = entry.pop("api_secret")
        (tmp_path / "secret").write_text("not-the-secret-of-this-key")
        (tmp_path / "secret").chmod(0o600)
        program = Program(tmp_path)
        # Tried at the usual time for three times, and then less often.
        program.write({**entry, "interval": "5s", "api_secret_file": "secret"})
        async with program.running():
            await program.until(
                lambda page: (value(page, "risk_collector_errors_total", reason="auth") or 0) > 0
            )
            (tmp_path / "secret").write_text(f"{good}\n")
            await program.until(lambda page: value(page, "risk_up") == 1.0)
            await program.stops()
    assert not [line for line in program.lines if good in json.dumps(line)]


async def test_signals_during_the_start_and_a_flood_of_them_end_nothing(tmp_path: Path) -> None:
    program = Program(tmp_path)
    with hanging_venue() as entries:
        program.write(*entries)
        async with program.running():
            for _ in range(200):
                program.child.send_signal(signal.SIGHUP)
            await program.said("configuration reloaded")
            page = await program.page()
            assert value(page, "risk_exporter_config_last_reload_successful") == 1.0
            assert len([line for line in program.lines if line["msg"] == "configuration reloaded"]) == 1
            await program.stops()


# Stopping


async def test_it_stops_while_venues_hang_and_callers_are_slow(tmp_path: Path) -> None:
    program = Program(tmp_path, "--collect.first-within=0s")
    with hanging_venue(20) as entries, ExitStack() as stack:
        program.write(*entries)
        async with program.running():
            port = int(program.url.rsplit(":", 1)[1])
            for text in (b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") * 10:
                caller = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                caller.sendall(text)
            await asyncio.sleep(0.5)
            await program.stops()


async def test_it_stops_before_the_first_collection(tmp_path: Path) -> None:
    program = Program(tmp_path, "--collect.first-within=1h")
    with hanging_venue(5) as entries:
        program.write(*({**entry, "interval": "1h"} for entry in entries))
        async with program.running():
            await program.stops()


async def test_it_stops_during_a_reload(tmp_path: Path) -> None:
    """Here one that never ends: what a file names is a pipe into which nobody writes."""
    program = Program(tmp_path)
    with hanging_venue() as entries:
        program.write(*entries)
        async with program.running():
            os.mkfifo(tmp_path / "pipe")
            first = dict(entries[0])
            del first["api_secret"]
            program.write({**first, "api_secret_file": "pipe"})
            program.child.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.5)
            page = await program.page()
            assert value(page, "risk_exporter_config_last_reload_successful") == 1.0
            assert page.count("risk_up{") == 3
            program.child.send_signal(signal.SIGHUP)
            await program.stops()


# Descriptors


async def test_callers_leave_the_venues_their_descriptors(tmp_path: Path) -> None:
    """374 callers with `ulimit -n 256` once ended all collections and wrote 170,000 lines in 20 seconds."""
    program = Program(tmp_path)
    async with venues() as entries:
        program.write(*entries[:3])
        async with program.running(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))):
            port = int(program.url.rsplit(":", 1)[1])
            stack = ExitStack()
            for number in range(374):
                caller = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
                with suppress(ConnectionError):  # it has made room for others by now
                    caller.sendall(b"GET /metr" * (number % 2))
            names = [entry["name"] for entry in entries[:3]]
            page = await program.page()
            before = {name: value(page, "risk_collector_runs_total", account=name) or 0 for name in names}
            page = await program.until(
                lambda page: all(
                    (value(page, "risk_collector_runs_total", account=name) or 0) >= before[name] + 3
                    for name in names
                )
            )
            assert all(value(page, "risk_up", account=name) == 1.0 for name in names)
            await program.stops()
            stack.close()
    assert len(program.lines) < 30
