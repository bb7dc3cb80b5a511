"""When to try again after failures: less and less often, and at once when the venue answers again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from exporter.clock import Elapsed
from exporter.errors import Reason

PATIENT = 3
"""Failures in a row that are tried again at the usual time: so long data are published by default."""
KEY_REASONS: frozenset[Reason] = frozenset({"auth", "permission", "refused", "unsupported"})
"""What only a person can repair."""
KEY_PAUSE = 60.0
"""Seconds between two tries of what only a person can repair; a longer interval stays."""
OUTAGE_REASONS: frozenset[Reason] = frozenset({"timeout", "network", "exchange"})
"""What may be an outage of the venue or of the way to it."""
STEPS = (2.0, 4.0, 8.0)
"""Intervals between two tries in an outage; the last for the rest of it."""
JITTER = 0.2
"""Part of a pause that chance decides, so that accounts that failed together do not come back together."""
PROBES = 3
"""Tries in an interval by all accounts together while none of them gets an answer."""
RETURN_WITHIN = 5.0
"""Seconds over which accounts come back after an outage, or an interval if that is shorter."""
RETURN_GAP = 0.01
"""Seconds at least from one account that comes back to the next."""

Random = Callable[[], float]


class Backoff:
    """The failures in a row of one account, and what follows from them.

    Args:
        chance: Numbers from 0 to 1.
    """

    def __init__(self, chance: Random = random.random) -> None:
        self._chance = chance
        self._kind: frozenset[Reason] | None = None
        self._count = 0

    @property
    def active(self) -> bool:
        """Whether the next try waits for longer than an interval."""
        return self._count >= PATIENT

    @property
    def from_outage(self) -> bool:
        """Whether it does because no answer comes."""
        return self.active and self._kind is OUTAGE_REASONS

    def succeeded(self) -> None:
        """A collection brought data."""
        self._count = 0

    def failed(self, reason: Reason) -> None:
        """A collection brought nothing."""
        kind = next((kind for kind in (KEY_REASONS, OUTAGE_REASONS) if reason in kind), None)
        if kind is not self._kind:
            self._count = 0
        self._kind = kind
        if kind is not None:
            self._count += 1

    def pause(self, interval: float) -> float | None:
        """Seconds until the next try; None for the usual time."""
        if not self.active:
            return None
        if self._kind is KEY_REASONS:
            return max(interval, KEY_PAUSE * (1 + JITTER * self._chance()))
        step = STEPS[min(self._count - PATIENT, len(STEPS) - 1)]
        return interval * step * (1 - JITTER * self._chance())


RunIn = Callable[[float], None]
"""Makes an account try in so many seconds instead of later."""


class Outage:
    """What the accounts of one venue and address find out together.

    While none of them gets an answer, only a few tries are made in each interval; the first that gets one
    brings the others back.

    Args:
        elapsed: Seconds on a clock that nobody sets.
    """

    def __init__(self, elapsed: Elapsed) -> None:
        self._elapsed = elapsed
        self._members: set[str] = set()
        # Those without an answer; with how to bring them back, if they try less often by now.
        self._failing: dict[str, RunIn | None] = {}
        self._next_probe = elapsed()

    @property
    def total(self) -> bool:
        """Whether no account gets an answer."""
        return bool(self._failing) and len(self._failing) == len(self._members)

    def join(self, account: str) -> None:
        """One more account."""
        self._members.add(account)

    def leave(self, account: str) -> None:
        """An account is gone."""
        self._members.discard(account)
        self._failing.pop(account, None)

    def may_try(self, interval: float) -> bool:
        """Whether an account that backs off should try now: not if others do while nobody gets an answer."""
        now = self._elapsed()
        if self.total and now < self._next_probe:
            return False
        self._next_probe = now + interval / PROBES
        return True

    def tried(self, account: str, reason: Reason | None, interval: float, run_in: RunIn | None) -> None:
        """A collection failed for this reason, or succeeded. The first answer brings the others back.

        `run_in` brings this account back, if it tries less often by now.
        """
        if reason in OUTAGE_REASONS:
            self._failing[account] = run_in
            return
        over = self.total
        self._failing.pop(account, None)
        if over:
            self._bring_back(interval)

    def _bring_back(self, interval: float) -> None:
        away: Mapping[str, RunIn] = {
            name: run_in for name, run_in in self._failing.items() if run_in is not None
        }
        within = min(interval, max(RETURN_WITHIN, RETURN_GAP * len(away)))
        for place, run_in in enumerate(away.values(), start=1):
            run_in(within * place / len(away))
