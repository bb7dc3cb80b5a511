"""The process: its event loop, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog
import uvloop

from exporter import descriptors
from exporter.addresses import ListenError

T = TypeVar("T")

STOP_SECONDS = 4.5
"""What a stop may take; then the process ends as it is. Service managers are promised 5 seconds."""

log = structlog.get_logger(__name__)


def run(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the coroutine that `start` makes returns or raises."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(start())


def serve(start: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs until SIGTERM or SIGINT; ends the program with status 1 and one line if it cannot listen."""
    descriptors.raise_limit()
    try:
        run(lambda: _until_signal(start()))
    except ListenError as error:
        log.error("cannot start", error=str(error))  # noqa: TRY400 (a traceback would say nothing more)
        sys.exit(1)


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)

    def stop(name: str) -> None:
        log.info("stopping", signal=name)
        # A host name that does not resolve keeps its thread for longer than anybody waits for us.
        deadline = threading.Timer(STOP_SECONDS, os._exit, args=(0,))
        deadline.daemon = True
        deadline.start()
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number.name)
    try:
        await task
    except asyncio.CancelledError:
        log.info("stopped")
