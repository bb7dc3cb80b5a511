"""What a venue tells of its own count: nothing beyond the line, and what others need is left to them."""

from __future__ import annotations

import math

import pytest

from exporter.limits import Limit
from exporter.venuecount import Told, VenueCount

BEGIN = 1_699_999_980.0
"""A full minute on the venue's clock."""
LINE = 2160.0
LEAST = 60.0


class Desk:
    """A count at moments of a venue's clock; the elapsed time goes with it."""

    def __init__(self, line: float = LINE) -> None:
        self.count = VenueCount(Limit(2400.0, 60.0), line)

    def hear(
        self,
        at: float,
        used: float,
        *,
        weight: float = 15.0,
        sent: float | None = None,
        came: float | None = None,
        flying: float = 0.0,
        dated: bool = True,
    ) -> None:
        """An answer made `at` seconds after `BEGIN`, sent and heard at that moment unless said otherwise."""
        told = Told(used, at if sent is None else sent, BEGIN + at if dated else None)
        self.count.answered(weight, at if came is None else came, flying, told)

    def room(self, at: float, flying: float = 0.0) -> float:
        return self.count.room(at, flying, LEAST)


def test_nothing_is_known_before_the_venue_tells_anything() -> None:
    assert Desk().room(0.0) == math.inf


def test_nothing_is_sent_beyond_the_line() -> None:
    desk = Desk()
    desk.hear(2.0, used=2100.0, weight=2100.0)
    assert desk.room(2.0) == 60.0
    assert desk.room(2.0, flying=50.0) == 10.0
    desk.hear(3.0, used=2170.0, weight=70.0)
    assert desk.room(3.0) == -10.0


def test_what_ended_without_a_word_of_the_count_may_have_been_counted() -> None:
    desk = Desk()
    desk.hear(2.0, used=2000.0, weight=2000.0)
    desk.count.answered(20.0, 3.0, 0.0, None)
    assert desk.room(3.0) == 140.0


def test_the_count_ends_with_the_venues_minute() -> None:
    desk = Desk()
    desk.hear(50.0, used=2300.0, weight=2300.0)
    assert desk.room(60.9) < 0.0
    assert desk.room(61.1) == math.inf  # its clock is told in whole seconds


def test_an_answer_of_the_minute_before_that_comes_late_changes_nothing() -> None:
    desk = Desk()
    desk.hear(61.0, used=100.0)
    desk.hear(59.0, used=2300.0, came=62.0)
    assert desk.room(62.0) > 2000.0


def test_an_answer_that_was_overtaken_counts_no_less() -> None:
    desk = Desk()
    desk.hear(5.0, used=2150.0, weight=2000.0)
    desk.hear(5.0, used=100.0, weight=5.0, sent=4.0)
    assert desk.room(5.0) == 10.0


def test_without_the_venues_clock_a_smaller_count_asked_for_later_is_of_a_new_minute() -> None:
    desk = Desk()
    desk.hear(0.0, used=2300.0, weight=2300.0, dated=False)
    desk.hear(5.0, used=900.0, sent=-1.0, dated=False)  # asked for before
    assert desk.room(5.0) < 0.0
    desk.hear(6.0, used=20.0, dated=False)
    assert desk.room(6.0) == 2140.0


def test_what_others_will_use_until_the_minute_ends_is_left_to_them() -> None:
    desk = Desk()
    desk.hear(30.0, used=900.0, weight=300.0)  # 600 in half a minute: 1,200 in a whole one
    assert desk.count.others == pytest.approx(1200.0)
    assert desk.count.left == pytest.approx(960.0)
    assert desk.room(30.0) == pytest.approx(1260.0 - 620.0)
    assert desk.room(45.0) == pytest.approx(1260.0 - 320.0)


def test_a_little_is_sent_however_much_others_use_but_never_beyond_the_line() -> None:
    desk = Desk()
    desk.hear(30.0, used=1500.0, weight=0.0)
    assert desk.room(30.0) == LEAST
    desk.hear(31.0, used=1560.0, weight=40.0)
    assert desk.room(31.0) == LEAST - 40.0
    desk.hear(32.0, used=2150.0, weight=0.0)
    assert desk.room(32.0) == 10.0


def test_the_beginning_of_a_minute_says_nothing_of_the_rest() -> None:
    desk = Desk()
    desk.hear(2.0, used=400.0)
    assert desk.count.others == 0.0


def test_what_is_under_way_is_not_taken_for_the_use_of_others() -> None:
    desk = Desk()
    desk.hear(30.0, used=300.0, weight=100.0, flying=200.0)
    assert desk.count.others == 0.0


def test_more_use_is_believed_at_once_and_less_bit_by_bit() -> None:
    desk = Desk()
    desk.hear(30.0, used=600.0, weight=0.0)
    assert desk.count.others == pytest.approx(1200.0)
    desk.hear(61.0, used=0.0, weight=0.0)
    assert desk.count.others == pytest.approx(1200.0)
    desk.hear(90.0, used=0.0, weight=0.0)
    assert desk.count.others == pytest.approx(600.0)
    desk.hear(119.0, used=0.0, weight=0.0)
    assert desk.count.others == pytest.approx(20.0)
    desk.hear(121.0, used=0.0, weight=0.0)
    assert desk.count.others == pytest.approx(600.0)  # it was so a minute ago


def test_a_moment_is_not_taken_for_more_than_the_limit() -> None:
    desk = Desk()
    desk.hear(12.0, used=2000.0, weight=0.0)
    assert desk.count.others == 2400.0


def test_another_limit_forgets_nothing() -> None:
    desk = Desk()
    desk.hear(2.0, used=2000.0, weight=2000.0)
    desk.count.resize(Limit(6000.0, 60.0), 5400.0)
    assert desk.room(2.0) == 3400.0
