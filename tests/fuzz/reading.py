"""The client of venues without what it does about time: reading and judging answers is all that is left.

Request limits, deadlines, kept answers and sessions take most of a collection's time on the processor, and
damaged answers change nothing in them but the pauses, which are those of the client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Hashable
from typing import Any, Self, TypeVar

from exporter.api import Api, Client
from exporter.errors import REASONS, Reason, VenueError
from exporter.request import Request, Response
from exporter.session import Session

T = TypeVar("T")


class _NoLimits:
    """In the place of the request limits: as `exporter.pacing.Pacing`, its meter and a call."""

    deadline = None

    def meter(self, _: object, **__: object) -> _NoLimits:
        return self

    def call(self, _: object) -> _NoLimits:
        return self

    def elapsed(self) -> float:
        return 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def sent(self) -> None: ...

    def heard(self, *_: object) -> None: ...


class ReadingApi(Api):
    """See the module; for one collection."""

    def __init__(self, client: Client, venue: Any) -> None:
        client.pacing = _NoLimits()  # type: ignore[assignment]  # nothing else of it is asked for here
        super().__init__(client, venue)
        self._answers: dict[Hashable, Any] = {}

    async def _cached(
        self,
        owner: tuple[Hashable, ...],
        fetch: Callable[..., Awaitable[T]],
        max_age: float,
        grace: float,  # noqa: ARG002 (the same)
        name: str,
    ) -> T:
        key = (owner, name or fetch)
        if not max_age or key not in self._answers:
            self._answers[key] = await fetch(self)
        answer: T = self._answers[key]
        return answer

    async def optional(  # type: ignore[override]  # the overloads say the same
        self, awaitable: Awaitable[T], otherwise: T | None = None, *, only: Container[Reason] = REASONS
    ) -> T | None:
        try:
            return await awaitable
        except VenueError as failure:
            if failure.reason not in only:
                raise
            self._observer.optional_failed(self._scope[0], self._config.name, failure)
        return otherwise

    def watch_clock(self, max_age: float) -> None: ...

    async def synchronise_clock(self, max_age: float = 0.0) -> bool:  # noqa: ARG002 (as the client has it)
        return await self._measure_clock()

    async def _exchange(self, asked: Request, token: str) -> Response:  # noqa: ARG002 (the same)
        signed = self._venue.sign(asked)
        answer = await self._client.transport.send(
            asked.endpoint.method,
            f"{self._reach.base_url}{asked.path}?{signed.query}",
            headers={},
            body=signed.body,
            proxy=None,
            timeout=self._timeout,
        )
        return Response(answer.status, answer.headers, answer.body, self.now())

    async def _open_session(self) -> Session | None:
        return await self._venue.open_session(self)
