"""``risk-exporter init``: the first configuration, asked for or from options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exporter.defaults import CONFIG_FILE
from exporter.options import option

if TYPE_CHECKING:
    from exporter.starter import Field
    from exporter.venues import AnyVenue

DEFAULT_NAME = "main"
ASKS_AGAIN = 3
"""How often a value that cannot be right is asked for."""


class _Pair(click.ParamType[tuple[str, str]]):
    """``FIELD=VALUE``. What is wrong is said without the value."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        field, sign, rest = str(value).partition("=")
        if not sign or not field.isidentifier():
            self.fail(f"expected {self.name}", param, ctx)
        return field, rest


@click.command()
@option(
    "--config.file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=CONFIG_FILE,
    help="The configuration to write. Secrets go into the folder `secrets` beside it.",
)
@click.option("--exchange", help="The venue; `risk-exporter metrics --page=venues` lists them.")
@click.option("--name", help=f"What the account is called in metrics and alerts. [default: {DEFAULT_NAME}]")
@click.option(
    "--secret-file",
    "secret_files",
    type=_Pair("FIELD=FILE"),
    multiple=True,
    help="Take a secret from a file: api_secret=/path. Can be given several times. Secrets that are not "
    "given so are asked for, or are read from standard input, one a line: api_key, api_secret, …",
)
@click.option(
    "--set",
    "plain",
    type=_Pair("FIELD=VALUE"),
    multiple=True,
    help="A field that is no secret, such as base_url=https://…. Can be given several times.",
)
@click.option("--force", is_flag=True, help="Put the files in the place of those that are there.")
@click.option("--check/--no-check", default=True, show_default=True, help="Collect the account once.")
def init(
    *,
    config_file: Path,
    exchange: str | None,
    name: str | None,
    secret_files: tuple[tuple[str, str], ...],
    plain: tuple[tuple[str, str], ...],
    force: bool,
    check: bool,
) -> None:
    """Ask for an account, write a configuration for it, and check it."""
    from exporter import starter
    from exporter.commands.checks import checked
    from exporter.logs import configure
    from exporter.options import load_or_end

    configure("warning", "logfmt")
    asked = _Asked(interactive=sys.stdin.isatty())
    venue = asked.venue(exchange)
    name = asked.name(name)
    hindering = [] if force else starter.in_the_way(config_file, venue, name)
    if hindering:
        _end(f"{hindering[0]} is there already; --force puts another in its place")
    fields = starter.fields_of(venue)
    values = asked.values(venue, fields, _given(venue, fields, dict(secret_files), dict(plain)))
    wrong = starter.fault(venue, name, values)
    if wrong is not None:
        _end(wrong)
    try:
        starter.write(config_file, venue, name, values, force=force)
    except starter.StarterError as error:
        _end(str(error))
    secrets = [field for field in values if field in venue.config_class.secret_fields()]
    where = config_file.parent / starter.FOLDER
    hidden = f"; {' and '.join(secrets)} in {where}, for your eyes alone" if secrets else ""
    click.echo(f"{config_file}: written{hidden}")
    if check and not checked(load_or_end(config_file)):
        click.echo(f"\nNot yet. To try again: risk-exporter check --config.file={config_file}")
        sys.exit(1)
    click.echo(f"\nNext: risk-exporter run --config.file={config_file}")


def _end(text: str) -> None:
    click.echo(text, err=True)
    sys.exit(1)


def _given(
    venue: type[AnyVenue],
    fields: list[Field],
    secret_files: Mapping[str, str],
    plain: Mapping[str, str],
) -> dict[str, str]:
    """The values that options give."""
    from exporter import credentials

    secrets = venue.config_class.secret_fields()
    known = venue.config_class.model_fields.keys() - {"name", "exchange"}
    for names, option_name in ((secret_files, "--secret-file"), (plain, "--set")):
        for name in names:
            if name not in known:
                needed = ", ".join(field.name for field in fields)
                raise click.UsageError(f"{option_name}: {venue.title} has no field {name}; it needs {needed}")
            if (name in secrets) is (names is plain):
                hint = "a secret: on a command line others see it; use --secret-file or standard input"
                raise click.UsageError(f"{option_name}: {name} is {hint if names is plain else 'no secret'}")
    found = dict(plain)
    for name, path in secret_files.items():
        try:
            found[name] = credentials.read_file(Path(path)).text
        except credentials.SecretError as error:
            _end(f"--secret-file: {name}: {error}")
    return found


class _Asked:
    """What is not given: asked for on a terminal, else a line of standard input."""

    def __init__(self, *, interactive: bool) -> None:
        self._interactive = interactive

    def venue(self, name: str | None) -> type[AnyVenue]:
        from exporter.venues import discover

        venues = discover()
        if name is None and not self._interactive:
            raise click.UsageError("--exchange is needed where nobody can be asked")
        if name is not None:
            if name not in venues:
                raise click.UsageError(f"--exchange: known are {', '.join(venues)}")
            return venues[name]
        width = max(map(len, venues))
        for number, (known, venue) in enumerate(venues.items(), start=1):
            click.echo(f"{number:3}  {known.ljust(width)}  {venue.title}")

        def chosen(text: str) -> str:
            numbered = dict(zip(map(str, range(1, len(venues) + 1)), venues, strict=True))
            found = numbered.get(text.strip(), text.strip())
            if found not in venues:
                raise click.UsageError("a number or a name of the list")
            return found

        return venues[_prompt("Venue, by number or name", chosen)]

    def name(self, name: str | None) -> str:
        from exporter.account import AccountConfig

        def usable(text: str) -> str:
            from pydantic import ValidationError

            try:
                AccountConfig(name=text, exchange="any")
            except ValidationError:
                raise click.UsageError(
                    "letters, digits, dots, dashes and underscores, at most 64; first a letter or a digit"
                ) from None
            return text

        if name is None and self._interactive:
            return _prompt("Name of the account", usable, default=DEFAULT_NAME)
        return usable(name or DEFAULT_NAME)

    def values(self, venue: type[AnyVenue], fields: list[Field], given: Mapping[str, str]) -> dict[str, str]:
        """A value for every field, in the order of the fields."""
        asked = (field for field in fields if field.name not in given)
        return {**{field.name: self._value(venue, field) for field in asked}, **given}

    def _value(self, venue: type[AnyVenue], field: Field) -> str:
        from exporter import credentials

        def usable(text: str) -> str:
            wrong = credentials.fault(field.name, text) if field.secret else None
            if wrong is not None:
                raise click.UsageError(wrong)
            if field.secret and text.startswith("-----BEGIN"):
                raise click.UsageError(
                    "a key of several lines: put it into a file, and give that with --secret-file"
                )
            return text

        if not self._interactive:
            if not field.secret:
                raise click.UsageError(f"{venue.title} needs --set={field.name}=…")
            line = sys.stdin.readline().rstrip("\r\n")
            if not line:
                raise click.UsageError(f"nothing came on standard input for {field.name}")
            return usable(line)
        click.echo(field.meaning)
        hidden = " (not shown while you type or paste it)" if field.secret else ""
        return _prompt(f"{field.name}{hidden}", usable, hide_input=field.secret)


def _prompt(text: str, usable: Callable[[str], str], **settings: Any) -> str:
    """Asks until the answer is of use, a few times."""
    for _ in range(ASKS_AGAIN - 1):
        try:
            return usable(click.prompt(text, **settings))
        except click.UsageError as error:
            click.echo(f"  {error.message}", err=True)
    return usable(click.prompt(text, **settings))
