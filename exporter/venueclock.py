"""A venue's clock against ours: requests are stamped with its time, and answers that are old are noticed."""

from __future__ import annotations

import math

from exporter.errors import VenueError

_YEAR = 365.25 * 86400.0
MOST_OFFSET = 10 * _YEAR
"""Seconds: a machine that lost the battery of its clock may be wrong by years; a venue whose clock seems
further from ours did not tell its time, but nonsense, or milliseconds for seconds."""
_STEADY = 5.0
"""Seconds by which the ``Date`` of a server whose own clock is wrong differs from one answer to the next."""


class VenueClock:
    """One venue's clock, shared by all accounts that reach it in the same way."""

    def __init__(self) -> None:
        self.offset = 0.0
        """The venue's clock minus ours, seconds."""
        # By call: when the last answer with another date was made, how far that seemed back, how old it was.
        self._dates: dict[str, tuple[float, float, float]] = {}

    def at(self, now: float) -> float:
        """What the venue's clock shows when ours shows `now`, both in Unix seconds."""
        return now + self.offset

    def milliseconds(self, now: float) -> int:
        """The same in Unix milliseconds."""
        return int(self.at(now) * 1000)

    def measured(self, server: float, before: float, after: float) -> None:
        """The venue read `server` from its clock somewhere between our two readings, all Unix seconds.

        Raises:
            VenueError: reason ``schema``, if that cannot be its time. What was measured before stands.
        """
        # The middle is off by half of the time between them at most.
        offset = server - (before + after) / 2
        if not math.fabs(offset) <= MOST_OFFSET:
            raise VenueError(
                "schema",
                f"the venue's clock seems more than {MOST_OFFSET / _YEAR:.0f} years from this machine's",
            )
        self.offset = offset

    def age(self, call: str, made_at: float, now: float) -> float:
        """How old an answer is that was made at `made_at` by its ``Date``, seconds; it came `now`.

        Old is what is so by our clock and by the venue's. A server whose own clock is wrong shows it in
        every answer alike: its dates go on, at the same distance. Those of a cache stand still.
        """
        age = min(now, self.at(now)) - made_at
        before, age_before, old_before = self._dates.get(call, (math.inf, 0.0, 0.0))
        steady = age <= age_before + _STEADY
        if made_at == before:  # several answers in one second are alike
            # The clock may have been measured between them.
            return min(age, old_before) if steady else age
        old = 0.0 if made_at > before and steady else age
        self._dates[call] = made_at, age, old
        return old
