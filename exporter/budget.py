"""Request limits of the venues: who must be silent, and until when."""

from __future__ import annotations

from exporter.errors import VenueError


class Budget:
    """One request limit, and the time until which the venue has closed it.

    The accounts behind one address share one; an account has another of its own, for what a venue counts
    by user. While it is closed no request is sent, because venues lengthen a ban for every request made
    during it.
    """

    def __init__(self) -> None:
        self.closed_until = 0.0
        self.closed_by: VenueError | None = None
        self._checked_at = 0.0

    def check(self, now: float) -> None:
        """Raises the error that closed the budget, as long as it is closed."""
        # With the clock set back by an hour, ten seconds of closure must not become an hour.
        self.closed_until -= max(0.0, self._checked_at - now)
        self._checked_at = now
        if self.closed_by is not None and now < self.closed_until:
            wait = self.closed_until - now
            raise VenueError(
                self.closed_by.reason,
                f"{self.closed_by.message}; no request is sent for another {wait:.0f} s",
                blocked_until=self.closed_until,
                scope=self.closed_by.scope,
            )

    def close(self, error: VenueError, until: float) -> None:
        """Nothing is sent until then (Unix seconds); an earlier moment than the known one changes nothing."""
        if until > self.closed_until:
            self.closed_until = until
            self.closed_by = error
