"""The pieces of PromQL that rules and dashboards share."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import Final

POOL: Final = "exchange, account, currency"
"""The labels that tell one margin pool from another."""
POSITION: Final = "exchange, account, symbol, side, margin_mode, currency, position_id"
"""The labels that tell one position from another."""
SOURCE: Final = "exchange, account, job, instance"
"""An account as one exporter sees it."""


def selector(metric: str, *matchers: str) -> str:
    """``metric{matcher, …}``: the series of the metric whose labels match."""
    return metric + "{" + ", ".join(matchers) + "}"


def owned(expr: str, owners: str = "risk:account:owner:info") -> str:
    """The series of an expression about accounts, with the labels that say whose each is."""
    inner = indent(dedent(expr).strip(), "  ")
    return f"(\n{inner}\n)\n  * on (exchange, account) group_left (desk, owner) {owners}"
