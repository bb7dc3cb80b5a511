"""Answers that are alike for many accounts, kept once: else a fleet holds a table a thousand times."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from exporter.errors import VenueError
from exporter.wire import decode, listed

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

MOST_ROWS = 20_000
"""Different rows that are found again; beyond, the oldest is forgotten by all but those who have it."""
MOST_TABLES = 8
"""Whole answers that are found again."""


class Table(Mapping[str, T]):
    """Rows by name. The names are held once for all tables that have the same."""

    __slots__ = ("_places", "_rows")

    def __init__(self, places: Mapping[str, int], rows: tuple[T, ...]) -> None:
        self._places = places
        self._rows = rows

    def __getitem__(self, name: str) -> T:
        return self._rows[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Tables(Generic[T]):
    """Reads answers that are arrays of rows. The same bytes are the same object, whoever they are for.

    Nobody changes a row, since it may be another account's as well.

    Args:
        type_: What a row is decoded as.
        name: The field that rows are looked up by.
    """

    def __init__(self, type_: type[T], name: str) -> None:
        self._type = type_
        self._name = name
        self._rows: dict[bytes, T] = {}
        self._names: dict[tuple[str, ...], Mapping[str, int]] = {}
        # Whole answers are compared, not their digests: where two differ, that is seen after a few bytes.
        self._tables: deque[tuple[bytes, Table[T]]] = deque(maxlen=MOST_TABLES)

    def read(self, body: bytes, where: str) -> Mapping[str, T]:
        """The rows of an answer by name: of all symbols there are, so that one without a row says nothing.

        Raises:
            VenueError: reason ``schema``; the text names `where` (venue and endpoint) and the field.
        """
        for known, table in self._tables:
            if known == body:
                return table
        rows = self._decoded(body, where)
        if not rows:
            raise VenueError("schema", f"{where}: nothing is listed")
        table = self._table(rows)
        self._tables.appendleft((body, table))
        return table

    def _table(self, rows: list[T]) -> Table[T]:
        named = {getattr(row, self._name): row for row in rows}
        names = tuple(named)
        if names not in self._names:
            _keep(self._names, names, {name: place for place, name in enumerate(names)}, MOST_TABLES)
        return Table(self._names[names], tuple(named.values()))

    def _decoded(self, body: bytes, where: str) -> list[T]:
        try:
            return [self._row(bytes(raw)) for raw in _ROWS.decode(body)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # One row that is no array, or something that is wrong and whose place is told.
            rows: Any = list[self._type] | self._type  # type: ignore[name-defined]  # made at run time
            return listed(decode(body, rows, where))

    def _row(self, raw: bytes) -> T:
        row = self._rows.get(raw)
        if row is None:
            row = msgspec.json.decode(raw, type=self._type)
            _keep(self._rows, raw, row, MOST_ROWS)
        return row


_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


def _keep(known: dict[K, Any], key: K, value: object, most: int) -> None:
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]
