"""The page: sample lines rendered once per collection, kept per account, joined at each scrape.

Building the text of a large fleet from objects at every scrape would block the event loop for a second
and more; here a scrape joins bytes. See https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from operator import itemgetter
from typing import Any, Protocol

from msgspec import Struct

from exporter import clock
from exporter.catalogue import FAMILIES, LEVELS
from exporter.clock import Elapsed
from exporter.errors import VenueError
from exporter.family import ExtraLabels, Family, Level, RowFamily
from exporter.model import AccountRisk
from exporter.printable import visible

Chunks = Mapping[str, bytes]
"""Family name to the sample lines of one account."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Format(Enum):
    """The exposition formats this exporter speaks; the value is the Content-Type."""

    TEXT_0_0_4 = "text/plain; version=0.0.4; charset=utf-8"
    TEXT_1_0_0 = "text/plain; version=1.0.0; charset=utf-8"
    OPENMETRICS_1_0_0 = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def escape(value: str) -> str:
    """A label value as it stands between the quotes; what cannot be seen in it is shown as an escape."""
    return visible(value).translate(_ESCAPES)


def number(value: float) -> str:
    """The shortest text that reads back as the same float; infinities as the formats spell them."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value + 0.0)  # turns -0.0 into 0.0


def render(exchange: str, account: str, risk: AccountRisk) -> dict[str, bytes]:
    """The sample lines of one account by family name; families without a value are left out.

    Rows are in the order of their labels, whatever order the venue sent them in.

    Raises:
        VenueError: reason `schema`, if a row of the venue lacks the name for a label, if two rows would be
            one series, or if a value is outside the range of its family.
    """
    begin = labelled((("exchange", exchange), ("account", account)))
    rows = [_rows(begin, level, risk) for level in LEVELS]
    chunks: dict[str, bytes] = {}
    for family, level, endless in _PLAN:
        if rows[level]:
            text = "".join(_lines(family, rows[level], endless=endless))
            if text:
                chunks[family.name] = text.encode()
    return chunks


def _rows(begin: str, level: Level[Any], risk: AccountRisk) -> list[tuple[str, Any]]:
    """Each row of a level behind the text of its labels, in the order of these."""
    readers = (*level.labels.values(), *level.optional.values())
    if not readers:
        return [(begin, row) for row in level.rows(risk)]
    names, needed = (*level.labels, *level.optional), len(level.labels)
    found: dict[str, Any] = {}
    for row in level.rows(risk):
        values = tuple([read(row) for read in readers])
        # A label without a value is none: one row without a name would make the whole page unreadable.
        if not all(values[:needed]):
            nameless = next(name for name, value in zip(names, values, strict=True) if not value)
            raise VenueError("schema", f"the venue gives {level.rows_are} without a name for {nameless}")
        labels = f"{begin},{_row_labels(names, values)}"
        if labels in found:
            shown = " ".join(value for value in values if value)
            raise VenueError("schema", f"the venue gives two {level.rows_are} for {shown}")
        found[labels] = row
    return sorted(found.items()) if len(found) > 1 else list(found.items())


def _lines(family: RowFamily[Any], rows: Iterable[tuple[str, Any]], *, endless: bool) -> list[str]:
    name, read, samples, said = family.name, family.value, family.samples, family.said
    low, high = family.range.low, family.range.high
    lines = []
    if read is not None:
        for labels, row in rows:
            value = read(row)
            if value is not None:
                if low <= value <= high:
                    lines.append(f"{name}{{{labels}}} {number(value) if endless else repr(value + 0.0)}\n")
                else:
                    _refuse(family, labels, value)
    if said is not None:
        for labels, row in rows:
            value = said(row)
            if value is not None and not low <= value <= high:
                _refuse(family, labels, value)
    if samples is not None:
        for labels, row in rows:
            for extra, value in samples(row):
                if value is not None:
                    more = _extra(extra)
                    more = f"{labels},{more}" if more else labels
                    if low <= value <= high:
                        lines.append(f"{name}{{{more}}} {number(value) if endless else repr(value + 0.0)}\n")
                    else:
                        _refuse(family, more, value)
    return lines


def _refuse(family: Family, labels: str, value: float) -> None:
    """A value outside its family's range; NaN is no value, and nothing happens.

    Raises:
        VenueError: reason `schema`. The text does not repeat the value, like all about venues' answers.
    """
    if not math.isnan(value):
        raise VenueError("schema", f"{family.name}{{{labels}}} is outside its range: {family.range.text}")


def labelled(labels: Iterable[tuple[str, str]]) -> str:
    """Labels as they stand between the braces, without those that are empty."""
    return ",".join([_label(name, value) for name, value in labels if value])


@lru_cache(maxsize=1 << 15)  # the same few symbols and coins, again and again
def _row_labels(names: Sequence[str], values: Sequence[str]) -> str:
    return labelled(zip(names, values, strict=True))


@lru_cache(maxsize=1 << 12)
def _extra(labels: ExtraLabels) -> str:
    return labelled(labels)


@lru_cache(maxsize=1 << 15)
def _label(name: str, value: str) -> str:
    return f'{_name(name)}="{escape(value)}"'


def _name(name: str) -> str:
    if not _LABEL_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a label name")
    return name


class OwnMetrics(Protocol):
    """The exporter's own metrics; `exporter.telemetry` in the program."""

    def exposition(self, format_: Format) -> Iterable[bytes]:
        """The families with headers, in pieces, without the end marker of OpenMetrics."""


class _Entry(Struct, frozen=True):
    chunks: Sequence[bytes]
    """One for each family, in their order; empty where there is nothing."""
    expires_at: float


def headers(families: Iterable[Family], format_: Format) -> Sequence[bytes]:
    """What stands above the samples of each family. OpenMetrics names a counter without its suffix."""
    found = []
    for family in families:
        counter = format_ is Format.OPENMETRICS_1_0_0 and family.type == "counter"
        name = family.name.removesuffix("_total") if counter else family.name
        help_ = family.help.translate(_ESCAPES)
        found.append(f"# HELP {name} {help_}\n# TYPE {name} {family.type}\n".encode())
    return found


def joined(above: Sequence[bytes], rows: Iterable[Sequence[bytes]]) -> list[bytes]:
    """The chunks of all `rows` family by family; of a family without any, nothing."""
    parts: list[bytes] = []
    for header, chunks in zip(above, zip(*rows, strict=True), strict=False):
        if any(chunks):
            parts.append(header)
            parts += chunks
    return parts


def planned(families: Iterable[RowFamily[Any]]) -> tuple[tuple[RowFamily[Any], int, bool], ...]:
    """Each family with the place of its level, and whether its values may be infinite.

    What is within a range that ends is no infinity, which is spelled in another way.
    """
    return tuple((family, LEVELS.index(family.level), math.isinf(family.range.high)) for family in families)


_PLAN = planned(FAMILIES)
_NAMES: Sequence[str] = tuple(family.name for family in FAMILIES)
_HEADERS = headers(FAMILIES, Format.TEXT_0_0_4)  # there is no counter among them


class Store:
    """The rendered data of every account, and the page made of them.

    An account's data are replaced as a whole and are left out of the page once they are too old. The page
    may be built in another thread than the one that stores.

    Args:
        own: The exporter's own metrics.
        elapsed: Seconds; the same clock that `taken_at` is read from.
    """

    def __init__(self, own: OwnMetrics, *, elapsed: Elapsed = clock.elapsed) -> None:
        self._own = own
        self._elapsed = elapsed
        # An entry is never changed, only replaced: a page in another thread has of each account one whole
        # state, and storing costs the same however many there are.
        self._accounts: dict[tuple[str, str], _Entry] = {}
        self._lock = threading.Lock()

    def put(self, exchange: str, account: str, chunks: Chunks, *, taken_at: float, max_age: float) -> None:
        """Publishes an account's data until `taken_at` + `max_age`, in place of what was there."""
        row = tuple([chunks.get(name, b"") for name in _NAMES])
        with self._lock:
            self._accounts[exchange, account] = _Entry(row, taken_at + max_age)

    def remove(self, exchange: str, account: str) -> None:
        """Publishes nothing more of an account; does nothing if there is nothing."""
        with self._lock:
            self._accounts.pop((exchange, account), None)

    def fresh(self, exchange: str, account: str) -> bool:
        """Whether the account's data are on the page now."""
        entry = self._accounts.get((exchange, account))
        return entry is not None and self._elapsed() < entry.expires_at

    def page(self, format_: Format) -> bytes:
        """The whole page. Families without samples have no header."""
        # Before the data: a collection that ends meanwhile must not make old data pass for its own.
        own = self._own.exposition(format_)
        now = self._elapsed()
        with self._lock:
            accounts = list(self._accounts.items())
        accounts.sort(key=itemgetter(0))
        parts = joined(_HEADERS, [entry.chunks for _, entry in accounts if now < entry.expires_at])
        parts += own
        if format_ is Format.OPENMETRICS_1_0_0:
            parts.append(b"# EOF\n")
        return b"".join(parts)
