"""The venues, one module each, found by discovery: see `exporter.venues.base` for what one is."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from exporter.limits import RequestBudget
from exporter.venues.base import Venue

ENTRY_POINT_GROUP = "risk_exporter.venues"

AnyVenue = Venue[Any]


@cache
def discover() -> Mapping[str, type[AnyVenue]]:
    """Every venue by name: the modules of this package, then installed entry points.

    Raises:
        RuntimeError: if two venues have one name, or an entry point is not a venue.
    """
    found: dict[str, type[AnyVenue]] = {}
    for module in pkgutil.iter_modules(__path__):
        for venue in _venues_in(import_module(f"{__name__}.{module.name}")):
            _add(found, venue)
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name):
        venue = entry_point.load()
        if not (inspect.isclass(venue) and issubclass(venue, Venue)):
            raise RuntimeError(f"entry point {entry_point.value!r} is not a subclass of Venue")
        _add(found, venue)
    return MappingProxyType(dict(sorted(found.items())))


def budgets_of(venues: Mapping[str, type[AnyVenue]]) -> Mapping[str, RequestBudget]:
    """The request limits of `venues` by name, each once."""
    return {budget.name: budget for venue in venues.values() for budget in venue.budgets}


def _venues_in(module: Any) -> list[type[AnyVenue]]:
    return [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Venue)
        and not inspect.isabstract(member)
        and member.__module__ == module.__name__
    ]


def _add(found: dict[str, type[AnyVenue]], venue: type[AnyVenue]) -> None:
    if venue.name in found and found[venue.name] is not venue:
        raise RuntimeError(f"two venues are named {venue.name!r}: {found[venue.name]!r} and {venue!r}")
    found[venue.name] = venue
