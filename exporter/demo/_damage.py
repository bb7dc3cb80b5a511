"""Documents with other values in them, and bytes that grow without end."""

from __future__ import annotations

import zlib
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


@cache
def bomb(size: int) -> bytes:
    """As gzip: `size` bytes of nothing."""
    deflate = zlib.compressobj(1, wbits=31)
    block = bytes(1024 * 1024)
    return b"".join([*(deflate.compress(block) for _ in range(size // len(block))), deflate.flush()])
