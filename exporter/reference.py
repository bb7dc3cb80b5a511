"""The reference pages, made from the code: metric families, venues, and which field feeds which metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from exporter import demo
from exporter.account import AccountConfig, is_secret
from exporter.catalogue import FAMILIES, OWN_FAMILIES
from exporter.family import Family
from exporter.limits import DEFAULT_SHARE, Limit, RequestBudget
from exporter.request import Endpoint
from exporter.venues import AnyVenue, budgets_of

NOTICE = "<!-- Written by `make generate`; a change here is lost. -->"

_METRICS_INTRODUCTION = """\
A label in brackets is left out where it is empty. Ratios and rates are fractions: 0.1 is 10 %. A value
that is not known is absent: never 0, never NaN. Prices are in the contract's quote currency, PnL and
margins in the settlement coin, which the label `currency` names. A venue's value outside the range of its
metric fails the collection of the account with the reason `schema`: it is not understood."""

_VENUES_INTRODUCTION = """\
`exchange` in the configuration and in every label is the first column. Every venue takes the fields that
all accounts have, and those of its own. Only read permission is ever needed:
[venues/](venues/README.md) has how to make such a key. *Live marks* is the call that
`marks` in the configuration makes between collections, once for all of an address, and its weight. *Key* is
the call that tells what a key may do, made at the start and once a day: see [keys.md](keys.md)."""


_FIELDS_INTRODUCTION = """\
The tables of fields are measured: each number of each documented answer is changed (by 3 %, by its sign, to
nothing), the account is collected again, and what changes on the page is what the field feeds. A field that
changes nothing has its reason beside it."""


_BUDGETS_INTRODUCTION = f"""\
What the venues allow, by the names that `budgets` in the configuration and the label `budget` have. Each
address has its own (each proxy is another address), and the exporter uses {DEFAULT_SHARE:.0%} of it at most:
see [budgets.md](budgets.md)."""


def metrics_text() -> str:
    """All families as a plain table for a terminal."""
    rows = [(family.name, family.type, family.help) for family in (*FAMILIES, *OWN_FAMILIES)]
    width = max(len(name) for name, _, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {type_.ljust(9)}  {help_}" for name, type_, help_ in rows)


def metrics_page() -> str:
    """All families as Markdown."""
    return _page(
        "# Metrics",
        _METRICS_INTRODUCTION,
        "## Of the accounts",
        _family_table(FAMILIES),
        "## Of the exporter",
        _family_table(OWN_FAMILIES),
    )


def venues_text(venues: Mapping[str, type[AnyVenue]]) -> str:
    """The venues as a plain table for a terminal."""
    width = max(map(len, venues), default=0)
    return "\n".join(f"{name.ljust(width)}  {venue.title}" for name, venue in venues.items())


FieldUse = tuple[Endpoint, str, Sequence[str], str]
"""A call, a field of its answer, what follows it, and why nothing does."""
NO_FIELDS: Mapping[str, Iterable[FieldUse]] = MappingProxyType({})


def venues_page(
    venues: Mapping[str, type[AnyVenue]], fields: Mapping[str, Iterable[FieldUse]] = NO_FIELDS
) -> str:
    """The venues and their configuration, as Markdown; with what each field of their answers feeds.

    `fields` are measured by the tests, on documented answers: see ``tests/venues/measure.py``.
    """
    return _page(
        "# Venues",
        _VENUES_INTRODUCTION,
        *((_FIELDS_INTRODUCTION,) if fields else ()),
        venue_table(venues),
        "## Request budgets",
        _BUDGETS_INTRODUCTION,
        _budget_table(venues),
        "## Fields of every account",
        _config_table(AccountConfig.model_fields),
        *(part for name, venue in venues.items() for part in _venue_sections(venue, fields.get(name, ()))),
    )


def venue_table(venues: Mapping[str, type[AnyVenue]]) -> str:
    """One row a venue, as Markdown."""
    stand_ins = demo.discover()
    return _table(
        ("exchange", "Venue", "Demo", "Live marks", "Key", "Note"),
        (
            (
                f"`{name}`",
                f"[{venue.title}]({venue.documentation})",
                "yes" if name in stand_ins else "no",
                _call(venue.marks_endpoint),
                _call(venue.key_endpoint),
                first_sentence(venue.note),
            )
            for name, venue in venues.items()
        ),
    )


def _call(call: Endpoint | None) -> str:
    """With what it takes from the budget."""
    return "no" if call is None else f"`{call.label}`, {call.weight:g}"


def _budget_table(venues: Mapping[str, type[AnyVenue]]) -> str:
    return _table(
        ("Budget", "Limit", "Of", "Counts", "Used by"),
        (
            (
                f"`{name}`",
                " and ".join(map(_limit, budget.limits)),
                f"each {budget.scope}",
                _counted(budget),
                ", ".join(f"`{venue.name}`" for venue in venues.values() if budget in venue.budgets),
            )
            for name, budget in budgets_of(venues).items()
        ),
    )


def _limit(limit: Limit) -> str:
    times = {60.0: "a minute", 1.0: "a second"}
    return f"{limit.weight:,g} {times.get(limit.seconds, f'in {limit.seconds:g} s')}"


def _counted(budget: RequestBudget) -> str:
    kind = {None: "calls", True: "signed calls", False: "public calls"}[budget.signed]
    if budget.paths:
        kind += " below " + " and ".join(f"`{path}`" for path in budget.paths)
    return f"{kind}, each alone" if budget.each_endpoint else f"all {kind}"


def first_sentence(note: str) -> str:
    """What of a venue's note stands where there is room for one sentence."""
    first = note.partition("\n")[0].partition(". ")[0]
    return first if not first or first.endswith(".") else f"{first}."


def _venue_sections(venue: type[AnyVenue], fields: Iterable[FieldUse]) -> Iterable[str]:
    yield f"## {venue.title}"
    host = f"Host: `{venue.base_url}`." if venue.base_url is not None else "`base_url` is required."
    yield f"`exchange: {venue.name}`. {host}"
    if venue.note:
        yield venue.note
    own = venue.config_class.own_fields()
    if own:
        yield _config_table(own)
    rows: dict[Endpoint, list[FieldUse]] = {}
    for use in fields:
        rows.setdefault(use[0], []).append(use)
    for endpoint in sorted(rows, key=lambda one: one.label):
        yield f"### `{endpoint.label}`"
        yield _table(
            ("Field", "Feeds", "Or why not"),
            (
                (f"`{field}`", ", ".join(_effect(name) for name in moved), reason)
                for _, field, moved, reason in rows[endpoint]
            ),
        )


def _effect(name: str) -> str:
    return f"`{name}`" if name.startswith("risk_") else name


def _family_table(families: Iterable[Family]) -> str:
    return _table(
        ("Metric", "Type", "Labels", "Range", "Meaning"),
        (
            (
                f"`{family.name}`",
                family.type,
                ", ".join([*family.labels, *(f"[{label}]" for label in family.optional_labels)]),
                family.range.text,
                family.help + (f" Only with `{family.option}`." if family.option else ""),
            )
            for family in families
        ),
    )


def _config_table(fields: Mapping[str, FieldInfo]) -> str:
    return _table(
        ("Field", "Default", "Meaning"),
        ((f"`{name}`", _default(field), _meaning(name, field)) for name, field in fields.items()),
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default: Any = field.default
    if default is None or default is PydanticUndefined or isinstance(default, BaseModel):
        return ""
    return f"`{default:g}s`" if isinstance(default, float) else f"`{default}`"


def _meaning(name: str, field: FieldInfo) -> str:
    secret = f" Secret: inline, as `${{ENV}}` or as `{name}_file`." if is_secret(field.annotation) else ""
    return (field.description or "") + secret


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((title, NOTICE, *parts)) + "\n"
