"""What an account keeps of a venue's answers, shares with others, or can do without."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Hashable
from contextlib import suppress
from contextvars import ContextVar
from typing import Self, TypeVar, overload

from exporter import deadline
from exporter.account import AccountConfig, SubAccounts
from exporter.answers import Owner, SharedAnswers
from exporter.deadline import DeadlineError
from exporter.errors import REASONS, Reason, VenueError
from exporter.roles import Observer
from exporter.tasks import Ready
from exporter.trail import Trail

T = TypeVar("T")

_kept_for: ContextVar[float] = ContextVar("kept_for", default=0.0)
"""Seconds for which the answer that is asked for will be kept."""


class KeptAnswers:
    """The part of `exporter.api.Api` that an adapter keeps, shares and misses answers through.

    Args:
        shared: The answers of all accounts.
        observer: Who counts what is missed.
        scope: The accounts that may share answers are those with the same one; it begins with the venue.
        config: Of the account.
    """

    def __init__(
        self,
        shared: SharedAnswers,
        observer: Observer,
        scope: tuple[str, *tuple[Hashable, ...]],
        config: AccountConfig,
    ) -> None:
        self._shared = shared
        self._observer = observer
        self._scope = scope
        self._config = config
        # After a reload with another key, nothing old is used.
        self._owner = Owner(config)
        # That of the entry, which may stand for several accounts.
        self._family = Owner(config.entry) if isinstance(config, SubAccounts) else self._owner
        self._timeout = config.timeout
        self.trail = Trail()
        self.behind = 0.0
        """Seconds that the collection is older than its beginning, for the answers that others asked for."""

    def account_cached(
        self,
        fetch: Callable[[Self], Awaitable[T]],
        max_age: float,
        *,
        grace: float = 0.0,
        name: str = "",
    ) -> Awaitable[T]:
        """What `fetch` returned for this account less than `max_age` seconds ago, else a new answer.

        If the venue does not give one, the old answer serves for another `grace` seconds: for what hardly
        ever changes. That failure is logged and counted. `name` tells answers of one function apart. An
        answer that is kept is `exporter.tasks.Ready`.
        """
        return self._cached((self._owner,), fetch, max_age, grace, name)

    def venue_cached(
        self,
        fetch: Callable[[Self], Awaitable[T]],
        max_age: float,
        *,
        grace: float = 0.0,
        name: str = "",
    ) -> Awaitable[T]:
        """The same, shared by all accounts of the venue: for public data only."""
        return self._cached((), fetch, max_age, grace, name)

    async def family_cached(self, name: str, fetch: Callable[[Self], Awaitable[T]], max_age: float) -> T:
        """The same, shared by all accounts of one entry of the configuration, under `name`.

        One request, where the venue tells of all of them at once. For what changes: a collection that uses
        it is as old as the answer is; see `behind`.
        """
        now = self._shared.now()
        asked_at, answer = await self.family_answer(name, fetch, max_age)
        self.behind = max(self.behind, now - asked_at)
        return answer

    async def family_answer(
        self, name: str, fetch: Callable[[Self], Awaitable[T]], max_age: float
    ) -> tuple[float, T]:
        """The same for what no collection is made of, with the moment at which it was asked for."""

        async def asked() -> tuple[float, T]:
            asked_at = self._shared.now()
            return asked_at, await fetch(self)

        key = (*self._scope, self._family, name, "family")
        return await self._shared.get(key, max_age, asked, patience=self._timeout)

    def _cached(
        self,
        owner: tuple[Hashable, ...],
        fetch: Callable[[Self], Awaitable[T]],
        max_age: float,
        grace: float,
        name: str,
    ) -> Awaitable[T]:
        shared = self._shared
        key = (*self._scope, *owner, name or fetch)
        fresh = shared.fresh(key, max_age)
        if fresh is not None:
            known: T = fresh.answer
            return Ready(known)
        old = shared.kept(key, max_age + grace)

        async def asked() -> T:
            _kept_for.set(max_age)
            return await fetch(self)

        if old is None:
            return shared.get(key, max_age, asked, patience=self._timeout)
        answer: T = old.answer
        if shared.failed_lately(key):
            return Ready(answer)
        return self.optional(shared.get(key, max_age, asked, patience=self._timeout), answer)

    @overload
    def optional(self, awaitable: Awaitable[T], *, only: Container[Reason] = ...) -> Awaitable[T | None]: ...
    @overload
    def optional(
        self, awaitable: Awaitable[T], otherwise: T, *, only: Container[Reason] = ...
    ) -> Awaitable[T]: ...
    def optional(
        self, awaitable: Awaitable[T], otherwise: T | None = None, *, only: Container[Reason] = REASONS
    ) -> Awaitable[T | None]:
        """The answer; `otherwise` if the venue failed: logged and counted, and the collection goes on.

        It gets a share of the collection's time, so that a call that hangs costs what it is for and nothing
        else. A failure for a reason that is not in `only` is raised; without ``timeout`` in it the answer is
        waited for as any other.
        """
        return awaitable if isinstance(awaitable, Ready) else self._optional(awaitable, otherwise, only)

    async def _optional(
        self, awaitable: Awaitable[T], otherwise: T | None, only: Container[Reason]
    ) -> T | None:
        try:
            if "timeout" not in only:
                return await awaitable
            async with deadline.share(self._timeout):
                return await awaitable
        except DeadlineError:
            error = VenueError("timeout", f"{self._scope[0]}: no answer in its share of the time")
        except VenueError as failure:
            if failure.reason not in only:
                raise
            error = failure
        self.missed(error)
        return otherwise

    def missed(self, error: VenueError) -> None:
        """Something failed that the account can do without."""
        self._observer.optional_failed(self._scope[0], self._config.name, error)
        self.trail.missed(error)

    async def beside(self, work: Callable[[], Awaitable[None]], *, wait: float) -> None:
        """Does `work`, which raises nothing, while other things go on; waits for its end so many seconds."""
        key = (*self._scope, self._owner, "beside")
        if wait <= 0.0:
            self._shared.start(key, 0.0, work, self._timeout)
            return
        with suppress(VenueError, DeadlineError):  # it goes on
            async with deadline.within(wait):
                await self._shared.get(key, 0.0, work, patience=self._timeout)

    def _oldest(self) -> float:
        """Seconds that an answer may have lain in a cache on the way.

        What is kept for an hour here may be an hour old when it comes.
        """
        return max(self._config.age_limit, _kept_for.get())
