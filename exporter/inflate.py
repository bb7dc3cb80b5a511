"""Bodies of answers, unpacked while they come and never beyond a limit: a few bytes can mean gigabytes."""

from __future__ import annotations

import zlib

from exporter.errors import VenueError

MAX_BODY_BYTES = 16 * 1024 * 1024
"""As sent and as unpacked. The largest honest answer (all brackets of all symbols) is below 2 MiB."""
MAX_RATIO = 100
"""Unpacked to sent bytes, beyond `RATIO_FROM`: JSON of the most monotonous tables comes to about 40."""
RATIO_FROM = 1024 * 1024

ENCODINGS = "gzip, deflate"
"""What is asked for, as a header."""

_GZIP = zlib.MAX_WBITS | 16
_STEP = 256 * 1024


class Body:
    """The body of one answer.

    Args:
        encoding: The ``Content-Encoding`` of the answer.

    Raises:
        VenueError: reason ``schema``, here and in `feed`, if it is packed as nobody asked, or larger than
            anything a venue documents; ``network``, if it is damaged.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise VenueError("schema", f"the answer is packed in another way than {ENCODINGS}")
        self._unpack: zlib._Decompress | None = None
        self._parts: list[bytes] = []
        self._sent = 0
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """The next bytes that came."""
        self._sent += len(chunk)
        if self._encoding in {"", "identity"}:
            self._add(chunk)
            return
        if self._unpack is None and chunk:
            # "deflate" is zlib's form; some servers send it without the header that it begins with.
            bare = self._encoding == "deflate" and chunk[0] & 0x0F != zlib.DEFLATED
            bits = -zlib.MAX_WBITS if bare else zlib.MAX_WBITS if self._encoding == "deflate" else _GZIP
            self._unpack = zlib.decompressobj(bits)
        while chunk and self._unpack is not None:
            if self._unpack.eof:
                raise VenueError("network", "the answer goes on after its end")
            try:
                self._add(self._unpack.decompress(chunk, _STEP))
            except zlib.error:
                raise VenueError("network", "the answer cannot be unpacked") from None
            chunk = self._unpack.unconsumed_tail or self._unpack.unused_data

    def whole(self) -> bytes:
        """All of it, once everything has come.

        Raises:
            VenueError: reason ``network``, if the end is missing.
        """
        if self._unpack is not None and not self._unpack.eof:
            raise VenueError("network", "the answer broke off")
        return b"".join(self._parts)

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > MAX_BODY_BYTES or self._sent > MAX_BODY_BYTES:
            raise VenueError("schema", f"the answer is larger than {MAX_BODY_BYTES} bytes")
        if self._size > RATIO_FROM and self._size > MAX_RATIO * self._sent:
            raise VenueError("schema", f"the answer unpacks to more than {MAX_RATIO} times its size")
        self._parts.append(part)
