"""The last hour of the figures that matter: one value a minute, in a memory of fixed size."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

MINUTES = 60
"""How many are kept."""
STEP = 60.0
"""Seconds."""
HIGHEST_RATE = 10.0
"""Of a line; where no equity is left the rate is infinite."""

_MOST = 3e38
"""What single precision can hold."""

Line = Sequence[float | None]
"""`MINUTES` values, the oldest first; None where nothing was known."""


class History:
    """A ring of minutes. Of a distance it keeps the lowest of each minute, of a rate the highest.

    Written by the event loop, read by the thread that builds pages.
    """

    __slots__ = ("_distance", "_equity", "_minute", "_rate")

    def __init__(self) -> None:
        # Single precision is enough for lines, and a quarter of the memory of a list.
        self._equity, self._distance, self._rate = (array("f", [math.nan] * MINUTES) for _ in range(3))
        self._minute: int | None = None

    def add(
        self, elapsed: float, *, equity: float | None, distance: float | None, rate: float | None
    ) -> None:
        """What a collection at `elapsed` seconds found."""
        minute = int(elapsed // STEP)
        place = minute % MINUTES
        last = self._minute
        if last is None or minute != last:
            missed = MINUTES if last is None or minute < last else min(minute - last, MINUTES)
            for ago in range(missed):
                self._forget((minute - ago) % MINUTES)
            self._minute = minute
        if equity is not None and abs(equity) < _MOST:
            self._equity[place] = equity
        if distance is not None and not self._distance[place] <= distance:
            self._distance[place] = distance
        if rate is not None and not self._rate[place] >= rate:
            self._rate[place] = min(rate, HIGHEST_RATE)

    def _forget(self, place: int) -> None:
        for ring in (self._equity, self._distance, self._rate):
            ring[place] = math.nan

    def lines(self, elapsed: float) -> tuple[Line, Line, Line]:
        """Equity, distance and rate of the hour up to now."""
        return self.equity(elapsed), self.distance(elapsed), self.rate(elapsed)

    def equity(self, elapsed: float) -> Line:
        """US dollars."""
        return self._line(self._equity, elapsed)

    def distance(self, elapsed: float) -> Line:
        """Of the nearest position to its liquidation."""
        return self._line(self._distance, elapsed)

    def rate(self, elapsed: float) -> Line:
        """The highest maintenance margin rate."""
        return self._line(self._rate, elapsed)

    def _line(self, ring: array[float], elapsed: float) -> Line:
        last = self._minute
        if last is None:
            return (None,) * MINUTES
        values = ring.tolist()  # at once: the event loop may be writing
        since = min(max(int(elapsed // STEP) - last, 0), MINUTES)
        begin = (last + 1) % MINUTES
        line = [*values[begin:], *values[:begin]][since:] + [math.nan] * since
        return [None if math.isnan(value) else value for value in line]
