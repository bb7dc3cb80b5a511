"""The page: sample lines rendered once per collection, kept per account, joined at each scrape.

Building the text of a large fleet from objects at every scrape would block the event loop for a second
and more; here a scrape joins bytes. See https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct

from exporter.catalogue import FAMILIES, Family, Level
from exporter.errors import VenueError
from exporter.model import AccountRisk

Chunks = Mapping[str, bytes]
"""Family name to the sample lines of one account."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Format(Enum):
    """The exposition formats this exporter speaks; the value is the Content-Type."""

    TEXT_0_0_4 = "text/plain; version=0.0.4; charset=utf-8"
    TEXT_1_0_0 = "text/plain; version=1.0.0; charset=utf-8"
    OPENMETRICS_1_0_0 = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def elapsed() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine is suspended.

    Ages are measured on it: with the wall clock set back, old data would pass for fresh.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def escape(value: str) -> str:
    """A label value as it stands between the quotes."""
    return value.translate(_ESCAPES)


def number(value: float) -> str:
    """The shortest text that reads back as the same float; infinities as the formats spell them."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value + 0.0)  # turns -0.0 into 0.0


def render(exchange: str, account: str, risk: AccountRisk) -> dict[str, bytes]:
    """The sample lines of one account by family name; families without a value are left out.

    Rows are in the order of their labels, whatever order the venue sent them in.

    Raises:
        VenueError: reason `schema`, if two rows of the venue would be one series.
    """
    begin = _labels((("exchange", exchange), ("account", account)))
    rows: dict[Level, list[tuple[str, Any]]] = {
        "account": [(begin, risk)],
        "pool": _rows(begin, "pools", ((_pool_labels(row), row) for row in risk.pools)),
        "asset": _rows(
            begin,
            "collateral rows",
            ((_named(("asset", row.asset)), row) for row in risk.snapshot.assets),
        ),
        "price": _rows(begin, "prices", ((_named(("asset", row[0])), row) for row in _prices(risk))),
        "position": _rows(begin, "positions", ((_position_labels(row), row) for row in risk.positions)),
    }
    chunks: dict[str, bytes] = {}
    for family in FAMILIES:
        lines = list(_lines(family, rows[family.level]))
        if lines:
            # A surrogate cannot be encoded; it must not cost the account its data.
            chunks[family.name] = "".join(lines).encode("utf-8", "replace")
    return chunks


def _lines(family: Family, rows: Iterable[tuple[str, Any]]) -> Iterable[str]:
    name = family.name
    if family.value is not None:
        read = family.value
        for labels, row in rows:
            value = read(row)
            # Not equal to itself: NaN, which is no value.
            if value is not None and value == value:  # noqa: PLR0124
                yield f"{name}{{{labels}}} {number(value)}\n"
    if family.samples is not None:
        for labels, row in rows:
            for extra, value in family.samples(row):
                if value is not None and value == value:  # noqa: PLR0124
                    more = _labels(extra)
                    yield f"{name}{{{labels}{',' if more else ''}{more}}} {number(value)}\n"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    return ",".join(f'{_name(name)}="{escape(value)}"' for name, value in labels if value)


def _name(name: str) -> str:
    if not _LABEL_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a label name")
    return name


_Named = tuple[tuple[str, str], ...]


def _named(*labels: tuple[str, str]) -> _Named:
    return labels


def _pool_labels(row: Any) -> _Named:
    return (("currency", row.pool.currency),)


def _position_labels(row: Any) -> _Named:
    position = row.position
    return (
        ("symbol", position.symbol),
        ("side", position.side),
        ("margin_mode", position.margin_mode),
        ("currency", position.contract.settle),
        ("position_id", position.position_id),
    )


def _prices(risk: AccountRisk) -> Iterable[tuple[str, float]]:
    # The venue's list may hold every coin it trades; of interest are those the account touches.
    quoted = risk.snapshot.prices
    return ((coin, quoted[coin]) for coin in risk.prices_usd if quoted.get(coin, 0.0) > 0.0)


def _rows(begin: str, what: str, rows: Iterable[tuple[_Named, Any]]) -> list[tuple[str, Any]]:
    found: dict[str, Any] = {}
    for named, row in rows:
        labels = f"{begin},{_labels(named)}"
        if labels in found:
            values = " ".join(value for _, value in named if value)
            raise VenueError("schema", f"the venue gives two {what} for {values}")
        found[labels] = row
    return sorted(found.items())


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
        clock: Seconds; the same clock that `taken_at` is read from. See `elapsed`.
    """

    def __init__(self, own: OwnMetrics, *, clock: Callable[[], float] = elapsed) -> None:
        self._own = own
        self._clock = clock
        # Never changed in place, so that a page in another thread reads one state from start to end.
        self._accounts: Mapping[tuple[str, str], _Entry] = {}

    def put(self, exchange: str, account: str, chunks: Chunks, *, taken_at: float, max_age: float) -> None:
        """Publishes an account's data until `taken_at` + `max_age`, in place of what was there."""
        entry = _Entry(chunks, taken_at + max_age)
        self._accounts = dict(sorted({**self._accounts, (exchange, account): entry}.items()))

    def remove(self, exchange: str, account: str) -> None:
        """Publishes nothing more of an account; does nothing if there is nothing."""
        self._accounts = {key: kept for key, kept in self._accounts.items() if key != (exchange, account)}

    def fresh(self, exchange: str, account: str) -> bool:
        """Whether the account's data are on the page now."""
        entry = self._accounts.get((exchange, account))
        return entry is not None and self._clock() < entry.expires_at

    def page(self, format_: Format) -> bytes:
        """The whole page. Families without samples have no header."""
        accounts, now = self._accounts, self._clock()
        shown = [entry.chunks for entry in accounts.values() if now < entry.expires_at]
        parts: list[bytes] = []
        for name in _FAMILY_NAMES:
            found = [chunks[name] for chunks in shown if name in chunks]
            if found:
                parts.append(_HEADERS[name])
                parts += found
        parts.append(self._own.exposition(format_))
        if format_ is Format.OPENMETRICS_1_0_0:
            parts.append(b"# EOF\n")
        return b"".join(parts)
