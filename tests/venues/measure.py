"""Which number of a documented answer feeds what: moved, collected again, and what follows is seen.

Nobody claims it. The reference page prints these measurements, and a test holds an adapter's `unread`
against them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from exporter import catalogue
from exporter.api import Client
from exporter.errors import VenueError
from exporter.exposition import render
from exporter.model import RiskSettings
from exporter.request import Endpoint
from exporter.risk import assess
from exporter.series import FAMILIES, Series
from exporter.venues.base import Venue
from tests.venues.bench import Bench, Call, as_answers, endpoint_of
from tests.venues.harness import (
    NOW,
    MemoryTransport,
    QuietObserver,
    make_venue,
    numeric_fields,
    unpaced,
    with_each,
)

FAILURE = "a failure of the collection"
CLOCK = "the clock of signed requests"
BELOW = "a failure of the collection of a sub-account"
DOUBT = "a failure of a request that is not needed"

Effects = Mapping[Endpoint, Mapping[str, frozenset[str]]]
"""For each call and each number of its answers: the families and behaviours that follow it."""

_OF_KEYS = (catalogue.KEY_PERMISSION, catalogue.KEY_IP_RESTRICTED, catalogue.KEY_EXPIRY)
_SETTINGS = RiskSettings(cross_check=True)
_Outcome = Mapping[str, object]


async def measured(bench: Bench) -> Effects:
    """Moves each number of each answer of each scenario; a field's effects are those of all of them.

    Raises:
        ValueError: if a scenario cannot be collected as it is: every change would seem to feed everything.
    """
    found: dict[Endpoint, dict[str, frozenset[str]]] = {}
    for name in bench.scenarios:
        documents = bench.documents(name)
        before = await _outcome(bench, documents)
        if FAILURE in before:
            raise ValueError(f"{bench.venue}: the scenario {name!r} is {FAILURE}: {before[FAILURE]}")
        for call, document in documents.items():
            if document is None:
                continue
            of_endpoint = found.setdefault(endpoint_of(call), {})
            for field in sorted(numeric_fields(document)):
                effects: frozenset[str] = of_endpoint.get(field, frozenset())
                for change in _CHANGES:
                    moved = {**documents, call: with_each(document, field, change)}
                    after = await _outcome(bench, moved)
                    # That a number must be there says nothing about what it is for.
                    if not (change is _emptied and FAILURE in after):
                        effects |= _difference(before, after)
                of_endpoint[field] = effects
    return found


async def _outcome(bench: Bench, documents: Mapping[Call, Any]) -> _Outcome:
    """What one collection of these answers gives: the lines of each family, or what else came of it."""
    observer = QuietObserver()
    transport = MemoryTransport(as_answers(documents))
    venue = make_venue(bench.venue, "http://venue.test", bench.config)
    async with Client(observer, wall=lambda: NOW, transport=transport, budgets=unpaced(venue)) as client:
        api = client.account(venue)
        try:
            snapshot = await venue.fetch(api)
            found: dict[str, object] = dict(render(bench.venue, "desk", assess(snapshot, _SETTINGS, NOW)))
        except VenueError as error:
            return {FAILURE: str(error)}
        if venue.key_endpoint is not None and venue.key_endpoint in map(endpoint_of, documents):
            rights = await api.optional(venue.key_rights(api))
            series = Series(bench.venue, "desk")
            series.key(rights)
            of_families = zip(FAMILIES, series.chunks, strict=True)
            found |= {family.name: chunk for family, chunk in of_families if family in _OF_KEYS}
        if venue.listing_endpoint is not None and venue.listing_endpoint in map(endpoint_of, documents):
            for name, chunk in await _below(client, venue):
                found[name] = (found.get(name), chunk)
        await api.optional(api.synchronise_clock())
    return {**found, CLOCK: observer.offset, DOUBT: len(observer.optional_failures)}


async def _below(client: Client, venue: Venue[Any]) -> list[tuple[str, object]]:
    """The same of each sub-account that is listed."""
    found: list[tuple[str, object]] = []
    api = client.account(venue)
    for member in await api.optional(venue.sub_accounts(api), ()):
        below = type(venue)(venue.config.member(f"desk.{member.name}", member))
        try:
            risk = assess(await below.fetch(client.account(below)), _SETTINGS, NOW)
            found += render(venue.name, below.config.name, risk).items()
        except VenueError as error:
            found.append((BELOW, str(error)))
    return found


def _difference(before: _Outcome, after: _Outcome) -> frozenset[str]:
    if FAILURE in after:
        return frozenset({FAILURE})
    return frozenset(name for name in {*before, *after} if before.get(name) != after.get(name))


def _like(value: Any, number: float) -> Any:
    """A number written as `value` is."""
    if isinstance(value, str):
        return f"{number:.17g}" if "." in value or abs(number) < 1e15 else str(int(number))
    return int(number) if isinstance(value, int) else number


def _grown(value: Any) -> Any:
    number = float(value)
    grown = number * 1.03 if number else 1.0
    if isinstance(value, int) or (isinstance(value, str) and value.lstrip("-").isdigit()):
        grown = round(grown) if round(grown) != number else number + 1.0
    return _like(value, grown)


def _turned(value: Any) -> Any:
    return _like(value, -float(value) or -1.0)


def _emptied(value: Any) -> Any:
    return "" if isinstance(value, str) else None


_CHANGES: tuple[Callable[[Any], Any], ...] = (_grown, _turned, _emptied)


def complaints(venue: type[Venue[Any]], effects: Effects) -> list[str]:
    """What `unread` says of a venue's answers and the measurement contradicts; empty if nothing."""
    found: list[str] = []
    for endpoint, fields in effects.items():
        listed = unread_names(venue, endpoint)
        for field, moved in fields.items():
            names = [name for name in listed if means(name, field)]
            if moved and names:
                found.append(f"{endpoint.label}: {field} is listed as unread and moves {sorted(moved)}")
            elif not moved and not names:
                found.append(f"{endpoint.label}: {field} moves nothing and is not listed as unread")
            elif len(names) > 1:
                found.append(f"{endpoint.label}: {field} is listed as unread by {names}")
        found += [
            f"{endpoint.label}: {name} is listed as unread and is in no documented answer"
            for name in listed
            if not any(means(name, field) for field in fields)
        ]
    silent = venue.unread.keys() - effects.keys()
    return found + [f"{endpoint.label}: has no documented answer" for endpoint in silent]


def unread_names(venue: type[Venue[Any]], endpoint: Endpoint) -> Mapping[str, str]:
    """The unread fields of an endpoint with their reasons."""
    return {
        name: reason for reason, names in venue.unread.get(endpoint, {}).items() for name in names.split()
    }


def reason_of(venue: type[Venue[Any]], endpoint: Endpoint, field: str) -> str:
    """Why a field is not read."""
    return next((why for name, why in unread_names(venue, endpoint).items() if means(name, field)), "")


def means(name: str, field: str) -> bool:
    """Whether a listed name is a field's: the end of its path, or with ``*`` all that is below it."""
    if name.endswith("*"):
        return f".{field}".find(f".{name[:-1]}") >= 0
    return field == name or field.endswith(f".{name}")


def rows_of(
    venue: type[Venue[Any]], effects: Effects
) -> Iterable[tuple[Endpoint, str, tuple[str, ...], str]]:
    """Endpoint, field, what follows it, and why nothing does: as the reference page prints them."""
    for endpoint in sorted(effects, key=lambda one: one.label):
        for field, moved in effects[endpoint].items():
            yield endpoint, field, tuple(sorted(moved)), reason_of(venue, endpoint, field)
