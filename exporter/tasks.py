"""Several things at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


class Ready(Generic[T]):
    """What is known already: waiting for it takes no task, no deadline and no turn of the event loop.

    An `Awaitable` that does not say so: whether something is one is asked often, and takes long of a class
    that is made of abstract ones.
    """

    __slots__ = ("outcome",)

    def __init__(self, outcome: T) -> None:
        self.outcome = outcome

    def __await__(self) -> Generator[Any, None, T]:
        yield from ()
        return self.outcome


def then(first: Awaitable[A], follow: Callable[[A], Awaitable[B]]) -> Awaitable[B]:
    """What `follow` makes of the outcome of `first`; it is asked at once where that is known already."""
    return follow(first.outcome) if isinstance(first, Ready) else _then(first, follow)


async def _then(first: Awaitable[A], follow: Callable[[A], Awaitable[B]]) -> B:
    return await follow(await first)


@overload
def together(a: Awaitable[A], b: Awaitable[B], /) -> Awaitable[tuple[A, B]]: ...
@overload
def together(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /) -> Awaitable[tuple[A, B, C]]: ...
@overload
def together(
    a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /
) -> Awaitable[tuple[A, B, C, D]]: ...
@overload
def together(
    a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], e: Awaitable[E], /
) -> Awaitable[tuple[A, B, C, D, E]]: ...
@overload
def together(*awaitables: Awaitable[T]) -> Awaitable[tuple[T, ...]]: ...
def together(*awaitables: Awaitable[Any]) -> Awaitable[tuple[Any, ...]]:
    """Awaits all at once, however many; at the first failure the others are cancelled and it is raised.

    Those that are known already cost nothing; `Ready` itself, if all are.
    """
    known = [one.outcome for one in awaitables if isinstance(one, Ready)]
    return Ready(tuple(known)) if len(known) == len(awaitables) else _together(awaitables)


async def _together(awaitables: tuple[Awaitable[Any], ...]) -> tuple[Any, ...]:
    waited_for = [place for place, one in enumerate(awaitables) if not isinstance(one, Ready)]
    found = [one.outcome if isinstance(one, Ready) else None for one in awaitables]
    here, others = waited_for[0], waited_for[1:]
    if not others:
        found[here] = await awaitables[here]
        return tuple(found)
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [(place, group.create_task(_one(awaitables[place]))) for place in others]
            try:
                # The first needs no task of its own.
                found[here] = await awaitables[here]
            except Exception as error:
                failure = error
                # It may have failed before the others began; what never begins leaves a warning behind.
                await asyncio.sleep(0)
                raise
    except BaseExceptionGroup as failures:
        # One level deep: the group above holds only its own tasks' exceptions, and that of the first.
        raise failure or failures.exceptions[0] from None
    finally:
        failure = None  # it has this frame in its traceback, and would keep it until garbage is searched
    for place, task in tasks:
        found[place] = task.result()
    return tuple(found)


async def _one(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises, in a thread that the end of the process does not wait for.

    For what may hang in the operating system: a pool's threads are waited for.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # from here on nobody but the thread settles it

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(outcome)
