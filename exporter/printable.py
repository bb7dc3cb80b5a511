"""Text of others, shown so that nobody is deceived: what cannot be seen is escaped."""

from __future__ import annotations


def visible(text: str, *, keep: str = "") -> str:
    r"""`text` with every character that cannot be seen as an escape: ``\x1b``, ``\u202e``.

    Those are control characters (a terminal obeys them), marks of the writing direction (they show a text
    in another order than it has), spaces other than the common one, line separators, halves of surrogate
    pairs, and what is no character at all. Those in `keep` stay.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _escape(one) for one in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
