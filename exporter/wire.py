"""Decoding of venue messages: numbers as venues write them, errors that name the field.

A venue's message is declared as a `Wire` struct with the venue's own spelling. Its numbers are declared as

* `Number`: may be missing, null or empty, and is None then;
* `Required`: must be a number;
* `Positive`: like `Number`; 0 and less mean that there is none, and are None;
* `Millis`: Unix milliseconds, read as seconds; 0 means that there is none, and is None.

Each may come as a JSON string, integer or float. `Flag` is true or false, also as text; `MaybeFlag` may be
missing, null or empty, and may be written as 1 or 0. Unknown extra fields are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import msgspec

from exporter.errors import VenueError

T = TypeVar("T")

# A type checker sees what is left after `Wire.__post_init__`; msgspec must accept what venues send.
if TYPE_CHECKING:
    Number = float | None
    Required = float
    Positive = float | None
    Millis = float | None
    Flag = bool
    MaybeFlag = bool | None
else:

    def _kind(name: str) -> Any:
        return Annotated[float | str | None, msgspec.Meta(extra={"number": name})]

    Number = _kind("number")
    Required = _kind("required")
    Positive = _kind("positive")
    Millis = _kind("millis")
    Flag = Annotated[bool | str, msgspec.Meta(extra={"number": "flag"})]
    MaybeFlag = Annotated[bool | int | str | None, msgspec.Meta(extra={"number": "maybe flag"})]

Rows: TypeAlias = list[T] | T | None
"""What venues write for several rows: a single one as an object, none as null. See `listed`."""


class Wire(msgspec.Struct):
    """Base of all venue messages. Turns its numbers into floats."""

    def __post_init__(self) -> None:
        cls = type(self)
        numbers = _NUMBERS.get(cls)
        if numbers is None:
            numbers = _NUMBERS[cls] = _number_fields(cls)
        for attribute, wire_name, kind in numbers:
            value = given = getattr(self, attribute)
            if kind in _FLAGS:
                setattr(self, attribute, _FLAGS[kind](value, wire_name))
                continue
            # Floats from JSON are finite already: JSON has no NaN, and msgspec refuses overflow.
            if value is None or value.__class__ is str:
                value = number(value, wire_name)
                if value is None and kind == "required":
                    raise ValueError(f"`{wire_name}` is empty, expected a number")
            elif value.__class__ is not float:
                value = float(value)
            if value is not None and value <= 0.0 and kind in _ABOVE_ZERO:
                value = None
            elif value is not None and kind == "millis":
                value /= 1000.0
            if value is not given:
                setattr(self, attribute, value)


_ABOVE_ZERO = frozenset({"positive", "millis"})
_NUMBERS: dict[type[Wire], tuple[tuple[str, str, str], ...]] = {}


def _number_fields(cls: type[Wire]) -> tuple[tuple[str, str, str], ...]:
    found = []
    for field in msgspec.structs.fields(cls):
        info = msgspec.inspect.type_info(field.type)
        extra = info.extra if isinstance(info, msgspec.inspect.Metadata) else None
        if extra and "number" in extra:
            found.append((field.name, field.encode_name, extra["number"]))
    return tuple(found)


def _flag(value: bool | str, field: str) -> bool:
    return value if isinstance(value, bool) else one_of(field, value, "TRUE", "FALSE") == "TRUE"


def _maybe_flag(value: bool | int | str | None, field: str) -> bool | None:
    if value is None or value == "":
        return None
    return one_of(field, str(value), "TRUE", "FALSE", "1", "0") in ("TRUE", "1")


_FLAGS: dict[str, Callable[[Any, str], bool | None]] = {"flag": _flag, "maybe flag": _maybe_flag}


def one_of(field: str, word: str, *known: str) -> str:
    """A venue's word in upper case.

    Raises:
        ValueError: if it is none of those that are known; the text names `field` and not the word.
    """
    if word.upper() not in known:
        raise ValueError(f"`{field}` is none of {', '.join(known)}")
    return word.upper()


def number(value: str | float | None, field: str) -> float | None:
    """A venue's number as float: None for null and for blank text.

    Raises:
        ValueError: for anything else that is not a finite number; the text names `field` and never the
            value, which could be anything.
    """
    if value is None:
        return None
    if isinstance(value, str):
        if not value.strip():
            return None
        # float() also takes "1_000", "nan" and "infinity"; none of them is a venue's number.
        if "_" in value:
            raise ValueError(f"`{field}` is not a number")
        try:
            value = float(value)
        except ValueError:
            raise ValueError(f"`{field}` is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"`{field}` is not a finite number")
    return value


def listed(rows: Rows[T]) -> list[T]:
    """The rows of an answer, whichever way they are written."""
    if rows is None:
        return []
    return rows if isinstance(rows, list) else [rows]


def decode(body: bytes, type_: type[T], where: str) -> T:
    """`body` as `type_`.

    Raises:
        VenueError: reason ``schema``; the text names `where` (venue and endpoint) and the field.
    """
    try:
        # A decoder per type is kept: building one costs more than decoding most messages.
        decoder = _DECODERS.get(type_)
        if decoder is None:
            decoder = _DECODERS[type_] = msgspec.json.Decoder(type_)
        result: T = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise VenueError("schema", f"{where}: {error}") from None
    return result


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
