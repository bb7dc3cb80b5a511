"""A line that could be repeated without end is written once a minute."""

from __future__ import annotations

import structlog
from structlog.testing import capture_logs

from exporter import seldom
from exporter.seldom import Seldom
from tests.toy import FakeClock

log = structlog.get_logger(__name__)


def test_fifty_one_lines_in_ten_seconds_are_one_and_the_next_says_how_many_there_were() -> None:
    clock = FakeClock()
    once = Seldom(elapsed=clock)
    with capture_logs() as lines:
        for _ in range(51):
            once.tell(log.warning, "clock not measured", key="binance", exchange="binance")
            clock.now += 0.2
        clock.now += 60.0
        once.tell(log.warning, "clock not measured", key="binance", exchange="binance")
    line = {"event": "clock not measured", "log_level": "warning", "exchange": "binance"}
    assert lines == [line, {**line, "left_out": 50}]


def test_another_key_and_another_event_have_lines_of_their_own() -> None:
    once = Seldom(elapsed=FakeClock())
    with capture_logs() as lines:
        once.tell(log.warning, "a", key=1)
        once.tell(log.warning, "a", key=2)
        once.tell(log.warning, "b", key=1)
        once.tell(log.warning, "b", key=1)
    assert [line["event"] for line in lines] == ["a", "a", "b"]


def test_where_each_line_says_something_new_a_few_are_let_through() -> None:
    clock = FakeClock()
    once = Seldom(burst=2, elapsed=clock)
    assert [once.due("key") for _ in range(4)] == [0, 0, None, None]
    clock.now += 60.0
    assert [once.due("key") for _ in range(3)] == [2, 0, None]


def test_keys_that_never_come_again_do_not_fill_the_memory() -> None:
    clock = FakeClock()
    once = Seldom(elapsed=clock)
    for made_up in range(3 * seldom.MOST_KEYS):
        assert once.due(made_up) == 0
    assert len(once._told) == seldom.MOST_KEYS
