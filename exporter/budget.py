"""Request limits of the venues that are closed for a while: the one of an address, and the one of a user."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from exporter.errors import VenueError
from exporter.pause import Pause, found_out


class Budget(Pause):
    """One request limit.

    The accounts behind one address share one; an account has another of its own, for what a venue counts
    by user.
    """


class Budgets:
    """The limits that the calls of one account are counted in.

    All moments are Unix seconds.

    Args:
        of_address: What all accounts behind one address share.
        beside: The limits of the other calls, which these calls keep to and do not close.
    """

    def __init__(self, of_address: Budget, *, beside: Budgets | None = None) -> None:
        self._all: Mapping[str, Budget] = {"address": of_address, "account": Budget()}
        # A call that names no user is shared: what the venue thinks of one account is nothing to the others.
        self._signed, self._public = tuple(self._all.values()), (of_address,)
        self._beside = beside

    def refuse_closed(self, now: float, *, signed: bool) -> None:
        """Raises where a limit is closed, but for one that another request finds out about just now."""
        if self._beside is not None:
            self._beside.refuse_closed(now, signed=signed)
        limits = self._signed if signed else self._public
        for limit in limits:
            if limit.probing:
                return
        for limit in limits:
            limit.check(now)

    async def found_out(self, now: Callable[[], float], *, signed: bool) -> Collection[Budget]:
        """Raises where a limit is closed; gives those that the request which asks finds out about."""
        return await found_out(self._signed if signed else self._public, now)

    def judge(self, failure: VenueError | None, probed: Collection[Budget], now: float) -> float | None:
        """What an answer says of the limits. Gives until when the address is blocked, if that has changed."""
        until = failure.blocked_until if failure is not None else None
        if failure is not None and until is not None and failure.reason in ("rate_limited", "banned"):
            limit = self._all[failure.scope]
            until = limit.close(failure, until, now, probed=limit in probed)
            return until if failure.scope == "address" and self._beside is None else None
        for limit in probed:
            limit.open(now)
        return now if self._all["address"] in probed and self._beside is None else None
