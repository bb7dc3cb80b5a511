"""The units of systemd are valid and let the program do little more than it must."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.programs import DEPLOY

UNITS = DEPLOY / "systemd"
MOST_EXPOSURE = 2.0


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["/usr/bin/systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units where systemd would find them, with a program that is there."""
    service = (UNITS / "risk-exporter.service").read_text()
    program = "/opt/risk-exporter/bin/risk-exporter"
    assert program in service
    (tmp_path / "risk-exporter.service").write_text(service.replace(program, sys.executable))
    (tmp_path / "risk-exporter.socket").write_text((UNITS / "risk-exporter.socket").read_text())
    (tmp_path / "risk-exporter.service.d").mkdir()
    (tmp_path / "risk-exporter.service.d" / "socket.conf").write_text((UNITS / "socket.conf").read_text())
    return tmp_path


def test_systemd_reads_every_line_of_the_units(installed: Path) -> None:
    done = analyze(
        "verify", "--man=no", installed / "risk-exporter.service", installed / "risk-exporter.socket"
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    unit = installed / "risk-exporter.service"
    unit.write_text(unit.read_text().replace("PrivateTmp=", "PrivatTmp="))
    assert "PrivatTmp" in analyze("verify", "--man=no", unit).stderr


def test_the_service_is_hardened() -> None:
    done = analyze("security", "--offline=true", "--no-pager", UNITS / "risk-exporter.service")
    found = re.search(r"Overall exposure level for risk-exporter.service: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) < MOST_EXPOSURE, done.stdout
