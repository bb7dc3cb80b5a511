"""What is generated is what the generators write."""

from __future__ import annotations

from grafana.generator import output
from tests.generate import ROOT, files


def test_nothing_that_is_generated_is_out_of_date() -> None:
    """`make generate` writes these files again."""
    assert output.outdated(ROOT, files()) == []
