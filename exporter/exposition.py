"""The page: sample lines rendered once per collection, kept per account, joined at each scrape.

Building the text of a large fleet from objects at every scrape would block the event loop for a second
and more; here a scrape joins bytes. See https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct

from exporter import clock
from exporter.catalogue import FAMILIES, LEVELS
from exporter.clock import Elapsed
from exporter.errors import VenueError
from exporter.family import Family, Level, RowFamily
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
    begin = _labels((("exchange", exchange), ("account", account)))
    rows = {id(level): _rows(begin, level, risk) for level in LEVELS}
    chunks: dict[str, bytes] = {}
    for family in FAMILIES:
        text = "".join(_lines(family, rows[id(family.level)]))
        if text:
            chunks[family.name] = text.encode()
    return chunks


def _rows(begin: str, level: Level[Any], risk: AccountRisk) -> list[tuple[str, Any]]:
    """Each row of a level behind the text of its labels, in the order of these."""
    readers = (*level.labels.items(), *level.optional.items())
    found: dict[str, Any] = {}
    for row in level.rows(risk):
        named = [(name, read(row)) for name, read in readers]
        # A label without a value is none: one row without a name would make the whole page unreadable.
        nameless = next((name for name, value in named if not value and name in level.labels), None)
        if nameless is not None:
            raise VenueError("schema", f"the venue gives {level.rows_are} without a name for {nameless}")
        labels = f"{begin},{_labels(named)}" if named else begin
        if labels in found:
            values = " ".join(value for _, value in named if value)
            raise VenueError("schema", f"the venue gives two {level.rows_are} for {values}")
        found[labels] = row
    return sorted(found.items())


def _lines(family: RowFamily[Any], rows: Iterable[tuple[str, Any]]) -> list[str]:
    name, read, samples, said = family.name, family.value, family.samples, family.said
    low, high = family.range.low, family.range.high
    lines = []
    if read is not None:
        for labels, row in rows:
            value = read(row)
            if value is not None:
                if low <= value <= high:
                    lines.append(f"{name}{{{labels}}} {number(value)}\n")
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
                    more = _labels(extra)
                    more = f"{labels},{more}" if more else labels
                    if low <= value <= high:
                        lines.append(f"{name}{{{more}}} {number(value)}\n")
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


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    return ",".join([f'{_name(name)}="{escape(value)}"' for name, value in labels if value])


def _name(name: str) -> str:
    if not _LABEL_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a label name")
    return name


class OwnMetrics(Protocol):
    """The exporter's own metrics; `exporter.telemetry` in the program."""

    def exposition(self, format_: Format) -> bytes:
        """The families with headers, without the end marker of OpenMetrics."""


class _Entry(Struct, frozen=True):
    chunks: Chunks
    expires_at: float


_HEADERS = {
    family.name: (
        f"# HELP {family.name} {family.help.translate(_ESCAPES)}\n# TYPE {family.name} {family.type}\n"
    ).encode()
    for family in FAMILIES
}
_FAMILY_NAMES: Sequence[str] = tuple(_HEADERS)


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
        # By exchange and account, in their order. An entry is never changed, only replaced in its place:
        # a page in another thread has of each account one whole state, and storing costs the same however
        # many there are.
        self._accounts: dict[tuple[str, str], _Entry] = {}

    def put(self, exchange: str, account: str, chunks: Chunks, *, taken_at: float, max_age: float) -> None:
        """Publishes an account's data until `taken_at` + `max_age`, in place of what was there."""
        key, entry = (exchange, account), _Entry(chunks, taken_at + max_age)
        if key in self._accounts:
            self._accounts[key] = entry
        else:
            self._accounts = dict(sorted({**self._accounts, key: entry}.items()))

    def remove(self, exchange: str, account: str) -> None:
        """Publishes nothing more of an account; does nothing if there is nothing."""
        self._accounts = {key: kept for key, kept in self._accounts.items() if key != (exchange, account)}

    def fresh(self, exchange: str, account: str) -> bool:
        """Whether the account's data are on the page now."""
        entry = self._accounts.get((exchange, account))
        return entry is not None and self._elapsed() < entry.expires_at

    def page(self, format_: Format) -> bytes:
        """The whole page. Families without samples have no header."""
        # Before the data: a collection that ends meanwhile must not make old data pass for its own.
        own = self._own.exposition(format_)
        now = self._elapsed()
        # A list of the moment: `put` may replace entries while this runs.
        shown = [entry.chunks for entry in list(self._accounts.values()) if now < entry.expires_at]
        parts: list[bytes] = []
        for name in _FAMILY_NAMES:
            found = [chunks[name] for chunks in shown if name in chunks]
            if found:
                parts.append(_HEADERS[name])
                parts += found
        parts.append(own)
        if format_ is Format.OPENMETRICS_1_0_0:
            parts.append(b"# EOF\n")
        return b"".join(parts)
