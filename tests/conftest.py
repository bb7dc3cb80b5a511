"""What holds for the whole suite: a skipped test is a failure where everything is there to run it."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator

import hypothesis
import pytest
import structlog

from exporter import logs, pacing
from exporter.limits import BudgetSettings

# Machines are shared and noisy: how long one example takes says nothing. In continuous integration the
# examples are the same every time, so that a change is judged by what it changed.
hypothesis.settings.register_profile(
    "suite", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail if a test was skipped")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --no-skips, a run with skipped tests ends with the status of a failed one."""
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    # Workers of pytest-xdist have no reporter; their skips are counted by the process that started them.
    if reporter is None or not config.getoption("--no-skips"):
        return
    skipped = len(reporter.stats.get("skipped", []))
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{skipped} skipped tests: what they need is missing", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _unpaced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a venue's request limit, in real time, but tests that are marked as ``paced``."""
    if request.node.get_closest_marker("paced") is None:
        monkeypatch.setattr(pacing, "DEFAULT_SETTINGS", BudgetSettings(per_minute=1e9))


@pytest.fixture
def restored_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `exporter.logs.configure` and `hide` change in the process is as before after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(logs, "_redaction", logs.Redaction())
    yield
    logging.captureWarnings(capture=False)
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
