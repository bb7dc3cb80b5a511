"""The simulator shares nothing with what it is there to check."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import exporter.simulator
from exporter.simulator import VenueSimulator, discover

FOLDER = Path(exporter.simulator.__file__).parent


def imported_modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            assert node.module is not None
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_a_simulator_module_imports_nothing_of_the_exporter_but_the_simulator(path: Path) -> None:
    own = {name for name in imported_modules(path) if name.split(".")[0] == "exporter"}
    assert {name for name in own if not (name + ".").startswith("exporter.simulator.")} == set()


def test_discovery_finds_concrete_venues_only() -> None:
    found = discover()
    assert "binance_usdm" in found
    for name, venue in found.items():
        assert venue.name == name
        assert issubclass(venue, VenueSimulator)
        assert not inspect.isabstract(venue)
