"""Commands that look at a configuration: whether it is right, and whether it works."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.defaults import LogFormat, LogLevel
from exporter.options import config_option, load_or_end, log_options

if TYPE_CHECKING:
    from exporter.config import Config


@click.command("check-config")
@click.argument("file", type=click.Path(path_type=Path))
def check_config(file: Path) -> None:
    """Read the configuration FILE and list every mistake in it, what is doubtful, and what does not fit."""
    from exporter import fit
    from exporter.venues import discover

    config = load_or_end(file)
    for warning in config.warnings:
        click.echo(str(warning), err=True)
    found = [_count(len(config.accounts), "account"), "no mistakes"]
    if config.warnings:
        found.append(_count(len(config.warnings), "warning"))
    click.echo(f"{file}: {', '.join(found)}")
    for line in fit.remarks(fit.misfits(config, discover())):
        click.echo(line)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@click.command()
@config_option
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, account by account as they come in; or for programs, when all are in.",
)
@log_options
def check(*, config_file: Path, output: str, log_level: LogLevel, log_format: LogFormat) -> None:
    """Collect each configured account once and show what came of it.

    The exit status is 0 if every account can be collected, 1 if one cannot or the configuration has a
    mistake, 2 for a mistake on the command line.
    """
    from exporter import logs

    logs.configure(log_level, log_format)
    if not checked(load_or_end(config_file), json=output == "json"):
        sys.exit(1)


def checked(config: Config, *, json: bool = False) -> bool:
    """Checks all accounts and shows what comes of it; whether all can be collected."""
    import io

    from exporter import process
    from exporter.check import check as collected
    from exporter.check import text_of

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a minus sign shows the rest
    if json:
        report = process.run(lambda: collected(config))
        click.echo(text_of(report))
        return report.ok
    from exporter.screen import Screen, console

    screen = Screen(console())
    with screen.progress([account.name for account in config.accounts]) as told:
        report = process.run(lambda: collected(config, *told))
    screen.end(report)
    return report.ok
