"""Runs one simulated venue on a loopback port."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from aiohttp import web

from exporter.demo.base import VenueSimulator


class Server:
    """A venue that can be started, killed and brought back on the same port.

    ``async with Server(simulator) as server:`` starts and stops it.

    Args:
        simulator: The venue.
        host: Address to listen on.
        port: Port; 0 picks a free one at the first start and keeps it.
    """

    def __init__(self, simulator: VenueSimulator, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.simulator = simulator
        self.host = host
        self.port = port
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """Where the venue answers, without a trailing slash.

        Raises:
            RuntimeError: The server was never started and has no port yet.
        """
        if not self.port:
            raise RuntimeError("the server has no port before its first start")
        return f"http://{self.host}:{self.port}"

    @property
    def running(self) -> bool:
        return self._runner is not None

    async def start(self) -> None:
        """Listens; does nothing if it already does.

        Raises:
            OSError: The port is taken.
        """
        if self._runner is not None:
            return
        runner = web.AppRunner(self.simulator.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except OSError:
            await runner.cleanup()
            raise
        self.port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        """Stops listening and drops every connection; does nothing if it is not running."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def restart(self) -> None:
        """Stops and starts on the same port, as a venue that comes back."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
