"""Answers that are alike: the same bytes are the same object, and what is wrong is said as ever."""

from __future__ import annotations

import pytest

from exporter import alike
from exporter.alike import Tables
from exporter.errors import VenueError
from exporter.wire import Required, Wire


class Row(Wire):
    symbol: str
    value: Required


@pytest.fixture
def tables() -> Tables[Row]:
    return Tables(Row, "symbol")


ANSWER = b'[{"symbol": "A", "value": "1"}, {"symbol": "B", "value": 2}]'
OTHER = b'[{"symbol": "A", "value": "1"}, {"symbol": "B", "value": 3}]'


def test_rows_are_found_by_name(tables: Tables[Row]) -> None:
    found = tables.read(ANSWER, "x")
    assert {name: row.value for name, row in found.items()} == {"A": 1.0, "B": 2.0}
    assert (found.get("C"), "C" in found, len(found)) == (None, False, 2)


def test_an_answer_without_rows_is_a_failure_and_no_table_that_knows_nobody(tables: Tables[Row]) -> None:
    with pytest.raises(VenueError, match="x: nothing is listed") as caught:
        tables.read(b"[]", "x")
    assert caught.value.reason == "schema"


def test_the_same_answer_is_the_same_object(tables: Tables[Row]) -> None:
    assert tables.read(ANSWER, "x") is tables.read(bytes(bytearray(ANSWER)), "y")


def test_answers_that_differ_in_one_row_share_the_others(tables: Tables[Row]) -> None:
    one, other = tables.read(ANSWER, "x"), tables.read(OTHER, "x")
    assert one["A"] is other["A"]
    assert (one["B"].value, other["B"].value) == (2.0, 3.0)


def test_an_object_in_the_place_of_the_rows_is_the_only_one(tables: Tables[Row]) -> None:
    assert tables.read(b'{"symbol": "A", "value": 1}', "x")["A"].value == 1.0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"nothing", "x GET /rows: JSON is malformed"),
        (b'[{"symbol": "A", "value": 1}, {"symbol": "B", "value": ""}]', "x GET /rows: `value` is empty"),
        (b'[{"symbol": "A"}]', "x GET /rows: Object missing required field `value` - at `$[0]`"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tables: Tables[Row], body: bytes, message: str) -> None:
    with pytest.raises(VenueError) as failure:
        tables.read(body, "x GET /rows")
    assert failure.value.reason == "schema"
    assert failure.value.message.startswith(message)


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a venue makes up anew each time must not fill the memory."""
    monkeypatch.setattr(alike, "MOST_ROWS", 3)
    monkeypatch.setattr(alike, "MOST_TABLES", 3)
    tables = Tables(Row, "symbol")
    for number in range(10):
        tables.read(b'[{"symbol": "A%d", "value": %d}]' % (number, number), "x")
    assert [len(kept) for kept in (tables._rows, tables._names, tables._tables)] == [3, 3, 3]
