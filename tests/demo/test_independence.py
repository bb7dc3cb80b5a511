"""The stand-ins share nothing with what they are there to check."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import exporter.demo
from exporter.demo import VenueSimulator, discover

FOLDER = Path(exporter.demo.__file__).parent
# It brings the stand-ins together with the exporter that watches them.
STAND_INS = sorted(path for path in FOLDER.rglob("*.py") if path.name != "running.py")


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


@pytest.mark.parametrize("path", STAND_INS, ids=lambda path: path.name)
def test_a_stand_in_imports_nothing_of_the_exporter_but_stand_ins(path: Path) -> None:
    own = {name for name in imported_modules(path) if name.split(".")[0] == "exporter"}
    assert {name for name in own if not (name + ".").startswith("exporter.demo.")} == set()


def test_discovery_finds_concrete_venues_only() -> None:
    found = discover()
    assert "binance_usdm" in found
    for name, venue in found.items():
        assert venue.name == name
        assert issubclass(venue, VenueSimulator)
        assert not inspect.isabstract(venue)
