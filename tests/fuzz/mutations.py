"""Damage to documents: what venues, proxies and bad days make of a documented answer.

Every function takes its chance from the `Random` it is given and nothing else, so that a number gives the
same damage each time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

Path = tuple[str | int, ...]

# Written into a document as they are: JSON that no Python object would be written as.
RAW = (
    "1e999",
    "-1e999",
    "9" * 400,
    "-" + "9" * 30,
    "0." + "0" * 400 + "1",
    "NaN",
    "Infinity",
    "01",
    "1e",
    "1.7976931348623157e308",
    "5e-324",
    "-0.0",
    '"\\ud800"',
    '"\\u0000\\u001b[2J"',
    "[" * 2000 + "]" * 2000,
    '{"a":1,"a":2}',
)
WORDS = (
    "",
    " ",
    "0",
    "-0",
    "-1",
    "1e308",
    "-1e308",
    "5e-324",
    "1e-400",
    "1_000",
    "1,000.5",
    "0x10",
    "٣",
    "½",
    "NaN",
    "Infinity",
    "-inf",
    "null",
    "true",
    "FALSE",
    "BOTH",
    "LONG",
    "short",
    "CROSSED",
    "isolated",
    "BTC",
    "USDT",
    "btcusdt",
    "BTC-USDT",
    'a"b\\c\nd',
    '"} 1\nrisk_up{exchange="x',
    "\x00\x1b[31m\x07",
    "\u202eevil\u2066",
    "\u2028\ufeff",
    "\ud83d",
    "x" * 10_000,
    "1" * 400,
    "9999999999999",
    "banned until 9999999999999",
    "timestamp",
    "<html>",
)
VALUES: tuple[Any, ...] = (
    *WORDS,
    *(msgspec.Raw(text.encode()) for text in RAW),
    None,
    True,
    False,
    0,
    -1,
    1,
    2**53 + 1,
    2**63,
    -(2**64),
    0.1,
    -1e-9,
    1e15,
    1e300,
    [],
    {},
    [None],
    [[]],
    {"": None},
)
SCRAPS = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\\u",
    b"\\ud800",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"NaN",
    b"1e999",
    b"//",
    b"\r\n\r\n",
    b"<html>",
)


def paths(document: Any, path: Path = ()) -> list[Path]:
    """Every place in a document, the document itself included."""
    found: list[Path] = [path]
    children: Any = ()
    if isinstance(document, dict):
        children = document.items()
    elif isinstance(document, list):
        children = enumerate(document)
    for key, child in children:
        found += paths(child, (*path, key))
    return found


def at(document: Any, path: Path) -> Any:
    """What stands in a place.

    Raises:
        LookupError: There is no such place, because damage has taken it away.
    """
    for step in path:
        if not isinstance(document, dict | list) or isinstance(document, list) != isinstance(step, int):
            raise LookupError(path)
        document = document[step]  # type: ignore[index]  # as was just seen
    return document


def replaced(document: Any, path: Path, value: Any) -> Any:
    """A document with another value in a place; all else is shared with the old one."""
    if not path:
        return value
    step, *rest = path
    changed = copy.copy(document)
    changed[step] = replaced(document[step], tuple(rest), value)
    return changed


def structural(document: Any, places: Sequence[Path], random: Random) -> Any:
    """A document with one thing changed in it."""
    path = random.choice(places)
    try:
        old = at(document, path)
    except LookupError:
        return document
    return replaced(document, path, random.choice(_CHANGES)(old, document, places, random))


def _value(old: Any, document: Any, places: Sequence[Path], random: Random) -> Any:  # noqa: ARG001
    return random.choice(VALUES)


def _swapped(old: Any, document: Any, places: Sequence[Path], random: Random) -> Any:
    """What stands in another place of the document."""
    try:
        return at(document, random.choice(places))
    except LookupError:
        return old


def _nudged(old: Any, document: Any, places: Sequence[Path], random: Random) -> Any:  # noqa: ARG001
    """Another number, word or flag of the same kind."""
    if isinstance(old, bool):
        return not old
    number = _number(old)
    if number is None:
        return _respelled(old, random) if isinstance(old, str) else old
    factor = random.choice((-1.0, 0.0, 1e-12, 0.5, 0.99, 1.01, 2.0, 10.0, 1e4, 1e12, 1e290, random.random()))
    changed = number * factor
    return f"{changed:.12g}" if isinstance(old, str) else changed


def _number(old: Any) -> float | None:
    try:
        return float(old) if isinstance(old, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _respelled(old: str, random: Random) -> str:
    return random.choice((old.lower(), old.upper(), old + " ", old[:-1], old * 2, old[::-1], old + "\u200b"))


def _retyped(old: Any, document: Any, places: Sequence[Path], random: Random) -> Any:  # noqa: ARG001
    """The same as another type."""
    if isinstance(old, str):
        number = _number(old)
        return old if number is None or number != number or abs(number) > 1e308 else number  # noqa: PLR0124
    if isinstance(old, int | float):
        return str(old)
    return random.choice(([old], {"data": old}, str(old)))


def _rows(old: Any, document: Any, places: Sequence[Path], random: Random) -> Any:  # noqa: ARG001
    """More, fewer or other children."""
    if isinstance(old, list) and old:
        index = random.randrange(len(old))
        return random.choice(
            (
                old[:index] + old[index + 1 :],
                [*old, old[index]],
                old[::-1],
                old * random.choice((2, 50)),
                [*old, {**old[index], "symbol": "ANOTHER"} if isinstance(old[index], dict) else None],
                old[index],
            )
        )
    if isinstance(old, dict) and old:
        key = random.choice(list(old))
        less = {name: value for name, value in old.items() if name != key}
        return random.choice(
            (less, less, {**less, key.upper() + "x": old[key]}, {**old, "somethingNew": {"deep": [1]}}, [old])
        )
    return [old]


_CHANGES: tuple[Callable[[Any, Any, Sequence[Path], Random], Any], ...] = (
    _value,
    _value,
    _swapped,
    _nudged,
    _nudged,
    _retyped,
    _rows,
    _rows,
)


def bytewise(body: bytes, random: Random) -> bytes:
    """A body with one thing wrong in its bytes."""
    begin = random.randrange(len(body) + 1)
    end = min(len(body), begin + random.choice((1, 1, 2, 8, 100)))
    kind = random.randrange(6)
    if kind == 0:
        return body[:begin]
    if kind == 1:
        return body[:begin] + body[end:]
    if kind == 2:
        return body[:end] + body[begin:]
    if kind == 3:
        return body[:begin] + random.choice(SCRAPS) + body[begin:]
    if kind == 4 and body:
        index = random.randrange(len(body))
        return body[:index] + bytes([body[index] ^ (1 << random.randrange(8))]) + body[index + 1 :]
    return body[:begin] + random.choice(SCRAPS) + body[end:]


WHOLE = (
    b"",
    b" ",
    b"null",
    b"[]",
    b"{}",
    b"0",
    b'""',
    b"<html><body>503 Service Temporarily Unavailable</body></html>",
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b"\xff\x00",
    b'{"code":-1003,"msg":"\xff banned until 9999999999999"}',
    b"upstream connect error or disconnect/reset before headers",
)
"""Answers that have nothing to do with what was asked."""


def damaged(document: Any, places: Sequence[Path], random: Random) -> bytes:
    """A documented answer after one to three kinds of damage, as bytes."""
    if random.random() < 0.03:
        return random.choice(WHOLE)
    bytes_too = random.random() < 0.25
    for _ in range(random.choice((1, 1, 1, 2, 3)) if not bytes_too or random.random() < 0.3 else 0):
        document = structural(document, places, random)
    body = encoded(document)
    return bytewise(body, random) if bytes_too else body


def encoded(document: Any) -> bytes:
    """JSON, also of text that is no Unicode and of keys that are no text."""
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        return msgspec.json.encode(_spelled(document))


def _spelled(node: Any) -> Any:
    if isinstance(node, str):
        return node.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(node, list):
        return [_spelled(one) for one in node]
    if isinstance(node, dict):
        return {_spelled(key): _spelled(value) for key, value in node.items()}
    return node
