"""Answers that a venue gives one by one, such as the tiers of each symbol: a few asked at each collection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

from exporter.answers import A_DAY, RARELY, RETRY
from exporter.api import Api
from exporter.tasks import Ready, then, together

T = TypeVar("T")


class Gradually(Generic[T]):
    """One account's view of answers by name; accounts that ask for the same public one share one request.

    Each is asked for again after `RARELY` seconds; the old one serves for `A_DAY` where no newer one comes.

    Args:
        ask: Asks the venue for one of them.
        at_once: The most that are asked at one collection: what the venue's limit leaves for it.
        public: Whether every account is told the same.
    """

    def __init__(self, ask: Callable[[Api, str], Awaitable[T]], *, at_once: int, public: bool = True) -> None:
        self._ask = ask
        self._at_once = at_once
        self._public = public
        self._kept: dict[str, tuple[float, T]] = {}
        self._asked_at: dict[str, float] = {}

    def of(self, api: Api, names: Iterable[str]) -> Awaitable[Mapping[str, T]]:
        """The answers that are known, by name."""
        now = api.now()
        names = list(dict.fromkeys(names))
        due = sorted((n for n in names if self._due(n, now)), key=lambda n: self._asked_at.get(n, 0.0))
        asked = due[: self._at_once]
        answers = together(*(api.optional(self._shared(api, name)) for name in asked))

        def known(answers: tuple[T | None, ...]) -> Awaitable[Mapping[str, T]]:
            for name, answer in zip(asked, answers, strict=True):
                self._asked_at[name] = now
                if answer is not None:
                    self._kept[name] = (now, answer)
            return Ready(
                {
                    name: self._kept[name][1]
                    for name in names
                    if name in self._kept and now - self._kept[name][0] < A_DAY
                }
            )

        return then(answers, known)

    def _shared(self, api: Api, name: str) -> Awaitable[T]:
        key = f"{self._ask.__qualname__} {name}"
        cached = api.venue_cached if self._public else api.account_cached
        return cached(lambda api: self._ask(api, name), RARELY, name=key)

    def _due(self, name: str, now: float) -> bool:
        if name in self._kept and now - self._kept[name][0] < RARELY:
            return False
        return name not in self._asked_at or now - self._asked_at[name] >= RETRY
