"""Runs one simulated venue on a loopback port."""

from __future__ import annotations

import asyncio
import socket
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
        self._listener: asyncio.Server | None = None
        self._held: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

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
        # Requests that hang end with their connections.
        runner = web.AppRunner(
            self.simulator.application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        self._runner = runner
        try:
            await self._listen()
        except OSError:
            await self.stop()
            raise
        self.simulator.faults.listener = self

    async def stop(self) -> None:
        """Stops listening and drops every connection; does nothing if it is not running."""
        accepting, self._accepting = self._accepting, None
        if accepting is not None:
            await accepting
        self._stop_listening()
        self._let_go()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def restart(self) -> None:
        """Stops and starts on the same port, as a venue that comes back."""
        await self.stop()
        await self.start()

    def refuse(self) -> None:
        """Refuses connections and breaks those that there are, as a venue that has gone away."""
        if self._runner is None:
            return
        self._stop_listening()
        # Nobody else gets the port meanwhile, and nothing answers on it: it is bound and not listening.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind((self.host, self.port))
        assert self._runner.server is not None  # noqa: S101 (it is set up)
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    def accept(self) -> None:
        """Takes connections again; needs a running event loop."""
        if self._held is not None:
            self._let_go()
            self._accepting = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        assert self._runner is not None  # noqa: S101 (only while it runs)
        assert self._runner.server is not None  # noqa: S101
        self._listener = await asyncio.get_running_loop().create_server(
            self._runner.server, self.host, self.port
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
