"""How busy the event loop is: whether one process still does what is asked of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PROBE = 0.1
"""Seconds between two looks."""
LOOKS = 50
"""Over which the saturation is taken."""
LATE = 0.01
"""Seconds: who has time left looks sooner."""


class Load:
    """Looks at the event loop that runs, from `start` to `stop`.

    Args:
        late: Is told by how many seconds a call came later than it was asked for, at each look.
        cpu: Seconds of the processor's time that this thread has taken.
    """

    def __init__(self, late: Callable[[float], None], *, cpu: Callable[[], float] = time.thread_time) -> None:
        self.saturation = 0.0
        """Part of the time, lately, in which the event loop had none left: 1 is all there is.

        What the processor worked for it; where others on the machine take that from it, the part of the
        looks that came late.
        """
        self._late = late
        self._cpu = cpu
        self._timer: asyncio.TimerHandle | None = None
        self._looks = 0
        self._late_looks = 0

    def start(self) -> None:
        """Needs a running event loop."""
        loop = asyncio.get_running_loop()
        self._began, self._used = loop.time(), self._cpu()
        self._look_at(loop.time() + PROBE)

    def stop(self) -> None:
        """Does nothing if it never started."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at(self, due: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        now = asyncio.get_running_loop().time()
        self._late(max(0.0, now - due))
        self._late_looks += now - due > LATE
        self._looks += 1
        if self._looks % LOOKS == 0:
            used = self._cpu()
            worked = (used - self._used) / (now - self._began)
            self.saturation = min(1.0, max(worked, self._late_looks / LOOKS))
            self._began, self._used, self._late_looks = now, used, 0
        self._look_at(now + PROBE)
