"""The program ends within 5 seconds of a signal, whatever state it is in."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import yaml

from exporter.demo import Market, Server, discover
from exporter.demo.faults import Drip, Hang, Latency, Outage
from exporter.demo.switch import Condition, Fault
from tests.e2e.programs import eventually

WITHIN = 5.0
"""Seconds, as the documentation promises; the process ends by itself after 4.5 at the latest."""
SLACK = 1.5
"""Seconds more on a machine that does other things as well: the start of a thread, the end of a process."""

# The name server of the child is a port that takes questions and never answers.
_CHILD = """
import sys
from aiohttp.resolver import AsyncResolver
from exporter import cli, resolver
resolver.AsyncResolver = lambda: AsyncResolver(nameservers=["127.0.0.1"], udp_port=PORT, tcp_port=PORT)
cli.main(sys.argv[1:], prog_name="risk-exporter")
"""

STATES: Mapping[str, Fault | Condition | None] = {
    "all is well": None,
    "all venues hang": Hang(),
    "all venues hang and no name resolves": Hang(),
    "all bodies drip": Drip(600.0),
    "all answers are late": Latency(600.0),
    "all venues are gone": Outage(),
}


class _Program:
    """The exporter in a process of its own."""

    def __init__(self, folder: Path, entries: list[dict[str, object]], name_server: int) -> None:
        self._entries = entries
        self._config, self._log = folder / "risk-exporter.yml", folder / "log"
        self._child = _CHILD.replace("PORT", str(name_server))

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    async def start(self) -> str:
        """Starts it; gives the address of its page."""
        self._config.touch(mode=0o600)
        self._config.write_text(yaml.safe_dump({"accounts": self._entries}))
        with self._log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", self._child, "run", f"--config.file={self._config}"),
                *("--web.listen-address=127.0.0.1:0", "--collect.first-within=0s"),
                stdout=output,
                stderr=output,
            )

        async def listens() -> bool:
            return "url=" in self.log

        await eventually(listens, lambda: self.log)
        match = re.search(r"url=http://([^/]+)/", self.log)
        assert match is not None
        return match[1]

    async def stop(self) -> float:
        """Sends the signal; gives the seconds until it has ended."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        await self._process.wait()
        assert self._process.returncode == 0, self.log
        return time.monotonic() - began

    def kill(self) -> None:
        """Ends what is left of it."""
        if self._process.returncode is None:
            self._process.kill()


@pytest.mark.parametrize("state", STATES)
async def test_it_stops_in_time(tmp_path: Path, state: str) -> None:
    names_hang = "no name" in state
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(Server(stand_in(Market()))) for stand_in in discover().values()
        ]
        entries = [entry for server in servers for entry in server.simulator.demo_accounts(server.base_url)]
        if names_hang:
            entries += [
                {**entries[0], "name": f"nowhere-{number}", "base_url": f"http://host-{number}.example"}
                for number in range(20)
            ]
        name_server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        name_server.bind(("127.0.0.1", 0))
        fault = STATES[state]
        if fault is not None:
            for server in servers:
                server.simulator.faults.set(fault)
        program = _Program(tmp_path, entries, name_server.getsockname()[1])
        host, _, port = (await program.start()).partition(":")
        stack.callback(program.kill)
        # Callers that want a page and do not read it, and some that want nothing.
        for number in range(20):
            _, writer = await asyncio.open_connection(host, int(port))
            stack.callback(writer.close)
            if number % 2:
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")

        async def at_work() -> bool:
            return isinstance(fault, Outage) or all(server.simulator.requests for server in servers)

        await eventually(at_work, lambda: program.log)
        assert await program.stop() < WITHIN + SLACK
        if names_hang:
            name_server.setblocking(False)
            assert b"host-" in name_server.recv(512)
        assert "Traceback" not in program.log
