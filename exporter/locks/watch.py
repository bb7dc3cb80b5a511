"""Reading the file of the web server, and those that it names, again whenever one of them has changed.

Who writes a file may be in the middle of it: cut off, it can be a good file with a weaker lock. So a change
counts once it was seen twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from exporter import logs
from exporter.locks.door import Door, WebConfig
from exporter.locks.file import LockError
from exporter.tasks import in_thread
from exporter.telemetry import Telemetry

LOOK_EVERY = 1.0
"""Seconds between two looks at the files."""
READ_SECONDS = 60.0
"""What a look may take before somebody is told: the files may be on a network that hangs."""

log = structlog.get_logger(__name__)


class Watch:
    """Looks at the files, and puts what they hold into the door; a bad file changes nothing.

    Args:
        read: Reads them; called in another thread. Raises `LockError`.
        door: Whose lock it is.
        telemetry: Who tells how it went.
    """

    def __init__(self, read: Callable[[], WebConfig], door: Door, telemetry: Telemetry) -> None:
        self._read = read
        self._door = door
        self._telemetry = telemetry
        self._seen: WebConfig | Sequence[str] = door.config
        self._refused: Sequence[str] = ()
        telemetry.lock_loaded()

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        """One look: what is as it was the last time, and not in use, is used now."""
        seen = await self._look()
        before, self._seen = self._seen, seen
        if seen != before:
            return
        if not isinstance(seen, WebConfig):
            self._refuse(seen)
        elif seen == self._door.config:
            if self._refused:
                self._accept("web configuration is as before the mistake", seen)
        elif lost := self._door.config.kinds - seen.kinds:
            self._refuse(
                [f"the file has no {' and no '.join(sorted(lost))} any more; to open the lock, start again"]
            )
        else:
            self._use(seen)

    async def _look(self) -> WebConfig | Sequence[str]:
        reading = asyncio.ensure_future(in_thread(self._read))
        done, _ = await asyncio.wait({reading}, timeout=READ_SECONDS)
        if not done:
            self._refuse([f"the files were not read within {READ_SECONDS:g} s"])
        try:
            return await reading
        except LockError as error:
            return tuple(map(str, error.problems))
        except Exception as error:  # noqa: BLE001 (whatever it is, the lock goes on)
            return (f"defect in the exporter: {type(error).__qualname__}",)

    def _use(self, config: WebConfig) -> None:
        old = self._door.config
        logs.hide(config.secrets())
        try:
            self._door.use(config)
        except ValueError as error:  # it was good a moment ago, when it was read
            logs.forget(config.secrets())
            self._refuse([str(error)])
            return
        logs.forget(old.secrets())
        self._accept("web configuration reloaded", config)
        for warning in config.warnings:
            log.warning("web configuration", problem=warning)

    def _accept(self, event: str, config: WebConfig) -> None:
        self._refused = ()
        self._telemetry.lock_loaded()
        log.info(event, locks=sorted(config.kinds), users=len(config.users))

    def _refuse(self, problems: Sequence[str]) -> None:
        if list(problems) == list(self._refused):
            return
        self._refused = problems
        self._telemetry.lock_refused()
        for problem in problems:
            log.error("web configuration not reloaded, the lock before goes on", problem=problem)
