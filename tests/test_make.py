"""What `make test` asks of the machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def asked_of_apt(directory: Path, *programs: str) -> str:
    """The first words that `.ci/install` says to apt about `programs`; empty if it asks for nothing."""
    said = directory / "said"
    apt = directory / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >{said}\nexit 1\n')
    apt.chmod(0o755)
    path = f"{directory}{os.pathsep}{os.environ['PATH']}"
    command = [str(ROOT / ".ci" / "install"), *programs]
    subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, check=False)
    return said.read_text() if said.exists() else ""


def programs_of_the_tests() -> list[str]:
    print_them = "print: ; @echo $(PROGRAMS)"
    command = ["make", "--silent", "--no-print-directory", f"--eval={print_them}", "print"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return printed.stdout.split()


def test_nothing_is_installed_where_everything_is_there(tmp_path: Path) -> None:
    """The tests run with these programs: each must be found by the name that its package gives it."""
    programs = programs_of_the_tests()
    assert len(programs) >= 5
    assert asked_of_apt(tmp_path, *programs) == ""
