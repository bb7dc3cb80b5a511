"""A request limit at work: how much may be sent now, and who waits for it.

A token bucket of our own: those in reach know no weights that come first, first served, no corrections by
what a venue tells, no share that stays free and no clock but the event loop's; see
``docs/decisions/own-token-bucket.md``.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from exporter.clock import Elapsed
from exporter.limits import STEADY_SHARE, Limit, stretch
from exporter.venuecount import Told, VenueCount

SLOTS = 60
"""Parts of a window in which what was sent is kept; a part counts until all of it is too old."""
BURST_SECONDS = 15.0
"""The share of this time may be sent at once after a rest."""
LEAST_SHARE = 0.05
"""What is counted on for planning, as a part of the own share, however much others use."""
FEW = 10
"""So many of the heaviest calls may always be sent at once after a rest, as far as the share allows; and a
share of fewer is rounded up to whole calls, in a window that is as much longer."""
LEAST_WAIT = 0.001
"""Seconds between two looks."""
DUST = 1e-6
"""Weight that sums of floats may be off by: who wants all of a share must not wait for it for ever."""


class Timer(Protocol):
    """A call in the future that can be called off."""

    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]


def later(seconds: float, call: Callable[[], None]) -> Timer:
    """`call` in so many seconds of the event loop."""
    return asyncio.get_running_loop().call_later(seconds, call)


class Window:
    """One limit: what of it may be sent now. Asks no clock: every moment is handed in, in elapsed seconds.

    In no time as long as the window is more sent than the own share, and nothing is sent beyond the line
    that the venue's own count draws.

    Args:
        limit: The venue's.
        share: The part of it that is ours.
        line: The part of it up to which we send, whoever used it.
        largest: Weight of the heaviest call.
        now: When it starts, full.
    """

    __slots__ = (
        "_advanced_at",
        "_burst",
        "_count",
        "_flying",
        "_reserved",
        "_seconds",
        "_sent",
        "_share",
        "_slots",
        "_tokens",
        "_wanted",
        "limit",
        "per_second",
    )

    def __init__(self, limit: Limit, *, share: float, line: float, largest: float, now: float) -> None:
        self.limit = limit
        self._share = limit.weight * share
        if self._share < FEW * largest:
            self._share = largest * math.ceil(self._share / largest)
        self._seconds = self._share / (limit.per_second * share)
        self._count = VenueCount(limit, limit.weight * line)
        self._burst = min(self._share, max(self._share * BURST_SECONDS / self._seconds, FEW * largest))
        self._wanted = 0.0
        self._tokens = self._burst
        self._advanced_at = now
        # What was sent: the parts of the window, and their sum.
        self._slots: deque[list[float]] = deque()
        self._sent = 0.0
        # Weight that is handed out and not sent yet, and weight that is sent and not answered yet.
        self._reserved = 0.0
        self._flying = 0.0
        self.per_second = self._per_second()
        """The weight a second that is ours in the long run, with what others left in the last window."""

    def _per_second(self) -> float:
        own, left = self._share / self._seconds, self._count.left / self.limit.seconds
        return own if left >= own else max(left, own * LEAST_SHARE)

    @property
    def largest(self) -> float:
        """The most that can ever be handed out at once."""
        return self._share

    @property
    def seconds(self) -> float:
        """How long the window is in which no more than the share is sent."""
        return self._seconds

    @property
    def slot(self) -> float:
        """Seconds of one part of it."""
        return self._seconds / SLOTS

    def inherit(self, old: Window) -> None:
        """What was sent, handed out and told before the limit was set anew."""
        self._reserved, self._flying = old._reserved, old._flying
        if old.limit.seconds == self.limit.seconds:
            self._slots, self._sent = old._slots, old._sent
            old._count.resize(self.limit, self._count.line)
            self._count = old._count
            self.per_second = self._per_second()

    @property
    def others(self) -> float:
        """Weight that others used in the venue's last whole window."""
        return self._count.others

    def sent(self, now: float) -> float:
        """Weight that was sent in the last window."""
        first = now - self._seconds
        return sum(weight for end, weight in list(self._slots) if end > first)

    def free(self, now: float) -> float:
        """Weight that may be handed out now."""
        self._advance(now)
        room = self._count.room(now, self._reserved + self._flying, self._share * LEAST_SHARE)
        return min(self._tokens, self._cap(), room)

    def wait(self, weight: float, now: float) -> float:
        """Seconds after which another look is worth it; 0 if `weight` is free."""
        if self.free(now) >= weight - DUST:
            return 0.0
        missing = weight - self._tokens
        # Where tokens are not what is missing, something sent long ago or the venue's window has to end.
        return min(missing / self.per_second, self.slot) if missing > 0.0 else self.slot

    def make_room(self, weight: float) -> None:
        """Lets the bucket fill up to what is wanted at once."""
        self._wanted = max(self._wanted, weight)

    def reserve(self, weight: float) -> None:
        """Hands out; the caller has looked what is free."""
        self._tokens -= weight
        self._reserved += weight

    def give_back(self, weight: float) -> None:
        """What was handed out and is not needed."""
        self._tokens += weight
        self._reserved -= weight

    def send(self, weight: float, now: float) -> None:
        """Of what was handed out, this is sent now."""
        self._reserved -= weight
        self._flying += weight
        end = (now // self.slot + 1) * self.slot
        if self._slots and self._slots[-1][0] == end:
            self._slots[-1][1] += weight
        else:
            self._slots.append([end, weight])
        self._sent += weight

    def answered(self, weight: float, now: float, told: Told | None) -> None:
        """A request that was sent has ended; `told` is what its answer said."""
        self._flying -= weight
        self._count.answered(weight, now, self._flying, told)
        if told is not None:
            self.per_second = self._per_second()

    def _cap(self) -> float:
        """Up to the own share, by what was sent in the last window."""
        return self._share - self._sent - self._reserved

    def _advance(self, now: float) -> None:
        first = now - self._seconds
        while self._slots and self._slots[0][0] <= first:
            self._sent -= self._slots.popleft()[1]
        if not self._slots:
            self._sent = 0.0  # sums of floats keep dust
        passed = max(0.0, now - self._advanced_at)
        self._advanced_at = now
        # A bucket that fills up while the window is full would empty itself at once when it no longer is.
        burst = self._burst * self.per_second * self._seconds / self._share
        most = max(min(burst, self._cap()), self._wanted)
        self._tokens = max(0.0, min(self._tokens + passed * self.per_second, most))


class _Waiter:
    __slots__ = ("future", "weight")

    def __init__(self, weight: float, future: asyncio.Future[None]) -> None:
        self.weight = weight
        self.future = future


class Bucket:
    """One request limit with its windows, and those who wait for it: first come, first served.

    Whole collections wait in one line, further calls of those that run in another. Where both wait, each
    line gets half of the weight: a collection that runs does not wait for a fleet, and one with many calls
    does not hold up the fleet.

    Args:
        windows: All hold at once.
        elapsed: Seconds on a clock that nobody sets.
        later: Calls something in so many seconds.
    """

    def __init__(self, windows: Iterable[Window], *, elapsed: Elapsed, later: Later = later) -> None:
        self.windows = tuple(windows)
        """The first one hears what the venue tells."""
        self._weigh()
        self.need = 0.0
        """Weight a second that the accounts would take at their configured intervals."""
        self.steady = 0.0
        """Weight a second of calls that are shared by all of them, and made at the same pace however many."""
        self.waited = 0.0
        """Seconds that have been waited here, all together."""
        self._elapsed = elapsed
        self._later = later
        self._whole: deque[_Waiter] = deque()
        self._further: deque[_Waiter] = deque()
        self._lead = 0.0
        self._timer: Timer | None = None

    def _weigh(self) -> None:
        """Looks anew what the windows give."""
        self.largest = min([window.largest for window in self.windows])
        """The most that can be taken at once."""
        self.per_second = min([window.per_second for window in self.windows])
        """The weight a second that is ours in the long run."""

    @property
    def stretch(self) -> float:
        """How many times longer than configured the intervals of all accounts are here."""
        allowed = self.per_second
        return stretch(self.need, allowed - min(self.steady, STEADY_SHARE * allowed))

    @property
    def steady_stretch(self) -> float:
        """The same of the calls that all share: only where they would take too much by themselves."""
        return stretch(self.steady, STEADY_SHARE * self.per_second)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(not waiter.future.done() for line in (self._whole, self._further) for waiter in list(line))

    def resize(self, windows: Iterable[Window]) -> None:
        """Other windows from now on; what was sent and who waits stays."""
        before, self.windows = self.windows, tuple(windows)
        for place, window in enumerate(self.windows):
            window.inherit(before[min(place, len(before) - 1)])
        self._weigh()
        self._serve()

    def free(self) -> float:
        """Weight that may be taken now."""
        now = self._elapsed()
        return min([window.free(now) for window in self.windows])

    def take_now(self, weight: float) -> bool:
        """Takes `weight` if nobody waits and it is there."""
        if weight <= 0.0:
            return True
        for window in self.windows:
            window.make_room(weight)
        if self._whole or self._further or self.free() < weight - DUST:
            return False
        self._reserve(weight)
        return True

    async def take(self, weight: float, *, further: bool = False) -> None:
        """Takes `weight`, at most `largest`, as soon as it is there and this one's turn has come.

        Args:
            weight: What is taken.
            further: For a call of a collection that runs, not for a whole one.
        """
        if self.take_now(weight):
            return
        began = self._elapsed()
        waiter = _Waiter(weight, asyncio.get_running_loop().create_future())
        (self._further if further else self._whole).append(waiter)
        self._serve()
        try:
            await waiter.future
        except asyncio.CancelledError:
            if waiter.future.cancelled():
                self._serve()  # the next one may want less
            else:  # served in the same moment
                self.give_back(weight)
            raise
        finally:
            self.waited += max(0.0, self._elapsed() - began)

    def give_back(self, weight: float) -> None:
        """What was taken and is not needed."""
        for window in self.windows:
            window.give_back(weight)
        self._serve()

    def send(self, weight: float) -> None:
        """Of what was taken, this is sent now."""
        now = self._elapsed()
        for window in self.windows:
            window.send(weight, now)

    def answered(self, weight: float, told: Told | None = None) -> None:
        """A request that was sent has ended; the first window hears what its answer told."""
        now = self._elapsed()
        for place, window in enumerate(self.windows):
            window.answered(weight, now, None if place else told)
        if told is not None:
            self._weigh()
        if self._whole or self._further:
            self._serve()

    def _reserve(self, weight: float) -> None:
        for window in self.windows:
            window.reserve(weight)

    def _serve(self) -> None:
        """Serves those whose turn has come and looks again later if somebody still waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (line := self._next()) is not None:
            weight, now = line[0].weight, self._elapsed()
            wait = max(window.wait(weight, now) for window in self.windows)
            if wait > 0.0:
                self._timer = self._later(max(wait, LEAST_WAIT), self._serve)
                return
            self._reserve(weight)
            if self._whole and self._further:
                self._lead += weight if line is self._further else -weight
            else:
                self._lead = 0.0
            line.popleft().future.set_result(None)

    def _next(self) -> deque[_Waiter] | None:
        """The line whose first is served next; those who gave up are taken out of their way."""
        for line in (self._whole, self._further):
            while line and line[0].future.done():
                line.popleft()
        if self._whole and self._further:
            return self._further if self._lead <= 0.0 else self._whole
        return self._further or self._whole or None
