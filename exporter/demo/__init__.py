"""The demo, and the stand-ins of the venues it runs against: local servers in front of a simulated market.

They ship with the exporter, so that whoever has installed it can see it work, and rehearse dashboards and
alerts, without a key, a position or a network. The tests run the adapters against the same stand-ins: a
stand-in is only worth something if it is independent, so nothing here but `exporter.demo.running` imports
the exporter's adapters, formulas or model.

A stand-in is a class of its own module here, named like the venue it stands in for, or of another package
behind the entry-point group ``risk_exporter.stand_ins``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from importlib.metadata import entry_points

from exporter.demo.base import VenueSimulator
from exporter.demo.market import Market
from exporter.demo.server import Server

__all__ = ["Market", "Server", "VenueSimulator", "discover"]

ENTRY_POINT_GROUP = "risk_exporter.stand_ins"


def discover() -> dict[str, type[VenueSimulator]]:
    """Every stand-in by the name of its venue: the classes of this package, then installed entry points."""
    found: dict[str, type[VenueSimulator]] = {}
    for module_info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        if module_info.name == "running":  # uses the stand-ins, and what they must not know
            continue
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for value in vars(module).values():
            if (
                inspect.isclass(value)
                and issubclass(value, VenueSimulator)
                and not inspect.isabstract(value)
                and value.__module__ == module.__name__
            ):
                found[value.name] = value
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name):
        simulator: type[VenueSimulator] = entry_point.load()
        found.setdefault(simulator.name, simulator)
    return found
