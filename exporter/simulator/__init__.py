"""The venues as local servers in front of a simulated market, for the demo and the end-to-end tests.

A stand-in is only worth something if it is independent: nothing here imports the exporter's adapters,
formulas or model.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from exporter.simulator.base import Faults, VenueSimulator
from exporter.simulator.market import Market
from exporter.simulator.server import Server

__all__ = ["Faults", "Market", "Server", "VenueSimulator", "discover"]


def discover() -> dict[str, type[VenueSimulator]]:
    """Every simulated venue of this package by its name: each concrete class of each module in it."""
    found: dict[str, type[VenueSimulator]] = {}
    for module_info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for value in vars(module).values():
            if (
                inspect.isclass(value)
                and issubclass(value, VenueSimulator)
                and not inspect.isabstract(value)
                and value.__module__ == module.__name__
            ):
                found[value.name] = value
    return found
