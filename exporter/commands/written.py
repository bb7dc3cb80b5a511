"""Commands that write what comes with the exporter: reference, dashboards, rules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from exporter.defaults import GRAFANA_URL, RUNBOOK_URL


@click.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "markdown"]),
    default="text",
    show_default=True,
    help="A table for a terminal, or the page of the documentation.",
)
@click.option(
    "--page",
    type=click.Choice(["metrics", "venues"]),
    default="metrics",
    show_default=True,
    help="The metric families; or the venues and their configuration.",
)
def metrics(format_: str, page: str) -> None:
    """List the metric families, or the venues."""
    from exporter import reference
    from exporter.venues import discover

    texts: dict[tuple[str, str], Callable[[], str]] = {
        ("metrics", "text"): reference.metrics_text,
        ("metrics", "markdown"): reference.metrics_page,
        ("venues", "text"): lambda: reference.venues_text(discover()),
        ("venues", "markdown"): lambda: reference.venues_page(discover()),
    }
    click.echo(texts[page, format_]().rstrip("\n"))


@click.command()
def example() -> None:
    """Print a configuration with every option, and an account of every venue that is installed."""
    from exporter.example import example_configuration
    from exporter.venues import discover

    click.echo(example_configuration(discover()), nl=False)


class _Url(click.ParamType[str]):
    """The beginning of an address, as it is put into dashboards and rules."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from exporter import shipped

        try:
            return shipped.url(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_output_option = click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The directory to write into; made if it is not there.",
)
_runbook_option = click.option(
    "--runbook-url",
    type=_Url(),
    default=RUNBOOK_URL,
    show_default=True,
    help="Your page of the runbook; the name of the alert in lower case is appended as its anchor.",
)


@click.command()
@_output_option
@_runbook_option
def dashboards(*, output: Path, runbook_url: str) -> None:
    """Write the Grafana dashboards, to be imported or provisioned (Grafana 10 and newer)."""
    from exporter import shipped

    _write(output, shipped.dashboards(runbook_url=runbook_url))


@click.command()
@_output_option
@click.option(
    "--grafana-url",
    type=_Url(),
    default=GRAFANA_URL,
    show_default=True,
    help="The Grafana that has the dashboards: alerts lead there.",
)
@_runbook_option
def rules(*, output: Path, grafana_url: str, runbook_url: str) -> None:
    """Write the recording and alert rules for Prometheus, and the runbook that the alerts lead to."""
    from exporter import shipped

    _write(output, shipped.rules(grafana_url=grafana_url, runbook_url=runbook_url))
    if grafana_url == GRAFANA_URL:
        click.echo(f"alerts lead to {grafana_url}; --grafana-url says where your Grafana is", err=True)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Files of these names in the folder, or the end of the program with what hindered it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
            click.echo(folder / name)
    except OSError as error:
        click.echo(f"cannot write: {error}", err=True)
        sys.exit(1)
