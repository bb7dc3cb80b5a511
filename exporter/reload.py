"""Reading the configuration again while the program runs: at SIGHUP, or at ``POST /-/reload``."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from exporter.config import Config, ConfigError, Problem
from exporter.fleet import Changes
from exporter.seldom import Seldom
from exporter.tasks import in_thread
from exporter.telemetry import Telemetry
from exporter.turns import Turns

READ_SECONDS = 60.0
"""What reading the files may take: one of them can be a pipe, or on a network that hangs."""
_MOST_TOLD = 20

log = structlog.get_logger(__name__)


class Reloader:
    """Reads the configuration and puts it to use; a bad one changes nothing.

    Args:
        read: Reads the configuration; called in another thread. Raises `ConfigError`.
        use: Puts it to use.
        telemetry: Who tells how it went.
    """

    def __init__(
        self,
        read: Callable[[], Config],
        use: Callable[[Config], Awaitable[Changes]],
        telemetry: Telemetry,
    ) -> None:
        self._read = read
        self._use = use
        self._telemetry = telemetry
        self._turns: Turns[Sequence[str]] = Turns()
        self._seldom = Seldom()
        self._asked: set[asyncio.Task[Sequence[str]]] = set()

    async def reload(self) -> Sequence[str]:
        """What is wrong with the configuration, one text a mistake; none if it is in use now.

        Those who ask at the same time share one reading that begins after they asked.
        """
        return await self._turns.take(self._reload)

    async def close(self) -> None:
        """Ends what is going on."""
        await self._turns.close()

    async def _reload(self) -> Sequence[str]:
        try:
            config = await self._read_again()
            changes = await self._use(config)
        except ConfigError as error:
            return self._refused([str(problem) for problem in error.problems])
        except Exception as error:  # noqa: BLE001 (whatever it is, the old configuration goes on)
            self._seldom.tell(log.error, "reload failed", key=repr(type(error)), exc_info=error)
            return self._refused([f"defect in the exporter: {type(error).__qualname__}"])
        self._telemetry.config_loaded(config.fingerprint())
        self._seldom.tell(
            log.info,
            "configuration reloaded",
            key=(len(config.accounts), changes),
            accounts=len(config.accounts),
            added=changes.added,
            removed=changes.removed,
            changed=changes.changed,
        )
        return ()

    async def _read_again(self) -> Config:
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await in_thread(self._read)
        except TimeoutError:
            problem = Problem("", None, "", f"the files were not read within {READ_SECONDS:g} s")
            raise ConfigError([problem]) from None

    def _refused(self, problems: Sequence[str]) -> Sequence[str]:
        self._telemetry.config_refused()
        for problem in problems[:_MOST_TOLD]:
            self._seldom.tell(
                log.error, "configuration not reloaded, the old one goes on", key=problem, problem=problem
            )
        return problems

    @contextmanager
    def at_hangup(self) -> Iterator[None]:
        """Reloads at every SIGHUP, also at one that came before; see `hold_hangups`."""
        loop = asyncio.get_running_loop()

        def hangup() -> None:
            task = loop.create_task(self.reload())
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

        loop.add_signal_handler(signal.SIGHUP, hangup)
        if _held.is_set():
            _held.clear()
            hangup()
        try:
            yield
        finally:
            # Without a handler a SIGHUP would end the process, which is about to end in its own way.
            loop.add_signal_handler(signal.SIGHUP, lambda: None)


_held = threading.Event()


def hold_hangups() -> None:
    """From now on a SIGHUP is kept for whoever can do something about it, instead of ending the process."""
    _held.clear()
    signal.signal(signal.SIGHUP, lambda *_: _held.set())
