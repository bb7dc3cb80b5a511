"""What a client wants: the exposition format and the encoding, from its Accept headers (RFC 9110, 12.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from exporter.exposition import Format


class _Range(Struct, frozen=True):
    """One entry of an Accept header."""

    type_: str
    parameters: dict[str, str]
    quality: float


MOST_RANGES = 64
"""Entries of one header that are looked at; Prometheus sends five."""

_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
# A run of text, a quoted string (to the end, where nothing closes it) or a separator. No alternative can
# fail after it has begun, so that the whole header is gone through once, whatever is in it.
_TOKEN = re.compile(r'[^",;]++|"(?:[^"\\]++|\\.?)*+"?|[,;]', re.DOTALL)


def _accepted(header: str) -> list[_Range]:
    """The entries of an Accept or Accept-Encoding header; malformed ones are left out (RFC 9110, 12.5)."""
    found: list[_Range] = []
    for name, *rest in _entries(header):
        parameters: dict[str, str] = {}
        for part in rest:
            key, _, value = part.partition("=")
            parameters[key.strip().lower()] = value.strip().strip('"')
        quality = parameters.pop("q", "1")
        if name and _QUALITY.fullmatch(quality):
            found.append(_Range(name.lower(), parameters, float(quality)))
            if len(found) == MOST_RANGES:
                break
    return found


def _entries(header: str) -> Iterator[list[str]]:
    """The texts between the semicolons, for each text between the commas."""
    parts, part = [], ""
    for piece in _TOKEN.findall(header):
        if piece not in (",", ";"):
            part += piece
            continue
        parts.append(part.strip())
        part = ""
        if piece == ",":
            yield parts
            parts = []
    yield [*parts, part.strip()]


# In order of preference where a client likes several equally: the oldest is what everything understands.
_FORMATS = (
    (Format.TEXT_0_0_4, "text/plain", "0.0.4"),
    (Format.OPENMETRICS_1_0_0, "application/openmetrics-text", "1.0.0"),
    (Format.TEXT_1_0_0, "text/plain", "1.0.0"),
)
# Under these schemes the names published here stand as they are.
_ESCAPINGS = ("allow-utf-8", "underscores", "values")


def negotiate(accept: str) -> tuple[Format, str]:
    """The format to answer an Accept header in, and its Content-Type.

    The most specific entry decides about each format; then the highest q-value wins, then the more
    specific entry, then the earlier one. Where nothing is accepted the answer is text 0.0.4, as from every
    Prometheus exporter.
    """
    ranges = _accepted(accept)
    best: tuple[tuple[float, int, int], Format, _Range] | None = None
    for format_, type_, version in _FORMATS:
        decisive: tuple[int, int, _Range] | None = None
        for place, range_ in enumerate(ranges):
            specificity = _specificity(range_, type_, version)
            if specificity and (decisive is None or specificity > decisive[0]):
                decisive = (specificity, -place, range_)
        if decisive is not None and decisive[2].quality > 0:
            score = (decisive[2].quality, decisive[0], decisive[1])
            if best is None or score > best[0]:
                best = (score, format_, decisive[2])
    if best is None:
        return Format.TEXT_0_0_4, Format.TEXT_0_0_4.value
    _, chosen, range_ = best
    content_type = chosen.value
    escaping = range_.parameters.get("escaping")
    if escaping is not None and chosen is not Format.TEXT_0_0_4:
        content_type += f"; escaping={escaping if escaping in _ESCAPINGS else 'underscores'}"
    return chosen, content_type


def _specificity(range_: _Range, type_: str, version: str) -> int:
    """How closely an entry describes a format; 0 if it does not mean it at all."""
    if range_.type_ == type_:
        wanted = range_.parameters.get("version")
        return 3 if wanted is None else 4 if wanted == version else 0
    if range_.type_ == type_.partition("/")[0] + "/*":
        return 2
    return 1 if range_.type_ == "*/*" else 0


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip at least as gladly as the page as it is."""
    qualities = {range_.type_: range_.quality for range_ in _accepted(accept_encoding)}
    wanted = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return wanted > 0 and wanted >= qualities.get("identity", 0.0)
