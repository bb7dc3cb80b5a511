"""A venue's own count of what an address used, as its answers tell it, and what others leave of a limit."""

from __future__ import annotations

import math

from msgspec import Struct

from exporter.limits import Limit

EDGE = 1.0
"""Seconds by which the end of a venue's window may be misjudged: its clock is told in whole seconds."""
ENOUGH = 1 / 6
"""Part of a venue's window after which its count says something about the rest of the window."""


class Told(Struct, frozen=True):
    """What an answer told of the venue's own count."""

    used: float
    """By everybody behind the address, in the venue's window."""
    sent_at: float
    """When its request was sent; elapsed seconds."""
    made_at: float | None
    """When the answer was made, Unix seconds on the venue's clock."""


class VenueCount:
    """What the venue's count leaves. It has windows of its own, from one full minute to the next.

    Asks no clock: every moment is handed in, in elapsed seconds.

    Args:
        limit: The venue's.
        line: Weight up to which we send, whoever used it.
    """

    __slots__ = (
        "_before",
        "_lately",
        "_limit",
        "_ours",
        "_passed",
        "_told",
        "_told_at",
        "_until",
        "_window",
        "line",
        "others",
    )

    def __init__(self, limit: Limit, line: float) -> None:
        self.line = line
        self.others = 0.0
        """Weight that others use in a window, as far as the venue tells."""
        self._limit = limit
        self._told = 0.0
        # When that was heard, and when the venue's window ends.
        self._told_at = self._until = -math.inf
        # Which of the venue's windows it is.
        self._window: float | None = None
        # What our answers took in it.
        self._ours = 0.0
        # What others use in a whole one: by the windows that have passed, and by this one.
        self._before = 0.0
        self._lately = 0.0
        # The part of this one that had passed when it was heard of.
        self._passed = 0.0

    @property
    def left(self) -> float:
        """Weight that others leave in a window."""
        return self.line - self.others

    def resize(self, limit: Limit, line: float) -> None:
        """Another limit or line; what was told stays."""
        self._limit = limit
        self.line = line
        self._weigh()

    def answered(self, weight: float, now: float, flying: float, told: Told | None) -> None:
        """One of our requests ended, while others of `flying` weight are not answered yet."""
        if told is not None:
            self._hear(weight, now, flying, told)
        elif now < self._until:
            # It may have been counted all the same.
            self._told += weight
            self._ours += weight

    def room(self, now: float, flying: float, least: float) -> float:
        """Weight that may be sent now.

        What others are going to use until the window ends is left to them, but for `least` of a window.
        """
        if now >= self._until:
            return math.inf
        ahead = self.others * min(1.0, (self._until - now) / self._limit.seconds)
        to_line = self.line - self._told
        return min(to_line, max(to_line - ahead, least - self._ours)) - flying

    def _hear(self, weight: float, now: float, flying: float, told: Told) -> None:
        seconds = self._limit.seconds
        window = None if told.made_at is None else told.made_at // seconds
        if window is not None and self._window is not None and window < self._window:
            return  # an answer that was long on its way
        if told.used < self._told and window == self._window and told.sent_at < self._told_at:
            self._ours += weight
            return  # inside a window the count only grows: this one was overtaken
        if window != self._window or told.used < self._told:
            self._begin(window)
        self._ours += weight
        self._told, self._told_at = told.used, now
        ends_in = seconds if told.made_at is None else (told.made_at // seconds + 1) * seconds - told.made_at
        self._until = now + ends_in + min(EDGE, seconds / 4)
        passed = 1.0 - ends_in / seconds
        if passed >= ENOUGH:
            self._passed = passed
            self._lately = max(0.0, told.used - self._ours - flying) / passed
            self._weigh()

    def _begin(self, window: float | None) -> None:
        self._before = max(self.others, self._before / 2)
        self._window, self._ours, self._lately, self._passed = window, 0.0, 0.0, 0.0
        self._weigh()

    def _weigh(self) -> None:
        """More than before is believed at once, less the more the longer it has been so in this window."""
        more = self._lately - self._before
        used = self._before + (more if more > 0.0 else more * self._passed)
        self.others = min(self._limit.weight, used)
