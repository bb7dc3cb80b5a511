"""What a metric family is: its name, labels, range and where its values are. `exporter.catalogue` has all."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

from exporter.model import AccountRisk

FamilyType = Literal["gauge", "counter", "histogram"]
ExtraLabels = tuple[tuple[str, str], ...]
Row = TypeVar("Row")

NO_LABELS: Mapping[str, Any] = MappingProxyType({})


class Range(Struct, frozen=True):
    """The values a family can have, both ends included. A venue's value outside is a schema error."""

    low: float
    high: float
    text: str
    """For the reference page."""
    words: tuple[str, ...]
    """What a help text says of it: one of these."""


_LARGEST = sys.float_info.max

ANY = Range(-_LARGEST, _LARGEST, "any", ("negative",))
NOT_NEGATIVE = Range(0.0, _LARGEST, "0 and more", ("not negative", "unsigned"))
# The smallest number above 0 as the lower end: one comparison for every kind of range.
ABOVE_ZERO = Range(math.ulp(0.0), _LARGEST, "above 0", ("above 0",))
RATE = Range(0.0, math.inf, "0 and more, +Inf", ("not negative",))
SHARE = Range(0.0, 1.0, "0 to 1", ("from 0",))
SHOCK = Range(0.0, 10.0, "0 to 10", ("not negative",))
FLAG = Range(0.0, 1.0, "0 or 1", ("1 if",))
ONE = Range(1.0, 1.0, "1", ("always 1",))


class Level(Struct, Generic[Row], frozen=True):
    """What one row is about: where the rows are in an assessed account, and the labels that name one.

    Every row has `exchange` and `account` besides.
    """

    rows_are: str
    """What several of them are called, in errors."""
    rows: Callable[[AccountRisk], Iterable[Row]]
    labels: Mapping[str, Callable[[Row], str]] = NO_LABELS
    optional: Mapping[str, Callable[[Row], str]] = NO_LABELS
    """Left out of a sample where they are empty."""


class Family(Struct, frozen=True, kw_only=True):
    """One metric family: what documentation, dashboards and rules know of it."""

    name: str
    help: str
    type: FamilyType = "gauge"
    range: Range
    labels: tuple[str, ...]
    """Every sample has these."""
    optional_labels: tuple[str, ...] = ()
    """Samples have these where they are not empty."""
    option: str = ""
    """The configuration without which the family is never published."""


class RowFamily(Family, Generic[Row], frozen=True, kw_only=True):
    """One that comes from the rows of an assessed account.

    Exactly one of `value` and `samples` is set: `value` reads the one value of a row; `samples` gives
    several values of a row, each with further labels.
    """

    level: Level[Row]
    value: Callable[[Row], float | None] | None = None
    samples: Callable[[Row], Iterable[tuple[ExtraLabels, float | None]]] | None = None
    said: Callable[[Row], float | None] | None = None
    """What the venue said, where the value is another one if that makes no sense; it has the same range."""
