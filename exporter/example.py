"""The example configuration, made from the code: every option with its meaning, one account a venue."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exporter.account import is_secret
from exporter.defaults import parse_duration
from exporter.reference import first_sentence
from exporter.sections import BudgetSection, CollectSection, Sections
from exporter.venues import AnyVenue, budgets_of

_WIDTH = 105
_SPANS = {60.0: "minute", 1.0: "second"}

_INTRODUCTION = """\
# Configuration of risk-exporter, with every option. Written by `make generate` from the code: copy it and
# change the copy. `risk-exporter check-config FILE` checks a file; `risk-exporter check --config.file=FILE`
# also collects every account once.
#
# Durations: 500ms, 15s, 1m30s.
# In any value ${NAME} is the environment variable NAME, and $$ is a dollar sign.
# Each secret is written in one of three ways:
#   api_secret: the-secret-itself
#   api_secret: ${DESK_SECRET}
#   api_secret_file: /run/secrets/desk   # relative paths start at this file's directory
# One of several lines, such as a PEM private key, is best in a file.
"""


def example_configuration(venues: Mapping[str, type[AnyVenue]]) -> str:
    """A configuration with every section, and with an account at each of `venues`, as YAML with comments.

    What all accounts can have is shown at the first of them. Secrets come from the environment and from
    files; `variable` and `secret_file` name them.
    """
    lines = [_INTRODUCTION.rstrip("\n")]
    for name, section in Sections.model_fields.items():
        lines += ["", *_comment(section.description), f"{name}:"]
        match name:
            case "accounts":
                lines += _accounts(venues)
            case "budgets":
                lines += _budgets(venues)
            case "usd_pegs":
                lines += (f"  {coin}: {value:g}" for coin, value in section.default.items())
            case _:
                lines += _fields(type(section.default).model_fields)
    return "\n".join(lines) + "\n"


def variable(venue: str, field: str) -> str:
    """The environment variable with which the example fills this field."""
    return re.sub(r"\W", "_", f"{venue}_{field}").upper()


def secret_file(venue: str, field: str) -> str:
    """The file in which the example has this secret, relative to the configuration."""
    return f"secrets/{venue}_{field}"


def _fields(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        yield from _comment(_described(field), indent="  ")
        yield f"  {name}: {_value(field)}"


def _budgets(venues: Mapping[str, type[AnyVenue]]) -> Iterator[str]:
    """Every budget as it is without the section; what all can have is shown at the first of them."""
    said: set[str] = set()
    for name, budget in budgets_of(venues).items():
        limits = {f"per_{_SPANS[one.seconds]}": one.weight for one in budget.limits if one.seconds in _SPANS}
        if said and not limits:
            yield f"  {name}: {{}}"
            continue
        yield f"  {name}:"
        for field_name, field in BudgetSection.model_fields.items():
            value = f"{limits[field_name]:g}" if field_name in limits else _value(field)
            if value is None or (field_name in said and field_name not in limits):
                continue
            if field_name not in said:
                said.add(field_name)
                yield from _comment(_described(field), indent="    ")
            yield f"    {field_name}: {value}"


def _accounts(venues: Mapping[str, type[AnyVenue]]) -> Iterator[str]:
    """The list; what was said about a field of one account is not repeated at the next."""
    said: set[str] = set()
    for number, (name, venue) in enumerate(venues.items()):
        if number:
            yield ""
        yield from _comment(f"{venue.title}. {first_sentence(venue.note)}".rstrip(), indent="  ")
        entry = [
            line
            for field_name, field in _shown(venue, everything=number == 0).items()
            for line in (
                *_said_once(_meaning(field_name, field), said),
                _line(name, venue, number, field_name, field),
            )
        ]
        yield from ("  - " + line if index == 0 else "    " + line for index, line in enumerate(entry))


def _shown(venue: type[AnyVenue], *, everything: bool) -> Mapping[str, FieldInfo]:
    """The fields of an account, in the order in which a person writes them: whose, then how, then where."""
    fields = venue.config_class.model_fields
    own = venue.config_class.own_fields()
    needed = [
        name
        for name, field in fields.items()
        if field.is_required() or (name == "base_url" and venue.base_url is None)
    ]
    order = dict.fromkeys((*needed, *own, *(fields if everything else ())))
    return {name: fields[name] for name in order}


def _meaning(name: str, field: FieldInfo) -> str:
    if name in CollectSection.model_fields:
        return "As in `collect`, for this account alone."
    return _described(field)


def _described(field: FieldInfo) -> str:
    default = _default(field)
    sentences = (field.description, None if default is None else f"Default: {default}.")
    return " ".join(sentence for sentence in sentences if sentence)


def _said_once(text: str, said: set[str]) -> Iterator[str]:
    if text not in said:
        said.add(text)
        yield from _comment(text, width=_WIDTH - 4)


def _line(name: str, venue: type[AnyVenue], number: int, field_name: str, field: FieldInfo) -> str:
    """One field with its value; only the first secret of an account comes from the environment."""
    match field_name:
        case "name":
            return f"name: desk-{number + 1}"
        case "exchange":
            return f"exchange: {name}"
        case "base_url":
            return f"base_url: {venue.base_url or f'https://{name}.example.com'}"
    value = _value(field)
    if value is not None:
        return f"{field_name}: {value}"
    own_secrets = [
        one for one in venue.config_class.own_fields() if one in venue.config_class.secret_fields()
    ]
    if is_secret(field.annotation) and field_name in own_secrets[1:]:
        return f"{field_name}_file: {secret_file(name, field_name)}"
    return f"{field_name}: ${{{variable(name, field_name)}}}"


def _value(field: FieldInfo) -> str | None:
    """The example of a field, else its default, as it is written in the file; None if it has neither."""
    return str(field.examples[0]) if field.examples else _default(field)


def _default(field: FieldInfo) -> str | None:
    """The default as it is written in the file; None where there is none to write."""
    if field.is_required():
        return None
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is None or isinstance(value, BaseModel):
        return None
    if isinstance(value, float) and any(
        getattr(one, "func", None) is parse_duration for one in field.metadata
    ):
        return f"{value:g}s"
    plain = list(value) if isinstance(value, tuple) else value
    written: str = yaml.safe_dump(plain, default_flow_style=True, width=1000, allow_unicode=True)
    return written.removesuffix("\n...\n").strip().replace("$", "$$")


def _comment(text: str | None, indent: str = "", width: int = _WIDTH) -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(
        text or "",
        width=width,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )
