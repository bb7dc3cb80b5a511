"""The last hour: a value a minute, the worst of it, in a memory of fixed size."""

from __future__ import annotations

import sys

from exporter.board.history import HIGHEST_RATE, MINUTES, History

NOTHING = [None] * MINUTES


def shown(line: object) -> list[float | None]:
    assert isinstance(line, list | tuple)
    return [None if value is None else round(value, 4) for value in line]


def test_nothing_is_known_at_first() -> None:
    assert [list(line) for line in History().lines(12345.0)] == [NOTHING] * 3


def test_of_each_minute_it_keeps_the_nearest_distance_the_highest_rate_and_the_last_equity() -> None:
    history = History()
    for second, equity, distance, rate in ((0, 10.0, 0.3, 0.1), (20, 30.0, 0.1, 0.2), (59, 20.0, 0.2, 0.15)):
        history.add(6000.0 + second, equity=equity, distance=distance, rate=rate)
    assert [shown(line)[-1] for line in history.lines(6059.0)] == [20.0, 0.1, 0.2]


def test_an_hour_is_kept_with_gaps_where_nothing_was_known() -> None:
    history = History()
    for minute in range(100):
        if minute != 97:
            history.add(60.0 * minute, equity=float(minute), distance=None, rate=None)
    line = shown(history.equity(60.0 * 99))
    assert line == [float(minute) if minute != 97 else None for minute in range(40, 100)]
    assert shown(history.distance(60.0 * 99)) == NOTHING


def test_a_line_ends_where_the_account_was_seen_last() -> None:
    history = History()
    history.add(600.0, equity=1.0, distance=0.1, rate=0.2)
    assert shown(history.distance(600.0 + 180)) == [*NOTHING[:-4], 0.1, None, None, None]
    assert shown(history.distance(600.0 + 3600)) == NOTHING


def test_after_a_long_silence_nothing_old_comes_back() -> None:
    history = History()
    history.add(600.0, equity=1.0, distance=0.1, rate=0.2)
    history.add(600.0 + 2 * 3600 + 60, equity=2.0, distance=None, rate=None)
    equity, distance, rate = history.lines(600.0 + 2 * 3600 + 60)
    assert shown(equity) == [*NOTHING[:-1], 2.0]
    assert shown(distance) == shown(rate) == NOTHING


def test_what_cannot_be_drawn_is_left_out() -> None:
    history = History()
    history.add(0.0, equity=sys.float_info.max, distance=0.1, rate=float("inf"))
    equity, _, rate = history.lines(0.0)
    assert (shown(equity)[-1], shown(rate)[-1]) == (None, HIGHEST_RATE)
