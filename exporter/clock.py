"""The two clocks of the program.

* *Wall time* is Unix seconds. People, venues and Prometheus speak of it. It can be set, forwards and back.
* *Elapsed time* only grows. Ages, durations and deadlines are measured on it: with the wall clock set back,
  old data would pass for fresh. Its zero means nothing.

A parameter named ``wall`` is the first, one named ``elapsed`` the second.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Wall = Callable[[], float]
Elapsed = Callable[[], float]


# macOS and others have none that goes on in suspension: theirs stands still.
_SUSPENDED_TOO = hasattr(time, "CLOCK_BOOTTIME")


def wall() -> float:
    """Unix seconds."""
    return time.time()


def elapsed() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine is suspended."""
    if _SUSPENDED_TOO:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
