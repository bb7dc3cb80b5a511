"""The documentation: its links lead somewhere, and it names what a user can meet."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from exporter import cli
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


BLOCK = re.compile(r"```(?:console|sh)\n(.*?)```|((?:^    .*\n)+)", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?:^|[ /])risk-exporter ([a-z][a-z-]*(?: [^|#&]*)?)")


def commands() -> Iterator[tuple[str, str]]:
    """Each `risk-exporter …` in a block of code, after the page that it is on."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            for line in re.sub(r"\\\n\s*", "", "".join(block)).splitlines():
                for command in COMMAND.findall(line):
                    yield str(page.relative_to(ROOT)), command


def test_every_command_of_the_documentation_is_one_with_its_options() -> None:
    found = list(commands())
    assert len(found) > 10
    for page, text in found:
        name, *words = text.split()
        assert name in cli.main.commands, f"{page}: {text}"
        options = {
            option
            for parameter in cli.main.commands[name].params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= options, f"{page}: {text}"


def test_what_is_run_for_good_names_variables_that_the_program_has() -> None:
    known = {
        parameter.envvar
        for command in ("run", "demo")
        for parameter in cli.main.commands[command].params
        if isinstance(parameter, click.Option) and isinstance(parameter.envvar, str)
    }
    places = [*(ROOT / "deploy").rglob("*"), *ROOT.glob("compose*.yaml"), ROOT / "Dockerfile"]
    named = {
        name
        for path in places
        if path.is_file() and "grafana" not in path.resolve().parts
        for name in re.findall(r"\bRISK_EXPORTER_[A-Z_]+", path.read_text())
    }
    assert len(named) > 5
    assert named - known == {"RISK_EXPORTER_REVISION", "RISK_EXPORTER_LOCK"}, "of the build, and of compose"
