"""What an account asked its venue lately: for people who look for a fault, and bounded in memory."""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from exporter.errors import VenueError

MOST_REQUESTS = 16
MOST_MISSED = 8


class Asked(Struct, frozen=True, gc=False):
    """One request to the venue."""

    at: float
    """When it ended, Unix seconds."""
    endpoint: str
    status: str
    """HTTP status, or the reason why there was none."""
    seconds: float


class Trail:
    """What an account asked its venue lately, and what its last collection did without."""

    __slots__ = ("_missed", "_requests")

    def __init__(self) -> None:
        self._requests: deque[Asked] = deque(maxlen=MOST_REQUESTS)
        self._missed: deque[VenueError] = deque(maxlen=MOST_MISSED)

    def asked(self, at: float, endpoint: str, status: str, seconds: float) -> None:
        """A request ended."""
        self._requests.append(Asked(at, endpoint, status, seconds))

    def missed(self, error: VenueError) -> None:
        """A request failed that the collection can do without."""
        self._missed.append(error)

    def begin(self) -> None:
        """A collection begins."""
        self._missed.clear()

    @property
    def requests(self) -> tuple[Asked, ...]:
        """The last one first."""
        return tuple(self._requests)[::-1]

    @property
    def misses(self) -> tuple[VenueError, ...]:
        """Of the collection that began last."""
        return tuple(self._missed)
