"""The documentation: its links lead somewhere, and it names what a user can meet."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from exporter.errors import REASONS
from exporter.venues import discover

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for top in (ROOT, ROOT / "docs", ROOT / "deploy", ROOT / "grafana")
    for path in (top.glob("*.md") if top == ROOT else top.rglob("*.md"))
)
TROUBLE = (ROOT / "docs" / "troubleshooting.md").read_text()


def prose(page: Path) -> str:
    """A page without its blocks of code, in which brackets mean something else."""
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Of the headings, as GitHub makes them."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return frozenset(found)


def links(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_index_leads_to_every_page_of_the_documentation() -> None:
    index = ROOT / "docs" / "README.md"
    reached, more = {index}, [index]
    while more:
        page = more.pop()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target not in reached:
                reached.add(target)
                more.append(target)
    assert set((ROOT / "docs").rglob("*.md")) <= reached


def test_pages_about_keys_are_of_venues() -> None:
    """Not every venue has one: adding a venue touches its module and its answers alone."""
    table = (ROOT / "docs" / "venues" / "README.md").read_text()
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `.*$", table, re.MULTILINE)))) - {"exchange"}
    assert len(named) > 5
    assert named <= set(discover())


def test_every_reason_of_a_failure_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", TROUBLE, re.MULTILINE))
    assert set(REASONS) <= explained


def warnings_and_errors() -> Iterator[str]:
    """The fixed messages that the program logs at these levels; `tell` passes one on to such a method."""
    for path in (ROOT / "exporter").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            told = node.func.attr == "tell"
            if told or node.func.attr in {"warning", "error", "exception", "critical"}:
                for argument in node.args[1:2] if told else node.args[:1]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value


def test_every_warning_and_error_of_the_log_is_explained() -> None:
    messages = set(warnings_and_errors())
    assert len(messages) > 20
    assert {message for message in messages if f"`{message}`" not in TROUBLE} == set()
