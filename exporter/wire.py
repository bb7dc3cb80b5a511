"""Decoding of venue messages: numbers as venues write them, errors that name the field.

A venue's message is declared as a `Wire` struct with the venue's own spelling. Numbers are declared as
`Number` (may be missing, null or empty: None) or `Required` (must be a number). Either may come as a JSON
string, integer or float. Unknown extra fields are ignored.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from exporter.errors import VenueError

T = TypeVar("T")

# A type checker sees what is left after `Wire.__post_init__`; msgspec must accept what venues send.
if TYPE_CHECKING:
    Number = float | None
    Required = float
else:
    Number = Annotated[float | str | None, msgspec.Meta(extra={"number": "optional"})]
    Required = Annotated[float | str | None, msgspec.Meta(extra={"number": "required"})]


class Wire(msgspec.Struct):
    """Base of all venue messages. Turns its `Number` and `Required` fields into floats."""

    def __post_init__(self) -> None:
        cls = type(self)
        numbers = _NUMBERS.get(cls)
        if numbers is None:
            numbers = _NUMBERS[cls] = _number_fields(cls)
        for attribute, wire_name, required in numbers:
            value = getattr(self, attribute)
            # Floats from JSON are finite already: JSON has no NaN, and msgspec refuses overflow.
            if value is None or value.__class__ is str:
                value = number(value, wire_name)
                if value is None and required:
                    raise ValueError(f"`{wire_name}` is empty, expected a number")
                setattr(self, attribute, value)
            elif value.__class__ is not float:
                setattr(self, attribute, float(value))


_NUMBERS: dict[type[Wire], tuple[tuple[str, str, bool], ...]] = {}


def _number_fields(cls: type[Wire]) -> tuple[tuple[str, str, bool], ...]:
    found = []
    for field in msgspec.structs.fields(cls):
        info = msgspec.inspect.type_info(field.type)
        extra = info.extra if isinstance(info, msgspec.inspect.Metadata) else None
        if extra and "number" in extra:
            found.append((field.name, field.encode_name, extra["number"] == "required"))
    return tuple(found)


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


# Venues print absurd prices for "cannot be liquidated": 99999999 and the like. No real contract quotes so
# high relative to its own price, so the bound is a multiple of the best known price of the position.
_ABSURD_PRICE = 99_999_999.0
_ABSURD_MULTIPLE = 10_000.0


def liquidation_price(value: float | None, reference: float | None) -> float | None:
    """A venue's liquidation price, None where it says "none": 0, negative, null or absurd.

    `reference` is the mark or entry price, against which a price over 10,000 times as high is absurd.
    """
    if value is None or value <= 0.0 or not math.isfinite(value):
        return None
    if reference is not None and reference > 0.0:
        return None if value > reference * _ABSURD_MULTIPLE or _is_nines(value) else value
    return None if value >= _ABSURD_PRICE else value


def _is_nines(value: float) -> bool:
    return value >= _ABSURD_PRICE and value % 1 == 0 and set(str(int(value))) == {"9"}


def listed(rows: list[T] | T | None) -> list[T]:
    """The rows of an answer: venues write a single one as an object, and none as null."""
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
