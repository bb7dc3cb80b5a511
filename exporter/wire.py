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
        fields = _NUMBERS.get(cls)
        if fields is None:
            fields = _NUMBERS[cls] = _number_fields(cls)
        for attribute, wire_name, above_zero, needed in fields.numbers:
            value = getattr(self, attribute)
            # Floats from JSON are finite already: JSON has no NaN, and msgspec refuses overflow.
            if value.__class__ is str:
                try:
                    found = float(value)
                except ValueError:
                    found = math.nan
                # Anything else ("", "1_000", "inf") is rare.
                plain = math.isfinite(found) and "_" not in value
                value = found if plain else number(value, wire_name)
            elif value is None:
                if needed:
                    raise ValueError(f"`{wire_name}` is empty, expected a number")
                continue
            elif value.__class__ is not float:
                value = float(value)
            elif not above_zero or value > 0.0:
                continue
            if value is None:
                if needed:
                    raise ValueError(f"`{wire_name}` is empty, expected a number")
            elif above_zero and value <= 0.0:
                value = None
            setattr(self, attribute, value)
        for attribute, wire_name in fields.moments:
            value = number(getattr(self, attribute), wire_name)
            setattr(self, attribute, None if value is None or value <= 0.0 else value / 1000.0)
        for attribute, wire_name in fields.flags:
            setattr(self, attribute, _flag(getattr(self, attribute), wire_name))
        for attribute, wire_name in fields.maybe_flags:
            setattr(self, attribute, _maybe_flag(getattr(self, attribute), wire_name))


class _Fields(msgspec.Struct, frozen=True):
    """What a message has to be turned into something else: its attributes, by their names in the message."""

    numbers: tuple[tuple[str, str, bool, bool], ...]
    """Also whether only what is above 0 counts, and whether there must be one."""
    moments: tuple[tuple[str, str], ...]
    flags: tuple[tuple[str, str], ...]
    maybe_flags: tuple[tuple[str, str], ...]


_NUMBERS: dict[type[Wire], _Fields] = {}


def _number_fields(cls: type[Wire]) -> _Fields:
    numbers, others = [], {"millis": [], "flag": [], "maybe flag": []}  # type: ignore[var-annotated]  # told by what follows
    for field in msgspec.structs.fields(cls):
        info = msgspec.inspect.type_info(field.type)
        extra = info.extra if isinstance(info, msgspec.inspect.Metadata) else None
        if extra and "number" in extra:
            kind, name = extra["number"], (field.name, field.encode_name)
            if kind in others:
                others[kind].append(name)
            else:
                numbers.append((*name, kind == "positive", kind == "required"))
    return _Fields(tuple(numbers), *map(tuple, (others["millis"], others["flag"], others["maybe flag"])))


def _flag(value: bool | str, field: str) -> bool:
    return value if isinstance(value, bool) else one_of(field, value, "TRUE", "FALSE") == "TRUE"


def _maybe_flag(value: bool | int | str | None, field: str) -> bool | None:
    if value is None or value == "":
        return None
    return one_of(field, str(value), "TRUE", "FALSE", "1", "0") in ("TRUE", "1")


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
    try:
        found = float(value)
    except ValueError:
        if isinstance(value, str) and not value.strip():
            return None
        raise ValueError(f"`{field}` is not a number") from None
    # float() also takes "1_000", "nan" and "infinity"; none of them is a venue's number.
    if value.__class__ is str and "_" in value:
        raise ValueError(f"`{field}` is not a number")
    if not math.isfinite(found):
        raise ValueError(f"`{field}` is not a finite number")
    return found


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
