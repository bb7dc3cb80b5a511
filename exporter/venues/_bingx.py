"""What BingX's current and legacy swap APIs have in common: envelope, symbols, identity of positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import msgspec

from exporter.model import Contract


class Envelope(msgspec.Struct):
    """Around every answer, success or failure. Some answers of the legacy API say ``message``."""

    code: int | str
    msg: str | None = None
    message: str | None = None

    @property
    def words(self) -> str:
        return self.msg or self.message or ""


def envelope(body: bytes) -> tuple[int, str] | None:
    """Code and words of an answer; None where it is not in the venue's form (a page of a firewall)."""
    try:
        found = msgspec.json.decode(body, type=Envelope)
        return int(found.code), found.words
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return None


def contract_of(symbol: str, currency: str | None) -> Contract:
    """The contract of a symbol such as ``BTC-USDT``: linear, one base unit.

    `currency` is what the position row says about its money; with demo money (VST) it is not the quote.
    The `size` of the venue's contract list is "0" today and is not used.
    """
    base, _, quote = symbol.partition("-")
    settle = currency or quote
    return Contract("linear", 1.0, base or symbol, quote or settle, settle)


def position_ids(keys: Sequence[Hashable], ids: Sequence[str], *, separate: Sequence[bool]) -> list[str]:
    """The identity of each position, empty where its labels identify it.

    An id is needed where labels (`keys`) are not unique, and it is always given to a position that the
    venue keeps `separate` from others of its symbol: its series must not change their labels when a
    second one is opened.

    Raises:
        ValueError: if positions cannot be told apart.
    """
    count = Counter(keys)
    found = [
        name if count[key] > 1 or apart else "" for key, name, apart in zip(keys, ids, separate, strict=True)
    ]
    if len(set(zip(keys, found, strict=True))) < len(found):
        raise ValueError("`positionId` does not tell positions of one symbol, side and margin mode apart")
    return found
