"""Silence that a venue asks for: until when, and how it is found out that it has ended before."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from exporter.errors import VenueError

LONGEST_PAUSE = 3 * 86400.0
"""Seconds: the longest ban that any venue documents (Binance: "from 2 minutes to 3 days"). A venue that says
more, such as the year 33715, is not believed."""
FIRST_PROBE = 300.0
"""Seconds after which one request finds out whether a longer silence is over."""
PROBES_GROW = 2.0
"""What the time to the next such request is multiplied by."""
RAREST_PROBE = 6 * 3600.0
"""Seconds: no longer than this is the time between two of them."""


class Pause:
    """The time until which a venue wants no request, from all who share this.

    While it lasts nothing is sent, because venues lengthen a ban for every request made during it; but a
    wrong word of a venue must not blind the desk for days: nothing is believed beyond `LONGEST_PAUSE`, and
    one request at growing intervals finds out whether it is still so.
    """

    def __init__(self) -> None:
        self.closed_until = 0.0
        """Unix seconds."""
        self.closed_by: VenueError | None = None
        self._checked_at = 0.0
        self._probe_at = math.inf
        self._probe_after = FIRST_PROBE
        self.probing: asyncio.Event | None = None
        """Set when the probe that is on its way has ended; None while there is none."""

    def check(self, now: float) -> bool:
        """Whether the request that asks is due as a probe; False if there is nothing to be found out.

        Raises:
            VenueError: the one that closed it, as long as it is closed and no probe is due.
        """
        # With the clock set back by an hour, ten seconds of silence must not become an hour.
        back = max(0.0, self._checked_at - now)
        self.closed_until -= back
        self._probe_at -= back
        self._checked_at = now
        if self.closed_by is None or now >= self.closed_until:
            return False
        if now >= self._probe_at:
            return True
        wait = self.closed_until - now
        raise VenueError(
            self.closed_by.reason,
            f"{self.closed_by.message}; no request is sent for another {wait:.0f} s",
            blocked_until=self.closed_until,
            scope=self.closed_by.scope,
        )

    def probe(self, now: float) -> None:
        """A probe is sent; the next one is due only later, whatever becomes of it.

        Until `probe_ended` other requests wait for what it finds out.
        """
        self._probe_after = min(self._probe_after * PROBES_GROW, RAREST_PROBE)
        self._probe_at = now + self._probe_after
        self.probing = asyncio.Event()

    def probe_ended(self) -> None:
        """The probe was answered, or nobody waits for the answer any longer."""
        if self.probing is not None:
            self.probing.set()
            self.probing = None

    def close(self, error: VenueError, until: float, now: float, *, probed: bool = False) -> float:
        """Nothing is sent until then; gives the moment that this is (Unix seconds, all of them).

        An earlier moment than the known one changes nothing, unless it is what a probe was told.
        """
        until = min(until, now + LONGEST_PAUSE)
        if self.closed_by is None or now >= self.closed_until:
            self._probe_after = FIRST_PROBE
            self._probe_at = now + FIRST_PROBE
        if probed or until > self.closed_until:
            self.closed_until = until
            self.closed_by = error
        return self.closed_until

    def open(self, now: float) -> None:
        """A probe was answered: it is over."""
        self.closed_until = now
        self.closed_by = None


PauseT = TypeVar("PauseT", bound=Pause)


async def found_out(pauses: Sequence[PauseT], now: Callable[[], float]) -> list[PauseT]:
    """Those that the request which asks is to find out about: `probe` has been called for them.

    While another request finds out, this one waits: a collection makes several at once, and the refusal of
    one would cancel the probe among them.

    Raises:
        VenueError: As `Pause.check`.
    """
    while (probing := next((pause.probing for pause in pauses if pause.probing), None)) is not None:
        await probing.wait()
    moment = now()
    found = [pause for pause in pauses if pause.check(moment)]
    for pause in found:
        pause.probe(moment)
    return found
