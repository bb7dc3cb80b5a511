"""How one account stands: its figures while they are fresh, what failed, what was asked, and the last hour.

The collector writes it in the event loop, pages are built from it in another thread. Whatever belongs
together is replaced together, so that a page never shows a part of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from exporter.board.figures import Figures, number_of, order_of
from exporter.board.history import History
from exporter.errors import Reason
from exporter.keys import NOT_TOLD, KeyState
from exporter.model import NO_ITEMS
from exporter.trail import Trail

State = Literal["up", "failing", "stale", "unseen", "starting"]
"""``failing``: the last collection failed and the figures of the one before are still shown; ``stale``: there
were figures, and they are too old; ``unseen``: there never were any; ``starting``: nothing was tried yet."""

MOST_ERRORS = 8
MOST_TEXT = 300
"""Characters of a failure's text that are kept."""


class Failed(Struct, frozen=True, gc=False):
    """A failure, and how often it came in a row; times are Unix seconds."""

    reason: Reason
    message: str
    first: float
    last: float
    count: int = 1


class Collected(Struct, frozen=True, gc=False):
    """The figures of a collection and how long they are shown, with what all accounts are compared by."""

    figures: Figures
    began: float
    """Elapsed seconds."""
    began_at: float
    """Unix seconds."""
    expires: float
    """Elapsed seconds."""
    order: float
    """Of danger; the lowest is in most. Its last place is kept of an account that is not seen any more."""
    distance: float
    """The nearest; infinite where none is known."""
    safety: float
    """The highest rate, negative: the lower the worse; infinite where none is known."""
    move: float
    """The smallest joint one; infinite where none is known."""
    equity: float | None
    """US dollars."""
    positions: int


class Standing:
    """One account.

    Args:
        exchange: Its venue.
        account: Its name.
    """

    # A page looks at each of thousands.
    __slots__ = (
        *("account", "collected", "errors", "exchange", "failing_since", "failure", "history", "interval"),
        *("key", "labels", "max_age", "missed", "next_attempt", "trail"),
    )

    def __init__(self, exchange: str, account: str) -> None:
        self.exchange = exchange
        self.account = account
        self.labels: Mapping[str, str] = NO_ITEMS
        """What the desk calls it by, beside its name."""
        self.interval = 0.0
        """Seconds, as for `max_age`: those that are kept now."""
        self.max_age = 0.0
        self.key: KeyState = NOT_TOLD
        """What its key may do."""
        self.history = History()
        self.trail = Trail()
        self.collected: Collected | None = None
        self.failure: Failed | None = None
        """Of the last collection, if it failed."""
        self.failing_since: float | None = None
        """Unix seconds."""
        self.next_attempt: float | None = None
        """Unix seconds, where it is not tried at the usual time."""
        self.missed: tuple[str, ...] = ()
        """What the last collection did without."""
        self.errors: tuple[Failed, ...] = ()
        """The last ones, the newest first."""

    @property
    def owner(self) -> str:
        """Whose it is; empty where nobody says so."""
        return self.labels.get("owner", "")

    def configured(self, labels: Mapping[str, str], trail: Trail) -> None:
        """Goes on with another configuration, whose requests are in `trail`."""
        self.labels = labels
        self.trail = trail

    def found(self, figures: Figures, *, began: float, began_at: float, now: float, max_age: float) -> None:
        """A collection that began at `began` (elapsed) and `began_at` (Unix seconds) brought these.

        They are shown until `began` + `max_age`; `now` is elapsed seconds.
        """
        distance, rate = figures.nearest_distance, number_of(figures.highest_rate)
        self.history.add(now, equity=figures.equity_usd, distance=distance, rate=rate)
        self.collected = Collected(
            figures,
            began,
            began_at,
            began + max_age,
            order_of(figures),
            math.inf if distance is None else distance,
            math.inf if rate is None else -rate,
            min(
                (move for move in (figures.shock_down, figures.shock_up) if move is not None),
                default=math.inf,
            ),
            figures.equity_usd,
            len(figures.positions),
        )

    def succeeded(self, missed: Iterable[str]) -> None:
        """The collection is over, and did without these."""
        self.missed = tuple(text[:MOST_TEXT] for text in missed)
        self.failure = self.failing_since = None

    def failed(self, reason: Reason, message: str, at: float) -> None:
        """A collection brought nothing; `at` is Unix seconds."""
        message = message[:MOST_TEXT]
        before = self.failure
        if before is not None and before.reason == reason and _alike(before.message, message):
            self.failure = Failed(reason, message, before.first, at, before.count + 1)
            self.errors = (self.failure, *self.errors[1:])
        else:
            self.failure = Failed(reason, message, at, at)
            self.errors = (self.failure, *self.errors[: MOST_ERRORS - 1])
        if self.failing_since is None:
            self.failing_since = at

    def fresh(self, now: float) -> Collected | None:
        """The figures, unless they are too old; `now` is elapsed seconds."""
        collected = self.collected
        return collected if collected is not None and now < collected.expires else None

    def state(self, now: float) -> State:
        """How it stands at `now`, elapsed seconds."""
        if self.fresh(now) is not None:
            return "up" if self.failure is None else "failing"
        if self.collected is not None:
            return "stale"
        return "starting" if self.failure is None else "unseen"


def _alike(one: str, other: str) -> bool:
    """Whether two texts differ in their numbers alone: "no answer within 4.75 s", and within 4.74 s."""
    return one.translate(_NO_DIGITS) == other.translate(_NO_DIGITS)


_NO_DIGITS = str.maketrans("", "", "0123456789.,")
