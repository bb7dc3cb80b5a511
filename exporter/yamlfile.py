"""A YAML file that knows its lines: its values, where each of them stands, and what is wrong with it.

``${NAME}`` in any value is taken from the environment, and ``$$`` is a dollar sign, where there is one.
No message repeats a value: a secret in the wrong place must not end up in a log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

_MERGE_TAG = "tag:yaml.org,2002:merge"
_STRING_TAG = "tag:yaml.org,2002:str"
_SCALAR_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null"))
_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\}|(\{))")
# A reference without its braces: the whole value, or a part of it that looks like nothing else.
_BARE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")
_BARE_PART = re.compile(r"(?<!\$)(?:\$\$)*\$[A-Z][A-Z0-9]*_[A-Z0-9_]+")
# Names of variables worth repeating in a message: a secret has long words, digits in them, or small letters.
_PLAIN_VARIABLE = re.compile(
    r"(?=.{1,40}$)_?(?:[A-Z]{1,14}\d{0,2}|\d{1,4})(?:_(?:[A-Z]{1,14}\d{0,2}|\d{1,4}))*"
)

MOST_NESTED = 200
"""Levels of a file; Python's own limit is moved by libraries."""
MOST_REPEATED = 100_000
"""Values that aliases may repeat, beyond one for each character of the file: more is made to be endless."""
# Names worth repeating in a message. A misplaced key or secret has digits in it or is longer.
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z_.-]{0,39}")

Place = tuple[str | int, ...]
"""Where a value stands: ``("accounts", 0, "api_key")``."""


class Problem(Struct, frozen=True):
    """One mistake: the file, the line (counted from 1) and the field it is in, and what is wrong with it.

    A `warning` is about what works and is hardly meant so.
    """

    file: str
    line: int | None
    field: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = (place, self.field, "warning" if self.warning else "", self.message)
        return ": ".join(part for part in parts if part)


class YamlFile:
    """One file, read once. Everything wrong with it is noted and nothing raised.

    Who knows what the values mean adds to the problems; a value that has one is no longer looked at.

    Args:
        path: Where it is.
        environment: Answers ``${NAME}``; None leaves every ``$`` as it is.
    """

    def __init__(self, path: Path, environment: Mapping[str, str] | None) -> None:
        self.path = path
        self._environment = environment
        # Kept in the order in which they were found, each once.
        self._problems: dict[Problem, None] = {}
        self._warnings: dict[Problem, None] = {}
        self._faulty: set[Place] = set()
        self._lines: dict[Place, int] = {}
        self._texts: dict[Place, str] = {}
        # Nodes of the file, by identity: those that were gone into, and those that are now.
        self._met: set[int] = set()
        self._inside: set[int] = set()
        self._repeats_left = 0
        self._constructor = yaml.constructor.SafeConstructor()

    # What is known of a place

    def line(self, place: Place) -> int | None:
        """The line of `place` (counted from 1), or of the nearest thing around it; None without a file."""
        for length in range(len(place), -1, -1):
            if place[:length] in self._lines:
                return self._lines[place[:length]]
        return None

    def text(self, place: Place) -> str:
        """The single value at `place` as written, after expansion: digits keep their leading zeros.

        Raises:
            KeyError: if there is none.
        """
        return self._texts[place]

    def problem(self, place: Place, message: str, *, line: int | None = None) -> None:
        """Notes one mistake, at the nearest line known for `place`."""
        problem = Problem(str(self.path), line or self.line(place), _field(place), message)
        self._problems.setdefault(problem)
        self._faulty.add(place)

    def warn(self, place: Place, message: str) -> None:
        """Notes that `place` works and is hardly meant so."""
        self._warnings.setdefault(
            Problem(str(self.path), self.line(place), _field(place), message, warning=True)
        )

    @property
    def problem_count(self) -> int:
        """How many mistakes are known so far."""
        return len(self._problems)

    def problems(self) -> list[Problem]:
        """Every mistake, by line, as a person goes through the file."""
        return _by_line(self._problems)

    def warnings(self) -> list[Problem]:
        """Every warning, in the same order."""
        return _by_line(self._warnings)

    def faulty(self, place: Place) -> bool:
        """Whether what is wrong at `place` itself is said already."""
        return place in self._faulty

    def reject(self, place: Place) -> None:
        """Makes `place` faulty without a message of its own: it is said elsewhere."""
        self._faulty.add(place)

    # The file

    def read(self) -> Any:
        """The content: mappings, lists and single values; None if there is none or it cannot be read.

        What cannot be used is None in it, with a problem at its place.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError as error:
            self.problem((), f"cannot be read: {error.strerror or type(error).__name__}")
            return None
        except UnicodeDecodeError:
            self.problem((), "is not UTF-8 text")
            return None
        try:
            node = _composed(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.problem((), _yaml_message(error), line=None if mark is None else mark.line + 1)
            return None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self.problem((), "not valid YAML: a control character", line=line)
            return None
        except RecursionError:
            self.problem((), "not valid YAML: nested too deeply")
            return None
        if node is None:
            self._lines[()] = 1
            return None
        # Where the only value is an empty one, the parser in C finds it behind the end.
        self._lines[()] = min(node.start_mark.line, text.rstrip().count("\n")) + 1
        self._repeats_left = MOST_REPEATED + len(text)
        try:
            return self._value(node, ())
        except RecursionError:
            self.problem((), "not valid YAML: aliases nest it too deeply")
        except _EndlessError as endless:
            self.problem((), "not valid YAML: aliases repeat aliases without end", line=endless.line)
        return None

    def _value(self, node: yaml.Node, place: Place) -> Any:
        """The Python value of a YAML node; notes the line of everything in it."""
        if len(place) > MOST_NESTED:
            raise RecursionError
        if not self._enter(node, place):
            return None
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, place, set())
            if isinstance(node, yaml.SequenceNode):
                return self._sequence(node, place)
            return self._scalar(node, place)
        finally:
            self._inside.discard(id(node))

    def _enter(self, node: yaml.Node, place: Place) -> bool:
        """Whether `node` can be gone into: aliases can make a dozen lines mean billions of values."""
        if id(node) in self._met:
            self._repeats_left -= 1
            if self._repeats_left < 0:
                raise _EndlessError(node.start_mark.line + 1)
        if id(node) in self._inside:
            self.problem(place, "an alias to itself")
            return False
        self._met.add(id(node))
        self._inside.add(id(node))
        return True

    def _sequence(self, node: yaml.SequenceNode, place: Place) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            inner = (*place, index)
            self._lines[inner] = item.start_mark.line + 1
            values.append(self._value(item, inner))
        return values

    def _mapping(self, node: yaml.MappingNode, place: Place, taken: set[str]) -> dict[str, Any]:
        """Without the fields that are `taken` by the mapping that this one is merged into; adds its own."""
        values: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE_TAG:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            if not isinstance(key, yaml.ScalarNode):
                self.problem(place, "the name of a field is a word", line=line)
                continue
            if key.value in taken and key.value not in first_lines:
                continue
            inner = (*place, key.value)
            if key.value in first_lines:
                self.problem(inner, f"stands twice; the first is in line {first_lines[key.value]}", line=line)
                continue
            first_lines[key.value] = line
            taken.add(key.value)
            self._lines[inner] = line
            values[key.value] = self._value(value, inner)
        for source in merged:
            if not isinstance(source, yaml.MappingNode):
                self.problem(place, "`<<` takes fields from a mapping", line=source.start_mark.line + 1)
            elif self._enter(source, place):
                values |= self._mapping(source, place, taken)
                self._inside.discard(id(source))
        return values

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        if node.tag not in _SCALAR_TAGS and not node.tag.startswith("tag:yaml.org,2002:timestamp"):
            self.problem(place, "a YAML tag that this file does not use; put the value in quotes")
            return None
        text = str(node.value)
        expanded = self._expand(text, place)
        self._texts[place] = expanded
        if node.tag == _STRING_TAG or expanded != text or node.tag not in _SCALAR_TAGS:
            return expanded
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError):  # such as !!int on a word
            self.problem(place, "the value does not fit its YAML tag")
            return None

    def _expand(self, text: str, place: Place) -> str:
        """`text` with ``${NAME}`` taken from the environment and ``$$`` turned into ``$``."""
        environment = self._environment
        if environment is None or "$" not in text:
            return text

        def replace(match: re.Match[str]) -> str:
            dollar, name, brace = match.groups()
            if dollar:
                return "$"
            if brace:
                self.problem(
                    place, "`${` starts the name of an environment variable; write `$${` for the text"
                )
                return ""
            value = environment.get(name)
            # What stands between the braces may be a secret that somebody took for its name.
            named = f" {name}" if _PLAIN_VARIABLE.fullmatch(name) else " that is named here"
            if value is None:
                self.problem(place, f"environment variable{named} is not set")
                return ""
            if not value.strip():
                self.problem(place, f"environment variable{named} is empty")
            return value.rstrip("\r\n")

        if _BARE.fullmatch(text):
            self.problem(place, _BARE_REFERENCE)
        elif _BARE_PART.search(text):
            self.warn(place, _BARE_REFERENCE)
        return _REFERENCE.sub(replace, text)


_BARE_REFERENCE = (
    "a `$` before a name: an environment variable is written with braces, as in `${NAME}`, and `$$` is the "
    "dollar sign itself"
)


def _composed(text: str) -> yaml.Node | None:
    """The nodes of a file, by the parser in C where PyYAML has it: ten times as fast.

    The other one words what is wrong, and counts its place in characters.

    Raises:
        yaml.YAMLError: what is wrong.
        RecursionError: if it is nested too deeply.
    """
    if yaml.__with_libyaml__:
        with suppress(yaml.YAMLError):
            return _composed_by(_Shallow, text)
    return _composed_by(yaml.SafeLoader, text)


def _composed_by(loader: Any, text: str) -> yaml.Node | None:
    node: yaml.Node | None = yaml.compose(text, Loader=loader)
    return node


class _Shallow(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen at run time
    """The parser in C. It has no limit of its own to how deep it goes: it would end the process."""

    _depth = 0

    def descend_resolver(self, _parent: yaml.Node | None, _index: Any) -> None:
        self._depth += 1
        if self._depth > MOST_NESTED + 1:
            raise RecursionError

    def ascend_resolver(self) -> None:
        self._depth -= 1


class _EndlessError(Exception):
    """Aliases that repeat aliases, found at `line`."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


def _by_line(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.field))


def _field(place: Place) -> str:
    """``accounts[0].api_key``; a name that could be a misplaced secret is left out."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if _PLAIN_NAME.fullmatch(part) else "…"
            text += f".{shown}" if text else shown
    return text


_YAML_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
# The names that PyYAML has for parts of a file.
_YAML_PART = re.compile(r"<[a-z ]+>")


def _yaml_message(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or ""
    if problem.startswith("found character '\\t'"):
        return "not valid YAML: a tab; indent with spaces"
    # A quote or bracket that is never closed is found at the end; the mistake is where it was opened.
    context = error.context or ""
    if context and error.context_mark is not None and error.problem_mark is not None:
        opened = error.context_mark.line
        if opened != error.problem_mark.line:
            context += f" that starts in line {opened + 1}"
    # PyYAML quotes aliases and tags, and a secret that starts with * or ! is one to it.
    text = _YAML_QUOTED.sub(_without_words, ", ".join(part for part in (context, problem) if part))
    return f"not valid YAML: {text} (a value with special characters needs quotes)"


def _without_words(match: re.Match[str]) -> str:
    inner = match[1] if match[1] is not None else match[2]
    return match[0] if len(inner) <= 1 or _YAML_PART.fullmatch(inner) else "…"
