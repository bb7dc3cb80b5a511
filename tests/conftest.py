"""What holds for the whole suite: a skipped test is a failure where everything is there to run it."""

from __future__ import annotations

import pytest


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
