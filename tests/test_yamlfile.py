"""A YAML file that knows its lines: what it reads, and that every mistake is found where it stands."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.yamlfile import YamlFile

Open = Callable[..., YamlFile]


@contextmanager
def counted_calls(most: int) -> Iterator[None]:
    """Fails as soon as more functions are called inside than `most`: a measure that no busy machine bends."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        if event == "call":
            calls += 1
            assert calls <= most, "it does not end"

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def opened(text: str, **environment: str) -> YamlFile:
        path = tmp_path / "file.yml"
        path.write_text(dedent(text))
        return YamlFile(path, environment)

    return opened


def problems(file: YamlFile) -> list[str]:
    """Every mistake as ``line: field: message``."""
    return [str(problem).split("file.yml:", 1)[1].strip() for problem in file.problems()]


def test_a_file_gives_its_values_with_their_lines(opened: Open) -> None:
    file = opened(
        """\
        words: [one, 2, 3.5]

        deep:
          - yes: true
            day: 2024-01-02
          - nothing:
        """
    )
    assert file.read() == {
        "words": ["one", 2, 3.5],
        "deep": [{"yes": True, "day": "2024-01-02"}, {"nothing": None}],
    }
    assert file.problems() == []
    assert [file.line(place) for place in ((), ("words", 2), ("deep",), ("deep", 0, "day"), ("deep", 1))] == [
        1,
        1,
        3,
        5,
        6,
    ]


def test_the_line_of_what_is_missing_is_that_of_what_is_around_it(opened: Open) -> None:
    file = opened("a: 1\nb:\n  - c: 1\n")
    file.read()
    file.problem(("b", 0, "missing"), "is required")
    file.problem(("missing",), "is required")
    assert problems(file) == ["1: missing: is required", "3: b[0].missing: is required"]


def test_a_single_value_is_kept_as_it_was_written(opened: Open) -> None:
    file = opened("a: 0012\nb: '0x${N}'", N="7")
    assert file.read() == {"a": 10, "b": "0x7"}
    assert (file.text(("a",)), file.text(("b",))) == ("0012", "0x7")


def test_a_mistake_is_noted_once_and_makes_its_place_faulty(opened: Open) -> None:
    file = opened("a: 1\nb: 2")
    file.read()
    file.problem(("b",), "is wrong")
    file.problem(("b",), "is wrong")
    file.reject(("c",))
    assert problems(file) == ["2: b: is wrong"]
    assert [file.faulty((name,)) for name in "abc"] == [False, True, True]


def test_problems_stand_in_the_order_of_the_lines(opened: Open) -> None:
    file = opened("a: 1\nb: 2\nc: 3")
    file.read()
    for name in "cab":
        file.problem((name,), "is wrong")
    assert problems(file) == ["1: a: is wrong", "2: b: is wrong", "3: c: is wrong"]


def test_the_name_of_a_field_that_could_be_a_secret_is_not_repeated(opened: Open) -> None:
    file = opened("list:\n- S3cret: 1")
    file.read()
    file.problem(("list", 0, "S3cret"), "unknown field")
    assert problems(file) == ["2: list[0].…: unknown field"]


@pytest.mark.parametrize("text", ["", "# nothing", "null", "--- "])
def test_an_empty_file_is_nothing_and_no_mistake(opened: Open, text: str) -> None:
    file = opened(text)
    assert (file.read(), file.problems(), file.line(())) == (None, [], 1)


def test_a_doubled_dollar_is_a_dollar(opened: Open) -> None:
    assert opened("['$${K}$x', 'a$$b']", K="no").read() == ["${K}$x", "a$b"]


def test_the_environment_can_fill_a_part_of_any_value(opened: Open) -> None:
    file = opened("name: 'desk-${N}'\nnumber: ${N}\nlist: ['${LINE}']", N="7", LINE="ends\r\n")
    assert file.read() == {"name": "desk-7", "number": "7", "list": ["ends"]}


def test_the_environment_fills_no_names_of_fields(opened: Open) -> None:
    assert opened("${N}: 1", N="7").read() == {"${N}": 1}


def test_a_merge_takes_the_fields_that_are_not_given(opened: Open) -> None:
    file = opened(
        """\
        - &first {name: a, host: h, list: [1, 2]}
        - &second {host: other, port: 1}
        - <<: [*first, *second]
          name: b
          list: [3]
        """
    )
    assert file.read()[2] == {"name": "b", "host": "h", "port": 1, "list": [3]}
    assert file.problems() == []
    # What is inherited stands where it was written.
    assert [file.line((2, name)) for name in ("name", "host", "port", "list")] == [4, 1, 2, 5]
    assert file.text((2, "name")) == "b"


def test_a_merge_reaches_through_a_merge(opened: Open) -> None:
    file = opened("a: &a {x: 1, y: 1, z: 1}\nb: &b {<<: *a, y: 2, z: 2}\nc: {<<: *b, z: 3}")
    assert file.read()["c"] == {"x": 1, "y": 2, "z": 3}
    assert [file.line(("c", name)) for name in "xyz"] == [1, 2, 3]


def test_what_is_wrong_with_an_overridden_field_is_said_where_it_stands_alone(opened: Open) -> None:
    file = opened("a: &a {x: '${UNSET}'}\nb: {<<: *a, x: 2}")
    assert file.read()["b"] == {"x": 2}
    assert problems(file) == ["1: a.x: environment variable UNSET is not set"]
    assert not file.faulty(("b", "x"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [\n", "2: not valid YAML: "),
        ("a:\n\t- name: a", "2: not valid YAML: a tab; indent with spaces"),
        (
            "a: 'x\nb: 1\n",
            "3: not valid YAML: while scanning a quoted scalar that starts in line 1, found unexpected end",
        ),
        (
            "a: {b: {c}d}",
            "1: not valid YAML: while parsing a flow mapping, expected ',' or '}', but got '<scalar>'",
        ),
        ("a: *absent", "1: not valid YAML: found undefined alias … ("),
        ("a: []\nb: 1\na: []", "3: a: stands twice; the first is in line 1"),
        ("[a]: 1", "1: the name of a field is a word"),
        ("a: &a [*a]", "1: a[0]: an alias to itself"),
        ("a: &a {<<: *a}", "1: a: an alias to itself"),
        ("a: !!python/object:os.system x", "1: a: a YAML tag that this file does not use"),
        ("!own x", "1: a YAML tag that this file does not use"),
        ("a: {b: !!int x}", "1: a.b: the value does not fit its YAML tag"),
        ("a: \x01", "1: not valid YAML: a control character"),
        ("--- {}\n--- {}", "2: not valid YAML: "),
        ("a:\n- <<: 3", "2: a[0]: `<<` takes fields from a mapping"),
        ("a:\n- name: ${", "2: a[0].name: `${` starts the name of an environment variable"),
        ("a:\n- name: ${E}", "2: a[0].name: environment variable E is empty"),
        ("a:\n- name: ${U}", "2: a[0].name: environment variable U is not set"),
        ("a:\n- name: $NAME", "2: a[0].name: a `$` before a name: an environment variable is written with"),
        ("a:\n- name: $name_2", "2: a[0].name: a `$` before a name: "),
    ],
)
def test_a_mistake_in_the_yaml_has_its_line(opened: Open, text: str, expected: str) -> None:
    file = opened(text, E=" ")
    file.read()
    (found,) = problems(file)
    assert found.startswith(expected)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    for before, name in itertools.pairwise("abcdefghij")
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join(['*' + before] * 10)}]}}\n"
    for before, name in itertools.pairwise("abcdefghij")
)
DEEP = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new} {'[' * 90}*{old}{']' * 90}\n"
    for old, new in itertools.pairwise(["a", *(f"a{number}" for number in range(40))])
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "not valid YAML: aliases repeat aliases without end"),
        (MERGES, "not valid YAML: aliases repeat aliases without end"),
        (DEEP, "not valid YAML: aliases nest it too deeply"),
    ],
)
def test_aliases_of_aliases_are_refused(opened: Open, text: str, message: str) -> None:
    """Ten short lines mean ten billion values: no file of accounts needs that."""
    file = opened(text)
    with counted_calls(most=2_000_000):
        assert file.read() is None
    (problem,) = file.problems()
    assert problem.message == message
    assert problem.line is not None


def test_thousands_of_accounts_may_share_their_fields(opened: Open) -> None:
    shared = ", ".join(f"field{number}: {number}" for number in range(10))
    file = opened(f"base: &base {{{shared}}}\nall:\n" + "- {<<: *base, name: x}\n" * 3_000)
    assert len(file.read()["all"]) == 3_000
    assert file.problems() == []


def test_merging_costs_as_much_as_there_is_to_merge(opened: Open) -> None:
    """Not the product of what is merged and what is there."""
    fields = "".join(f"  field{number}: 1\n" for number in range(2_000))
    text = f"a: &a {{x: 1}}\nb:\n  <<: [{', '.join(['*a'] * 2_000)}]\n{fields}"
    file = opened(text)
    with counted_calls(most=1_000_000):
        assert len(file.read()["b"]) == 2_001
    assert file.problems() == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("BINANCE_KEY", True),
        ("U", True),
        ("DESK_2_KEY", True),
        ("DESK2_API_KEY", True),
        ("_KEY", True),
        ("S3cretS3cretS3cret", False),
        ("correct_horse", False),
        ("AKIAIOSFODNN7EXAMPLE", False),
        ("ABCDEFGHIJKLMNOPQRST", False),
        ("JBSWY3DPEHPK3PXP", False),
        ("A" * 9 + "_" + "B" * 9 + "_" + "C" * 9 + "_" + "D" * 9 + "_E", False),
    ],
)
def test_a_secret_in_the_place_of_a_name_is_not_repeated(opened: Open, name: str, shown: bool) -> None:
    for value in (None, " "):
        file = opened(f"a: 1\napi_secret: ${{{name}}}", **({} if value is None else {name: value}))
        file.read()
        (problem,) = problems(file)
        told = name if shown else "that is named here"
        assert (
            problem
            == f"2: api_secret: environment variable {told} is {'not set' if value is None else 'empty'}"
        )


@pytest.mark.parametrize("text", ["http://$PROXY_USER:x@proxy", "x $API_KEY"])
def test_a_name_without_braces_inside_of_a_value_is_a_warning(opened: Open, text: str) -> None:
    file = opened(f"a: 1\nb: '{text}'")
    assert file.read()["b"] == text
    assert file.problems() == []
    (warning,) = file.warnings()
    assert str(warning).split(":", 1)[1].startswith("2: b: warning: a `$` before a name")
    assert "PROXY" not in str(warning)
    assert "API_KEY" not in str(warning)


@pytest.mark.parametrize(
    "text", ["$$NAME", "$$PROXY_USER", "pa$$word", "pa$word", "$1", "a$B", "$", "cost: $5"]
)
def test_a_dollar_sign_that_is_no_name_is_one(opened: Open, text: str) -> None:
    file = opened(f"b: '{text}'")
    assert file.read()["b"] == text.replace("$$", "$")
    assert file.problems() == file.warnings() == []


@pytest.mark.parametrize("text", ["[" * 20_000, "- " * 20_000, "{a: " * 201])
def test_a_file_nested_too_deeply_is_refused(opened: Open, text: str) -> None:
    file = opened(text)
    assert file.read() is None
    assert [problem.message for problem in file.problems()] == ["not valid YAML: nested too deeply"]


def test_a_file_that_cannot_be_read_is_a_problem_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "latin.yml").write_bytes(b"name: \xe9")
    for name, expected in (
        ("absent.yml", "cannot be read: No such file or directory"),
        ("latin.yml", "is not UTF-8 text"),
    ):
        file = YamlFile(tmp_path / name, {})
        assert file.read() is None
        assert [str(problem) for problem in file.problems()] == [f"{tmp_path / name}: {expected}"]


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "file.yml"
    path.write_text(text, encoding="utf-8", errors="replace")
    file = YamlFile(path, {})
    file.read()
    # A line break of YAML's can be any of several characters.
    assert all(1 <= (problem.line or 0) <= len(text) + 1 for problem in file.problems())
