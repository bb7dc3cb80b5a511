"""Documents with other values in them, and bytes that grow without end."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""In the place of a field's value: the field is not there."""


def changed(document: Any, name: str, value: Any) -> Any:
    """A copy of a JSON document with `value` in every field of this name."""
    if isinstance(document, list):
        return [changed(one, name, value) for one in document]
    if not isinstance(document, dict):
        return document
    return {
        key: value if key == name else changed(one, name, value)
        for key, one in document.items()
        if not (key == name and value is MISSING)
    }


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON document: what it is in, and its key or index there."""
    children: Any = ()
    if isinstance(document, dict):
        children = document.items()
    elif isinstance(document, list):
        children = enumerate(document)
    for key, child in children:
        yield document, key
        yield from places(child)


@cache
def bomb(size: int) -> bytes:
    """So many zero bytes (whole MiB) as gzip. Compressing them all would hold up the stand-ins."""
    block, count = bytes(1024 * 1024), size // (1024 * 1024)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # A full flush leaves no reference to what was before: the piece can stand there any number of times.
    piece = deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(count):
        checksum = zlib.crc32(block, checksum)
    head, end = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff", b"\x03\x00"
    return head + piece * count + end + struct.pack("<II", checksum, size % 2**32)
