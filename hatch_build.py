"""Bakes the revision that a wheel or a source archive is built from into it, for `risk-exporter --version`.

What is built from a clone has the commit, with `-dirty` where files differ from it; what is built elsewhere
has what RISK_EXPORTER_REVISION says, as in the image; a wheel of a source archive has what was baked into
that. Where none of them is known nothing is baked, and the program says `unknown`.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BAKED: Final = "exporter/REVISION"


class RevisionHook(BuildHookInterface[Any]):
    """Adds the file that `exporter.revision` reads."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # the clone goes on without its wheel
            return
        root = Path(self.root)
        found = os.environ.get("RISK_EXPORTER_REVISION", "").strip() or of_clone(root)
        if not found or (root / BAKED).exists():
            return
        self.folder = tempfile.TemporaryDirectory()
        file = Path(self.folder.name, "REVISION")
        file.write_text(f"{found}\n", encoding="utf-8")
        build_data["force_include"][str(file)] = BAKED

    def finalize(self, *_: Any) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


def of_clone(root: Path) -> str:
    """The commit of the clone whose top is `root`; empty where that is none, or git is not here."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return ""  # unpacked inside of another project's clone
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
