"""A venue's clock against ours: requests are stamped with the venue's time."""

from __future__ import annotations


class VenueClock:
    """One venue's clock, shared by all accounts that reach it in the same way."""

    def __init__(self) -> None:
        self.offset = 0.0
        """The venue's clock minus ours, seconds."""

    def milliseconds(self, now: float) -> int:
        """What the venue's clock shows when ours shows `now` (Unix seconds), in Unix milliseconds."""
        return int((now + self.offset) * 1000)

    def measured(self, server: float, before: float, after: float) -> None:
        """The venue read `server` from its clock somewhere between our two readings, all Unix seconds."""
        # The middle is off by half of the time between them at most.
        self.offset = server - (before + after) / 2
