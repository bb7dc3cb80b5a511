"""What is generated is what the generators write; `make generate` writes these files again."""

from __future__ import annotations

import re

from exporter import reference
from exporter.venues import discover
from grafana.generator import output
from tests.generate import ROOT, VENUES_PAGE, files


def test_nothing_that_is_generated_is_out_of_date() -> None:
    assert output.outdated(ROOT, files()) == []


def test_the_reference_of_the_venues_is_not_out_of_date() -> None:
    """But for what each field feeds: that is compared where it is measured, in the tests of every venue."""
    venues = discover()
    page = reference.venues_page(venues, dict.fromkeys(venues, ()))
    without_fields = re.sub(
        r"\n\n### .*?(?=\n\n## |\n\Z)", "", (ROOT / VENUES_PAGE).read_text(), flags=re.DOTALL
    )
    assert without_fields == page
