"""Numbers and messages as venues write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import VenueError
from exporter.wire import Number, Required, Wire, decode, listed, number


class Row(Wire):
    size: Required
    price: Number = None
    label: str = ""


def row(text: str) -> Row:
    return decode(text.encode(), Row, "venue GET /path")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_survives_as_text_and_as_number(value: float) -> None:
    assert row(f'{{"size": "{value!r}"}}').size == value
    assert row(f'{{"size": {value!r}}}').size == value


@pytest.mark.parametrize("empty", ["null", '""', '"  "'])
def test_empty_is_none_and_never_zero(empty: str) -> None:
    assert row(f'{{"size": 1, "price": {empty}}}').price is None


def test_an_integer_beyond_64_bits_is_a_number() -> None:
    assert row('{"size": 123456789012345678901234567890}').size == 123456789012345678901234567890.0


@pytest.mark.parametrize("empty", ["null", '""'])
def test_a_required_number_that_is_empty_is_named(empty: str) -> None:
    with pytest.raises(VenueError, match=r"venue GET /path: `size` is empty, expected a number") as caught:
        row(f'{{"size": {empty}}}')
    assert caught.value.reason == "schema"


@pytest.mark.parametrize("bad", ["nan", "inf", "-Infinity", "1e999", "0x10", "1_0", "one", "1,5", "1 2"])
def test_text_that_is_no_finite_number_is_refused_without_being_quoted(bad: str) -> None:
    with pytest.raises(VenueError, match="`price` is not a") as caught:
        row(f'{{"size": 1, "price": "{bad}"}}')
    assert bad not in str(caught.value)


@pytest.mark.parametrize("bad", ["true", "[]", "{}", "1e999", "NaN"])
def test_json_that_is_no_number_is_refused(bad: str) -> None:
    with pytest.raises(VenueError) as caught:
        row(f'{{"size": {bad}}}')
    assert caught.value.reason == "schema"


def test_a_nested_field_is_named_with_its_place() -> None:
    with pytest.raises(VenueError, match=r"missing required field `size` - at `\$\[1\]`"):
        decode(b'[{"size": 1}, {}]', list[Row], "venue GET /path")


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_a_schema_error(body: bytes) -> None:
    with pytest.raises(VenueError) as caught:
        decode(body, Row, "venue GET /path")
    assert caught.value.reason == "schema"


@given(st.text(max_size=12))
def test_any_text_is_a_finite_number_or_none_or_refused(text: str) -> None:
    try:
        value = number(text, "field")
    except ValueError:
        return
    assert value is None or math.isfinite(value)


def test_one_row_may_come_as_an_object_and_none_as_null() -> None:
    answers: list[list[int] | int | None] = [[1, 2], 7, None]
    assert [listed(answer) for answer in answers] == [[1, 2], [7], []]
