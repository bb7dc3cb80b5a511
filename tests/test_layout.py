"""Nothing points back: how the modules of the program import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "exporter").rglob("*.py"))
}
Imports = Mapping[str, set[str]]


def imported(module: str, source: str) -> Iterator[str]:
    """The modules of the program that one imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                found = [name.name for name in names]
            case ast.ImportFrom(module=str(package), names=names, level=0):
                found = [f"{package}.{name.name}" for name in names]
                found = [name if name in MODULES else package for name in found]
            case ast.ImportFrom():
                raise AssertionError(f"{module} imports relatively, which this test cannot follow")
            case _:
                continue
        yield from (name for name in found if name in MODULES and name != module)


def of_files() -> Imports:
    return {name: set(imported(name, path.read_text())) for name, path in MODULES.items()}


def room(module: str) -> str:
    """A package such as `exporter.risk` is one room; a module beside it, too."""
    return ".".join(module.split(".")[:2])


def of_rooms() -> Imports:
    rooms: dict[str, set[str]] = {}
    for name, others in of_files().items():
        rooms.setdefault(room(name), set()).update(
            room(other) for other in others if room(other) != room(name)
        )
    return rooms


@pytest.mark.parametrize("imports", [of_files(), of_rooms()], ids=["files", "rooms"])
def test_no_import_leads_back_to_where_it_came_from(imports: Imports) -> None:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize(
    ("who", "knows"),
    [
        ("exporter.coins", set[str]()),
        ("exporter.terms", set[str]()),
        ("exporter.model", {"exporter.coins", "exporter.terms"}),
        ("exporter.risk", {"exporter.model", "exporter.coins"}),
    ],
)
def test_the_vocabulary_and_the_formulas_know_nobody_else(who: str, knows: set[str]) -> None:
    assert of_rooms()[who] <= knows


def test_a_circle_is_seen() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"c"}, "c": {"a"}}).prepare()
    assert set(imported("exporter.model", "def late():\n    from exporter import clock")) == {
        "exporter.clock"
    }
