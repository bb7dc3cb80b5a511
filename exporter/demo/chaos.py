"""Random faults at stand-ins, the same for the same seed, each told to the log when it begins and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from random import Random

import structlog

from exporter.demo.base import VenueSimulator
from exporter.demo.faults import (
    Ban,
    Cached,
    ClosesKept,
    Compressed,
    Drip,
    Garbled,
    Hang,
    Latency,
    NotHttp,
    Outage,
    Reset,
    RevokedKey,
    Skew,
    Status,
    Truncation,
)
from exporter.demo.switch import Condition, Fault

PAUSE = (5.0, 40.0)
"""Seconds in which nothing goes wrong at a venue, at least and at most."""
LENGTH = (2.0, 40.0)
"""Seconds a fault lasts."""

_PAGE = "<html><head><title>Just a moment</title></head><body>Checking your browser</body></html>"
_STATUSES = (302, 400, 401, 403, 404, 408, 418, 429, 451, 500, 502, 503, 504)
_BODIES = (b"", b"null", b"[]", b"\xff\xfe\x00", b"[" * 100_000, b'{"code":', _PAGE.encode())

MENU: Mapping[str, Callable[[Random], Fault | Condition]] = {
    "answers come late": lambda random: Latency(random.uniform(0.2, 20.0)),
    "no answer comes": lambda _: Hang(),
    "bodies drip": lambda random: Drip(random.uniform(0.5, 60.0)),
    "answers break off": lambda random: Truncation(random.random()),
    "connections are reset": lambda _: Reset(),
    "kept connections are closed": lambda _: ClosesKept(),
    "the port speaks something else": lambda _: NotHttp(),
    "connections are refused": lambda _: Outage(),
    "a status": lambda random: Status(random.choice(_STATUSES), _PAGE),
    "the limit is used up": lambda random: Status(429, headers={"Retry-After": str(random.randrange(60))}),
    "the address is banned": lambda _: Ban(),
    "the key is revoked": lambda _: RevokedKey(),
    "the clock is wrong": lambda random: Skew(random.uniform(-300.0, 300.0)),
    "a cache answers": lambda random: Cached(random.randrange(60, 7200), told=random.random() < 0.5),
    "answers are something else": lambda random: Status(200, random.choice(_BODIES)),
    "values make no sense": Garbled,
    "answers are bombs": lambda _: Compressed(),
}
"""What can happen, by its name in the log."""
SILENCING = frozenset({"a status", "the limit is used up", "the address is banned", "the key is revoked"})
"""What makes who respects it ask nothing for minutes."""
_OF_ALL = (Outage, Skew)

log = structlog.get_logger(__name__)


async def run(
    venues: Iterable[VenueSimulator],
    seed: int,
    *,
    pause: tuple[float, float] | None = None,
    length: tuple[float, float] | None = None,
    without: Collection[str] = (),
) -> None:
    """Lets things go wrong at every venue, one after the other, until it is cancelled.

    Args:
        venues: The stand-ins; those must run.
        seed: Of the faults.
        pause: Seconds between two faults of a venue, at least and at most.
        length: Seconds a fault lasts, at least and at most.
        without: Names of what does not happen.
    """
    names = [name for name in MENU if name not in without]
    async with asyncio.TaskGroup() as tasks:
        for venue in venues:
            # Each venue has chances of its own: its faults do not depend on how fast others are.
            random = Random(f"{seed} {venue.name}")  # noqa: S311 (no secret)
            tasks.create_task(_run(venue, random, names, pause or PAUSE, length or LENGTH))


async def _run(
    venue: VenueSimulator,
    random: Random,
    names: Sequence[str],
    pause: tuple[float, float],
    length: tuple[float, float],
) -> None:
    while True:
        await asyncio.sleep(random.uniform(*pause))
        name = random.choice(names)
        fault, seconds = MENU[name](random), random.uniform(*length)
        account, at = _struck(venue, random, fault)
        injected = venue.faults.set(fault, at=at, account=account)
        said = log.bind(exchange=venue.name, fault=name, account=account or "all", endpoint=at or "all")
        said.info("fault begins", seconds=round(seconds, 1))
        try:
            await asyncio.sleep(seconds)
        finally:
            injected.end()
        said.info("fault over", requests=injected.met)


def _struck(venue: VenueSimulator, random: Random, fault: Fault | Condition) -> tuple[str | None, str | None]:
    """An account or an endpoint, each None for all."""
    whom, where = random.random(), random.random()
    accounts = sorted(venue.accounts)
    account = accounts[int(whom * 2 * len(accounts))] if whom < 0.5 and accounts else None
    asked = sorted({request.partition(" ")[2] for request in venue.requests})
    at = asked[int(where * 3 * len(asked))] if where < 1 / 3 and asked else None
    if isinstance(fault, Condition):
        return (None if isinstance(fault, _OF_ALL) else account), None
    return (account, None) if account is not None else (None, at)
