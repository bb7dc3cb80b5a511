"""Everything in the repository that is written by a program: ``python -m tests.generate`` writes it again.

It stands with the tests because the reference of the venues is measured on the tests' documented answers.
``--check`` writes nothing and fails if a file is out of date; a test does the same.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from exporter import check, logs, reference
from exporter.board import answers
from exporter.example import example_configuration
from exporter.venues import discover
from grafana.generator import files as grafana_files
from grafana.generator import output
from tests import series
from tests.e2e.stories_page import demo_page
from tests.faults.page import faults_page
from tests.grafana.incidents.page import incidents_page
from tests.venues.bench import benches
from tests.venues.measure import measured, rows_of

ROOT = Path(__file__).resolve().parents[1]
VENUES_PAGE = Path("docs/venues.md")


async def venues_page() -> str:
    """The reference of the venues, with what each field of their documented answers feeds."""
    venues, known = discover(), benches()
    fields = {
        name: list(rows_of(venues[name], await measured(known[name]))) for name in venues.keys() & known
    }
    return reference.venues_page(venues, fields)


def files() -> dict[Path, str]:
    """Path, relative to the repository, and text of the generated files, but for the page of the venues."""
    return {
        Path("docs/demo.md"): demo_page(),
        Path("docs/faults.md"): faults_page(),
        Path("docs/incidents.md"): incidents_page(),
        Path("docs/metrics.md"): reference.metrics_page(),
        Path("docs/accounts.schema.json"): answers.schema_text().decode(),
        Path("docs/check.schema.json"): check.schema_text().decode(),
        series.PAGE: series.page((ROOT / series.PAGE).read_text()),
        Path("risk-exporter.example.yml"): example_configuration(discover()),
        **grafana_files(),
    }


def main() -> int:
    """Writes or compares; the exit status is 1 if something is out of date and stays so."""
    parser = argparse.ArgumentParser(prog="python -m tests.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file would change")
    parser.add_argument("--quick", action="store_true", help=f"leave {VENUES_PAGE} alone: it is measured")
    arguments = parser.parse_args()
    check: bool = arguments.check
    logs.configure("error", "logfmt")  # what adapters say of answers that were changed is of no interest
    wanted = files()
    if not arguments.quick:
        wanted[VENUES_PAGE] = asyncio.run(venues_page())
    outdated = output.outdated(ROOT, wanted)
    for path in outdated:
        print(f"{'out of date' if check else 'written'}: {path}")  # noqa: T201 (this is a command)
    if not check:
        output.write(ROOT, wanted)
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
