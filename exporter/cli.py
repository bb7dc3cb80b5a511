"""The command line."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.commands.checks import check, check_config
from exporter.commands.init import init
from exporter.commands.written import dashboards, example, metrics, rules
from exporter.defaults import (
    FIRST_WITHIN,
    LISTEN_ADDRESS,
    MIN_INTERVAL,
    SCENARIOS,
    LogFormat,
    LogLevel,
)
from exporter.options import (
    Duration,
    F,
    Words,
    config_option,
    load_or_end,
    log_options,
    option,
    version_option,
    web_options,
)

if TYPE_CHECKING:
    from exporter.locks.door import WebConfig
    from exporter.shard import Shard

# What a command needs it imports itself: to be told the version nobody should wait for all of the rest.


def _lifecycle_option(command: F) -> F:
    return option(
        "--web.enable-lifecycle",
        is_flag=True,
        help="Lets callers have the configuration read again: POST /-/reload. SIGHUP does that in any case.",
    )(command)


def _start_option(command: F) -> F:
    return option(
        "--collect.first-within",
        type=Duration(0.0, 3600.0),
        default=f"{FIRST_WITHIN:g}s",
        help="Time over which the first collections of all accounts are spread.",
    )(command)


def _shard_options(command: F) -> F:
    command = option(
        "--shards",
        type=click.IntRange(1),
        default=None,
        help="How many exporters share the accounts; --shard=auto needs it.",
    )(command)
    return option(
        "--shard",
        default=None,
        help="I/N: collect those accounts of the file that are the share of number I of N exporters, counted "
        "from 0. auto: I is the number at the end of this machine's name (POD_NAME if it is set), as in a "
        "StatefulSet of Kubernetes.",
    )(command)


def _shard(text: str | None, shards: int | None) -> Shard | None:
    """The shard that the options mean, or the end of the program."""
    from exporter.shard import ShardError, shard_of

    if text is None:
        if shards is not None:
            raise click.UsageError("--shards needs --shard=I/N or --shard=auto")
        return None
    try:
        return shard_of(text, shards=shards, host=os.environ.get("POD_NAME") or socket.gethostname())
    except ShardError as error:
        raise click.BadParameter(str(error), param_hint="--shard") from None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@version_option
def main() -> None:
    """Liquidation risk of exchange accounts as Prometheus metrics."""


@main.command()
@config_option
@_shard_options
@_start_option
@web_options
@_lifecycle_option
@log_options
@version_option
def run(
    *,
    config_file: Path,
    collect_first_within: float,
    web_allowed_host: tuple[str, ...],
    web_config_file: Path | None,
    web_disable_risk_page: bool,
    web_enable_lifecycle: bool,
    web_listen_address: tuple[str, ...],
    web_systemd_socket: bool,
    web_telemetry_path: str,
    shard: str | None,
    shards: int | None,
    log_level: LogLevel,
    log_format: LogFormat,
) -> None:
    """Collect the configured accounts and serve their metrics."""
    from exporter import app, garbage, logs, process
    from exporter.config import load
    from exporter.reload import hold_hangups

    hold_hangups()
    logs.configure(log_level, log_format)
    own = _shard(shard, shards)
    config = load_or_end(config_file)
    lock, read_lock = _lock(web_config_file)
    process.serve(
        lambda: app.run(
            config,
            web_listen_address,
            web_telemetry_path,
            lambda _: garbage.settled(),
            allowed_hosts=web_allowed_host,
            first_within=collect_first_within,
            risk_page=not web_disable_risk_page,
            read=partial(load, config_file),
            lifecycle=web_enable_lifecycle,
            shard=own,
            web_config=lock,
            read_web_config=read_lock,
            systemd_socket=web_systemd_socket,
        )
    )


@main.command()
@option("--seed", type=int, default=1, help="Of the simulated prices: the same seed, the same walk.")
@option(
    "--interval",
    type=Duration(MIN_INTERVAL, 3600.0),
    default="5s",
    help="From one collection of an account to the next.",
)
@option(
    "--marks.interval",
    type=Duration(0.0, 3600.0),
    default="5s",
    help="From one call for the mark prices of a venue to the next, between collections; 0s for never.",
)
@option(
    "--chaos",
    is_flag=True,
    help="Let things go wrong at the venues, at random and as the seed has it; each fault is logged.",
)
@option(
    "--scenario",
    type=click.Choice(SCENARIOS),
    default=None,
    help="Play a story of some ten minutes, and tell what happens when and who should hear of it.",
)
@option(
    "--scenario-speed",
    type=click.FloatRange(0.1, 100.0),
    default=1.0,
    help="How many times faster than written the story is played. Rules keep their times.",
)
@_start_option
@web_options
@log_options
def demo(
    *,
    seed: int,
    interval: float,
    marks_interval: float,
    chaos: bool,
    scenario: str | None,
    scenario_speed: float,
    collect_first_within: float,
    web_allowed_host: tuple[str, ...],
    web_config_file: Path | None,
    web_disable_risk_page: bool,
    web_listen_address: tuple[str, ...],
    web_systemd_socket: bool,
    web_telemetry_path: str,
    log_level: LogLevel,
    log_format: LogFormat,
) -> None:
    """The exporter in front of simulated venues: no key, no configuration, no network."""
    from exporter import app, logs, process
    from exporter.demo import running as simulated
    from exporter.demo.stories import STORIES

    logs.configure(log_level, log_format)
    lock, read_lock = _lock(web_config_file)

    def announce(urls: Sequence[str]) -> None:
        for url in urls:
            click.echo(f"Simulated accounts: {url} (Ctrl-C stops)")

    async def serve() -> None:
        async with simulated.running(
            seed=seed,
            interval=interval,
            marks_interval=marks_interval,
            with_chaos=chaos,
            story=None if scenario is None else STORIES[scenario],
            speed=scenario_speed,
            tell=click.echo,
        ) as config:
            await app.run(
                config,
                web_listen_address,
                web_telemetry_path,
                announce,
                allowed_hosts=web_allowed_host,
                first_within=collect_first_within,
                risk_page=not web_disable_risk_page,
                web_config=lock,
                read_web_config=read_lock,
                systemd_socket=web_systemd_socket,
            )

    process.serve(serve)


def _lock(path: Path | None) -> tuple[WebConfig | None, Callable[[], WebConfig] | None]:
    """Who is let in, and what reads it again; or the end of the program with every mistake."""
    from exporter import logs
    from exporter.locks.file import LockError, load

    if path is None:
        return None, None
    try:
        found = load(path)
    except LockError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        sys.exit(1)
    logs.hide(found.secrets())
    return found, partial(load, path)


@main.command("hash-password")
def hash_password() -> None:
    """Ask for a password, or read the line that is piped in, and write its hash for basic_auth_users."""
    from exporter.locks import passwords

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    try:
        click.echo(passwords.hashed(password))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@main.command()
@option(
    "--web.listen-address",
    type=Words(),
    multiple=True,
    default=[LISTEN_ADDRESS],
    help="Where the exporter listens; the first counts.",
)
def healthy(*, web_listen_address: tuple[str, ...]) -> None:
    """Ask the exporter on this machine whether it answers; status 1 if not. It needs no key to its lock."""
    from exporter.addresses import ListenError, listen_addresses
    from exporter.healthy import ask

    try:
        problem = ask(listen_addresses(web_listen_address)[0])
    except ListenError as error:
        problem = str(error)
    if problem:
        raise click.ClickException(problem)


for command in (check, check_config, init, example, metrics, dashboards, rules):
    main.add_command(command)
