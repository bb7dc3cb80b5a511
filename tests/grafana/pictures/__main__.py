"""``python -m tests.grafana.pictures``: see the package."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter import logs
from tests.grafana.pictures import story
from tests.grafana.pictures.drawing import WIDTH, Page
from tests.grafana.pictures.source import Source
from tests.grafana.programs import GRAFANA, program

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
"""Debian has the first two in packages of the same names."""


def choose(board: Mapping[str, Any], source: Source, wanted: Mapping[str, str]) -> None:
    """A value for each variable: all where that is offered, else what is wanted or the first there is."""
    source.values = {}
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            continue
        name = variable["name"]
        if variable["includeAll"]:
            source.values[name] = ".*"
        elif name in wanted:
            source.values[name] = wanted[name]
        else:
            selector, label = (
                variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            )
            offered = source.label_values(selector, label)
            source.values[name] = offered[0] if offered else ""


def picture(page: str, height: int, output: Path) -> None:
    """Has Chromium draw the page into a PNG, in 256 colours where pngquant is installed."""
    with tempfile.TemporaryDirectory() as folder:
        html = Path(folder, "page.html")
        html.write_text(page)
        command = [
            program(*BROWSERS),
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--disable-gpu",
            f"--user-data-dir={folder}/profile",
            f"--window-size={WIDTH},{height}",
            "--virtual-time-budget=4000",
            f"--screenshot={output}",
            html.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    smaller = shutil.which("pngquant")
    if smaller is not None:
        subprocess.run([smaller, "--force", "--strip", "--output", output, "256", output], check=True)


def draw(
    source: Source, output: Path, names: list[str], wanted: Mapping[str, str], *, unfolded: bool
) -> None:
    """Writes a picture of each dashboard into the folder."""
    output.mkdir(parents=True, exist_ok=True)
    for name in names:
        board = json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text())
        choose(board, source, wanted)
        page = Page(board, source, unfolded=unfolded)
        html = page.html()
        picture(html, page.height, output / f"{name}.png")
        print(output / f"{name}.png")  # noqa: T201 (this is a command)
    for complaint in source.refused:
        print(complaint, file=sys.stderr)  # noqa: T201 (likewise)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.grafana.pictures", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the folder for the pictures")
    parser.add_argument("--prometheus", help="its URL; without one the demo plays a story before its own")
    parser.add_argument("--minutes", type=float, default=40, help="how much time is shown, and played")
    parser.add_argument("--dashboard", action="append", help="only this one; can be given several times")
    parser.add_argument(
        "--variable", action="append", default=[], help="NAME=VALUE, where one has to be chosen"
    )
    parser.add_argument("--unfolded", action="store_true", help="with the panels of rows that are folded up")
    options = parser.parse_args()
    names = options.dashboard or ["fleet", "account", "position", "exporter"]
    nearest = {} if options.prometheus else story.NEAREST
    wanted = nearest | dict(text.split("=", 1) for text in options.variable)
    seconds = options.minutes * 60

    def shown(url: str) -> int:
        source = Source(url, time.time(), seconds)
        draw(source, options.output, names, wanted, unfolded=options.unfolded)
        return 1 if source.refused else 0

    async def played_first() -> int:
        logs.configure("error", "logfmt")
        with tempfile.TemporaryDirectory() as folder:
            async with story.played(options.minutes, Path(folder)) as url:
                return await asyncio.to_thread(shown, url)

    return shown(options.prometheus) if options.prometheus else asyncio.run(played_first())


if __name__ == "__main__":
    sys.exit(main())
