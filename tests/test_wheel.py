"""The wheel, installed as a user installs it: into an empty environment, nowhere near a clone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import hatch_build
from exporter import demo
from exporter.example import example_configuration
from exporter.venues import discover

ROOT = Path(__file__).resolve().parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
"""Nothing of the environment of whoever runs the tests, which could lead back to the clone."""


def command(*words: str | Path, cwd: Path, **environment: str) -> str:
    """What a program says on standard output; fails the test with all that it says if it fails."""
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, env={**BARE, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def link_pinned_packages(site_packages: Path) -> None:
    """The packages of the image, and no others: one that the wheel needs and does not name would be missing.

    They are links to those of the tests: to install them again takes a minute.
    """
    lock = (ROOT / "requirements" / "runtime.txt").read_text()
    pins = [Requirement(line) for line in re.findall(r"^(\w.*) \\$", lock, re.MULTILINE)]
    assert len(pins) > 20
    for pin in pins:
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        found = distribution(pin.name)
        for top in {file.parts[0] for file in found.files or []}:
            target = site_packages / top
            if top not in {"..", "__pycache__"} and not target.exists():
                target.symlink_to(Path(str(found.locate_file(top))))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the environment in `venv`."""
    place = tmp_path_factory.mktemp("wheel")
    build = ["-m", "hatchling", "build", "--target", "wheel", "--directory", str(place)]
    command(sys.executable, *build, cwd=ROOT, RISK_EXPORTER_REVISION=COMMIT)
    (wheel,) = place.glob("*.whl")
    command(sys.executable, "-m", "venv", "--without-pip", place / "venv", cwd=place)
    link_pinned_packages(next((place / "venv" / "lib").glob("python3*/site-packages")))
    install = ["install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    command(sys.executable, "-m", "pip", "--python", place / "venv" / "bin" / "python", *install, cwd=place)
    return place


@contextmanager
def simulated(place: Path) -> Iterator[str]:
    """Address of a running `risk-exporter demo`."""
    words = [place / "venv" / "bin" / "risk-exporter", "demo", "--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen(
        [*map(str, words), "--collect.first-within=0s"],
        cwd=place,
        env=BARE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            match = re.search(r"http://127\.0\.0\.1:\d+", child.stdout.readline())
            assert match is not None
            yield match[0]
        finally:
            child.terminate()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (an http address of this test's own)
        return str(answer.read().decode())


def test_the_demo_of_the_wheel_shows_page_figures_and_metrics_of_every_venue(place: Path) -> None:
    with simulated(place) as url:
        page, metrics = get(f"{url}/"), get(f"{url}/metrics")
        accounts = json.loads(get(f"{url}/api/v1/accounts"))
        for asset in re.findall(r'(?:href|src)="(/[^"]*static[^"]*)"', page):
            assert get(url + asset)
    assert (
        set(re.findall(r'risk_up\{account="[^"]+",exchange="([^"]+)"\}', metrics)) == demo.discover().keys()
    )
    assert f'revision="{COMMIT}"' in metrics
    assert accounts["accounts"]
    assert accounts["accounts"][0]["account"] in page


def test_the_commands_of_the_wheel_write_dashboards_rules_and_an_example(place: Path) -> None:
    program = place / "venv" / "bin" / "risk-exporter"
    command(program, "dashboards", "--output", "boards", cwd=place)
    command(program, "rules", "--output", "rules", cwd=place)
    grafana = ROOT / "grafana"
    wanted = {path.name for path in (grafana / "dashboards").glob("*.json")}
    assert {path.name for path in (place / "boards").iterdir()} == wanted
    wanted = {path.name for path in (grafana / "prometheus" / "rules").glob("*.yml")}
    assert {path.name for path in (place / "rules").iterdir()} == wanted | {"runbooks.md"}
    assert command(program, "example", cwd=place) == example_configuration(discover())
    assert f"(revision: {COMMIT}, Python 3." in command(program, "--version", cwd=place)


def test_a_revision_is_the_commit_and_says_where_files_differ_from_it(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return command("git", "-C", tmp_path, *words, cwd=tmp_path, PATH=os.environ["PATH"], **who)

    assert hatch_build.of_clone(tmp_path) == "", "no clone"
    git("init", "--quiet")
    assert hatch_build.of_clone(tmp_path) == "", "no commit"
    git("commit", "--quiet", "--allow-empty", "--message=first")
    commit = git("rev-parse", "HEAD").strip()
    assert hatch_build.of_clone(tmp_path) == commit
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked" / "file").touch()
    assert hatch_build.of_clone(tmp_path) == f"{commit}-dirty"
    assert hatch_build.of_clone(tmp_path / "unpacked") == "", "the clone of something else"
