"""Options that several commands have, and how a configuration is read. Imports nothing that takes time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from exporter.defaults import (
    CONFIG_FILE,
    LISTEN_ADDRESS,
    LOG_FORMATS,
    LOG_LEVELS,
    TELEMETRY_PATH,
    parse_duration,
)

if TYPE_CHECKING:
    from exporter.config import Config

F = TypeVar("F", bound=Callable[..., Any])


class Words(click.ParamType[str]):
    """A text; in an environment variable several, split by white space or commas."""

    name = "text"

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        return rv.replace(",", " ").split()


class Duration(click.ParamType[float]):
    """A duration as in the configuration, from `least` to `most` seconds."""

    name = "duration"

    def __init__(self, least: float, most: float) -> None:
        self.least = least
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not self.least <= seconds <= self.most:
            self.fail(f"must be from {self.least:g}s to {self.most:g}s", param, ctx)
        return seconds


def option(name: str, **settings: Any) -> Callable[[F], F]:
    """``--web.listen-address`` with ``RISK_EXPORTER_WEB_LISTEN_ADDRESS`` beside it."""
    parameter = name.removeprefix("--").replace(".", "_").replace("-", "_")
    return click.option(
        name,
        parameter,
        envvar=f"RISK_EXPORTER_{parameter.upper()}",
        show_envvar=True,
        show_default=True,
        **settings,
    )


def version_option(command: F) -> F:
    """``--version``: with what the program was built from."""

    def show(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value and not ctx.resilient_parsing:
            from exporter.revision import version_text

            click.echo(version_text())
            ctx.exit()

    return click.option(
        "--version",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=show,
        help="Show the version and what it was built from.",
    )(command)


def log_options(command: F) -> F:
    """What is written to standard error, and how."""
    command = option(
        "--log.format",
        type=click.Choice(LOG_FORMATS),
        default="logfmt",
        help="How a line is written.",
    )(command)
    return option(
        "--log.level",
        type=click.Choice(LOG_LEVELS),
        default="info",
        help="The least severe lines to write.",
    )(command)


def web_options(command: F) -> F:
    """Where the web server listens, and what it shows to whom."""
    command = option(
        "--web.allowed-host",
        type=Words(),
        multiple=True,
        help="A name under which the pages may be asked for, without a port; can be given several times. "
        "Those of this machine itself always are. Where only this machine is listened to, no others are "
        "unless given here; elsewhere all are unless some are given here.",
    )(command)
    command = option(
        "--web.disable-risk-page",
        is_flag=True,
        help="Shows no figures of the accounts at / and below /api/, only links and how they stand.",
    )(command)
    command = option(
        "--web.telemetry-path",
        default=TELEMETRY_PATH,
        help="Where the metrics are.",
    )(command)
    command = option(
        "--web.config.file",
        type=click.Path(path_type=Path),
        default=None,
        help="Who is let in: TLS, client certificates and passwords, in the format that all exporters of "
        "Prometheus share; see docs/locks.md. Read again when it changes.",
    )(command)
    command = option(
        "--web.systemd-socket",
        is_flag=True,
        help="Listens on the sockets that systemd hands over (LISTEN_FDS) in place of an address.",
    )(command)
    return option(
        "--web.listen-address",
        type=Words(),
        multiple=True,
        default=[LISTEN_ADDRESS],
        help="HOST:PORT to listen on; can be given several times. The equity of an account is "
        "nobody else's business, so the default is this machine alone.",
    )(command)


def config_option(command: F) -> F:
    return option(
        "--config.file",
        type=click.Path(path_type=Path),
        default=CONFIG_FILE,
        help="The configuration.",
    )(command)


def load_or_end(path: Path) -> Config:
    """The configuration, or the end of the program with every mistake on standard error."""
    from exporter import logs
    from exporter.config import ConfigError, load

    try:
        config = load(path)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        sys.exit(1)
    logs.hide(config.secrets())
    return config
