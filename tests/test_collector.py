"""One account's cycle: what the page says in every state, and what is logged when."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from exporter import logs
from exporter.catalogue import FAMILIES
from exporter.errors import VenueError
from exporter.exposition import Format
from exporter.model import AccountSnapshot
from exporter.telemetry import REPEAT_AFTER
from tests.accounts import API_KEY, API_SECRET, PROXY, Bench, ScriptedVenue, position, scripted, snapshot

DATA = tuple(family.name for family in FAMILIES)


class Desk(Bench):
    """One account, collected every 15 s, published for 45 s."""

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.venue: ScriptedVenue = scripted(interval=15.0, **config)
        self.collector_ = self.collector(self.venue)

    async def collect(self) -> None:
        await self.collector_.collect()

    def page(self) -> list[str]:
        return self.store.page(Format.TEXT_0_0_4).decode().splitlines()

    def data(self) -> list[str]:
        """The lines of the account's data."""
        return [line for line in self.page() if line.startswith(DATA) and "{" in line]

    def meta(self, name: str, **labels: str) -> float | None:
        known = {"exchange": "scripted", "account": "desk-a", **labels}
        return self.telemetry.registry.get_sample_value(name, known)

    def last_success(self) -> float | None:
        return self.meta("risk_collector_last_success_timestamp_seconds")

    def errors(self, reason: str) -> float | None:
        return self.meta("risk_collector_errors_total", reason=reason)


NETWORK = VenueError("network", "scripted GET /account: no connection")


async def test_collected_and_fresh_data_are_present() -> None:
    desk = Desk()
    began = desk.clock()
    desk.venue.says(snapshot(position("BTCUSDT")))
    await desk.collect()
    assert 'risk_account_equity{exchange="scripted",account="desk-a",currency="USDT"} 1000.0' in desk.page()
    assert desk.meta("risk_up") == 1.0
    assert desk.last_success() == began


async def test_failing_and_young_data_are_kept_while_up_is_zero_at_once() -> None:
    desk = Desk()
    began = desk.clock()
    desk.venue.says(snapshot(position("BTCUSDT")))
    await desk.collect()
    before = desk.data()
    desk.venue.fails(NETWORK)
    for failures, _ in enumerate((15.0, 30.0), start=1):
        desk.clock.advance(15.0)
        await desk.collect()
        assert desk.meta("risk_up") == 0.0
        assert desk.errors("network") == failures
        assert desk.data() == before
        assert desk.last_success() == began


async def test_failing_and_old_data_vanish_together_at_max_age() -> None:
    desk = Desk()
    began = desk.clock()
    desk.venue.says(snapshot(position("BTCUSDT")))
    await desk.collect()
    desk.venue.fails(NETWORK)
    for _ in range(2):
        desk.clock.advance(15.0)
        await desk.collect()
    before = desk.data()
    desk.clock.advance(14.999)
    assert desk.data() == before
    desk.clock.advance(0.001)
    assert desk.data() == []
    await desk.collect()
    assert desk.data() == []
    assert desk.meta("risk_up") == 0.0
    assert desk.last_success() == began


async def test_data_vanish_at_max_age_even_if_no_collection_ever_ends_again() -> None:
    desk = Desk()
    desk.venue.says(snapshot())
    await desk.collect()
    desk.clock.advance(45.0)
    assert desk.data() == []


async def test_never_collected_means_no_data_and_no_last_success() -> None:
    desk = Desk()
    assert desk.data() == []
    assert desk.meta("risk_up") == 0.0
    assert desk.last_success() is None
    desk.venue.fails(NETWORK)
    await desk.collect()
    assert desk.data() == []
    assert desk.meta("risk_up") == 0.0
    assert desk.last_success() is None


async def test_a_closed_position_is_gone_with_the_next_collection() -> None:
    desk = Desk()
    desk.venue.says(snapshot(position("BTCUSDT"), position("ETHUSDT")))
    await desk.collect()
    desk.venue.says(snapshot(position("ETHUSDT")))
    desk.clock.advance(15.0)
    await desk.collect()
    assert not [line for line in desk.page() if "BTCUSDT" in line]
    assert [line for line in desk.page() if "ETHUSDT" in line]


async def test_everything_returns_when_the_venue_does() -> None:
    desk = Desk()
    desk.venue.says(snapshot(position("BTCUSDT")))
    await desk.collect()
    before = desk.data()
    desk.venue.fails(NETWORK)
    desk.clock.advance(60.0)
    await desk.collect()
    assert desk.data() == []
    desk.venue.says(snapshot(position("BTCUSDT")))
    desk.clock.advance(15.0)
    began = desk.clock()
    await desk.collect()
    assert desk.data() == before
    assert desk.meta("risk_up") == 1.0
    assert desk.last_success() == began


async def test_a_removed_account_is_gone_from_the_page() -> None:
    desk = Desk()
    desk.venue.says(snapshot(position("BTCUSDT")))
    await desk.collect()
    desk.collector_.close()
    assert not [line for line in desk.page() if 'account="desk-a"' in line]


async def test_age_and_last_success_count_from_the_beginning_of_the_collection() -> None:
    """The venue's answer may be as old as the request."""
    desk = Desk()
    began = desk.clock()

    async def slow() -> AccountSnapshot:
        desk.clock.advance(8.0)
        return snapshot()

    desk.venue.script = slow
    await desk.collect()
    assert desk.last_success() == began
    assert desk.telemetry.registry.get_sample_value(
        "risk_collector_duration_seconds_sum", {"exchange": "scripted"}
    ) == pytest.approx(8.0)
    desk.clock.advance(37.0 - 0.001)
    assert desk.data()
    desk.clock.advance(0.001)
    assert desk.data() == []


async def test_one_failing_account_leaves_the_others_alone() -> None:
    bench = Bench()
    good, bad = scripted("good"), scripted("bad")
    good.says(snapshot())
    bad.fails(RuntimeError("a defect"))
    collectors = [bench.collector(venue) for venue in (bad, good)]
    await asyncio.gather(*(collector.collect() for collector in collectors))
    page = bench.store.page(Format.TEXT_0_0_4).decode()
    assert 'risk_up{account="good",exchange="scripted"} 1.0' in page
    assert 'risk_up{account="bad",exchange="scripted"} 0.0' in page
    assert 'risk_account_equity{exchange="scripted",account="good",currency="USDT"} 1000.0' in page


async def test_a_collection_that_takes_too_long_is_a_timeout() -> None:
    desk = Desk(timeout=0.001)

    async def never() -> AccountSnapshot:
        await asyncio.Event().wait()
        raise AssertionError

    desk.venue.script = never
    await desk.collect()
    assert desk.errors("timeout") == 1.0
    assert "longer than 0.001 s" in desk.collector_.status().message


async def test_a_timeout_of_something_else_is_a_defect() -> None:
    """Adapters and the HTTP client turn theirs into errors of the venue."""
    desk = Desk()
    desk.venue.fails(TimeoutError())
    await desk.collect()
    assert desk.errors("internal") == 1.0
    assert desk.errors("timeout") == 0.0


async def test_two_rows_that_would_be_one_series_are_a_schema_error() -> None:
    desk = Desk()
    desk.venue.says(snapshot(position("BTCUSDT"), position("BTCUSDT")))
    await desk.collect()
    assert desk.errors("schema") == 1.0
    assert "BTCUSDT" in desk.collector_.status().message


async def test_a_result_that_cannot_be_rendered_keeps_the_last_one() -> None:
    desk = Desk()
    desk.venue.says(snapshot())
    await desk.collect()
    before = desk.data()
    desk.venue.says(snapshot(equity=5.0, modes={"not a label": "x"}))
    desk.clock.advance(15.0)
    await desk.collect()
    assert desk.errors("internal") == 1.0
    assert desk.data() == before


async def test_a_cancelled_collection_is_neither_a_success_nor_a_failure() -> None:
    desk = Desk()
    entered = asyncio.Event()

    async def hang() -> AccountSnapshot:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    desk.venue.script = hang
    task = asyncio.create_task(desk.collect())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.meta("risk_collector_runs_total") == 0.0
    assert not desk.collector_.attempted


@pytest.mark.parametrize("outcome", ["success", "failure", "defect"])
async def test_the_first_attempt_counts_however_it_ends(outcome: str) -> None:
    desk = Desk()
    assert not desk.collector_.attempted
    if outcome == "success":
        desk.venue.says(snapshot())
    else:
        desk.venue.fails(NETWORK if outcome == "failure" else KeyError("x"))
    await desk.collect()
    assert desk.collector_.attempted


async def test_the_status_follows_the_account() -> None:
    desk = Desk()
    status = desk.collector_.status()
    assert (status.state, status.fresh, status.last_success_age, status.reason) == (
        "starting",
        False,
        None,
        None,
    )
    desk.venue.says(snapshot())
    await desk.collect()
    desk.clock.advance(10.0)
    status = desk.collector_.status()
    assert (status.state, status.fresh, status.last_success_age, status.reason) == ("up", True, 10.0, None)
    desk.venue.fails(NETWORK)
    await desk.collect()
    desk.clock.advance(50.0)
    status = desk.collector_.status()
    assert (status.state, status.fresh, status.last_success_age) == ("failing", False, 60.0)
    assert (status.reason, status.message) == ("network", NETWORK.message)


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


async def test_the_venues_clock_is_measured_every_ten_minutes() -> None:
    desk = Desk()
    desk.venue.says(snapshot())
    desk.venue.server_clock = desk.clock() + 2.5
    for _ in range(3):
        await desk.collect()
        desk.clock.advance(200.0)
    assert desk.venue.asked_for_time == 1
    offset = desk.telemetry.registry.get_sample_value(
        "risk_api_clock_offset_seconds", {"exchange": "scripted"}
    )
    assert offset == 2.5
    await desk.collect()
    assert desk.venue.asked_for_time == 2


@pytest.mark.parametrize("answer", [None, VenueError("exchange", "no time today")])
async def test_a_clock_that_cannot_be_measured_costs_nothing(answer: VenueError | None) -> None:
    desk = Desk()
    desk.venue.says(snapshot())
    desk.venue.server_clock = answer
    await desk.collect()
    assert desk.venue.asked_for_time == 1
    assert desk.meta("risk_up") == 1.0
    assert desk.errors("exchange") == 0.0


async def test_the_clock_is_not_measured_while_the_account_fails() -> None:
    desk = Desk()
    desk.venue.fails(NETWORK)
    await desk.collect()
    assert desk.venue.asked_for_time == 0
