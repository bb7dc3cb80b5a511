"""One account's cycle: what is logged when, and what never is."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from exporter import logs
from exporter.errors import VenueError
from exporter.model import AccountSnapshot
from exporter.telemetry import REPEAT_AFTER
from tests.accounts import API_KEY, API_SECRET, PROXY, snapshot
from tests.desk import NETWORK, Desk


async def test_one_line_is_logged_when_the_state_changes_and_none_in_between() -> None:
    desk = Desk()
    with capture_logs() as lines:
        desk.venue.says(snapshot())
        for _ in range(3):
            await desk.collect()
            desk.clock.advance(15.0)
        desk.venue.fails(NETWORK)
        for _ in range(3):
            await desk.collect()
            desk.clock.advance(15.0)
        desk.venue.fails(VenueError("auth", "scripted GET /account: the key was refused"))
        await desk.collect()
        desk.clock.advance(15.0)
        desk.venue.says(snapshot())
        for _ in range(3):
            await desk.collect()
            desk.clock.advance(15.0)
    assert [(line["log_level"], line["event"], line.get("reason")) for line in lines] == [
        ("info", "first collection succeeded", None),
        ("error", "collection failed", "network"),
        ("error", "collection failed", "auth"),
        ("info", "collection works again", None),
    ]
    assert all((line["exchange"], line["account"]) == ("scripted", "desk-a") for line in lines)
    assert lines[1]["error"] == NETWORK.message
    assert lines[3]["failed_for"] == "60s"


async def test_a_failure_soon_after_a_recovery_is_logged() -> None:
    desk = Desk()
    with capture_logs() as lines:
        for _ in range(2):
            desk.venue.fails(NETWORK)
            await desk.collect()
            desk.clock.advance(15.0)
            desk.venue.says(snapshot())
            await desk.collect()
            desk.clock.advance(15.0)
    failed, works = "collection failed", "collection works again"
    assert [line["event"] for line in lines] == [failed, works, failed, works]


async def test_an_account_that_fails_and_recovers_each_second_does_not_flood_the_log() -> None:
    desk = Desk()
    with capture_logs() as lines:
        for attempt in range(120):
            if attempt % 2:
                desk.venue.says(snapshot())
            else:
                desk.venue.fails(NETWORK)
            await desk.collect()
            desk.clock.advance(1.0)
        desk.venue.fails(NETWORK)
        for _ in range(60):
            await desk.collect()
            desk.clock.advance(1.0)
    assert len(lines) <= 10
    assert lines[-1]["event"] == "collection failed"
    assert lines[-1]["left_out"] > 10


async def test_a_failure_that_lasts_is_logged_again_after_a_while() -> None:
    desk = Desk()
    desk.venue.fails(NETWORK)
    with capture_logs() as lines:
        for _ in range(int(REPEAT_AFTER / 15.0) * 2 + 1):
            await desk.collect()
            desk.clock.advance(15.0)
    assert [line["failing_for"] for line in lines] == ["0s", "600s", "1200s"]


async def test_two_reasons_in_turn_do_not_log_a_line_each_time() -> None:
    desk = Desk()
    with capture_logs() as lines:
        for attempt in range(20):
            desk.venue.fails(NETWORK if attempt % 2 else VenueError("timeout", "no answer"))
            await desk.collect()
            desk.clock.advance(15.0)
    assert [line["reason"] for line in lines] == ["timeout", "network"]


async def test_a_defect_is_logged_with_its_traceback() -> None:
    desk = Desk()
    desk.venue.fails(KeyError("leverage"))
    with capture_logs() as lines:
        await desk.collect()
    (line,) = lines
    assert line["reason"] == "internal"
    assert "accounts.py" in line["exception"]
    assert "KeyError: 'leverage'" in line["exception"]
    assert desk.collector_.status().message == "defect in the exporter: KeyError"


@pytest.fixture
def log_stream() -> Iterator[io.StringIO]:
    """Logs as the program writes them; taken back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    yield stream
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:], root.level, logging.raiseExceptions = before


class LeakError(Exception):
    """A defect that carries everything it should not."""


# Not in the function: tracebacks show lines of source.
CALLER = "203.0.113.7"


async def leak() -> AccountSnapshot:
    api_key, api_secret, signature = API_KEY, API_SECRET, "f" * 64  # locals of a frame
    try:
        raise ValueError(f"signing failed with {api_secret}")  # noqa: TRY301 (a chain is wanted)
    except ValueError as error:
        url = f"https://fapi.example/fapi/v3/account?timestamp=1700000000000&signature={signature}"
        raise LeakError(f"{api_key} {PROXY} {url} from {CALLER}") from error


SECRETS = (API_KEY, API_SECRET, "proxypass", "proxyuser", "f" * 64, CALLER, "1700000000000")


async def test_no_secret_leaves_by_a_defect(log_stream: io.StringIO) -> None:
    """Neither by log, page nor status, though nobody told the logs what is secret."""
    desk = Desk()
    desk.venue.script = leak
    await desk.collect()
    shown = log_stream.getvalue() + "\n".join(desk.page()) + str(desk.collector_.status())
    (line,) = map(json.loads, log_stream.getvalue().splitlines())
    assert line["reason"] == "internal"
    assert "LeakError" in line["exception"]
    assert [secret for secret in SECRETS if secret in shown] == []


async def test_no_secret_leaves_by_the_text_of_a_venues_error(log_stream: io.StringIO) -> None:
    desk = Desk()
    desk.venue.fails(VenueError("auth", f"the key {API_KEY} with {API_SECRET} was refused"))
    await desk.collect()
    shown = log_stream.getvalue() + "\n".join(desk.page()) + str(desk.collector_.status())
    assert "was refused" in shown
    assert API_KEY not in shown
    assert API_SECRET not in shown
