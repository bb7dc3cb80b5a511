"""Request limits of the venues."""

from __future__ import annotations

from exporter.pause import Pause


class Budget(Pause):
    """One request limit.

    The accounts behind one address share one; an account has another of its own, for what a venue counts
    by user.
    """
