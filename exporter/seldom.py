"""Log lines that a venue or a caller can repeat as often as it likes: one a minute is written."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from exporter import clock
from exporter.clock import Elapsed

A_MINUTE = 60.0

MOST_KEYS = 1000
"""Keys that are remembered: what makes up a new one each time must not fill the memory."""


class Seldom:
    """Lets a line through at most once in `every` seconds for each key, and counts those it keeps back.

    One for a module that logs, or for a part of the program with a clock of its own::

        seldom = Seldom()
        seldom.tell(log.warning, "clock not measured", key=exchange, exchange=exchange, error=text)

    Args:
        every: Seconds.
        elapsed: Seconds on a clock that nobody sets.
    """

    def __init__(self, *, every: float = A_MINUTE, elapsed: Elapsed = clock.elapsed) -> None:
        self._every = every
        self._elapsed = elapsed
        # Key to when it was last let through and how many were kept back since; the oldest first.
        self._told: dict[Hashable, list[float]] = {}

    def tell(self, say: Callable[..., Any], event: str, *, key: Hashable = None, **fields: Any) -> None:
        """Logs `event` by `say`, unless a line under the same event and `key` was logged a moment ago.

        What is let through says in `left_out` how many were kept back before it.
        """
        kept_back = self.due((event, key))
        if kept_back is not None:
            say(event, **fields, **({"left_out": kept_back} if kept_back else {}))

    def due(self, key: Hashable) -> int | None:
        """How many were kept back before the one that is due now; None if none is due."""
        now = self._elapsed()
        told = self._told.get(key)
        if told is not None and now - told[0] < self._every:
            told[1] += 1
            return None
        self._told.pop(key, None)
        if len(self._told) >= MOST_KEYS:
            del self._told[next(iter(self._told))]
        self._told[key] = [now, 0]
        return 0 if told is None else int(told[1])

    def forget(self, key: Hashable) -> None:
        """The next line under `key` is let through whenever it comes."""
        self._told.pop(key, None)
