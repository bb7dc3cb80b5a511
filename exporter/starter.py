"""The first configuration of somebody who has one account: its text, and its files."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct
from pydantic import SecretStr, ValidationError

from exporter import credentials, mistakes
from exporter.venues import AnyVenue

FOLDER = "secrets"
"""Beside the configuration."""
_SECRET, _FOLDER, _READABLE = 0o600, 0o700, 0o644


class StarterError(Exception):
    """It cannot be written. The text says why, in words for people, without a secret."""


class Field(Struct, frozen=True):
    """What an account at a venue cannot do without."""

    name: str
    secret: bool
    meaning: str


def fields_of(venue: type[AnyVenue]) -> list[Field]:
    """What is asked for, in the order in which it is asked, besides the name of the account."""
    config = venue.config_class
    secrets = config.secret_fields()
    return [
        Field(name, name in secrets, field.description or "")
        for name, field in config.model_fields.items()
        if name not in ("name", "exchange")
        and (field.is_required() or (name == "base_url" and venue.base_url is None))
    ]


def fault(venue: type[AnyVenue], name: str, values: Mapping[str, str]) -> str | None:
    """Why these values cannot be an account; None if they can. No text repeats a value."""
    secrets = venue.config_class.secret_fields()
    for field in secrets:
        found = credentials.fault(field, values[field]) if field in values else None
        if found is not None:
            return f"{field} {found}"
    entry: dict[str, Any] = {
        field: SecretStr(value) if field in secrets else value for field, value in values.items()
    }
    try:
        config = venue.config_class.model_validate({"name": name, "exchange": venue.name, **entry})
    except ValidationError as error:
        one = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, one['loc']))}: {mistakes.message(one)}"
    return venue.check(config)


def secret_path(name: str, field: str) -> str:
    """Where a secret is, relative to the configuration."""
    return f"{FOLDER}/{name}_{field}"


def text_of(venue: type[AnyVenue], name: str, values: Mapping[str, str]) -> str:
    """The configuration of one account, whose secrets are in files."""
    secrets = venue.config_class.secret_fields()
    lines = ["accounts:", f"  - name: {_scalar(name)}", f"    exchange: {venue.name}"]
    for field, value in values.items():
        if field in secrets:
            lines.append(f"    {field}_file: {secret_path(name, field)}")
        else:
            lines.append(f"    {field}: {_scalar(value)}")
    return "\n".join(lines) + "\n"


def _scalar(value: str) -> str:
    written: str = yaml.safe_dump(value, width=1000, allow_unicode=True)
    return written.removesuffix("\n...\n").strip().replace("$", "$$")


def in_the_way(path: Path, venue: type[AnyVenue], name: str) -> list[Path]:
    """The files that there are already of those that `write` makes."""
    secrets = (path.parent / secret_path(name, field.name) for field in fields_of(venue) if field.secret)
    return [one for one in (path, *secrets) if os.path.lexists(one)]


def write(path: Path, venue: type[AnyVenue], name: str, values: Mapping[str, str], *, force: bool) -> None:
    """The configuration at `path`, and its secrets in files of their own that only their owner can read.

    Every file is there as a whole or not at all. With `force` they take the place of those that are there.

    Raises:
        StarterError: if there are some, or something hinders it. Without `force`, none of them is new then.
    """
    secrets = venue.config_class.secret_fields()
    files = [
        (path.parent / secret_path(name, field), f"{value}\n", _SECRET)
        for field, value in values.items()
        if field in secrets
    ]
    file, written = path, list[Path]()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if files:
            (path.parent / FOLDER).mkdir(mode=_FOLDER, exist_ok=True)
        for file, text, mode in (*files, (path, text_of(venue, name, values), _READABLE)):
            _write(file, text, mode, force=force)
            written.append(file)
    except OSError as error:
        if not force:
            for one in written:
                one.unlink(missing_ok=True)
        what = error.strerror or type(error).__name__
        raise StarterError(f"{file} cannot be written: {what}") from None


def _write(path: Path, text: str, mode: int, *, force: bool) -> None:
    """A file that is made beside its place and put there whole."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if force:
            Path(name).replace(path)
        else:
            _link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _link(name: str, path: Path) -> None:
    """Gives a file its place unless something is there."""
    try:
        os.link(name, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS) or os.path.lexists(path):
            raise
        Path(name).rename(path)  # a file system without links
