"""Whether a page is one: each line by a check of its own, each series by the parsers of prometheus-client.

The library takes 0.1 ms a sample; reading each of hundreds of thousands of pages as a whole would take hours.
So every line of every page is read here by the grammar of the format, its value held against the family's
documented range; and every series (name and labels) that was not seen before is read by both of the library's
parsers, and each hundredth page as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.catalogue import FAMILIES
from exporter.exposition import Format, Store

_LABEL = r'[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"'
_LINE = re.compile(rf"((risk_[a-z_]+)\{{{_LABEL}(?:,{_LABEL})*\}}) ([+-]Inf|-?\d[\d.e+-]*)")
WHOLE_EVERY = 100
MOST_BYTES = 4_000_000
"""Of one account's page."""

_FAMILIES = {family.name: family for family in FAMILIES}


class _NoOwn:
    def exposition(self, format_: Format) -> list[bytes]:  # noqa: ARG002 (as the exporter's own)
        return []


class Pages:
    """Reads pages and keeps what is wrong with them."""

    def __init__(self) -> None:
        self.read = 0
        self.series = 0
        """Different ones, each read by the library."""
        self._seen: set[str] = set()
        self._new: dict[str, list[str]] = {}

    def check(self, chunks: Mapping[str, bytes]) -> list[str]:
        """What is wrong with a page."""
        self.read += 1
        found: list[str] = []
        if sum(map(len, chunks.values())) > MOST_BYTES:
            found.append(f"the page has {sum(map(len, chunks.values()))} bytes")
        for name, chunk in chunks.items():
            text = chunk.decode("utf-8")  # raises if it is none
            *lines, last = text.split("\n")
            if last:
                found.append(f"{name} ends within a line: {last[:200]!r}")
            if not "".join(lines).isprintable():
                found.append(f"{name} has characters that cannot be seen: {text[:200]!r}")
            seen_here: set[str] = set()
            for line in lines:
                found += self._line(name, line, seen_here)
        if self.read % WHOLE_EVERY == 1:
            found += _by_library(chunks)
        return found

    def _line(self, name: str, line: str, seen_here: set[str]) -> list[str]:
        match = _LINE.fullmatch(line)
        if match is None or match[2] != name:
            return [f"not a sample of {name}: {line[:200]!r}"]
        series, value = match[1], float(match[3])
        if series in seen_here:
            return [f"twice on one page: {line[:200]!r}"]
        seen_here.add(series)
        if series not in self._seen:
            self._seen.add(series)
            self._new.setdefault(name, []).append(line)
        return [] if in_range(name, value) else [f"outside of its range: {line[:200]!r}"]

    def by_library(self) -> list[str]:
        """What the library's parsers say of the series that are new since the last call."""
        new, self._new = self._new, {}
        self.series += sum(map(len, new.values()))
        return _by_library(
            {name: "".join(f"{line}\n" for line in lines).encode() for name, lines in new.items()}
        )


def in_range(name: str, value: float) -> bool:
    """Whether a family can have this value, as its reference says."""
    documented = _FAMILIES[name].range
    return documented.low <= value <= documented.high


def _by_library(chunks: Mapping[str, bytes]) -> list[str]:
    store = Store(_NoOwn(), elapsed=lambda: 0.0)
    store.put("fuzz", "desk", chunks, taken_at=0.0, max_age=1.0)
    found = []
    for format_ in Format:
        page = store.page(format_).decode()
        found += unreadable(page, openmetrics=format_ is Format.OPENMETRICS_1_0_0)
    return found


def unreadable(page: str, *, openmetrics: bool) -> list[str]:
    """What the library says of a page that it does not read, or not all of."""
    read, name = (read_openmetrics, "OpenMetrics") if openmetrics else (read_text, "text")
    try:
        samples = sum(len(family.samples) for family in read(page))
    except Exception as error:  # noqa: BLE001 (whatever a reader of the page stumbles over)
        return [f"{name} is not read: {type(error).__name__}: {str(error)[:300]}"]
    count = sum(not line.startswith("#") for line in page.splitlines())
    return [] if samples == count else [f"{name} has {count} samples, {samples} are read"]
