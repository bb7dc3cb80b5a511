"""Plays every crash and writes ``docs/lead-time.md``: ``make lead-time``. Takes ten minutes of a core."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.crashes import paths, report
from tests.crashes.replay import replay
from tests.grafana.programs import ROOT

PAGE = ROOT / "docs" / "lead-time.md"


def main() -> None:
    """Plays and writes."""
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--candles", type=Path, help="a folder with <day>.csv: time,btc,eth,alt")
    parser.add_argument("--seed", type=int, default=1, help="which noise")
    arguments = parser.parse_args()
    sources, crashes = paths.read()
    played = []
    for known in crashes:
        file = None if arguments.candles is None else arguments.candles / f"{known.name}.csv"
        crash = known if file is None or not file.exists() else paths.with_candles(known, file)
        with tempfile.TemporaryDirectory() as folder:
            played.append((crash, replay(crash, arguments.seed, Path(folder))))
        print(f"played: {crash.name}", flush=True)  # noqa: T201 (this is a command)
    PAGE.write_text(report.page(sources, played))


if __name__ == "__main__":
    main()
