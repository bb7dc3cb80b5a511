"""The version as it is shown, with what the program was built from."""

from __future__ import annotations

import platform
from functools import cache
from importlib.resources import files
from typing import Final

from exporter import __version__

UNKNOWN: Final = "unknown"


@cache
def revision() -> str:
    """The commit that wheel or image were built from; `unknown` in a clone and where nobody said it.

    A clone is not asked: its files change while the program runs, and whoever has it has git.
    """
    try:
        baked = files("exporter").joinpath("REVISION").read_text(encoding="utf-8")
    except OSError:
        return UNKNOWN
    return baked.strip() or UNKNOWN


def version_text() -> str:
    """In the manner of Prometheus' programs: version, revision, interpreter."""
    return (
        f"risk-exporter, version {__version__} (revision: {revision()}, Python {platform.python_version()})"
    )
