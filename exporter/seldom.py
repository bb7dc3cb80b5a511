"""Log lines that a venue or a caller can repeat as often as it likes: one a minute is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from exporter import clock
from exporter.clock import Elapsed

A_MINUTE = 60.0

MOST_KEYS = 1000
"""Keys that are remembered: what makes up a new one each time must not fill the memory."""


class _Told:
    """The lines under one key since its minute began."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.written = 0
        self.kept_back = 0


class Seldom:
    """Lets a line through at most once in `every` seconds for each key, and counts those it keeps back.

    One for a module that logs, or for a part of the program with a clock of its own::

        seldom = Seldom()
        seldom.tell(log.warning, "clock not measured", key=exchange, exchange=exchange, error=text)

    Args:
        every: Seconds.
        burst: Lines that are let through in them, where each says something new.
        elapsed: Seconds on a clock that nobody sets.
    """

    def __init__(self, *, every: float = A_MINUTE, burst: int = 1, elapsed: Elapsed = clock.elapsed) -> None:
        self._every = every
        self._burst = burst
        self._elapsed = elapsed
        self._lock = threading.Lock()
        # The oldest first.
        self._told: dict[Hashable, _Told] = {}

    def tell(self, say: Callable[..., Any], event: str, *, key: Hashable = None, **fields: Any) -> None:
        """Logs `event` by `say`, unless a line under the same event and `key` was logged a moment ago.

        What is let through says in `left_out` how many were kept back before it.
        """
        kept_back = self.due((event, key))
        if kept_back is not None:
            say(event, **fields, **({"left_out": kept_back} if kept_back else {}))

    def due(self, key: Hashable) -> int | None:
        """How many were kept back before the one that is due now; None if none is due."""
        with self._lock:
            return self._due(key, self._elapsed())

    def _due(self, key: Hashable, now: float) -> int | None:
        told = self._told.get(key)
        if told is not None and now - told.began < self._every:
            if told.written == self._burst:
                told.kept_back += 1
                return None
        else:
            kept_back = 0 if told is None else told.kept_back
            self._told.pop(key, None)
            if len(self._told) >= MOST_KEYS:
                del self._told[next(iter(self._told))]
            told = self._told[key] = _Told(now)
            told.kept_back = kept_back
        told.written += 1
        kept_back, told.kept_back = told.kept_back, 0
        return kept_back
